"""Between pandas and Arrow: a column as one array, and an array as a column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray


def to_arrow(column: pd.Series[Any], type: pa.DataType | None = None) -> pa.Array:
    """*column* as one contiguous array; pandas hands out several chunks where columns were joined."""
    import pyarrow as pa

    array = pa.array(column, type)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def to_pandas(array: pa.Array) -> pd.Series[Any]:
    """An array of text as a pandas column of dtype ``str``."""
    import pandas as pd

    return pd.Series(pd.array(array, dtype="str"))


def days_since(column: pd.Series[Any], now: datetime) -> NDArray[np.float64]:
    """Whole days from each time in *column* to *now*, rounded down: NaN for none, negative for later ones."""
    import numpy as np

    moments = column.dt.tz_convert(None)
    since = (now.astimezone(UTC).replace(tzinfo=None) - moments) / _DAY
    days: NDArray[np.float64] = np.floor(since.to_numpy(np.float64))
    return days


_DAY = timedelta(days=1)
