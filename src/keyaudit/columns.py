"""Between pandas and Arrow: a column as one array, and an array as a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_arrow(column: pd.Series[Any], type: pa.DataType | None = None) -> pa.Array:
    """*column* as one contiguous array; pandas hands out several chunks where columns were joined."""
    import pyarrow as pa

    array = pa.array(column, type)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def to_pandas(array: pa.Array) -> pd.Series[Any]:
    """An array of text as a pandas column of dtype ``str``."""
    import pandas as pd

    return pd.Series(pd.array(array, dtype="str"))
