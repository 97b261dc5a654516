"""RFC 3339, as Arrow reads it by the column and :func:`parse_timestamp` by the piece."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP: Final = pa.timestamp("us", "UTC")

_PATTERN = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3])(?::[0-5]\d(?::(?:[0-5]\d|(60))(?:\.\d+)?)?)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)",
    re.ASCII,
)

# Near the ends of the calendar an offset leads out of it, and Arrow goes where datetime cannot follow.
_EARLIEST = pa.scalar(datetime(1, 1, 3, tzinfo=UTC), TIMESTAMP)
_LATEST = pa.scalar(datetime(9999, 12, 29, tzinfo=UTC), TIMESTAMP)


def parse_timestamp(text: str) -> datetime | None:
    """The moment, in UTC, that an RFC 3339 timestamp tells; ``None`` if *text* is none or has no zone.

    Beyond the standard, a space for the ``T``, missing minutes or seconds, and offsets without colon or minutes
    are read, as Arrow reads them. Digits after the microseconds are cut off; second 60 is the next minute's first.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    leap = timedelta(seconds=match[1] is not None)
    if leap:
        text = f"{text[:17]}59{text[19:]}"
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC) + leap
    except (ValueError, OverflowError):
        return None


def parse_timestamps(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of text as moments. Raises :class:`pyarrow.ArrowInvalid` if one of them has to be looked at alone."""
    moments = pc.cast(column, TIMESTAMP)
    if pc.any(pc.or_(pc.less(moments, _EARLIEST), pc.greater(moments, _LATEST))).as_py():
        msg = "near the ends of the calendar"
        raise pa.ArrowInvalid(msg)
    return moments
