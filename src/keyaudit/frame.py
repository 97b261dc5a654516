"""Rows to a typed frame, bad rows apart.

Clean rows go through Arrow's columnar reader, chunk by chunk. Arrow is only the fast path: a chunk that it does
not read cleanly is read again row by row by :func:`_read_row`, which knows the rules and names what is wrong.
Nothing but the five named members of a row is ever kept, so a secret in another one goes no further.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from keyaudit.errors import UnreadableAnswer
from keyaudit.model import Answer, Note, RejectedRow, Snapshot, Totals
from keyaudit.text import stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLUMNS: Final = {
    "id": "str",
    "name": "str",
    "prefix": "str",
    "last_used_at": "datetime64[us, UTC]",
    "is_active": "bool",
    "own": "bool",
}
"""The columns of ``Snapshot.keys`` and their dtypes; ``str`` is pyarrow-backed and without missing values.

``last_used_at`` is NaT for a key that was never used. ``own`` marks the key with which keyaudit itself asked.
"""

SKEW: Final = timedelta(minutes=5)
"""How far the server's clock may be from ours before the snapshot says so."""

SHORTEST_OWN_PREFIX: Final = 10
"""A shorter prefix, such as ``rt_live_``, is that of too many keys to recognise one by."""

_CHUNK = 1 << 16
_BLOCK = 1 << 20

_WANTED = {
    "id": ("text",),
    "name": ("text",),
    "keyPrefix": ("text",),
    "lastUsedAt": ("text", "null"),
    "isActive": ("true or false",),
}
_AS_READ = pa.schema(
    [
        ("id", pa.large_string()),
        ("name", pa.large_string()),
        ("keyPrefix", pa.large_string()),
        ("lastUsedAt", pa.string()),
        ("isActive", pa.bool_()),
    ]
)
_TIMESTAMP = pa.timestamp("us", "UTC")
_TYPED = pa.schema(
    [
        ("id", pa.large_string()),
        ("name", pa.large_string()),
        ("prefix", pa.large_string()),
        ("last_used_at", _TIMESTAMP),
        ("is_active", pa.bool_()),
    ]
)

# Near the ends of the calendar an offset leads out of it, and Arrow goes where datetime cannot follow.
_EARLIEST = pa.scalar(datetime(1, 1, 3, tzinfo=UTC), _TIMESTAMP)
_LATEST = pa.scalar(datetime(9999, 12, 29, tzinfo=UTC), _TIMESTAMP)


# ---------------------------------------------------------------- the public part


def read_analytics(answer: Answer, *, now: datetime | None = None, local_now: datetime) -> Snapshot:
    """The keys of *answer*, typed, beside the rows that could not be read.

    *now* overrules the server's clock; without it that is the document's ``timestamp``, else the ``Date`` header,
    else *local_now*. All of them are aware and in UTC. Raises :class:`UnreadableAnswer` when what came is no
    analytics document, or when not one row of a list that is not empty can be read.
    """
    with _depth_explained(answer):
        document = _decode(answer)
        analytics, timestamp = document.analytics, _text_or_none(document.timestamp)
        totals = Totals(
            total=_count(analytics.total_keys),
            active=_count(analytics.active_keys),
            expired=_count(analytics.expired_keys),
        )
        rows = analytics.key_breakdown
        received = len(rows)
        # The rows are given back as they are read; nothing else may hold on to the list.
        del document, analytics
        # Within text, line ends are always escaped; the last bytes may be a file's own.
        several_lines = any(answer.body.find(end, 0, -2) >= 0 for end in (b"\n", b"\r"))
        tables, rejected = _read_rows(rows, several_lines=several_lines)
    if received and len(rejected) == received:
        raise UnreadableAnswer(_no_row_readable(answer, rejected))
    moment, notes = _clock(answer, parse_timestamp(timestamp or ""), now, local_now)
    return Snapshot(
        source=answer.source,
        now=moment,
        keys=_to_frame(tables),
        rejected=tuple(rejected),
        received=received,
        totals=totals,
        live=answer.received_at is not None,
        notes=notes,
    )


