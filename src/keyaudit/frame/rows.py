"""Rows of a document to typed columns, bad rows apart.

Clean rows go through Arrow's columnar reader, chunk by chunk. Arrow is only the fast path: a chunk that it does
not read cleanly is read again row by row by :func:`_read_row`, which knows the rules and names what is wrong.
Nothing but the named members of a row is ever kept, so a secret in another one goes no further.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from keyaudit.frame.timestamps import TIMESTAMP, parse_timestamp, parse_timestamps
from keyaudit.model import RejectedRow
from keyaudit.wording import count

CHUNK = 1 << 16
_BLOCK = 1 << 20


# ---------------------------------------------------------------- what a row consists of


@dataclass
class BadRow(Exception):
    """A value, and with it perhaps its row, that cannot be read. ``problem`` does not repeat it."""

    problem: str


@dataclass(frozen=True)
class Kind:
    """A sort of value: the JSON types that it may have, and its Arrow types as received and as typed.

    ``columnar`` turns a whole column of them, or raises :class:`pyarrow.ArrowInvalid` where a value has to be looked
    at alone; ``single`` turns one, given its name for the problem, or raises :class:`BadRow`.
    """

    accepts: tuple[str, ...]
    received: pa.DataType
    typed: pa.DataType
    columnar: Callable[[pa.ChunkedArray], pa.ChunkedArray] = lambda column: column
    single: Callable[[Any, str], Any] = lambda value, _: value


@dataclass(frozen=True)
class Member:
    """A named member of a row, and the column that it becomes.

    A row without a readable value in a *required* one is rejected; otherwise null and absent are fine, and an
    unreadable value counts as not known.
    """

    name: str
    column: str
    kind: Kind
    required: bool = True

    @property
    def accepts(self) -> tuple[str, ...]:
        """The JSON types that the value may have, in words."""
        return self.kind.accepts if self.required else tuple(dict.fromkeys((*self.kind.accepts, "null")))

    def columnar(self, received: pa.ChunkedArray) -> pa.ChunkedArray:
        """The typed column. Raises :class:`pyarrow.ArrowInvalid` where a value has to be looked at alone."""
        if received.null_count and "null" not in self.accepts:
            raise pa.ArrowInvalid(self.name)
        return self.kind.columnar(received)

    def single(self, values: Sequence[object]) -> Any:
        """The typed value of a row that has *values* by this name. Raises :class:`BadRow`."""
        if len(values) > 1:
            raise BadRow(f"{self.name} appears twice")
        if not values and self.required:
            raise BadRow(f"{self.name} is missing")
        value = values[0] if values else None
        kind = _kind(value)
        if kind not in self.accepts:
            raise BadRow(f"{self.name} is {kind}, not {' or '.join(self.accepts)}")
        if _has_half(value):
            raise BadRow(f"{self.name} is not valid UTF-8")
        return self.kind.single(value, self.name)


@dataclass(frozen=True)
class Form:
    """What the rows of a list look like: *members* by column, and the list that a rejected row stands in."""

    list: Literal["analytics", "details"]
    members: tuple[Member, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The members that are read; all others are dropped."""
        return frozenset(member.name for member in self.members)

    @cached_property
    def received(self) -> pa.Schema:
        """The columns as Arrow reads them."""
        return pa.schema({member.name: member.kind.received for member in self.members})

    @cached_property
    def typed(self) -> pa.Schema:
        """The columns as they leave here."""
        return pa.schema([(member.column, member.kind.typed) for member in self.members])


