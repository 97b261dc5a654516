from datetime import timedelta

from keyaudit.model import Severity
from tests.builders import audit, findings, key


def test_an_inactive_key_gets_this_finding_alone_whatever_its_name_and_use() -> None:
    result = audit(
        key("a", "test", used=None, active=False),
        key("b", "Test 2", used=timedelta(days=500), active=False),
    )
    assert [("expired", "a"), ("expired", "b")] == [(f.rule, f.key_id) for f in result.worst()]


def test_the_last_use_is_the_evidence() -> None:
    never, once = findings("expired", key("a", used=timedelta(days=1), active=False), key("b", used=None, active=False))
    assert "inactive and still listed; never used" == never.evidence
    assert "inactive and still listed; last used 1 day ago, on 22 Nov 2026 12:00 UTC" == once.evidence
    assert Severity.LOW == once.severity


def test_a_use_ahead_of_the_clock_is_not_told_as_negative_days() -> None:
    (finding,) = findings("expired", key(used=-timedelta(days=3), active=False))
    assert "last used 0 days ago" in finding.evidence


def test_an_active_key_is_not_expired() -> None:
    assert [] == findings("expired", key())