def save_analytics(answer: Answer) -> bytes:
    """The document of *answer* with its named members only, as JSON, to be read again by :func:`read_analytics`.

    Scalars stay as they came, wrong ones too; a list or object where a scalar belongs is emptied, and so is a row
    that is no object. Both readings give the same keys and the same problems. Raises :class:`UnreadableAnswer`.
    """
    with _depth_explained(answer):
        document = _decode(answer)
        analytics = document.analytics
        rows = b",".join(_reduced_row(row) for row in analytics.key_breakdown)
    counts = {
        "totalKeys": analytics.total_keys,
        "activeKeys": analytics.active_keys,
        "expiredKeys": analytics.expired_keys,
    }
    members = [b'"%s":%s' % (name.encode(), _reduced(raw)) for name, raw in counts.items() if raw]
    members.append(b'"keyBreakdown":[%s]' % rows)
    timestamp = b',"timestamp":' + _reduced(document.timestamp) if document.timestamp else b""
    return b'{"analytics":{%s}%s}' % (b",".join(members), timestamp)


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


_TIMESTAMP_PATTERN = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3])(?::[0-5]\d(?::(?:[0-5]\d|(60))(?:\.\d+)?)?)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)",
    re.ASCII,
)


def parse_timestamp(text: str) -> datetime | None:
    """The moment, in UTC, that an RFC 3339 timestamp tells; ``None`` if *text* is none or has no zone.

    Beyond the standard, a space for the ``T``, missing minutes or seconds, and offsets without colon or minutes
    are read, as Arrow reads them. Digits after the microseconds are cut off; second 60 is the next minute's first.
    """
    match = _TIMESTAMP_PATTERN.fullmatch(text)
    if match is None:
        return None
    leap = timedelta(seconds=match[1] is not None)
    if leap:
        text = f"{text[:17]}59{text[19:]}"
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC) + leap
    except (ValueError, OverflowError):
        return None


# ---------------------------------------------------------------- the document

_ABSENT = msgspec.Raw()


class _Analytics(msgspec.Struct, rename="camel"):
    key_breakdown: list[msgspec.Raw]
    total_keys: msgspec.Raw = _ABSENT
    active_keys: msgspec.Raw = _ABSENT
    expired_keys: msgspec.Raw = _ABSENT


class _Document(msgspec.Struct):
    analytics: _Analytics
    timestamp: msgspec.Raw = _ABSENT


class _Shape(msgspec.Struct, rename="camel"):
    """Whatever may stand in an object that is not what was expected."""

    analytics: msgspec.Raw = _ABSENT
    key_breakdown: msgspec.Raw = _ABSENT
    api_keys: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT
    errors: msgspec.Raw = _ABSENT
    message: msgspec.Raw = _ABSENT


def _decode(answer: Answer) -> _Document:
    body: bytes | memoryview = answer.body
    # A single byte is found many times faster than an expression.
    if b"\\" in answer.body and _SURROGATE.search(answer.body):
        body = _without_lone_surrogates(answer.body)
    if answer.body.startswith(b"\xef\xbb\xbf"):
        body = memoryview(body)[3:]
    try:
        return msgspec.json.decode(body, type=_Document)
    except msgspec.DecodeError as error:
        raise _unreadable(answer, _what_came(bytes(body), error)) from None


@contextmanager
def _depth_explained(answer: Answer) -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise _unreadable(answer, "JSON nested too deeply") from None


def _unreadable(answer: Answer, what: str) -> UnreadableAnswer:
    return UnreadableAnswer(
        f"The answer from {answer.source} is no analytics document of API keys but {what}. "
        "Check the address; a file should be one that `keyaudit fetch` saved."
    )


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def _without_lone_surrogates(body: bytes) -> bytes:
    """*body* with a stand-in for each escaped surrogate without its pair; one such name would fail the document."""

    def mended(escape: re.Match[bytes]) -> bytes:
        half = escape[1]
        return escape[0] if half is None else stand_in(int(half, 16)).encode()

    return _ESCAPE.sub(mended, body)


