"""expired-active, expiring, no-expiry, lifetime-too-long and used-after-expiry: the end of a key, or its want."""

from datetime import timedelta

import pytest

from keyaudit.model import Severity
from tests.builders import findings, key, only

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
IDLE = 40 * DAY


@pytest.mark.parametrize(("left", "found"), [(SECOND, 0), (timedelta(0), 1), (-SECOND, 1)])
def test_expired_active_strikes_at_the_second_of_the_end(left: timedelta, found: int) -> None:
    assert [Severity.HIGH] * found == [f.severity for f in findings("expired-active", key(expires=left))]


def test_expired_active_tells_when() -> None:
    (finding,) = findings("expired-active", key(expires=-3 * DAY))
    assert "expired 3 days ago, on 20 Nov 2026 12:00 UTC, and still active" == finding.evidence
    assert [] == findings("expired-active", key(expires=-3 * DAY, active=False))


@pytest.mark.parametrize(
    ("left", "severity"),
    [
        (30 * DAY + SECOND, None),
        (30 * DAY, Severity.LOW),
        (14 * DAY + SECOND, Severity.LOW),
        (14 * DAY, Severity.MEDIUM),
        (7 * DAY + SECOND, Severity.MEDIUM),
        (7 * DAY, Severity.HIGH),
        (DAY, Severity.HIGH),
        (SECOND, Severity.HIGH),
        (timedelta(0), None),
    ],
)
def test_expiring_rises_in_steps(left: timedelta, severity: Severity | None) -> None:
    found = [f.severity for f in findings("expiring", key(used=IDLE, expires=left))]
    assert ([] if severity is None else [severity]) == found


@pytest.mark.parametrize(
    ("idle", "severity"),
    [(7 * DAY, Severity.HIGH), (7 * DAY - SECOND, Severity.CRITICAL), (timedelta(0), Severity.CRITICAL)],
)
def test_a_key_in_use_is_one_step_higher(idle: timedelta, severity: Severity) -> None:
    (finding,) = findings("expiring", key(used=idle, expires=5 * DAY))
    assert severity == finding.severity
    assert (severity is Severity.CRITICAL) == ("will break" in finding.evidence)


def test_a_key_never_used_breaks_nothing_when_it_ends() -> None:
    (finding,) = findings("expiring", key(used=None, expires=5 * DAY))
    assert (Severity.HIGH, "ends in 5 days, on 28 Nov 2026 12:00 UTC") == (finding.severity, finding.evidence)


@pytest.mark.parametrize(("left", "last"), [(DAY, True), (DAY + SECOND, False)])
def test_the_last_call_is_said(left: timedelta, last: bool) -> None:
    (finding,) = findings("expiring", key(used=IDLE, expires=left))
    assert last == finding.evidence.endswith("; this is the last call")


def test_the_steps_are_options() -> None:
    policy = only("expiring", notice_days=10, soon_days=5, urgent_days=2)
    assert [] == findings("expiring", key(used=IDLE, expires=11 * DAY), policy=policy)
    (finding,) = findings("expiring", key(used=IDLE, expires=7 * DAY), policy=policy)
    assert Severity.LOW == finding.severity


@pytest.mark.parametrize(("ends", "found"), [(False, 1), (True, 0), (None, 0)])
def test_no_expiry_needs_to_be_known(ends: bool | None, found: int) -> None:
    result = findings("no-expiry", key(expires=None, ends=ends))
    assert [Severity.MEDIUM] * found == [f.severity for f in result]


def test_a_key_without_details_may_well_have_an_end() -> None:
    assert [] == findings("no-expiry", key(expires=None, detailed=False))
    assert [] == findings("no-expiry", key(expires=None, ends=False, active=False))


@pytest.mark.parametrize(("life", "found"), [(365 * DAY, 0), (365 * DAY + SECOND, 1)])
def test_a_life_of_just_a_year_passes(life: timedelta, found: int) -> None:
    result = findings("lifetime-too-long", key(created=DAY, expires=life - DAY))
    assert [Severity.LOW] * found == [f.severity for f in result]
    if result:
        assert result[0].evidence.endswith("after 365 days; the limit is 365 days")


def test_a_life_without_a_known_beginning_is_not_judged() -> None:
    assert [] == findings("lifetime-too-long", key(created=None, expires=4000 * DAY))


@pytest.mark.parametrize(("late", "found"), [(timedelta(0), 0), (SECOND, 1)])
@pytest.mark.parametrize("active", [True, False])
def test_a_use_after_the_end_is_high_whatever_the_state(late: timedelta, found: int, active: bool) -> None:
    result = findings("used-after-expiry", key(used=5 * DAY - late, expires=-5 * DAY, active=active))
    assert [Severity.HIGH] * found == [f.severity for f in result]


def test_a_key_never_used_or_without_an_end_was_not_used_after_it() -> None:
    assert [] == findings(
        "used-after-expiry", key("a", "Ay", used=None, expires=-DAY), key("b", "Bee", expires=None, ends=False)
    )
