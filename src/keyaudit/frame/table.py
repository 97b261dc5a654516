"""The frame that the rest of keyaudit works on: its columns, and how typed tables become it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from keyaudit.frame.timestamps import TIMESTAMP

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS: Final = {
    "id": "str",
    "name": "str",
    "prefix": "str",
    "last_used_at": "datetime64[us, UTC]",
    "is_active": "bool",
    "own": "bool",
    "listed": "category",
    "detailed": "bool",
    "created_at": "datetime64[us, UTC]",
    "expires_at": "datetime64[us, UTC]",
    "ends": "boolean",
    "permissions": "category",
    "allowed_ips": "Int64",
    "is_test": "boolean",
    "can_reveal": "boolean",
}
"""The columns of ``Snapshot.keys`` and their dtypes; ``str`` is pyarrow-backed and without missing values.

================ ==============================================================================================
column           holds
================ ==============================================================================================
``last_used_at`` NaT for a key that was never used
``own``          the key with which keyaudit itself asked
``listed``       where the key stands: in ``both`` lists, in the ``analytics`` or in the ``details`` alone
``detailed``     the details of the key were read; without them all that follows is not known
``created_at``   NaT: not known
``expires_at``   NaT: never, or not known, which ``ends`` tells apart
``ends``         whether the key has an end; NA: not known
``permissions``  the list of them as JSON text, such as ``["FLOWS:READ","RECORDS:READ"]``; NA: not known
``allowed_ips``  how many addresses the key is limited to; NA: not known
``is_test``      a key for testing; NA: not known
``can_reveal``   the whole key can still be read back; NA: not known
================ ==============================================================================================
"""

LISTED: Final = ("both", "analytics", "details")

TYPES: Final = {
    "created_at": TIMESTAMP,
    "expires_at": TIMESTAMP,
    "ends": pa.bool_(),
    "permissions": pa.dictionary(pa.int32(), pa.large_string()),
    "allowed_ips": pa.int64(),
    "is_test": pa.bool_(),
    "can_reveal": pa.bool_(),
}
"""The Arrow types of what only the details tell."""


def to_frame(tables: list[pa.Table], listed: pa.Array | None = None, detailed: pa.Array | None = None) -> pd.DataFrame:
    """The frame of *tables*, which is emptied; *listed* holds positions in :data:`LISTED`.

    Without them no details were read, and *tables* need not have their columns. Each column's chunks are given back
    as soon as they are joined: Arrow's pool would keep their memory, at a million keys more than half the size of the
    document.
    """
    table = pa.concat_tables(tables)
    tables.clear()
    rows = table.num_rows
    if listed is None:
        listed = pa.repeat(pa.scalar(LISTED.index("analytics"), pa.int8()), rows)
    if detailed is None:
        detailed = pa.repeat(pa.scalar(value=False), rows)
    columns = {
        "own": pd.Series(np.zeros(rows, dtype=bool)),
        "listed": _series(pa.DictionaryArray.from_arrays(listed, pa.array(LISTED)), "category"),
        "detailed": _series(detailed, "bool"),
    }
    for name in table.column_names:
        column = table[name].unify_dictionaries().combine_chunks()
        table = table.drop_columns(name)
        columns[name] = _series(column, COLUMNS[name])
        pa.default_memory_pool().release_unused()
    for name in TYPES.keys() - columns.keys():
        columns[name] = _series(pa.nulls(rows, TYPES[name]), COLUMNS[name])
    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def _series(column: pa.Array, dtype: str) -> pd.Series[Any]:
    match dtype:
        case "str":
            return pd.Series(column, dtype="str")
        case "category":
            codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            return pd.Series(pd.Categorical.from_codes(codes, pd.Index(pd.array(column.dictionary, dtype="str"))))
        case "boolean":
            return pd.Series(pd.arrays.BooleanArray(*_values_and_mask(column, fill=False)))
        case "Int64":
            return pd.Series(pd.arrays.IntegerArray(*_values_and_mask(column, fill=0)))
    values = pd.Series(column.to_numpy(zero_copy_only=False))
    return values if dtype == "bool" else values.dt.tz_localize("UTC")


def _values_and_mask(column: pa.Array, fill: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    # pandas masks what is missing, and may write to both
    values = column.fill_null(fill).to_numpy(zero_copy_only=False).copy()
    return values, column.is_null().to_numpy(zero_copy_only=False).copy()
