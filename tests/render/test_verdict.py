"""The sentence with which every format for people begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from keyaudit.model import AuditResult, RejectedRow, Selector, Severity, Totals, Waiver
from keyaudit.render._verdict import Verdict, verdict
from tests.builders import audit, key, only

UNREADABLE = RejectedRow(1, "the row is a list, not an object", "0123456789abcdef")
DORMANT = key("d", "Voice agent", used=timedelta(days=100))
UNUSED = key("n", "Docs search", used=None)
WAIVER = Waiver(Selector(ids=("n", "d")), ("*",), "Accepted.", "Priya", date(2026, 12, 1))


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (audit(), "All right: the account lists no keys"),
        (audit(key()), "All right: no findings"),
        (audit(UNUSED), "All right: nothing at or above high"),
        (audit(UNUSED, waivers=(WAIVER,)), "All right: no findings but 1 waived"),
        (audit(DORMANT), "Not all right: 1 key needs action first"),
        (audit(DORMANT, {**DORMANT, "id": "d2"}), "Not all right: 2 keys need action first"),
        (audit(key(), rejected=(UNREADABLE,)), "Not all right: 1 finding on the account needs action first"),
        (
            audit(DORMANT, rejected=(UNREADABLE,), totals=Totals(9, None, None)),
            "Not all right: 1 key and 2 findings on the account need action first",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sentence(result: AuditResult, sentence: str) -> None:
    judged = verdict(result)
    assert sentence == judged.sentence
    assert sentence.startswith("All right") == judged.all_right


def test_a_key_with_two_urgent_findings_counts_once() -> None:
    result = audit({**DORMANT, "name": "test"}, policy=only("vague-name", severity=Severity.HIGH))
    assert Verdict(False, "Not all right: 1 key needs action first", Severity.HIGH, 2, "") == verdict(result)


@pytest.mark.parametrize(
    ("fail_on", "expected"),
    [
        (Severity.MEDIUM, Verdict(False, "Not all right: 1 key needs action first", Severity.MEDIUM, 1, "1 info")),
        (
            Severity.CRITICAL,
            Verdict(True, "All right: nothing at or above critical", Severity.CRITICAL, 0, "1 medium, 1 info"),
        ),
        # where nothing fails the command, high is still what a person should hear of
        (None, Verdict(True, "All right: nothing at or above high", Severity.HIGH, 0, "1 medium, 1 info")),
    ],
)
def test_threshold(fail_on: Severity | None, expected: Verdict) -> None:
    assert expected == verdict(replace(audit(key("n", "test", used=None)), fail_on=fail_on))
