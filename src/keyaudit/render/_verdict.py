"""Is this account all right? The one sentence with which every format for people begins."""

from __future__ import annotations

from dataclasses import dataclass

from keyaudit.model import AuditResult, Severity
from keyaudit.wording import count


@dataclass(frozen=True, slots=True)
class Verdict:
    """``sentence`` says whether the account is all right and ends without a full stop.

    ``threshold`` is the severity from which a finding makes it not all right: the result's ``fail_on``, or high
    where nothing fails. ``urgent`` counts the unwaived findings from there on; ``below`` lists the others, such
    as ``13 medium, 9 low``, and is empty when there are none.
    """

    all_right: bool
    sentence: str
    threshold: Severity
    urgent: int
    below: str


def verdict(result: AuditResult) -> Verdict:
    """The verdict on *result*; waived findings have no say in it."""
    threshold = Severity.HIGH if result.fail_on is None else result.fail_on
    counts = result.counts
    urgent = sum(number for severity, number in counts.by_severity.items() if severity >= threshold)
    below = ", ".join(
        f"{counts.by_severity[severity]:,} {severity.label}"
        for severity in sorted(counts.by_severity, reverse=True)
        if severity < threshold and counts.by_severity[severity]
    )
    if urgent:
        sentence = f"Not all right: {_who(result, threshold)} action first"
    elif counts.findings:
        sentence = f"All right: nothing at or above {threshold.label}"
    elif counts.waived:
        sentence = f"All right: no findings but {counts.waived:,} waived"
    elif counts.received:
        sentence = "All right: no findings"
    else:
        sentence = "All right: the account lists no keys"
    return Verdict(not urgent, sentence, threshold, urgent, below)


def _who(result: AuditResult, threshold: Severity) -> str:
    findings = result.findings
    urgent = findings[(findings["waiver"] < 0) & (findings["severity"] >= threshold)]
    on_account = int(urgent["active"].isna().sum())
    keys = int(urgent["key_id"][urgent["active"].notna()].nunique())
    parts = [
        count(number, noun, plural)
        for number, noun, plural in (
            (keys, "key", ""),
            (on_account, "finding on the account", "findings on the account"),
        )
        if number
    ]
    return f"{' and '.join(parts)} {'needs' if keys + on_account == 1 else 'need'}"
