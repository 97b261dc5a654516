from datetime import timedelta

import pytest

from keyaudit.model import Severity
from tests.builders import findings, key, only

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def test_an_active_key_without_a_last_use_is_found_and_its_age_said_to_be_unknown() -> None:
    for detailed in (True, False):
        (finding,) = findings("never-used", key(used=None, detailed=detailed))
        assert Severity.MEDIUM == finding.severity
        assert "not known" in finding.evidence
        assert finding.last_used_at is None


@pytest.mark.parametrize(
    ("age", "severity"), [(14 * DAY - SECOND, Severity.INFO), (14 * DAY, Severity.MEDIUM), (-DAY, Severity.INFO)]
)
def test_a_young_key_has_its_grace(age: timedelta, severity: Severity) -> None:
    (finding,) = findings("never-used", key(used=None, created=age))
    assert severity == finding.severity


def test_the_evidence_tells_the_age_or_the_day_on_which_the_grace_ends() -> None:
    old, young = findings(
        "never-used", key("a", "Ay", used=None, created=20 * DAY), key("b", "Bee", used=None, created=3 * DAY)
    )
    assert "never used; created 20 days ago, on 03 Nov 2026 12:00 UTC; the grace is 14 days" == old.evidence
    assert "not used yet; created 3 days ago, and will be flagged on 04 Dec 2026 12:00 UTC" == young.evidence
    assert young.action.startswith("Put the key to use")


def test_the_grace_is_an_option() -> None:
    (finding,) = findings("never-used", key(used=None, created=3 * DAY), policy=only("never-used", grace_days=3))
    assert Severity.MEDIUM == finding.severity


def test_one_use_however_old_clears_it() -> None:
    assert [] == findings("never-used", key(used=timedelta(days=4000)))


def test_an_inactive_key_is_left_to_expired() -> None:
    assert [] == findings("never-used", key(used=None, active=False))
