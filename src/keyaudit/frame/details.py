"""The details of the keys, and how they join the analytics."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keyaudit.columns import to_arrow
from keyaudit.errors import UnreadableAnswer
from keyaudit.frame.analytics import SKEW
from keyaudit.frame.documents import DetailsDocument, count_or_none, decode, depth_explained, text_or_none
from keyaudit.frame.rows import (
    FLAG,
    IDENTITY,
    IS_GIVEN,
    NUMBER_OF_TEXTS,
    TEXTS,
    TIME,
    Form,
    Member,
    none_readable,
    on_several_lines,
    read_rows,
    rejected_row,
)
from keyaudit.frame.table import LISTED, to_frame
from keyaudit.frame.timestamps import TIMESTAMP, parse_timestamp
from keyaudit.model import Answer, DetailsState, Note, RejectedRow, Snapshot
from keyaudit.text import visible
from keyaudit.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM: Final = Form(
    "details",
    (
        *IDENTITY,
        Member("createdAt", "created_at", TIME, required=False),
        Member("expiresAt", "expires_at", TIME, required=False),
        Member("expiresAt", "ends", IS_GIVEN, required=False),
        Member("permissions", "permissions", TEXTS, required=False),
        Member("allowedIps", "allowed_ips", NUMBER_OF_TEXTS, required=False),
        Member("isTestKey", "is_test", FLAG, required=False),
        Member("canReveal", "can_reveal", FLAG, required=False),
    ),
)

_SHARED: Final = {member.column: (member.name, member.kind.typed) for member in IDENTITY}
_WHERE: Final = {word: pa.scalar(code, pa.int8()) for code, word in enumerate(LISTED)}
_IDS_SHOWN: Final = 3


def with_details(snapshot: Snapshot, answer: Answer) -> Snapshot:
    """*snapshot* with the details in *answer* joined in by id: first its own keys, then those of the details alone.

    Where both lists tell a name, prefix, state or last use, the details are believed, since they were read later.
    ``received``, ``totals``, ``counted`` and ``now`` stay those of the analytics. Raises :class:`UnreadableAnswer`
    when *answer* is no list of keys, or when not one row of a list that is not empty can be read.
    """
    details = _read(answer)
    analytics = pa.table({name: to_arrow(snapshot.keys[name], type) for name, (_, type) in _SHARED.items()})
    index = _matched(analytics["id"].combine_chunks(), details.table["id"].combine_chunks())
    joined = details.table if index is None else details.table.take(index)
    of_both = joined.slice(0, analytics.num_rows)
    differences = _differences(analytics, of_both, details.moment)
    detailed = joined["id"].combine_chunks().is_valid()
    if joined["id"].null_count:
        told = pa.concat_tables([analytics, joined.select(list(_SHARED)).slice(analytics.num_rows)])
        for name in _SHARED:
            column = pc.if_else(detailed, joined[name], told[name])
            joined = joined.set_column(joined.column_names.index(name), name, column)
    listed = _listed(joined["id"].combine_chunks(), detailed, analytics.num_rows, snapshot.rejected, details.rejected)
    notes = (*_notes(details), *_notes_on_differences(analytics["id"], differences), *_notes_on_places(listed))
    del analytics, of_both
    tables = [joined]
    del joined
    return replace(
        snapshot,
        keys=to_frame(tables, listed, detailed),
        rejected=(*snapshot.rejected, *details.rejected),
        details=DetailsState(read=True),
        notes=(*snapshot.notes, *notes),
    )


def without_details(snapshot: Snapshot, reason: str, *, noted: bool = False) -> Snapshot:
    """*snapshot* with the first sentence of *reason* for having no details; *noted* makes a note of all of it."""
    note = Note("details-unavailable", f"Details not available: {reason}")
    state = DetailsState(read=False, reason=reason[: reason.find(". ") + 1] or reason)
    return replace(snapshot, details=state, notes=(*snapshot.notes, note) if noted else snapshot.notes)


# ---------------------------------------------------------------- the list alone


@dataclass(frozen=True)
class _Details:
    """The rows that could be read, each id once, in order, and what the list claims of itself."""

    table: pa.Table
    rejected: tuple[RejectedRow, ...]
    received: int
    total: int | None
    moment: datetime | None


def _read(answer: Answer) -> _Details:
    with depth_explained(answer, DetailsDocument):
        document = decode(answer, DetailsDocument)
        total, moment = count_or_none(document.total), parse_timestamp(text_or_none(document.timestamp) or "")
        rows = document.api_keys
        received = len(rows)
        del document
        tables, rejected = read_rows(rows, FORM, several_lines=on_several_lines(answer.body))
    if received and sum(not row.kept for row in rejected) == received:
        raise UnreadableAnswer(none_readable(answer.source, rejected))
    table = pa.concat_tables(tables).unify_dictionaries()
    tables.clear()
    if len(pc.unique(table["id"])) < table.num_rows:
        table, repeated = _first_of_each_id(table, rejected, answer)
        rejected = sorted(rejected + repeated, key=lambda row: row.index)
    return _Details(table, tuple(rejected), received, total, moment)


def _first_of_each_id(
    table: pa.Table, rejected: list[RejectedRow], answer: Answer
) -> tuple[pa.Table, list[RejectedRow]]:
    """*table* without the rows whose id an earlier one has, and these as rejected rows."""
    repeated = pd.Series(table["id"].combine_chunks(), dtype="str").duplicated().to_numpy()
    unread = [row.index for row in rejected if not row.kept]
    positions = np.delete(np.arange(table.num_rows + len(unread)), unread)[repeated].tolist()
    rows = decode(answer, DetailsDocument).api_keys
    problem = "id stands in an earlier row already, whose details are used"
    return table.filter(pa.array(~repeated)), [rejected_row(place, rows[place], FORM, problem) for place in positions]


# ---------------------------------------------------------------- the two lists together


def _matched(ids: pa.Array, detailed_ids: pa.Array) -> pa.Array | None:
    """For each of *ids* its position in *detailed_ids* or null, then the positions that none of them has.

    ``None`` where that is every position in order, as it is for an account at rest.
    """
    if ids.equals(detailed_ids):
        return None
    place = pc.index_in(ids, value_set=detailed_ids)
    alone = np.ones(len(detailed_ids), dtype=bool)
    alone[place.drop_null().to_numpy()] = False
    return pa.concat_arrays([place, pa.array(np.flatnonzero(alone), place.type)])


def _listed(
    ids: pa.Array,
    detailed: pa.BooleanArray,
    analysed: int,
    unread_there: tuple[RejectedRow, ...],
    unread_here: tuple[RejectedRow, ...],
) -> pa.Array:
    """Where each key stands, as positions in :data:`LISTED`; a row that could not be read is a place to stand in."""
    in_analytics = pc.or_(pa.array(np.arange(len(ids)) < analysed), _among(ids, unread_there))
    in_details = pc.or_(detailed, _among(ids, unread_here))
    alone = pc.if_else(in_analytics, _WHERE["analytics"], _WHERE["details"])
    return pc.if_else(pc.and_(in_analytics, in_details), _WHERE["both"], alone)


def _among(ids: pa.Array, unread: tuple[RejectedRow, ...]) -> pa.BooleanArray:
    known = [row.id for row in unread if row.id is not None and not row.kept]
    return pc.is_in(ids, value_set=pa.array(known, ids.type))


def _differences(analytics: pa.Table, details: pa.Table, moment: datetime | None) -> dict[str, pa.ChunkedArray]:
    """For each member that both lists have, the keys of the analytics of which the details tell something else.

    *details* has the rows of *analytics*, empty where there is none. A key that was used between the two answers is
    no contradiction: its last use is later in the details, and about as late as *moment*, when they were given.
    """
    found = details["id"].is_valid()
    differences = {}
    for name, (member, type) in _SHARED.items():
        here, there = details[name], analytics[name]
        differs = pc.or_(
            pc.fill_null(pc.not_equal(here, there), fill_value=False), pc.xor(here.is_valid(), there.is_valid())
        )
        if type == TIMESTAMP and moment is not None:
            later = pc.or_(there.is_null(), pc.fill_null(pc.greater(here, there), fill_value=False))
            just_now = pc.fill_null(pc.greater_equal(here, pa.scalar(moment - SKEW, TIMESTAMP)), fill_value=False)
            differs = pc.and_not(differs, pc.and_(later, just_now))
        differences[member] = pc.and_(differs, found)
    return differences


# ---------------------------------------------------------------- notes


def _notes(details: _Details) -> Iterator[Note]:
    if details.total not in {None, details.received}:
        yield Note(
            "details-count",
            f"The list of details says that it has {count(details.total, 'key')}, but it has "
            f"{count(details.received, 'row')}.",
        )
    unknown = [
        f"{name} of {count(details.table[column].null_count, 'key')}"
        for name, column in (("createdAt", "created_at"), ("permissions", "permissions"))
        if details.table[column].null_count
    ]
    if unknown:
        yield Note("details-incomplete", f"The details do not tell {' and '.join(unknown)}.")


def _notes_on_differences(ids: pa.ChunkedArray, differences: dict[str, pa.ChunkedArray]) -> Iterator[Note]:
    numbers = {member: pc.sum(differs).as_py() or 0 for member, differs in differences.items()}
    if not any(numbers.values()):
        return
    differing = ids.filter(functools.reduce(pc.or_, differences.values()))
    told = ", ".join(f"{member} of {number:,}" for member, number in numbers.items() if number)
    shown = ", ".join(visible(id, 80) for id in differing.slice(0, _IDS_SHOWN).to_pylist())
    more = ", …" if len(differing) > _IDS_SHOWN else ""
    yield Note(
        "lists-disagree",
        f"The analytics and the details disagree on {count(len(differing), 'key')} ({told}); the details, read later, "
        f"are believed: {shown}{more}.",
    )


def _notes_on_places(listed: pa.Array) -> Iterator[Note]:
    numbers = {word: pc.sum(pc.equal(listed, code)).as_py() or 0 for word, code in _WHERE.items()}
    told = [f"{count(numbers[word], 'key')} in the {word} alone" for word in ("analytics", "details") if numbers[word]]
    if told:
        yield Note(
            "listed-once",
            f"Listed once: {' and '.join(told)}. The lists are read one after the other; keys may change in between.",
        )