def _what_came(body: bytes, error: msgspec.DecodeError) -> str:
    """What *body* is instead of an analytics document, without a word of it."""
    if isinstance(error, msgspec.ValidationError):
        return _what_shape(body)
    start = body[:1024].lstrip().lower()
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start[:4]:
        return "text in UTF-16 or UTF-32 (JSON is exchanged in UTF-8)"
    if start.startswith(b"<"):
        return "an HTML page" if b"<html" in start or b"<!doctype html" in start else "an XML or HTML text"
    if not body.strip():
        return "empty"
    if "truncated" in str(error):
        return f"JSON that breaks off after {len(body):,} bytes"
    place = re.search(r"byte (\d+)", str(error))
    return "text that is not valid JSON" + (f" (first fault at byte {int(place[1]):,})" if place else "")


def _what_shape(body: bytes) -> str:
    kind = _kind_of(body[:1024].lstrip())
    if kind != "an object":
        return kind
    document = msgspec.json.decode(body, type=_Shape)
    if not document.analytics:
        if document.api_keys:
            return "the plain list of API keys (`apiKeys`), which is another endpoint's"
        if document.error or document.errors or document.message:
            return "an error message"
        return "an object without `analytics`"
    kind = _kind_of(document.analytics)
    if kind != "an object":
        return f"an object whose `analytics` is {kind}"
    breakdown = msgspec.json.decode(document.analytics, type=_Shape).key_breakdown
    if not breakdown:
        return "an object whose `analytics` has no `keyBreakdown`"
    return f"an object whose `keyBreakdown` is {_kind_of(breakdown)}, not a list"


_KINDS_BY_BYTE = {
    b"{": "an object",
    b"[": "a list",
    b'"': "text",
    b"t": "true or false",
    b"f": "true or false",
    b"n": "null",
}
_KINDS_BY_TYPE = {tuple: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}


def _kind_of(token: bytes | msgspec.Raw) -> str:
    """The type of a JSON value, which its first byte tells."""
    return _KINDS_BY_BYTE.get(bytes(token)[:1], "a number")


def _kind(value: object) -> str:
    """The type of a value from :func:`_members`, in the same words."""
    return _KINDS_BY_TYPE.get(type(value), "a number")


