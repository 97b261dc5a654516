"""An answer as JSON, before its rows are read: what it should be, and what it is instead."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

import msgspec

from keyaudit.errors import UnreadableAnswer
from keyaudit.model import Answer
from keyaudit.text import stand_in

ABSENT = msgspec.Raw()


class Document(msgspec.Struct, rename="camel"):
    """A document whose rows stay apart; ``NOUN`` is what to call it, ``PATH`` leads to the rows."""

    NOUN: ClassVar[str]
    PATH: ClassVar[tuple[str, ...]]


class Analytics(msgspec.Struct, rename="camel"):
    """What the analytics hold; the counts are as they came."""

    key_breakdown: list[msgspec.Raw]
    total_keys: msgspec.Raw = ABSENT
    active_keys: msgspec.Raw = ABSENT
    expired_keys: msgspec.Raw = ABSENT


class AnalyticsDocument(Document):
    """The answer to ``GET /v1/api-keys/analytics``."""

    NOUN = "analytics document of API keys"
    PATH = ("analytics", "keyBreakdown")

    analytics: Analytics
    timestamp: msgspec.Raw = ABSENT


class DetailsDocument(Document):
    """The answer to ``GET /v1/api-keys``."""

    NOUN = "list of API keys"
    PATH = ("apiKeys",)

    api_keys: list[msgspec.Raw]
    total: msgspec.Raw = ABSENT
    timestamp: msgspec.Raw = ABSENT


D = TypeVar("D", bound=Document)


def decode(answer: Answer, type: type[D]) -> D:
    """The document of *answer*. Raises :class:`UnreadableAnswer` when it is not of that type."""
    body = prepared(answer.body)
    try:
        document = msgspec.json.decode(body, type=type)
    except msgspec.DecodeError as error:
        raise unreadable(answer, type, _what_came(bytes(body), error, type)) from None
    if twice := _named_twice(answer.body, type.PATH):
        # which of the two holds the keys nobody can say, and the decoder silently takes the last
        raise unreadable(answer, type, f"a document that has {twice} twice")
    return document


def _named_twice(body: bytes, names: tuple[str, ...]) -> str:
    """The first of *names* that some object in *body* has more than once, or nothing."""
    suspects = {name for name in names if body.count(b'"%s"' % name.encode()) > 1}
    found: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        found.extend(name for name in suspects if sum(each == name for each, _ in pairs) > 1)

    if suspects:
        json.loads(body, object_pairs_hook=note)
    return min(found, default="")


def prepared(body: bytes) -> bytes | memoryview:
    """*body* without a byte order mark, and with a stand-in for each half of a character."""
    # A single byte is found many times faster than an expression.
    if b"\\" in body and _SURROGATE.search(body):
        body = _without_lone_surrogates(body)
    return memoryview(body)[3:] if body.startswith(b"\xef\xbb\xbf") else body


@contextmanager
def depth_explained(answer: Answer, type: type[Document]) -> Iterator[None]:
    """Turns too deep a nesting into :class:`UnreadableAnswer`."""
    try:
        yield
    except RecursionError:
        raise unreadable(answer, type, "JSON nested too deeply") from None


def unreadable(answer: Answer, type: type[Document], what: str) -> UnreadableAnswer:
    """The error for an answer that is *what* instead of a document of *type*."""
    return UnreadableAnswer(
        f"The answer from {answer.source} is no {type.NOUN} but {what}. "
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


# ---------------------------------------------------------------- what came instead


def _what_came(body: bytes, error: msgspec.DecodeError, type: type[Document]) -> str:
    """What *body* is instead of a document of *type*, without a word of it."""
    if isinstance(error, msgspec.ValidationError):
        return _what_shape(body, type.PATH)
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


def _what_shape(body: bytes, path: tuple[str, ...]) -> str:
    kind = kind_of(body[:1024].lstrip())
    if kind != "an object":
        return kind
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if path[0] not in members:
        return _what_object(members, path[0])
    for name, inner in itertools.pairwise(path):
        kind = kind_of(members[name])
        if kind != "an object":
            return f"an object whose `{name}` is {kind}"
        members = msgspec.json.decode(members[name], type=dict[str, msgspec.Raw])
        if inner not in members:
            return f"an object whose `{name}` has no `{inner}`"
    return f"an object whose `{path[-1]}` is {kind_of(members[path[-1]])}, not a list"


def _what_object(names: Collection[str], wanted: str) -> str:
    if "apiKeys" in names:
        return "the plain list of API keys (`apiKeys`), which is another endpoint's"
    if "analytics" in names:
        return "the analytics of API keys (`analytics`), which are another endpoint's"
    if not {"error", "errors", "message"}.isdisjoint(names):
        return "an error message"
    return f"an object without `{wanted}`"


_KINDS_BY_BYTE = {
    b"{": "an object",
    b"[": "a list",
    b'"': "text",
    b"t": "true or false",
    b"f": "true or false",
    b"n": "null",
}


def kind_of(token: bytes | msgspec.Raw) -> str:
    """The type of a JSON value, which its first byte tells."""
    return _KINDS_BY_BYTE.get(bytes(token)[:1], "a number")


# ---------------------------------------------------------------- scalars


def text_or_none(token: msgspec.Raw) -> str | None:
    """The text that *token* is, if it is one."""
    try:
        return msgspec.json.decode(token, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def count_or_none(token: msgspec.Raw) -> int | None:
    """The whole number that *token* is, if it is one."""
    digits = bytes(token)
    return int(digits) if re.fullmatch(rb"0|[1-9][0-9]{0,17}", digits) else None
