from datetime import timedelta

from keyaudit.model import Severity
from tests.builders import findings, key


def test_an_active_key_without_a_last_use_is_found_and_its_age_said_to_be_unknown() -> None:
    (finding,) = findings("never-used", key(used=None))
    assert Severity.MEDIUM == finding.severity
    assert "not known" in finding.evidence
    assert finding.last_used_at is None


def test_one_use_however_old_clears_it() -> None:
    assert [] == findings("never-used", key(used=timedelta(days=4000)))


def test_an_inactive_key_is_left_to_expired() -> None:
    assert [] == findings("never-used", key(used=None, active=False))
