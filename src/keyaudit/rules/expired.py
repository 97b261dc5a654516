"""Keys that no longer work and are still listed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keyaudit.model import Reference, Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule
from keyaudit.wording import days, sentence, timestamps


class Expired(Rule[NoOptions]):
    name = "expired"
    title = "Inactive key still listed"
    severity = Severity.LOW
    rationale = (
        "A key that has expired, was revoked or is disabled opens nothing, but it hides the keys that do, and one that "
        "was only disabled can be switched on again."
    )
    remediation = "Delete the key once its owner agrees that nothing will ask for it again."
    references = (Reference("OWASP Non-Human Identities Top 10 (2025), NHI1: improper offboarding"),)
    inactive = True

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        inactive = context.where & ~context.snapshot.keys["is_active"].to_numpy()
        never = np.isnan(context.idle_days)
        yield KeyHits(np.flatnonzero(inactive & never), self.severity, "inactive and still listed; never used")
        rows = np.flatnonzero(inactive & ~never)
        last_used = context.snapshot.keys["last_used_at"].iloc[rows]
        yield KeyHits(
            rows,
            self.severity,
            sentence(
                "inactive and still listed; last used ",
                days(np.maximum(context.idle_days[rows], 0)),
                " ago, on ",
                timestamps(last_used, context.zone),
            ),
        )
