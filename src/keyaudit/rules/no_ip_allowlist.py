"""Keys that work from anywhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule
from keyaudit.standards import NIST_LEAST_PRIVILEGE, OVERPRIVILEGED


class NoIpAllowlist(Rule[NoOptions]):
    name = "no-ip-allowlist"
    title = "Key works from anywhere"
    severity = Severity.INFO
    rationale = (
        "A key that is bound to the addresses of the machines that use it is of little use to whoever steals it."
    )
    remediation = "Set the addresses from which the key may be used, if they are known and stay the same."
    references = (OVERPRIVILEGED, NIST_LEAST_PRIVILEGE)
    enabled = False
    needs_details = True

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        # only keys whose details carry the list: where it is absent, nobody knows
        unbound = context.snapshot.keys["allowed_ips"].eq(0).fillna(value=False).to_numpy(dtype=bool)
        yield KeyHits(np.flatnonzero(context.where & unbound), self.severity, "may be used from any address")