def _one_or_more_characters(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.any(pc.equal(pc.binary_length(column), 0)).as_py():
        msg = "empty"
        raise pa.ArrowInvalid(msg)
    return column


def _not_empty(text: str, name: str) -> str:
    if not text:
        raise BadRow(f"{name} is empty")
    return text


def _moment(text: str | None, name: str) -> Any:
    moment = parse_timestamp(text) if text else None
    if moment is not None or text is None:
        return moment
    if not text:
        raise BadRow(f"{name} is empty")
    if parse_timestamp(text + "Z"):
        raise BadRow(f"{name} has no time zone")
    raise BadRow(f"{name} is no RFC 3339 timestamp with a zone")


def _texts_only(texts: Any, name: str) -> Any:
    for text in texts or ():
        if not isinstance(text, str):
            raise BadRow(f"{name} holds {_kind(text)}, not only text")
        if _has_half(text):
            raise BadRow(f"{name} is not valid UTF-8")
    return texts


def _lists_of_texts(column: pa.ChunkedArray) -> pa.ListArray:
    lists = column.combine_chunks()
    if lists.flatten().null_count:
        msg = "null in a list"
        raise pa.ArrowInvalid(msg)
    return lists


def _as_json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of text as JSON, each distinct one once: few texts and fewer combinations of them, however many rows."""
    lists = _lists_of_texts(column)
    texts = lists.values.dictionary_encode()
    escaped = pa.array([dump(text) for text in texts.dictionary.to_pylist()], pa.string()).take(texts.indices)
    offsets, missing = lists.offsets, pc.is_null(lists)
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, escaped, mask=missing), ",").dictionary_encode()
    arrays = pa.array([f"[{inner}]" for inner in joined.dictionary.to_pylist()], pa.large_string())
    return pa.chunked_array([pa.DictionaryArray.from_arrays(joined.indices, arrays)])


dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value as JSON, its text as it is."""


TEXT = Kind(("text",), pa.large_string(), pa.large_string())
NAME = Kind(("text",), pa.large_string(), pa.large_string(), _one_or_more_characters, _not_empty)
FLAG = Kind(("true or false",), pa.bool_(), pa.bool_())
TIME = Kind(("text", "null"), pa.string(), TIMESTAMP, parse_timestamps, _moment)
IS_GIVEN = Kind(
    ("text", "null"),
    pa.string(),
    pa.bool_(),
    lambda column: pc.is_valid(parse_timestamps(column)),
    lambda text, name: _moment(text, name) is not None,
)
TEXTS = Kind(
    ("a list",),
    pa.list_(pa.string()),
    pa.dictionary(pa.int32(), pa.large_string()),
    _as_json,
    lambda texts, name: None if texts is None else dump(_texts_only(texts, name)),
)
NUMBER_OF_TEXTS = Kind(
    ("a list",),
    pa.list_(pa.string()),
    pa.int64(),
    lambda column: pa.chunked_array([pc.list_value_length(_lists_of_texts(column)).cast(pa.int64())]),
    lambda texts, name: None if texts is None else len(_texts_only(texts, name)),
)

LAST_USE = "lastUsedAt"
IDENTITY = (
    Member("id", "id", NAME),
    Member("name", "name", TEXT),
    Member("keyPrefix", "prefix", TEXT),
    Member(LAST_USE, "last_used_at", TIME),
    Member("isActive", "is_active", FLAG),
)
"""What every row of either list has."""


# ---------------------------------------------------------------- reading them


class _WithLastUse(msgspec.Struct, rename="camel"):
    last_used_at: None


_NEVER_USED = msgspec.json.Decoder(list[_WithLastUse])
_BLOCKS = pa.json.ReadOptions(use_threads=True, block_size=_BLOCK)
_NO_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


def on_several_lines(body: bytes) -> bool:
    """Whether rows in *body* may hold line ends. Text has them escaped; the last bytes may be a file's own."""
    return any(body.find(end, 0, -2) >= 0 for end in (b"\n", b"\r"))


def read_rows(rows: list[msgspec.Raw], form: Form, *, several_lines: bool) -> tuple[list[pa.Table], list[RejectedRow]]:
    """The tables of the rows that could be read, in order, and what could not be read. Empties *rows* on the way."""
    tables, rejected = [form.typed.empty_table()], []
    first = 0
    while rows:
        chunk = rows[:CHUNK]
        del rows[:CHUNK]
        lines = [bytes(row).translate(_NO_LINE_ENDS) for row in chunk] if several_lines else chunk
        table = _read_clean(lines, form)
        if table is None:
            table, apart = _read_each(chunk, form, first)
            rejected += apart
        tables.append(table)
        first += len(chunk)
    return tables, rejected


def none_readable(source: str, rejected: Sequence[RejectedRow]) -> str:
    """What is wrong with an answer of which not one row could be read."""
    problems = Counter(row.problem for row in rejected).most_common(3)
    told = "; ".join(f"{problem} ({count(number, 'row')})" for problem, number in problems)
    return f"Not one of the {len(rejected):,} keys in the answer from {source} could be read: {told}."


def _read_clean(rows: Sequence[bytes | msgspec.Raw], form: Form) -> pa.Table | None:
    """The table of *rows*, each on one line, if every one of them is as it should be, else ``None``."""
    lines = b"\n".join(rows)
    parsing = pa.json.ParseOptions(explicit_schema=form.received, unexpected_field_behavior="ignore")
    try:
        table = pa.json.read_json(pa.BufferReader(lines), parse_options=parsing, read_options=_BLOCKS)
        table.validate(full=True)
        columns = [member.columnar(table[member.name]) for member in form.members]
    except pa.ArrowInvalid:
        return None
    if not _all_have_last_use(rows, table[LAST_USE]):
        return None
    return pa.Table.from_arrays(columns, schema=form.typed)


def _all_have_last_use(rows: Sequence[bytes | msgspec.Raw], last_use: pa.ChunkedArray) -> bool:
    """Whether every null is one that was sent: to Arrow an absent member is null as well."""
    never = pc.indices_nonzero(pc.is_null(last_use)).to_pylist()
    try:
        _NEVER_USED.decode(b"[%s]" % b",".join([rows[index] for index in never]))
    except msgspec.DecodeError:
        return False
    return True


def _read_each(rows: Sequence[msgspec.Raw], form: Form, first: int) -> tuple[pa.Table, list[RejectedRow]]:
    good, rejected = [], []
    for index, row in enumerate(rows, first):
        members = members_of(row)
        try:
            values, problems = _read_row(members, form)
        except BadRow as bad:
            rejected.append(rejected_row(index, row, form, bad.problem))
        else:
            good.append(values)
            if problems:
                lost = "it counts as not known" if len(problems) == 1 else "they count as not known"
                rejected.append(rejected_row(index, row, form, f"{'; '.join(problems)}; {lost}", kept=True))
    columns = zip(*good, strict=True) if good else [[]] * len(form.members)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, form.typed, strict=True)]
    return pa.table(arrays, schema=form.typed), rejected


