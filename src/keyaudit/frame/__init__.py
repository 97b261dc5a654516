"""Answers to a typed frame of keys, bad rows apart.

``documents`` takes an answer apart as JSON, ``rows`` turns its rows into typed columns, ``analytics`` makes a snapshot
of them and ``details`` joins the second list in; ``table`` says what the frame looks like, ``saved`` what a saved
answer does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyaudit.frame.analytics import SKEW, read_analytics
from keyaudit.frame.details import with_details, without_details
from keyaudit.frame.saved import save_answers, saved_answers
from keyaudit.frame.table import COLUMNS
from keyaudit.frame.timestamps import parse_timestamp

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "SHORTEST_OWN_PREFIX",
    "SKEW",
    "mark_own",
    "parse_timestamp",
    "read_analytics",
    "save_answers",
    "saved_answers",
    "with_details",
    "without_details",
]

SHORTEST_OWN_PREFIX: Final = 10
"""A shorter prefix, such as ``rt_live_``, is that of too many keys to recognise one by."""


def mark_own(keys: pd.DataFrame, token_text: str) -> pd.DataFrame:
    """*keys* with ``own`` set for the keys with the longest prefix that the token begins with.

    Prefixes of fewer than ten characters recognise nobody. The token is compared and forgotten.
    """
    starts = [token_text[:length] for length in range(SHORTEST_OWN_PREFIX, len(token_text) + 1)]
    prefixes = keys["prefix"]
    candidates = prefixes[prefixes.isin(starts)]
    if candidates.empty:
        return keys.assign(own=False)
    return keys.assign(own=prefixes == max(candidates.unique(), key=len))
