from datetime import timedelta

import pytest

from keyaudit.model import Severity
from tests.builders import findings, key, only

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("age", "severity"),
    [
        (76 * DAY - SECOND, None),
        (76 * DAY, Severity.INFO),
        (90 * DAY - SECOND, Severity.INFO),
        (90 * DAY, Severity.MEDIUM),
        (365 * DAY - SECOND, Severity.MEDIUM),
        (365 * DAY, Severity.HIGH),
    ],
)
def test_the_age_decides_to_the_second(age: timedelta, severity: Severity | None) -> None:
    found = [f.severity for f in findings("rotation-due", key(created=age))]
    assert ([] if severity is None else [severity]) == found


def test_the_evidence_tells_age_or_due_date() -> None:
    old, young = findings("rotation-due", key("a", "Ay", created=100 * DAY), key("b", "Bee", created=80 * DAY))
    assert "created 100 days ago, on 15 Aug 2026 12:00 UTC; the limit is 90 days" == old.evidence
    assert "created 80 days ago; due for rotation on 03 Dec 2026 12:00 UTC" == young.evidence


def test_a_key_of_unknown_age_or_inactive_is_not_due() -> None:
    assert [] == findings(
        "rotation-due", key("a", "Ay", created=None), key("b", "Bee", created=999 * DAY, active=False)
    )


def test_limits_are_options() -> None:
    policy = only("rotation-due", days=30, warn_days=0)
    assert [] == findings("rotation-due", key(created=30 * DAY - SECOND), policy=policy)
    (finding,) = findings("rotation-due", key(created=30 * DAY), policy=policy)
    assert finding.evidence.endswith("the limit is 30 days")
