from datetime import timedelta

import pytest

from keyaudit.model import Severity
from tests.builders import findings, key, only

TOLERANCE = timedelta(minutes=5)


@pytest.mark.parametrize(("ahead", "found"), [(TOLERANCE, 0), (TOLERANCE + timedelta(seconds=1), 1)])
def test_five_minutes_ahead_pass_and_a_second_more_does_not(ahead: timedelta, found: int) -> None:
    assert found == len(findings("future-use", key(used=-ahead)))


def test_evidence_names_both_times_and_inactive_keys_count() -> None:
    (finding,) = findings("future-use", key(used=-timedelta(hours=2), active=False))
    assert Severity.MEDIUM == finding.severity
    assert (
        "last used on 23 Nov 2026 14:00 UTC, which is later than the server's own clock, 23 Nov 2026 12:00 UTC"
        == finding.evidence
    )


def test_the_tolerance_is_an_option() -> None:
    assert [] == findings("future-use", key(used=-timedelta(hours=1)), policy=only("future-use", tolerance_minutes=60))
