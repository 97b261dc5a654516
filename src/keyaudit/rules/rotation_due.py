"""Keys that have been in service for too long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from keyaudit.columns import days_since
from keyaudit.model import Severity
from keyaudit.rules import MAX_DAYS, Context, KeyHits, Rule, option
from keyaudit.standards import CIS_AWS_ROTATION, LONG_LIVED, NIST_REFRESH, RUNTYPE_ROTATION
from keyaudit.wording import ago, days, sentence, timestamps


@dataclass(frozen=True)
class RotationDueOptions:
    """How old a key may get."""

    days: int = option(90, "flag a key created this many days ago, or more", ge=1, le=MAX_DAYS)
    high_days: int = option(365, "from this age on, a flagged key is high", ge=1, le=MAX_DAYS)
    warn_days: int = option(14, "announce the rotation this many days ahead, as info", ge=0, le=MAX_DAYS)


class RotationDue(Rule[RotationDueOptions]):
    name = "rotation-due"
    title = "Key due for rotation"
    severity = Severity.MEDIUM
    rationale = (
        "The longer a key is in service, the more places hold a copy of it: shells, logs, laptops of people who have "
        "left. Its age counts from its creation; that it was updated proves no rotation, since a change of name does "
        "the same."
    )
    remediation = "Make a new key, move what uses this one over to it, watch that this one falls silent, and revoke it."
    references = (CIS_AWS_ROTATION, LONG_LIVED, NIST_REFRESH, RUNTYPE_ROTATION)
    needs_details = True
    Options = RotationDueOptions

    def check(self, context: Context[RotationDueOptions]) -> Iterable[KeyHits]:
        limits = context.options
        created_at = context.snapshot.keys["created_at"]
        age = days_since(created_at, context.now)
        rows = np.flatnonzero(context.where & (age >= limits.days))
        high = age[rows] >= limits.high_days
        yield KeyHits(
            rows,
            np.where(high, Severity.HIGH, self.severity).astype(np.int8),
            sentence(
                "created ",
                ago(age[rows]),
                ", on ",
                timestamps(created_at.iloc[rows], context.zone),
                "; the limit is ",
                days(np.where(high, max(limits.days, limits.high_days), limits.days).astype(np.float64)),
            ),
        )
        rows = np.flatnonzero(context.where & (age >= limits.days - limits.warn_days) & (age < limits.days))
        yield KeyHits(
            rows,
            Severity.INFO,
            sentence(
                "created ",
                ago(age[rows]),
                "; due for rotation on ",
                timestamps(created_at.iloc[rows] + timedelta(days=limits.days), context.zone),
            ),
        )
