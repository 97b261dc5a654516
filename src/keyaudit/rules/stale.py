"""Keys that were used once and lie idle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keyaudit.model import Reference, Severity
from keyaudit.rules import Context, KeyHits, Rule, option
from keyaudit.wording import days, sentence, timestamps


@dataclass(frozen=True)
class StaleOptions:
    """When a key counts as idle."""

    days: int = option(45, "flag a key whose last use is this many days ago, or more", ge=1)
    high_days: int = option(90, "from this many idle days on, a flagged key is high", ge=1)


class Stale(Rule[StaleOptions]):
    name = "stale"
    title = "Key not used for a long time"
    severity = Severity.MEDIUM
    rationale = (
        "A key that nothing uses gives its owner nothing and an attacker everything it ever could. "
        "Nobody would notice its loss, and its misuse breaks no job that anybody watches."
    )
    remediation = (
        "Ask the owner whether a job still needs the key. If none does, revoke it; if one does, say so in a waiver "
        "with an end date."
    )
    references = (
        Reference(
            "CIS Amazon Web Services Foundations Benchmark v3.0.0, 1.12: credentials unused for 45 days (analogous)"
        ),
        Reference("CIS Controls v8, 5.3: disable dormant accounts after 45 days (analogous)"),
        Reference("PCI DSS v4.0.1, 8.2.6: inactive user accounts within 90 days (analogous)"),
    )
    Options = StaleOptions

    def check(self, context: Context[StaleOptions]) -> Iterable[KeyHits]:
        idle, limits = context.idle_days, context.options
        rows = np.flatnonzero(context.where & (idle >= limits.days))
        high = idle[rows] >= limits.high_days
        last_used = context.snapshot.keys["last_used_at"].iloc[rows]
        yield KeyHits(
            rows,
            np.where(high, Severity.HIGH, self.severity).astype(np.int8),
            sentence(
                "last used ",
                days(idle[rows]),
                " ago, on ",
                timestamps(last_used, context.zone),
                "; the limit is ",
                days(np.where(high, max(limits.days, limits.high_days), limits.days).astype(np.float64)),
            ),
        )

    def idle_thresholds(self, options: StaleOptions) -> tuple[int, ...]:
        return tuple(sorted({options.days, max(options.days, options.high_days)}))
