"""Keys that were made and never used."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keyaudit.model import Reference, Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule


class NeverUsed(Rule[NoOptions]):
    name = "never-used"
    title = "Key never used"
    severity = Severity.MEDIUM
    rationale = (
        "A key that was never used was made for a plan that did not happen, or is kept by somebody who does not need "
        "it. It is a way in that no work depends on."
    )
    remediation = (
        "Find out whether a first use is still planned. If not, revoke the key; a new one takes a minute to make."
    )
    references = (
        Reference("OWASP Non-Human Identities Top 10 (2025), NHI1: improper offboarding"),
        Reference(
            "CIS Amazon Web Services Foundations Benchmark v3.0.0, 1.12: credentials unused for 45 days (analogous)"
        ),
    )

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        yield KeyHits(
            np.flatnonzero(context.where & np.isnan(context.idle_days)),
            self.severity,
            "never used; how old the key is is not known, because the analytics do not say when a key was created",
        )
