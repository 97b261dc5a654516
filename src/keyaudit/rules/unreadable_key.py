"""Rows of the answer that could not be read."""

from __future__ import annotations

from collections.abc import Iterable

from keyaudit.model import RejectedRow, Severity
from keyaudit.rules import AccountHit, Context, NoOptions, Rule
from keyaudit.standards import CIS_INVENTORY


class UnreadableKey(Rule[NoOptions]):
    name = "unreadable-key"
    title = "Row could not be read"
    severity = Severity.HIGH
    rationale = (
        "A row that cannot be read is a key that was not audited. It may be the worst of all, so that it is never "
        "passed over."
    )
    remediation = "Look the key up in the dashboard and judge it by hand; report the malformed row to Runtype support."
    references = (CIS_INVENTORY,)
    scope = "account"

    def check(self, context: Context[NoOptions]) -> Iterable[AccountHit]:
        for row in context.snapshot.rejected:
            yield AccountHit(
                subject=("details/" if row.list == "details" else "") + (row.id or f"row-{row.digest}"),
                severity=Severity.MEDIUM if row.kept else self.severity,
                evidence=_evidence(row),
                key_id=row.id or "",
                key_name=row.name or "",
                key_prefix=row.prefix or "",
            )


def _evidence(row: RejectedRow) -> str:
    if row.kept:
        return f"row {row.index} of the details was not read whole: {row.problem}"
    if row.list == "details":
        return f"row {row.index} of the details was not read: {row.problem}"
    return f"row {row.index} of the answer was not audited: {row.problem}"
