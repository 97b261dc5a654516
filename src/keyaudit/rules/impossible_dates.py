"""Keys whose dates cannot all be true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from keyaudit.model import Severity
from keyaudit.rules import MAX_MINUTES, Context, KeyHits, Rule, option
from keyaudit.standards import NIST_MONITOR
from keyaudit.wording import sentence


@dataclass(frozen=True)
class ImpossibleDatesOptions:
    """How much the clocks may differ."""

    tolerance_minutes: int = option(
        5, "a creation that lies this far ahead of the server's clock passes", ge=0, le=MAX_MINUTES
    )


class ImpossibleDates(Rule[ImpossibleDatesOptions]):
    name = "impossible-dates"
    title = "Dates contradict each other"
    severity = Severity.MEDIUM
    rationale = "Where the dates of a key cannot all be true, every age told from them may be wrong."
    remediation = "Report it to Runtype support, and judge the key by other means, such as the logs of its users."
    references = (NIST_MONITOR,)
    inactive = True
    needs_details = True
    Options = ImpossibleDatesOptions

    def check(self, context: Context[ImpossibleDatesOptions]) -> Iterable[KeyHits]:
        keys = context.snapshot.keys
        created = keys["created_at"]
        latest = pd.Timestamp(context.latest(context.options.tolerance_minutes))
        problems = [
            (condition.to_numpy(dtype=bool), what)
            for condition, what in (
                (created > latest, "created in the future"),
                (keys["last_used_at"] < created, "used before it was created"),
                (keys["expires_at"] < created, "ended before it was created"),
            )
        ]
        rows = np.flatnonzero(context.where & np.logical_or.reduce([found for found, _ in problems]))
        said = [pc.if_else(found[rows], f", {what}", "") for found, what in problems]
        yield KeyHits(rows, self.severity, pc.utf8_slice_codeunits(sentence(*said), 2))
