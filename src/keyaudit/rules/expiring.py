"""Keys that are about to end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from keyaudit.model import Severity
from keyaudit.rules import MAX_DAYS, Context, KeyHits, Rule, option
from keyaudit.standards import NIST_MONITOR, RUNTYPE_ROTATION
from keyaudit.wording import ago, days, sentence, timestamps

_DAY = 24 * 3600


@dataclass(frozen=True)
class ExpiringOptions:
    """How long ahead to warn."""

    notice_days: int = option(30, "flag a key that ends within this many days, as low", ge=1, le=MAX_DAYS)
    soon_days: int = option(14, "within this many days a flagged key is medium", ge=0, le=MAX_DAYS)
    urgent_days: int = option(7, "within this many days a flagged key is high", ge=0, le=MAX_DAYS)
    last_days: int = option(1, "within this many days the evidence says that it is the last call", ge=0, le=MAX_DAYS)
    used_days: int = option(
        7, "a key used within this many days is one step higher: something will break", ge=0, le=MAX_DAYS
    )


class Expiring(Rule[ExpiringOptions]):
    name = "expiring"
    title = "Key about to end"
    severity = Severity.LOW
    rationale = (
        "A key that ends while something uses it takes that something down, mostly at night. A key that ends unused "
        "is the moment to let it go."
    )
    remediation = (
        "Make the new key, move what uses this one over to it, and let this one end; if nothing uses it, revoke it now."
    )
    references = (NIST_MONITOR, RUNTYPE_ROTATION)
    needs_details = True
    Options = ExpiringOptions

    def check(self, context: Context[ExpiringOptions]) -> Iterable[KeyHits]:
        limits = context.options
        expires_at = context.snapshot.keys["expires_at"]
        # in days with their fraction, so that "within 7 days" holds to the second
        left = (expires_at - context.now).dt.total_seconds().to_numpy() / _DAY
        rows = np.flatnonzero(context.where & (left > 0) & (left <= limits.notice_days))
        left = left[rows]
        steps = np.where(left <= limits.soon_days, Severity.MEDIUM, Severity.LOW)
        steps = np.where(left <= limits.urgent_days, Severity.HIGH, steps)
        in_use = context.idle_days[rows] < limits.used_days
        yield KeyHits(
            rows,
            np.minimum(steps + in_use, Severity.CRITICAL).astype(np.int8),
            sentence(
                "ends in ",
                pc.if_else(left < 1, "less than a day", days(np.floor(left)).cast("string")),
                ", on ",
                timestamps(expires_at.iloc[rows], context.zone),
                pc.if_else(
                    in_use,
                    sentence(
                        "; last used ", ago(np.nan_to_num(context.idle_days[rows])), ", so that something will break"
                    ),
                    "",
                ),
                pc.if_else(left <= limits.last_days, "; this is the last call", ""),
            ),
        )