def _text_or_none(token: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(token, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _count(token: msgspec.Raw) -> int | None:
    digits = bytes(token)
    return int(digits) if re.fullmatch(rb"0|[1-9][0-9]{0,17}", digits) else None


def _clock(
    answer: Answer, timestamp: datetime | None, given: datetime | None, local_now: datetime
) -> tuple[datetime, tuple[Note, ...]]:
    notes = []
    server = timestamp or answer.date
    if given is not None:
        moment = given
        if given != timestamp:
            notes.append(Note("clock-given", "Every age is told against a given time, not against that of the answer."))
    elif timestamp is not None:
        moment = timestamp
    else:
        moment = server or local_now
        instead = "the time of its Date header" if server else "the local clock"
        notes.append(
            Note("clock-replaced", f"The answer has no readable timestamp; {instead} is used for every age instead.")
        )
    if server is not None and answer.received_at is not None:
        skew = server - answer.received_at
        if abs(skew) > SKEW:
            direction = "ahead of" if skew > timedelta() else "behind"
            seconds = timedelta(seconds=round(abs(skew).total_seconds()))
            notes.append(Note("clock-skew", f"The server's clock is {seconds} (h:mm:ss) {direction} the local clock."))
    return moment.astimezone(UTC), tuple(notes)


# ---------------------------------------------------------------- the rows


class _WithLastUse(msgspec.Struct, rename="camel"):
    last_used_at: None


_NEVER_USED = msgspec.json.Decoder(list[_WithLastUse])
_READING = pa.json.ParseOptions(explicit_schema=_AS_READ, unexpected_field_behavior="ignore")
_BLOCKS = pa.json.ReadOptions(use_threads=True, block_size=_BLOCK)
_NO_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


def _read_rows(rows: list[msgspec.Raw], *, several_lines: bool) -> tuple[list[pa.Table], list[RejectedRow]]:
    """The tables of the rows that could be read, in order, and the others. Empties *rows* on the way."""
    tables, rejected = [_TYPED.empty_table()], []
    first = 0
    while rows:
        chunk = rows[:_CHUNK]
        del rows[:_CHUNK]
        lines = [bytes(row).translate(_NO_LINE_ENDS) for row in chunk] if several_lines else chunk
        table = _read_clean(lines)
        if table is None:
            table, apart = _read_each(chunk, first)
            rejected += apart
        tables.append(table)
        first += len(chunk)
    return tables, rejected


def _read_clean(rows: Sequence[bytes | msgspec.Raw]) -> pa.Table | None:
    """The table of *rows*, each on one line, if every one of them is as it should be, else ``None``."""
    lines = b"\n".join(rows)
    try:
        table = pa.json.read_json(pa.BufferReader(lines), parse_options=_READING, read_options=_BLOCKS)
        table.validate(full=True)
        last_used_at = pc.cast(table["lastUsedAt"], _TIMESTAMP)
    except pa.ArrowInvalid:
        return None
    if pc.any(pc.or_(pc.less(last_used_at, _EARLIEST), pc.greater(last_used_at, _LATEST))).as_py():
        return None
    if any(table[name].null_count for name in ("id", "name", "keyPrefix", "isActive")):
        return None
    if pc.any(pc.equal(pc.binary_length(table["id"]), 0)).as_py() or not _all_have_last_use(rows, last_used_at):
        return None
    columns = [last_used_at if name == "lastUsedAt" else table[name] for name in table.column_names]
    return pa.Table.from_arrays(columns, schema=_TYPED)


def _all_have_last_use(rows: Sequence[bytes | msgspec.Raw], last_used_at: pa.ChunkedArray) -> bool:
    """Whether every null is one that was sent: to Arrow an absent member is null as well."""
    never = pc.indices_nonzero(pc.is_null(last_used_at)).to_pylist()
    try:
        _NEVER_USED.decode(b"[%s]" % b",".join([rows[index] for index in never]))
    except msgspec.DecodeError:
        return False
    return True


def _read_each(rows: Sequence[msgspec.Raw], first: int) -> tuple[pa.Table, list[RejectedRow]]:
    good, rejected = [], []
    for index, row in enumerate(rows, first):
        members = _members(row)
        try:
            good.append(_read_row(members))
        except _BadRow as bad:
            digest = hashlib.sha256(row).hexdigest()[:16]
            rejected.append(RejectedRow(index, bad.problem, digest, **_salvaged(members)))
    columns = zip(*good, strict=True) if good else [[]] * len(_TYPED)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _TYPED, strict=True)]
    return pa.table(arrays, schema=_TYPED), rejected


@dataclass
class _BadRow(Exception):
    problem: str


# JSON as json.loads has it, but for objects, which become tuples of pairs so that no repetition is lost,
# and numbers, which stay as they were written.
_parse = json.JSONDecoder(object_pairs_hook=tuple, parse_int=msgspec.Raw, parse_float=msgspec.Raw).decode

_HALF = re.compile("[\ud800-\udfff]")


def _members(row: msgspec.Raw) -> object:
    """The value of *row*; bytes that are no UTF-8 become surrogates, which nothing else in it can be by now."""
    return _parse(str(row, "utf-8", "surrogateescape"))


