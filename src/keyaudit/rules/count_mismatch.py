"""An answer that contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable

from keyaudit.model import Severity
from keyaudit.rules import AccountHit, Context, NoOptions, Rule
from keyaudit.standards import CIS_INVENTORY
from keyaudit.wording import count


class CountMismatch(Rule[NoOptions]):
    name = "count-mismatch"
    title = "The answer contradicts itself"
    severity = Severity.HIGH
    rationale = (
        "Where the totals and the rows disagree, ids repeat, or an account that was asked with a key lists none, keys"
        " may be missing from the answer. A clean report made from it proves nothing."
    )
    remediation = "Distrust this audit. Run it again; if the contradiction stays, report it to Runtype support."
    references = (CIS_INVENTORY,)
    scope = "account"

    def check(self, context: Context[NoOptions]) -> Iterable[AccountHit]:
        snapshot = context.snapshot
        claims, counted = snapshot.totals, snapshot.counted
        # an unreadable row may be active or not, so that it widens what the claim may be
        unread = sum(row.list == "analytics" for row in snapshot.rejected)
        for subject, field, claimed, fewest, slack in (
            ("total", "totalKeys", claims.total, counted.total, 0),
            ("active", "activeKeys", claims.active, counted.active, unread),
            ("expired", "expiredKeys", claims.expired, counted.expired, unread),
        ):
            if claimed is None or fewest is None:
                continue
            most = fewest + slack
            if not fewest <= claimed <= most:
                listed = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
                yield self._hit(subject, f"{field} says {claimed:,}, but the rows make it {listed}")
        repeated = snapshot.repeated_ids
        if repeated:
            examples = ", ".join(repeated[:3])
            more = f" and {count(len(repeated) - 3, 'more id')}" if len(repeated) > 3 else ""
            yield self._hit(
                "duplicate-ids",
                f"{count(len(repeated), 'id')} listed more than once: {examples}{more}",
            )
        if snapshot.received == 0 and snapshot.asked_with_key:
            yield self._hit("empty", "the list is empty, although the question was asked with a key of this account")

    def _hit(self, subject: str, evidence: str) -> AccountHit:
        return AccountHit(subject, self.severity, evidence)
