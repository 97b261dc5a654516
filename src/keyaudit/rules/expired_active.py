"""Keys past their end that are still active."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keyaudit.columns import days_since
from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule
from keyaudit.standards import LONG_LIVED, NIST_DISABLE, OFFBOARDING
from keyaudit.wording import ago, sentence, timestamps


class ExpiredActive(Rule[NoOptions]):
    name = "expired-active"
    title = "Expired key still active"
    severity = Severity.HIGH
    rationale = (
        "Somebody decided that this key should end, and its date has passed, yet it is listed as active. Either the "
        "date is not enforced, or the list is wrong; both need a person."
    )
    remediation = "Find out whether the key still works. Revoke it, or set the end that is meant."
    references = (OFFBOARDING, LONG_LIVED, NIST_DISABLE)
    needs_details = True

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        expires_at = context.snapshot.keys["expires_at"]
        since = days_since(expires_at, context.now)
        rows = np.flatnonzero(context.where & (since >= 0))
        yield KeyHits(
            rows,
            self.severity,
            sentence(
                "expired ",
                ago(since[rows]),
                ", on ",
                timestamps(expires_at.iloc[rows], context.zone),
                ", and still active",
            ),
        )