def _read_row(members: object) -> tuple[str, str, str, datetime | None, bool]:
    """The values of one row in the order of the columns. Raises :class:`_BadRow` with the first problem."""
    if not isinstance(members, tuple):
        raise _BadRow(f"the row is {_kind(members)}, not an object")
    named = [pair for pair in members if pair[0] in _WANTED]
    found = dict(named)
    if len(found) < len(named):
        repeated = next(name for name in _WANTED if [pair[0] for pair in named].count(name) > 1)
        raise _BadRow(f"{repeated} appears twice")
    for name, wanted in _WANTED.items():
        if name not in found:
            raise _BadRow(f"{name} is missing")
        value = found[name]
        kind = _kind(value)
        if kind not in wanted:
            raise _BadRow(f"{name} is {kind}, not {' or '.join(wanted)}")
        if isinstance(value, str) and not value.isascii() and _HALF.search(value):
            raise _BadRow(f"{name} is not valid UTF-8")
    if not found["id"]:
        raise _BadRow("id is empty")
    last_used_at = found["lastUsedAt"]
    return (
        found["id"],
        found["name"],
        found["keyPrefix"],
        None if last_used_at is None else _last_use(last_used_at),
        found["isActive"],
    )


def _last_use(text: str) -> datetime:
    moment = parse_timestamp(text)
    if moment is not None:
        return moment
    if not text:
        raise _BadRow("lastUsedAt is empty")
    if parse_timestamp(text + "Z"):
        raise _BadRow("lastUsedAt has no time zone")
    raise _BadRow("lastUsedAt is no RFC 3339 timestamp with a zone")


def _salvaged(members: object) -> dict[str, str]:
    """What can be read of a bad row's id, name and prefix; of a repeated member the first."""
    if not isinstance(members, tuple):
        return {}
    places = {"id": "id", "name": "name", "keyPrefix": "prefix"}
    return {
        places[name]: value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, value in reversed(members)
        if name in places and isinstance(value, str)
    }


def _no_row_readable(answer: Answer, rejected: Sequence[RejectedRow]) -> str:
    problems = Counter(row.problem for row in rejected).most_common(3)
    told = "; ".join(f"{problem} ({count:,} {'row' if count == 1 else 'rows'})" for problem, count in problems)
    return f"Not one of the {len(rejected):,} keys in the answer from {answer.source} could be read: {told}."


def _to_frame(tables: list[pa.Table]) -> pd.DataFrame:
    """The frame of *tables*, which is emptied: each column's chunks are given back as soon as they are joined.

    Arrow's pool would keep their memory, at a million keys more than half the size of the document.
    """
    table = pa.concat_tables(tables)
    tables.clear()
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        table = table.drop_columns(name)
        is_text = COLUMNS[name] == "str"
        columns[name] = pd.Series(column, dtype="str") if is_text else pd.Series(column.to_numpy(zero_copy_only=False))
        pa.default_memory_pool().release_unused()
    columns["last_used_at"] = columns["last_used_at"].dt.tz_localize("UTC")
    return pd.DataFrame(columns).assign(own=False)


# ---------------------------------------------------------------- the saved form


def _reduced(token: msgspec.Raw) -> bytes:
    scalar = bytes(token)
    return {b"{": b"{}", b"[": b"[]"}.get(scalar[:1], scalar)


def _reduced_row(row: msgspec.Raw) -> bytes:
    members = _members(row)
    if not isinstance(members, tuple):
        return _EMPTY[_kind(members)]
    kept = ",".join(f'"{name}":{_scalar(value)}' for name, value in members if name in _WANTED)
    return b"{%s}" % kept.encode("utf-8", "surrogateescape")


_dump = json.JSONEncoder(ensure_ascii=False).encode
_EMPTY = {"a list": b"[]", "text": b'""', "true or false": b"false", "null": b"null", "a number": b"0"}


def _scalar(value: object) -> str:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    if isinstance(value, list | tuple):
        return "[]" if isinstance(value, list) else "{}"
    return _dump(value)
