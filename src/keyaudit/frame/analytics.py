"""The analytics: all keys as a snapshot, whose clock is the server's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from keyaudit.errors import UnreadableAnswer
from keyaudit.frame.documents import AnalyticsDocument, count_or_none, decode, depth_explained, text_or_none
from keyaudit.frame.rows import IDENTITY, Form, none_readable, on_several_lines, read_rows
from keyaudit.frame.table import to_frame
from keyaudit.frame.timestamps import parse_timestamp
from keyaudit.model import Answer, Note, Snapshot, Totals

SKEW: Final = timedelta(minutes=5)
"""How far the server's clock may be from ours before the snapshot says so."""

FORM: Final = Form("analytics", IDENTITY)


def read_analytics(answer: Answer, *, now: datetime | None = None, local_now: datetime) -> Snapshot:
    """The keys of *answer*, typed, beside the rows that could not be read; of their details nothing is known yet.

    *now* overrules the server's clock; without it that is the document's ``timestamp``, else the ``Date`` header,
    else *local_now*. All of them are aware and in UTC. Raises :class:`UnreadableAnswer` when what came is no
    analytics document, or when not one row of a list that is not empty can be read.
    """
    with depth_explained(answer, AnalyticsDocument):
        document = decode(answer, AnalyticsDocument)
        analytics, timestamp = document.analytics, text_or_none(document.timestamp)
        totals = Totals(
            total=count_or_none(analytics.total_keys),
            active=count_or_none(analytics.active_keys),
            expired=count_or_none(analytics.expired_keys),
        )
        rows = analytics.key_breakdown
        received = len(rows)
        # The rows are given back as they are read; nothing else may hold on to the list.
        del document, analytics
        tables, rejected = read_rows(rows, FORM, several_lines=on_several_lines(answer.body))
    if received and len(rejected) == received:
        raise UnreadableAnswer(none_readable(answer.source, rejected))
    keys = to_frame(tables)
    active = int(keys["is_active"].sum())
    moment, notes = _clock(answer, parse_timestamp(timestamp or ""), now, local_now)
    return Snapshot(
        source=answer.source,
        now=moment,
        keys=keys,
        rejected=tuple(rejected),
        received=received,
        totals=totals,
        counted=Totals(received, active, len(keys) - active),
        live=answer.received_at is not None,
        notes=notes,
    )


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
