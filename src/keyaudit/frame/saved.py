"""Answers in the form in which they are saved: the named members alone, and both documents in one."""

from __future__ import annotations

from typing import Final

import msgspec

from keyaudit.errors import UnreadableAnswer
from keyaudit.frame.analytics import FORM as ANALYTICS_FORM
from keyaudit.frame.details import FORM as DETAILS_FORM
from keyaudit.frame.documents import (
    AnalyticsDocument,
    DetailsDocument,
    decode,
    depth_explained,
    kind_of,
    prepared,
    text_or_none,
)
from keyaudit.frame.rows import Form, dump, members_of
from keyaudit.model import Answer
from keyaudit.text import visible

FORMAT: Final = "keyaudit/snapshot"
VERSION: Final = 1

_LONGEST_REASON = 1000


class _Envelope(msgspec.Struct):
    """Both answers in one file. A bare answer has none of these members but ``analytics``."""

    format: str = ""
    version: int = 0
    analytics: msgspec.Raw = msgspec.Raw()
    details: msgspec.Raw = msgspec.Raw(b"null")
    details_reason: msgspec.Raw = msgspec.Raw()


def save_answers(analytics: Answer, details: Answer | None, reason: str) -> bytes:
    """Both documents in one, as JSON, to be taken apart again by :func:`saved_answers`.

    *reason* says why there are no *details*, or is empty where they were not asked for. Of each document the named
    members are saved. Scalars stay as they came, wrong ones too; a list or object where a scalar belongs is emptied,
    and so is a row that is no object. Both readings give the same keys and the same problems. Raises
    :class:`UnreadableAnswer`.
    """
    return b'{"format":%s,"version":%d,"analytics":%s,"details":%s,"details_reason":%s}' % (
        dump(FORMAT).encode(),
        VERSION,
        _save_analytics(analytics),
        _save_details(details) if details else b"null",
        dump(reason or None).encode(),
    )


def saved_answers(answer: Answer) -> tuple[Answer, Answer | None, str]:
    """The analytics and the details in a saved *answer*; without details the reason, empty where none was saved.

    What is no document of :func:`save_answers` is taken for the analytics as they came. Raises
    :class:`UnreadableAnswer` for a version of the form that is not known here.
    """
    # found many times faster than the document is parsed
    if FORMAT.encode() not in answer.body:
        return answer, None, ""
    try:
        envelope = msgspec.json.decode(prepared(answer.body), type=_Envelope)
    except (msgspec.DecodeError, RecursionError):
        return answer, None, ""
    if envelope.format != FORMAT:
        return answer, None, ""
    if envelope.version != VERSION:
        raise UnreadableAnswer(
            f"{answer.source} is saved in version {envelope.version} of its form; this keyaudit reads only {VERSION}."
        )

    def part(raw: msgspec.Raw) -> Answer:
        return Answer(bytes(raw), answer.source, answer.date, answer.received_at)

    if kind_of(envelope.details) == "null":
        reason = text_or_none(envelope.details_reason) or ""
        return part(envelope.analytics), None, visible(reason, _LONGEST_REASON) if reason else ""
    return part(envelope.analytics), part(envelope.details), ""


# ---------------------------------------------------------------- one document, reduced


def _save_analytics(answer: Answer) -> bytes:
    with depth_explained(answer, AnalyticsDocument):
        document = decode(answer, AnalyticsDocument)
        holder = document.analytics
        inner = {
            "totalKeys": holder.total_keys,
            "activeKeys": holder.active_keys,
            "expiredKeys": holder.expired_keys,
        }
        rows = _reduced_rows(holder.key_breakdown, ANALYTICS_FORM)
    members = [*_reduced(inner), b'"keyBreakdown":[%s]' % rows]
    return b"{%s}" % b",".join([b'"analytics":{%s}' % b",".join(members), *_reduced({"timestamp": document.timestamp})])


def _save_details(answer: Answer) -> bytes:
    with depth_explained(answer, DetailsDocument):
        document = decode(answer, DetailsDocument)
        rows = _reduced_rows(document.api_keys, DETAILS_FORM)
    around = _reduced({"total": document.total, "timestamp": document.timestamp})
    return b"{%s}" % b",".join([b'"apiKeys":[%s]' % rows, *around])


def _reduced(members: dict[str, msgspec.Raw]) -> list[bytes]:
    """Those of *members* that were sent, each a scalar or empty."""
    empty = {b"{": b"{}", b"[": b"[]"}
    return [b'"%s":%s' % (name.encode(), empty.get(bytes(raw)[:1], bytes(raw))) for name, raw in members.items() if raw]


def _reduced_rows(rows: list[msgspec.Raw], form: Form) -> bytes:
    lists = {member.name for member in form.members if "a list" in member.accepts}
    return b",".join(_reduced_row(members_of(row), form, lists) for row in rows)


def _reduced_row(members: object, form: Form, lists: set[str]) -> bytes:
    if not isinstance(members, tuple):
        return _empty(members).encode()
    kept = ",".join(
        f'"{name}":{_list(value) if name in lists else _scalar(value)}' for name, value in members if name in form.names
    )
    return b"{%s}" % kept.encode("utf-8", "surrogateescape")


def _list(value: object) -> str:
    return f"[{','.join(map(_scalar, value))}]" if isinstance(value, list) else _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, list | tuple):
        return _empty(value)
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else dump(value)


def _empty(value: object) -> str:
    """The least value of the same type."""
    match value:
        case tuple():
            return "{}"
        case list():
            return "[]"
        case str():
            return '""'
        case bool():
            return "false"
        case None:
            return "null"
    return "0"
