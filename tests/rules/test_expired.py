from datetime import timedelta

import pytest

from keyaudit.model import Severity
from tests.builders import audit, findings, key, only

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def test_an_inactive_key_gets_this_finding_alone_whatever_its_name_and_use() -> None:
    result = audit(
        key("a", "test", used=None, active=False, permissions=["*"], created=500 * DAY, expires=None, ends=False),
        key("b", "Test 2", used=timedelta(days=500), created=501 * DAY, active=False),
    )
    assert [("expired", "a"), ("expired", "b")] == [(f.rule, f.key_id) for f in result.worst()]


def test_the_last_use_is_the_evidence() -> None:
    never, once = findings(
        "expired", key("a", used=DAY, active=False, detailed=False), key("b", used=None, active=False, detailed=False)
    )
    assert "inactive and still listed; never used" == never.evidence
    assert "inactive and still listed; last used 1 day ago, on 22 Nov 2026 12:00 UTC" == once.evidence
    assert Severity.LOW == once.severity


def test_a_use_ahead_of_the_clock_is_not_told_as_negative_days() -> None:
    (finding,) = findings("expired", key(used=-3 * DAY, active=False))
    assert "last used in the future, on 26 Nov 2026" in finding.evidence


def test_an_active_key_is_not_expired() -> None:
    assert [] == findings("expired", key())


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"expires": -SECOND}, "expired less than a day ago, on 23 Nov 2026 11:59 UTC, and still listed; never used"),
        ({"expires": SECOND}, "revoked or disabled and still listed; never used"),
        ({"expires": None, "ends": False}, "revoked or disabled and still listed; never used"),
        ({"expires": None, "ends": None}, "inactive and still listed; never used"),
    ],
)
def test_the_details_tell_expired_from_revoked(keys: dict[str, object], said: str) -> None:
    (finding,) = findings("expired", key(used=None, active=False, **keys))  # type: ignore[arg-type]
    assert said == finding.evidence


@pytest.mark.parametrize(("ago", "firm"), [(30 * DAY - SECOND, False), (30 * DAY, True)])
def test_thirty_days_after_the_end_the_advice_is_to_delete(ago: timedelta, firm: bool) -> None:
    (finding,) = findings("expired", key(expires=-ago, active=False))
    assert firm == finding.action.startswith("Delete it: it expired long ago")


def test_the_days_of_grace_are_an_option() -> None:
    (finding,) = findings("expired", key(expires=-DAY, active=False), policy=only("expired", delete_days=1))
    assert finding.action.startswith("Delete it")
