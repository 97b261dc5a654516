"""More active keys than the account should need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keyaudit.model import Severity
from keyaudit.rules import AccountHit, Context, Rule, option
from keyaudit.standards import NIST_MONITOR, OVERPRIVILEGED
from keyaudit.wording import count


@dataclass(frozen=True)
class TooManyActiveOptions:
    """The budget."""

    max_active: int = option(20, "more active keys than this are a finding", ge=0)


class TooManyActive(Rule[TooManyActiveOptions]):
    name = "too-many-active"
    title = "More active keys than budgeted"
    severity = Severity.MEDIUM
    rationale = (
        "Each active key is one more secret to keep, rotate and account for. A budget makes a slow growth visible "
        "that no single key shows."
    )
    remediation = "Revoke keys that nothing needs, or raise the budget knowingly."
    references = (OVERPRIVILEGED, NIST_MONITOR)
    enabled = False
    scope = "account"
    Options = TooManyActiveOptions

    def check(self, context: Context[TooManyActiveOptions]) -> Iterable[AccountHit]:
        active = int(context.snapshot.keys["is_active"].sum())
        budget = context.options.max_active
        if active > budget:
            yield AccountHit("budget", self.severity, f"{count(active, 'active key')}; the budget is {budget:,}")
