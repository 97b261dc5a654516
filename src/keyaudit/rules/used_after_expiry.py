"""Keys that were used after their end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule
from keyaudit.standards import NIST_MONITOR, OFFBOARDING
from keyaudit.wording import sentence, timestamps


class UsedAfterExpiry(Rule[NoOptions]):
    name = "used-after-expiry"
    title = "Key used after its end"
    severity = Severity.HIGH
    rationale = "A key that worked after its end was not ended by it. The date gives a safety that is not there."
    remediation = (
        "Revoke the key, look up in its logs what it was used for, and report to Runtype support that its end did not"
        " hold."
    )
    references = (OFFBOARDING, NIST_MONITOR)
    inactive = True
    needs_details = True

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        keys = context.snapshot.keys
        rows = np.flatnonzero(context.where & (keys["last_used_at"] > keys["expires_at"]).to_numpy(dtype=bool))
        yield KeyHits(
            rows,
            self.severity,
            sentence(
                "last used on ",
                timestamps(keys["last_used_at"].iloc[rows], context.zone),
                ", after its end on ",
                timestamps(keys["expires_at"].iloc[rows], context.zone),
            ),
        )