def _read_row(members: object, form: Form) -> tuple[list[Any], list[str]]:
    """The values of one row in the order of the columns, and what is wrong with the optional ones.

    Raises :class:`BadRow` with the first problem of the row, or of a required member.
    """
    if not isinstance(members, tuple):
        raise BadRow(f"the row is {_kind(members)}, not an object")
    found: dict[str, list[object]] = {name: [] for name in form.names}
    for name, value in members:
        if name in found:
            found[name].append(value)
    values: list[Any] = []
    problems: dict[str, str] = {}
    for member in form.members:
        try:
            values.append(member.single(found[member.name]))
        except BadRow as bad:
            if member.required:
                raise
            values.append(None)
            problems[member.name] = bad.problem
    return values, list(problems.values())


# ---------------------------------------------------------------- one row

_KINDS_BY_TYPE = {tuple: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}

# JSON as json.loads has it, but for objects, which become tuples of pairs so that no repetition is lost,
# and numbers, which stay as they were written.
_parse = json.JSONDecoder(object_pairs_hook=tuple, parse_int=msgspec.Raw, parse_float=msgspec.Raw).decode

_HALF = re.compile("[\ud800-\udfff]")


def members_of(row: msgspec.Raw) -> object:
    """The value of *row*; bytes that are no UTF-8 become surrogates, which nothing else in it can be by now."""
    return _parse(str(row, "utf-8", "surrogateescape"))


def _kind(value: object) -> str:
    """The type of a value from :func:`members_of`, in the words of :func:`keyaudit.frame.documents.kind_of`."""
    return _KINDS_BY_TYPE.get(type(value), "a number")


def _has_half(value: object) -> bool:
    return isinstance(value, str) and not value.isascii() and _HALF.search(value) is not None


def rejected_row(index: int, row: msgspec.Raw, form: Form, problem: str, *, kept: bool = False) -> RejectedRow:
    """A row kept apart, with whatever can be read of its id, name and prefix; of a repeated member the first."""
    places = {"id": "id", "name": "name", "keyPrefix": "prefix"}
    members = members_of(row)
    salvaged = {
        places[name]: value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, value in reversed(members if isinstance(members, tuple) else ())
        if name in places and isinstance(value, str)
    }
    digest = hashlib.sha256(row).hexdigest()[:16]
    return RejectedRow(index, problem, digest, **salvaged, list=form.list, kept=kept)
