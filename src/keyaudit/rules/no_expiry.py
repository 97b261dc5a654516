"""Keys without an end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule
from keyaudit.standards import LONG_LIVED, NIST_REFRESH, RUNTYPE_EXPIRY


class NoExpiry(Rule[NoOptions]):
    name = "no-expiry"
    title = "Key never expires"
    severity = Severity.MEDIUM
    rationale = (
        "A key without an end stays open for as long as nobody thinks of it, wherever copies of it have gone in the "
        "meantime."
    )
    remediation = "Set an expiry date that fits the key's use; 90 days or less is a good start."
    references = (LONG_LIVED, NIST_REFRESH, RUNTYPE_EXPIRY)
    needs_details = True

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        endless = context.snapshot.keys["ends"].eq(False).fillna(False).to_numpy(dtype=bool)
        yield KeyHits(np.flatnonzero(context.where & endless), self.severity, "active, and has no expiry date")
