"""Keys that were made and never used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from keyaudit.columns import days_since
from keyaudit.model import Severity
from keyaudit.rules import MAX_DAYS, Context, KeyHits, Rule, option
from keyaudit.standards import CIS_AWS_UNUSED, CIS_DORMANT, NIST_DISABLE, OFFBOARDING
from keyaudit.wording import ago, count, sentence, timestamps


@dataclass(frozen=True)
class NeverUsedOptions:
    """How long a new key may wait for its first use."""

    grace_days: int = option(
        14, "a key created fewer days ago than this is info only, where its age is known", ge=0, le=MAX_DAYS
    )


class NeverUsed(Rule[NeverUsedOptions]):
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
    references = (OFFBOARDING, CIS_AWS_UNUSED, CIS_DORMANT, NIST_DISABLE)
    Options = NeverUsedOptions

    def check(self, context: Context[NeverUsedOptions]) -> Iterable[KeyHits]:
        grace = context.options.grace_days
        created_at = context.snapshot.keys["created_at"]
        age = days_since(created_at, context.now)
        never = context.where & np.isnan(context.idle_days)
        yield KeyHits(
            np.flatnonzero(never & np.isnan(age)),
            self.severity,
            "never used; its age is not known, because nothing here says when it was created",
        )
        rows = np.flatnonzero(never & (age >= grace))
        yield KeyHits(
            rows,
            self.severity,
            sentence(
                "never used; created ",
                ago(age[rows]),
                ", on ",
                timestamps(created_at.iloc[rows], context.zone),
                f"; the grace is {count(grace, 'day')}",
            ),
        )
        rows = np.flatnonzero(never & (age < grace))
        yield KeyHits(
            rows,
            Severity.INFO,
            sentence(
                "not used yet; created ",
                ago(age[rows]),
                ", and will be flagged on ",
                timestamps(created_at.iloc[rows] + timedelta(days=grace), context.zone),
            ),
            "Put the key to use, or revoke it, before that day.",
        )
