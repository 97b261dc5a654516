"""Keys whose last use has not happened yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from keyaudit.model import Severity
from keyaudit.rules import MAX_MINUTES, Context, KeyHits, Rule, option
from keyaudit.standards import NIST_MONITOR
from keyaudit.wording import sentence, timestamp, timestamps


@dataclass(frozen=True)
class FutureUseOptions:
    """How much the clocks may differ."""

    tolerance_minutes: int = option(
        5, "a last use that lies this far ahead of the server's clock passes", ge=0, le=MAX_MINUTES
    )


class FutureUse(Rule[FutureUseOptions]):
    name = "future-use"
    title = "Last use lies in the future"
    severity = Severity.MEDIUM
    rationale = (
        "A last use later than the clock of the server that reports it cannot be true. Ages of this account may be "
        "wrong, or somebody has tampered with them."
    )
    remediation = "Report it to Runtype support, and judge the key by other means, such as the logs of its users."
    references = (NIST_MONITOR,)
    inactive = True
    Options = FutureUseOptions

    def check(self, context: Context[FutureUseOptions]) -> Iterable[KeyHits]:
        last_used = context.snapshot.keys["last_used_at"]
        latest = pd.Timestamp(context.latest(context.options.tolerance_minutes))
        rows = np.flatnonzero(context.where & (last_used > latest).to_numpy())
        yield KeyHits(
            rows,
            self.severity,
            sentence(
                "last used on ",
                timestamps(last_used.iloc[rows], context.zone),
                f", which is later than the server's own clock, {timestamp(context.now, context.zone)}",
            ),
        )
