from datetime import timedelta

import pytest

from keyaudit.model import Severity
from tests.builders import NOW, findings, key, only

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("idle", "severity"),
    [
        (45 * DAY - SECOND, None),
        (45 * DAY - timedelta(microseconds=1), None),
        (45 * DAY, Severity.MEDIUM),
        (90 * DAY - SECOND, Severity.MEDIUM),
        (90 * DAY, Severity.HIGH),
        (-400 * DAY, None),
    ],
)
def test_strikes_at_the_second_the_limit_is_reached(idle: timedelta, severity: Severity | None) -> None:
    assert [severity] * (severity is not None) == [f.severity for f in findings("stale", key(used=idle))]


def test_evidence_tells_whole_days_rounded_down_the_time_and_the_limit() -> None:
    (finding,) = findings("stale", key(used=57 * DAY - SECOND))
    assert "last used 56 days ago, on 27 Sep 2026 12:00 UTC; the limit is 45 days" == finding.evidence


def test_the_limit_named_is_the_one_that_made_the_severity() -> None:
    (finding,) = findings("stale", key(used=100 * DAY))
    assert finding.evidence.endswith("the limit is 90 days")


def test_a_key_never_used_is_not_stale() -> None:
    assert [] == findings("stale", key(used=None))


def test_an_inactive_key_is_looked_at_only_when_the_policy_says_so() -> None:
    old = key(used=100 * DAY, active=False)
    assert [] == findings("stale", old)
    assert 1 == len(findings("stale", old, policy=only("stale", inactive=True)))


def test_a_limit_above_the_high_one_holds_back_both() -> None:
    policy = only("stale", days=180)
    assert [] == findings("stale", key(used=179 * DAY), policy=policy)
    (finding,) = findings("stale", key(used=180 * DAY), policy=policy)
    assert (Severity.HIGH, True) == (finding.severity, finding.evidence.endswith("the limit is 180 days"))


def test_the_zero_date_of_other_languages_is_a_very_old_use() -> None:
    (finding,) = findings("stale", key(used=NOW.replace(year=1)))
    assert "on 23 Nov 0001 12:00 UTC" in finding.evidence
