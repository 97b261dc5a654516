"""Keys whose plaintext can still be read back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule
from keyaudit.standards import LEAKAGE


class Revealable(Rule[NoOptions]):
    name = "revealable"
    title = "Key can be read back"
    severity = Severity.LOW
    rationale = (
        "Whoever gets into the dashboard can read the whole key and leave with it; a key shown once cannot be taken "
        "twice."
    )
    remediation = "Move the key into a secret store and replace it by one that cannot be revealed."
    references = (LEAKAGE,)
    needs_details = True

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        revealable = context.snapshot.keys["can_reveal"].fillna(value=False).to_numpy(dtype=bool)
        yield KeyHits(
            np.flatnonzero(context.where & revealable),
            self.severity,
            "the plaintext of this active key can still be read back",
        )
