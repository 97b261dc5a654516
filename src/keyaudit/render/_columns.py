"""Arrow kernels that turn the findings into text a column at a time, for the formats that hold all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from keyaudit.model import Severity

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 32_768
"""Rows that are text at the same time, so that memory does not grow with the account."""

_SEVERITIES = [severity.label for severity in Severity]


def chunks(frame: pd.DataFrame, rows: int | None = None) -> Iterator[dict[str, pa.Array]]:
    """The columns of *frame* by name, *rows* (:data:`CHUNK`) at a time; severities as their words."""
    step = rows or CHUNK
    for start in range(0, len(frame), step):
        batch = pa.RecordBatch.from_pandas(frame.iloc[start : start + step], preserve_index=False)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if "severity" in columns:
            columns["severity"] = pa.DictionaryArray.from_arrays(columns["severity"], _SEVERITIES)
        yield columns


def as_text(column: pa.Array, cell: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """*column* as strings, nulls kept. *cell* makes text fit for the format, once for each distinct category."""
    if pa.types.is_dictionary(column.type):
        return cell(column.dictionary.cast(pa.string())).take(column.indices)
    if pa.types.is_timestamp(column.type):
        return cell(_rfc3339(column))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return cell(column.cast(pa.string()))
    return column.cast(pa.string())


def join(*parts: str | pa.Array) -> pa.Array:
    """The parts joined row by row; plain strings repeat. Null where any part is null."""
    typed = [pa.scalar(part, pa.string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*typed, pa.scalar("", pa.string()))


def replace_few(column: pa.Array, pattern: str, change: Callable[[Any], str], otherwise: pa.Array) -> pa.Array:
    """*otherwise*, but *change* of the value of *column* in the rows, few as a rule, where RE2 *pattern* is found."""
    found = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    if not pc.any(found).as_py():
        return otherwise
    changed = [change(value) for value in column.filter(found).to_pylist()]
    return pc.replace_with_mask(otherwise, found, pa.array(changed, pa.string()))


def quoted(text: pa.Array) -> pa.Array:
    """*text* as JSON strings, nulls kept: the cell of formats that are JSON."""
    return replace_few(
        text,
        r'["\\\x00-\x1f\x7f]',
        lambda value: msgspec.json.encode(value).decode(),
        otherwise=join('"', text, '"'),
    )


def _rfc3339(times: pa.Array) -> pa.Array:
    # the text of aware times looks the zone up row by row, some twenty times slower than that of naive ones
    whole = pc.floor_temporal(times.cast(pa.timestamp("us")), unit="second").cast(pa.timestamp("s")).cast(pa.string())
    return join(pc.binary_replace_slice(whole, 10, 11, "T"), "Z")
