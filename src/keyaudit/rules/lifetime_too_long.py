"""Keys that were given too long a life."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keyaudit.model import Severity
from keyaudit.rules import MAX_DAYS, Context, KeyHits, Rule, option
from keyaudit.standards import LONG_LIVED, NIST_REFRESH
from keyaudit.wording import count, days, sentence, timestamps

_DAY = 24 * 3600


@dataclass(frozen=True)
class LifetimeTooLongOptions:
    """How long a key may live."""

    days: int = option(365, "flag a key whose end lies more than this many days after its creation", ge=1, le=MAX_DAYS)


class LifetimeTooLong(Rule[LifetimeTooLongOptions]):
    name = "lifetime-too-long"
    title = "Key lives too long"
    severity = Severity.LOW
    rationale = "An expiry date years ahead is hardly better than none: nobody will remember the key when it comes."
    remediation = "Set an earlier expiry date, and put the rotation into the calendar of whoever uses the key."
    references = (LONG_LIVED, NIST_REFRESH)
    needs_details = True
    Options = LifetimeTooLongOptions

    def check(self, context: Context[LifetimeTooLongOptions]) -> Iterable[KeyHits]:
        keys = context.snapshot.keys
        life = (keys["expires_at"] - keys["created_at"]).dt.total_seconds().to_numpy() / _DAY
        rows = np.flatnonzero(context.where & (life > context.options.days))
        yield KeyHits(
            rows,
            self.severity,
            sentence(
                "created on ",
                timestamps(keys["created_at"].iloc[rows], context.zone),
                " to end on ",
                timestamps(keys["expires_at"].iloc[rows], context.zone),
                ", after ",
                days(np.floor(life[rows])),
                f"; the limit is {count(context.options.days, 'day')}",
            ),
        )
