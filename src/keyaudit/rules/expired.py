"""Keys that no longer work and are still listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyaudit.columns import days_since
from keyaudit.model import Severity
from keyaudit.rules import MAX_DAYS, Context, KeyHits, Rule, option
from keyaudit.standards import NIST_DISABLE, OFFBOARDING
from keyaudit.wording import ago, sentence, timestamps

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ExpiredOptions:
    """When it is time to be firm."""

    delete_days: int = option(
        30, "a key that expired this many days ago, or more, is to be deleted at once", ge=0, le=MAX_DAYS
    )


class Expired(Rule[ExpiredOptions]):
    name = "expired"
    title = "Inactive key still listed"
    severity = Severity.LOW
    rationale = (
        "A key that has expired, was revoked or is disabled opens nothing, but it hides the keys that do, and one "
        "that was only disabled can be switched on again."
    )
    remediation = "Delete the key once its owner agrees that nothing will ask for it again."
    references = (OFFBOARDING, NIST_DISABLE)
    inactive = True
    Options = ExpiredOptions

    def check(self, context: Context[ExpiredOptions]) -> Iterable[KeyHits]:
        keys = context.snapshot.keys
        inactive = context.where & ~keys["is_active"].to_numpy()
        ended_days = days_since(keys["expires_at"], context.now)
        ended = inactive & (ended_days >= 0)
        old = ended & (ended_days >= context.options.delete_days)
        yield self._hits(context, np.flatnonzero(old), "expired", action="Delete it: it expired long ago.")
        yield self._hits(context, np.flatnonzero(ended & ~old), "expired")
        detailed = inactive & ~ended & keys["detailed"].to_numpy() & keys["ends"].notna().to_numpy(dtype=bool)
        yield self._hits(context, np.flatnonzero(detailed), "revoked or disabled")
        yield self._hits(context, np.flatnonzero(inactive & ~ended & ~detailed), "inactive")

    def _hits(
        self, context: Context[ExpiredOptions], rows: NDArray[np.intp], what: str, *, action: str = ""
    ) -> KeyHits:
        keys = context.snapshot.keys.iloc[rows]
        state: str | pa.Array = what
        if what == "expired":
            since = days_since(keys["expires_at"], context.now)
            state = sentence("expired ", ago(since), ", on ", timestamps(keys["expires_at"], context.zone), ",")
        used = keys["last_used_at"].notna().to_numpy()
        last_use = pc.replace_with_mask(
            pa.repeat(pa.scalar("never used", pa.large_string()), len(rows)),
            used,
            sentence(
                "last used ",
                ago(context.idle_days[rows][used]),
                ", on ",
                timestamps(keys["last_used_at"][used], context.zone),
            ),
        )
        return KeyHits(rows, self.severity, sentence(state, " and still listed; ", last_use), action)
