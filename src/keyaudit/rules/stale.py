"""Keys that were used once and lie idle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keyaudit.model import Severity
from keyaudit.rules import MAX_DAYS, Context, KeyHits, Rule, option
from keyaudit.standards import CIS_AWS_UNUSED, CIS_DORMANT, NIST_DISABLE, PCI_INACTIVE
from keyaudit.wording import ago, days, sentence, timestamps


@dataclass(frozen=True)
class StaleOptions:
    """When a key counts as idle."""

    days: int = option(45, "flag a key whose last use is this many days ago, or more", ge=1, le=MAX_DAYS)
    high_days: int = option(90, "from this many idle days on, a flagged key is high", ge=1, le=MAX_DAYS)


class Stale(Rule[StaleOptions]):
    name = "stale"
    title = "Key not used for a long time"
    severity = Severity.MEDIUM
    rationale = (
        "A key that nothing uses gives its owner nothing and an attacker everything it ever could. Nobody would "
        "notice its loss, and its misuse breaks no job that anybody watches."
    )
    remediation = (
        "Ask the owner whether a job still needs the key. If none does, revoke it; if one does, say so in a waiver "
        "with an end date."
    )
    references = (CIS_AWS_UNUSED, CIS_DORMANT, PCI_INACTIVE, NIST_DISABLE)
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
                ago(idle[rows]),
                ", on ",
                timestamps(last_used, context.zone),
                "; the limit is ",
                days(np.where(high, max(limits.days, limits.high_days), limits.days).astype(np.float64)),
            ),
        )

    def idle_thresholds(self, options: StaleOptions) -> tuple[int, ...]:
        return tuple(sorted({options.days, max(options.days, options.high_days)}))
