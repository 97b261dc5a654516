"""Words for numbers and times, one at a time or a whole column at once; the same words in every format."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from keyaudit.columns import to_arrow

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

DASHBOARD = "Settings → API in the Runtype dashboard"
"""Where keys are changed. An API key cannot change keys, so keyaudit advises and people act."""


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 key``, ``2 keys``, ``1,204 keys``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def timestamp(moment: datetime, zone: tzinfo) -> str:
    """``28 Feb 2024 17:00 UTC``: to the minute, in *zone*, with the zone's abbreviation."""
    local = _local(moment, zone)
    # strftime would take month names from the locale, and on some systems drops the leading zeros of a year
    return f"{local.day:02} {_MONTHS[local.month - 1]} {local.year:04} {local:%H:%M} {local.tzname()}"


def option_value(value: object) -> str:
    """The value of a rule's option as it is shown."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def timestamps(column: pd.Series[Any], zone: tzinfo) -> pa.Array:
    """:func:`timestamp` over a column of ``datetime64[us, UTC]`` without missing values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = to_arrow(column)
    if str(zone) != "UTC":
        # Arrow has a time zone database of its own, which ends in 2037 and need not agree with Python's
        return pa.array([timestamp(each, zone) for each in values.to_pylist()], pa.string())
    naive = values.cast(pa.timestamp("us"))
    # a day has few distinct values and a time of day 1,440; only these are formatted
    days = pc.floor_temporal(naive, unit="day").dictionary_encode()
    day_text = pc.strftime(days.dictionary, format="%d %b %Y").take(days.indices)
    minute_of_day = pc.add(pc.multiply(pc.hour(naive), 60), pc.minute(naive))
    clock = pa.array([f"{m // 60:02}:{m % 60:02} UTC" for m in range(1440)]).take(minute_of_day)
    return pc.binary_join_element_wise(day_text, clock, " ")


def days(numbers: NDArray[np.float64]) -> pa.Array:
    """``1 day``, ``46 days`` over an array of whole numbers."""
    import pyarrow as pa

    encoded = pa.array(numbers.astype("int64")).dictionary_encode()
    return pa.array([count(n, "day") for n in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def ago(numbers: NDArray[np.float64]) -> pa.Array:
    """``46 days ago``, ``less than a day ago``, ``in the future`` over an array of whole numbers."""
    import pyarrow.compute as pc

    near = pc.if_else(numbers < 0, "in the future", "less than a day ago").cast("large_string")
    return pc.if_else(numbers < 1, near, sentence(days(numbers), " ago"))


def sentence(*parts: str | pa.Array) -> pa.Array:
    """The parts joined row by row, as ``large_string``, which is what pandas keeps text in; plain strings repeat."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.large_string()
    columns = [pa.scalar(part, text) if isinstance(part, str) else part.cast(text) for part in parts]
    return pc.binary_join_element_wise(*columns, pa.scalar("", text))


def _local(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:  # at either end of the calendar there may be no such day in that zone
        return moment.astimezone(UTC)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
