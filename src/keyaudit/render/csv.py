"""All findings for spreadsheets: RFC 4180, one row a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keyaudit.model import AuditResult
from keyaudit.render import Format, RenderSettings
from keyaudit.render._words import accepted

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "id",
    "rule",
    "severity",
    "key_id",
    "key_name",
    "key_prefix",
    "active",
    "own",
    "last_used_at",
    "evidence",
    "action",
    "waived",
    "waiver",
    "owner",
)
"""The header. ``active``, ``own`` and ``waived`` are ``true`` or ``false``, ``active`` empty for the account itself;
``last_used_at`` is RFC 3339 in UTC, rounded down to the second, and empty when never used or not known; ``waiver``
says who accepts the finding, until when and why."""

# Where the separator is not the comma (Excel in much of Europe), a cell can also begin behind a semicolon.
# The escapes are the small and the full-width forms of + - = @, which East Asian spreadsheets take for the same.
_FORMULA = "(^|;)([\\s\"]*)(['=+\\-@\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])"


class Csv(Format):
    """Text from outside is guarded against being run as a formula; see :func:`guarded`."""

    name = "csv"
    suffix = "csv"
    summary = "all findings, one a row, for spreadsheets"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:  # noqa: ARG002 - needs none
        """The table, with a byte order mark: Excel takes a file without one for the legacy code page, which would
        garble names beyond recognition, and whatever else reads CSV skips the mark or can be told to.
        """
        import pyarrow as pa
        from pyarrow.csv import WriteOptions, write_csv

        from keyaudit.render._columns import CHUNK, chunks

        yield b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n"
        options = WriteOptions(include_header=False, eol="\r\n", batch_size=CHUNK)
        waivers = [accepted(each.waiver) for each in result.waivers]
        for columns in chunks(result.findings):
            buffer = pa.BufferOutputStream()
            write_csv(pa.RecordBatch.from_arrays(_cells(columns, waivers), COLUMNS), buffer, options)
            yield buffer.getvalue().to_pybytes()


def guarded(text: str) -> str:
    """*text* with an apostrophe before each character that could start a formula where a cell could start.

    The apostrophe itself gets one too, so that different texts stay different: taking one apostrophe away at each
    such place gives the text back.
    """
    return re.sub(_FORMULA, r"\1\2'\3", text)


def _cells(columns: dict[str, pa.Array], waivers: list[str]) -> list[pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from keyaudit.render._columns import as_text, replace_few

    def cell(text: pa.Array) -> pa.Array:
        return replace_few(text, _FORMULA, guarded, otherwise=text)

    index = columns["waiver"]
    waived = pc.greater_equal(index, 0)
    waiver = pa.DictionaryArray.from_arrays(
        pc.if_else(waived, index, pa.scalar(None, pa.int32())), pa.array(waivers, pa.string())
    )
    of_result = {**columns, "waived": waived, "waiver": waiver}
    return [as_text(of_result[name], cell) for name in COLUMNS]
