"""Rows to a typed frame: what is read, what is kept apart, and what is no analytics document at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyaudit import frame
from keyaudit.errors import UnreadableAnswer
from keyaudit.frame import rows as reading
from keyaudit.model import Answer, Snapshot, Totals
from keyaudit.text import visible
from tests.hostile import HOSTILE

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOCAL = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "id": "k1",
    "name": "Deploy",
    "keyPrefix": "rt_live_ab12",
    "lastUsedAt": "2026-11-01T00:00:00Z",
    "isActive": True,
}
BAD_ROW = b'"not a row"'
SECRET = "rt_live_" + "SECRET" * 2


def row(**members: object) -> bytes:
    return json.dumps(GOOD | members).encode()


def raw_row(**members: bytes) -> bytes:
    """A row whose given members are JSON as it stands."""
    encoded = {name: json.dumps(value).encode() for name, value in GOOD.items()} | members
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in encoded.items())


def without(name: str) -> bytes:
    return json.dumps({member: value for member, value in GOOD.items() if member != name}).encode()


def body(*rows: bytes, timestamp: bytes = b'"2026-11-23T12:00:00Z"', totals: bytes = b"") -> bytes:
    return b'{"analytics":{%s"keyBreakdown":[%s]},"timestamp":%s}' % (totals, b",".join(rows), timestamp)


def read(document: bytes, **answer: Any) -> Snapshot:
    return frame.read_analytics(Answer(document, "answer.json", **answer), local_now=LOCAL)


def saved(answer: Answer) -> Answer:
    """The analytics as they are read back from where they were saved."""
    whole = frame.save_answers(answer, None, "")
    return frame.saved_answers(Answer(whole, answer.source))[0]


def read_one(one: bytes, *, slowly: bool) -> Snapshot:
    """*one* beside good rows, read by Arrow or, because of a bad row in the same chunk, row by row."""
    rows = [row(id="first"), one, *([BAD_ROW] if slowly else []), row(id="last")]
    snapshot = read(body(*rows))
    assert len(rows) == snapshot.received == len(snapshot.keys) + len(snapshot.rejected)
    return snapshot


# ---------------------------------------------------------------- good rows


def test_columns_and_dtypes_are_those_documented() -> None:
    for snapshot in (
        read(body()),
        read(body(row())),
        read(body(row(), row(lastUsedAt=None))),
        read(body(row(lastUsedAt=None))),
        read(body(row(), BAD_ROW)),
    ):
        assert {name: str(dtype) for name, dtype in snapshot.keys.dtypes.items()} == frame.COLUMNS
        assert snapshot.keys.index.equals(pd.RangeIndex(len(snapshot.keys)))
        assert snapshot.keys["id"].dtype.storage == "pyarrow"  # type: ignore[union-attr]
        assert snapshot.keys["last_used_at"].dtype == pd.DatetimeTZDtype("us", UTC)


@pytest.mark.parametrize("slowly", [False, True])
def test_a_row_is_read_as_it_is(*, slowly: bool) -> None:
    one = row(
        id="x", name="Schlüssel 日本 \x00 \U0001f511", keyPrefix="", lastUsedAt=None, isActive=False, more=[1, {}]
    )
    keys = read_one(one, slowly=slowly).keys
    values = keys.iloc[1].to_dict()
    assert pd.isna(values.pop("last_used_at"))
    expected = {"id": "x", "name": "Schlüssel 日本 \x00 \U0001f511", "prefix": "", "is_active": False, "own": False}
    assert expected == {name: values[name] for name in expected}
    assert ("analytics", False) == (values["listed"], values["detailed"])
    assert keys[["created_at", "expires_at", "ends", "permissions", "allowed_ips"]].isna().all(axis=None)
    assert keys[["is_test", "can_reveal"]].isna().all(axis=None)
    assert [True, False, True] == keys["is_active"].tolist()
    assert datetime(2026, 11, 1, tzinfo=UTC) == keys["last_used_at"][0].to_pydatetime()


def test_an_empty_list_is_legal() -> None:
    snapshot = read(body())
    assert (0, 0, ()) == (snapshot.received, len(snapshot.keys), snapshot.rejected)


def test_an_indented_document_is_read_like_any_other() -> None:
    document = json.loads(body(row(), row(id="k2", note="two\nlines"), row(id="k3", lastUsedAt=None)))
    for text in (json.dumps(document, indent=2), json.dumps(document, indent=1).replace("\n", "\r\n") + "\r\n"):
        snapshot = read(text.encode())
        assert ["k1", "k2", "k3"] == snapshot.keys["id"].tolist()
        assert snapshot.keys["last_used_at"].isna().tolist() == [False, False, True]


def test_an_indented_document_longer_than_a_block_is_read_by_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(reading, "_read_each")
    rows = [row(id=f"k{number}", note="x" * 300) for number in range(5000)]
    document = json.dumps(json.loads(body(*rows)), indent=2).encode()
    assert 5000 == len(read(document).keys)


def test_a_row_longer_than_a_block_is_read_all_the_same() -> None:
    snapshot = read(body(row(), row(id="k2", name="x" * 3_000_000)))
    assert [6, 3_000_000] == snapshot.keys["name"].str.len().tolist()


def test_member_names_may_be_escaped() -> None:
    for slowly in (False, True):
        snapshot = read_one(row(id="esc").replace(b'"id"', b'"\\u0069d"'), slowly=slowly)
        assert ["first", "esc", "last"] == snapshot.keys["id"].tolist()


def test_many_chunks_keep_their_order_and_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 7)
    rows = [BAD_ROW if number in {3, 20, 21, 40} else row(id=f"k{number}") for number in range(50)]
    snapshot = read(body(*rows))
    assert [3, 20, 21, 40] == [bad.index for bad in snapshot.rejected]
    assert [f"k{number}" for number in range(50) if rows[number] != BAD_ROW] == snapshot.keys["id"].tolist()
    assert 50 == snapshot.received


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01T00:00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01t00:00:00z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01 00:00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00:00+02:00", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-10-31T19:30:00-04:30", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00:00+0200", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00:00+02", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00:00-00:00", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00:00.5Z", datetime(2026, 11, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-01T00:00:00.123456Z", datetime(2026, 11, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-01T00:00:00.1234569Z", datetime(2026, 11, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-01T00:00:00.123456789123Z", datetime(2026, 11, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.25Z", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2017-01-01T00:59:60+01:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("9999-01-01T00:00:00Z", datetime(9999, 1, 1, tzinfo=UTC)),
        ("1600-02-29T12:00:00Z", datetime(1600, 2, 29, 12, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_the_same_moment_either_way(text: str, moment: datetime) -> None:
    for slowly in (False, True):
        snapshot = read_one(row(lastUsedAt=text), slowly=slowly)
        assert moment == snapshot.keys["last_used_at"][1].to_pydatetime()
    assert moment == frame.parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "lastUsedAt is empty"),
        ("2026-11-01T00:00:00", "lastUsedAt has no time zone"),
        ("2026-11-01 00:00", "lastUsedAt has no time zone"),
        *(
            (text, "lastUsedAt is no RFC 3339 timestamp with a zone")
            for text in (
                " ", "yesterday", "null", "2026-11-01", "2026-11-01Z", "1700000000", "2026-02-30T00:00:00Z",
                "2026-11-01T24:00:00Z", "2026-11-01T23:60:00Z", "2026-11-01T23:59:61Z", "2026-11-01T00:00:00.Z",
                "2026-11-01T00:00:00,5Z", "2026-11-01T00:00.5Z", "2026-11-01T00:00:00+24:00",
                "2026-11-01T00:00:00+02:60", "2026-11-01T00:00:00+2", "2026-11-01T00:00:00 Z",
                " 2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z\n",
                "2026-11-01T00:00:00\u221202:00", "\uff12026-11-01T00:00:00Z",
                "20261101T000000Z", "2026-W44-7T00:00:00Z", "2026-305T00:00:00Z", "10000-01-01T00:00:00Z",
                "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00", "0000-12-31T23:00:00-05:00",
                "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:60Z", "2026-11-01T00:00:00UTC", "2026-11-01Z00:00:00Z",
            )
        ),
    ],
)  # fmt: skip
def test_a_timestamp_that_cannot_be_read_is_never_taken_for_never_used(text: str, problem: str) -> None:
    for slowly in (False, True):
        snapshot = read_one(row(lastUsedAt=text), slowly=slowly)
        assert (1, problem) == (snapshot.rejected[0].index, snapshot.rejected[0].problem)
        assert not snapshot.keys["last_used_at"].isna().any()
    assert frame.parse_timestamp(text) is None


digits = st.integers(0, 99).map("{:02d}".format)
timestamps = st.one_of(
    st.builds(
        "{}-{}-{}{}{}{}{}".format,
        st.sampled_from(["0000", "0001", "1969", "2024", "9999", "202"]),
        st.sampled_from(["01", "02", "12", "13", "00"]),
        st.sampled_from(["01", "29", "31", "32", "1"]),
        st.sampled_from(["T", " ", "t", "", "_"]),
        st.one_of(
            digits,
            st.builds("{}:{}".format, digits, digits),
            st.builds(
                "{}:{}:{}".format, st.sampled_from(["00", "23", "24"]), digits, st.sampled_from(["00", "59", "60"])
            ),
        ),
        st.sampled_from(["", ".", ".5", ".123456", ".1234567", ".123456789", ".1234567890", ",5"]),
        st.sampled_from(["Z", "z", "", "+00:00", "-23:59", "+2359", "+14", "-24:00", "+01:60", "+1:00", " Z", "ZZ"]),
    ),
    st.datetimes(timezones=st.builds(timezone, st.integers(-1439, 1439).map(lambda m: timedelta(minutes=m)))).map(
        lambda moment: moment.isoformat()
    ),
    st.text("0123456789-+:.TZ tz", max_size=30),
)


@settings(deadline=None)
@given(timestamps)
def test_both_ways_of_reading_agree_on_every_timestamp(text: str) -> None:
    both = [read_one(row(lastUsedAt=text), slowly=slowly) for slowly in (False, True)]
    problems = [[bad.problem for bad in snapshot.rejected if bad.index == 1] for snapshot in both]
    assert problems[0] == problems[1]
    pd.testing.assert_frame_equal(both[0].keys, both[1].keys)


VALUES = [
    *(
        b'"x"',
        b'""',
        b"null",
        b"true",
        b"false",
        b"0",
        b"1e400",
        b"12" * 3000,
        b"[]",
        b"{}",
        b'[{"id":1}]',
        b'{"id":1}',
    ),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"2024-01-01T00:00:00Z"', b'"\\ud800"', b'"\\u0000"'),
]
members = st.tuples(st.sampled_from([*GOOD, "plainKey", "ID"]), st.sampled_from(VALUES))


@settings(deadline=None, max_examples=80)
@given(st.lists(members, max_size=7), st.booleans(), st.booleans())
def test_both_ways_of_reading_agree_on_every_row(
    some: list[tuple[str, bytes]],
    completed: bool,
    reverse: bool,
) -> None:
    if completed:
        some = some + [member for member in raw_members() if member[0] not in dict(some)]
    one = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in some[:: -1 if reverse else 1])
    fast, slow = (read_one(one, slowly=slowly) for slowly in (False, True))
    assert [bad for bad in slow.rejected if bad.index == 1] == list(fast.rejected)
    pd.testing.assert_frame_equal(fast.keys, slow.keys)


def raw_members() -> list[tuple[str, bytes]]:
    return [(name, json.dumps(value).encode()) for name, value in GOOD.items()]


# ---------------------------------------------------------------- rows that cannot be read


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"[]", "the row is a list, not an object"),
        (b"[[]]", "the row is a list, not an object"),
        (b"null", "the row is null, not an object"),
        (b"17", "the row is a number, not an object"),
        (b"1.5e3", "the row is a number, not an object"),
        (b'"text"', "the row is text, not an object"),
        (b"true", "the row is true or false, not an object"),
        (b"{}", "id is missing"),
        *((without(name), f"{name} is missing") for name in GOOD),
        (row(id=""), "id is empty"),
        (row(id=None), "id is null, not text"),
        (row(id=7), "id is a number, not text"),
        (row(id=True), "id is true or false, not text"),
        (row(id=["x"]), "id is a list, not text"),
        (row(name=None), "name is null, not text"),
        (row(name={"en": "x"}), "name is an object, not text"),
        (row(keyPrefix=None), "keyPrefix is null, not text"),
        (row(keyPrefix=1.5), "keyPrefix is a number, not text"),
        (row(isActive=None), "isActive is null, not true or false"),
        (row(isActive="true"), "isActive is text, not true or false"),
        (row(isActive=1), "isActive is a number, not true or false"),
        (row(lastUsedAt=1700000000), "lastUsedAt is a number, not text or null"),
        (row(lastUsedAt=False), "lastUsedAt is true or false, not text or null"),
        (row(lastUsedAt={}), "lastUsedAt is an object, not text or null"),
        (raw_row(id=b'"k1","id":"k2"'), "id appears twice"),
        (raw_row(lastUsedAt=b'null,"lastUsedAt":null'), "lastUsedAt appears twice"),
        (raw_row(isActive=b'true,"isActive":false'), "isActive appears twice"),
        (raw_row(id=b'"a\xff"'), "id is not valid UTF-8"),
        (raw_row(name=b'"a\xed\xa0\x80"'), "name is not valid UTF-8"),
        (raw_row(lastUsedAt=b'"\xff"'), "lastUsedAt is not valid UTF-8"),
    ],
)
def test_a_bad_row_is_kept_apart_with_its_problem(bad: bytes, problem: str) -> None:
    for slowly in (False, True):
        snapshot = read_one(bad, slowly=slowly)
        rejected = snapshot.rejected[0]
        digest = hashlib.sha256(bad).hexdigest()[:16]
        assert (1, problem, digest) == (rejected.index, rejected.problem, rejected.digest)
        assert ["first", "last"] == snapshot.keys["id"].tolist()


def test_what_can_be_read_of_a_bad_row_is_salvaged() -> None:
    snapshot = read(
        body(
            row(),
            row(isActive="yes"),
            row(id=7, lastUsedAt="garbage"),
            raw_row(name=b'"caf\xff"'),
            raw_row(id=b'"k1","id":"k2"', keyPrefix=b"[]"),
            BAD_ROW,
        )
    )
    salvaged = [(bad.id, bad.name, bad.prefix) for bad in snapshot.rejected]
    assert [
        ("k1", "Deploy", "rt_live_ab12"),
        (None, "Deploy", "rt_live_ab12"),
        ("k1", "caf\ufffd", "rt_live_ab12"),
        ("k1", "Deploy", None),
        (None, None, None),
    ] == salvaged


def test_no_unnamed_member_is_kept_anywhere() -> None:
    document = body(
        row(plainKey=SECRET, tokenValue={"id": SECRET}),
        row(plainKey=SECRET, isActive=SECRET, lastUsedAt=SECRET),
        raw_row(plainKey=b'"%s\xff"' % SECRET.encode()),
        json.dumps([SECRET]).encode(),
        json.dumps(SECRET).encode(),
    )
    snapshot = read(document)
    assert (2, 3) == (len(snapshot.keys), len(snapshot.rejected))
    assert SECRET not in snapshot.keys.to_csv()
    assert SECRET not in repr(snapshot)
    only_bad = b'{"analytics":{"keyBreakdown":[%s]}}' % row(isActive=SECRET, plainKey=SECRET)
    with pytest.raises(UnreadableAnswer) as caught:
        read(only_bad)
    assert SECRET not in caught.value.message + caught.value.details
    assert SECRET not in frame.save_answers(Answer(body(row(plainKey=SECRET)), "x"), None, "").decode()


def test_where_no_row_can_be_read_there_is_no_audit() -> None:
    rows = [row(isActive=1), row(isActive=1), without("id"), row(id=""), row(name=1), b"7"]
    with pytest.raises(UnreadableAnswer) as caught:
        read(body(*rows))
    expected = (
        "Not one of the 6 keys in the answer from answer.json could be read: "
        "isActive is a number, not true or false (2 rows); id is missing (1 row); id is empty (1 row)."
    )
    assert expected == caught.value.message
    assert 3 == caught.value.exit_code


# ---------------------------------------------------------------- hostile names


def test_hostile_names_are_read_as_they_are() -> None:
    rows = [row(id=label, name=name) for label, name in HOSTILE]
    for more in ([], [BAD_ROW]):
        keys = read(body(*rows, *more)).keys
        for (label, name), (key_id, read_name) in zip(
            HOSTILE, keys[["id", "name"]].itertuples(index=False), strict=True
        ):
            assert label == key_id
            assert visible(name) == visible(read_name)
            if not any("\ud800" <= character <= "\udfff" for character in name):
                assert name == read_name


@pytest.mark.parametrize(
    ("escaped", "shown"),
    [
        (r"\ud800", "⟨U+D800⟩"),
        (r"\uDFff", "⟨U+DFFF⟩"),
        (r"a\ud83db", "a⟨U+D83D⟩b"),
        (r"\udc00\ud800", "⟨U+DC00⟩⟨U+D800⟩"),
        (r"\ud800\ud83d\udd11", "⟨U+D800⟩🔑"),
        (r"\uD83D\uDD11", "🔑"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800", r"\⟨U+D800⟩"),
        (r"\\\\ud800", r"\\ud800"),
        (r"\"\ud800\n", '"⟨U+D800⟩⟨U+000A⟩'),
        (r"\ud7ff\ue000", "⟨U+D7FF⟩⟨U+E000⟩"),
        (r"\ud83d\u0041", "⟨U+D83D⟩A"),
        (r"\ud83d\\udd11", r"⟨U+D83D⟩\udd11"),
    ],
)
def test_half_a_character_spoils_neither_the_document_nor_the_name(escaped: str, shown: str) -> None:
    snapshot = read(body(row(), raw_row(name=b'"%s"' % escaped.encode())))
    assert shown == visible(snapshot.keys["name"][1])


@settings(deadline=None)
@given(st.text(st.sampled_from('\\u"d8Dc0a\ud800\udc00\udfff\ud83d\udd11é\n'), max_size=12))
@example("\\\ud800")
def test_any_mixture_of_halves_and_backslashes_is_read(name: str) -> None:
    snapshot = read(body(row(name=name)))
    # Two halves in the right order are a character once they are written down.
    assert visible(json.loads(json.dumps(name))) == visible(snapshot.keys["name"][0])


# ---------------------------------------------------------------- what is no analytics document


DEEP = b"[" * 200_000 + b"]" * 200_000


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (b"", "empty"),
        (b" \n" * 2000, "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<!DOCTYPE html><title>x</title>", "an HTML page"),
        (b"\n <HTML><body>502</body>", "an HTML page"),
        (b'<?xml version="1.0"?><error/>', "an XML or HTML text"),
        (body(row()).decode().encode("utf-16"), "text in UTF-16 or UTF-32"),
        (body(row()).decode().encode("utf-16-be"), "text in UTF-16 or UTF-32"),
        (body(row()).decode().encode("utf-32"), "text in UTF-16 or UTF-32"),
        (body(row())[:-40], "JSON that breaks off after "),
        (body(row()) + b"x", "text that is not valid JSON (first fault at byte "),
        (b"upstream connect error", "text that is not valid JSON"),
        (body(b'{"id":NaN}'), "text that is not valid JSON"),
        (body(row(), b'{"id":"a\x00"}'), "text that is not valid JSON"),
        (body(row(), b'{"id":"a\nb"}'), "text that is not valid JSON"),
        (body(row(), b'{"id":"\\ud80"}'), "text that is not valid JSON"),
        (body(row(), b'{"id":"\\q"}'), "text that is not valid JSON"),
        (b"[]", "a list"),
        (b"null", "null"),
        (b'"text"', "text"),
        (b"17", "a number"),
        (b"true", "true or false"),
        (b"{}", "an object without `analytics`"),
        (b'{"error":"no","code":"X"}', "an error message"),
        (b'{"errors":[]}', "an error message"),
        (b'{"message":"no"}', "an error message"),
        (b'{"apiKeys":[],"total":0}', "the plain list of API keys (`apiKeys`)"),
        (b'{"analytics":null}', "an object whose `analytics` is null"),
        (b'{"analytics":[]}', "an object whose `analytics` is a list"),
        (b'{"analytics":{}}', "an object whose `analytics` has no `keyBreakdown`"),
        (b'{"analytics":{"keyBreakdown":null}}', "an object whose `keyBreakdown` is null, not a list"),
        (b'{"analytics":{"keyBreakdown":{}}}', "an object whose `keyBreakdown` is an object, not a list"),
        (b'{"analytics":{"keyBreakdown":"x"}}', "an object whose `keyBreakdown` is text, not a list"),
        (DEEP, "a list"),
        (body(DEEP), "JSON nested too deeply"),
        (b'{"x":%s,"analytics":{"keyBreakdown":[]}}' % DEEP, "JSON nested too deeply"),
    ],
)
def test_an_answer_of_another_kind_is_named_and_not_echoed(document: bytes, what: str) -> None:
    for reader in (read, lambda document: saved(Answer(document, "answer.json"))):
        with pytest.raises(UnreadableAnswer) as caught:
            reader(document)
        expected = f"The answer from answer.json is no analytics document of API keys but {what}"
        assert expected == caught.value.message[: len(expected)]
        assert 3 == caught.value.exit_code
        assert caught.value.__cause__ is None


def test_an_unreadable_answer_never_echoes_its_body() -> None:
    key = SECRET.encode()
    for document in (
        key,
        b'{"error":"%s"}' % key,
        b'"%s"' % key,
        b"<html>%s" % key,
        b'{"analytics":"%s"}' % key,
        key * 99,
    ):
        with pytest.raises(UnreadableAnswer) as caught:
            read(document)
        assert SECRET not in caught.value.message + caught.value.details


@pytest.mark.parametrize("depth", range(850, 1010, 5))
def test_near_the_limit_of_depth_a_document_is_read_or_refused(depth: int) -> None:
    nested = raw_row(more=b"[" * depth + b"]" * depth)
    try:
        assert 2 == len(read_one(nested, slowly=True).rejected) + 1
        saved(Answer(body(nested), "x"))
    except UnreadableAnswer as error:
        assert "nested too deeply" in error.message  # noqa: PT017 - both outcomes are right, depending on the stack


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert 1 == len(read(b"\xef\xbb\xbf" + body(row())).keys)
    assert 1 == len(read(b"\xef\xbb\xbf" + body(raw_row(name=b'"\\ud800"'))).keys)


# ---------------------------------------------------------------- totals, clock, notes


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (b"0", 0),
        (b"5", 5),
        (b"999999999999999999", 999_999_999_999_999_999),
        (b"-1", None),
        (b"-0", None),
        (b"1.0", None),
        (b"1e3", None),
        (b"1e400", None),
        (b"9" * 5000, None),
        (b"true", None),
        (b'"5"', None),
        (b"null", None),
        (b"[5]", None),
    ],
)
def test_a_total_is_a_whole_number_or_none(token: bytes, expected: int | None) -> None:
    totals = b'"totalKeys":%s,"activeKeys":3,"expiredKeys":%s,' % (token, token)
    assert Totals(expected, 3, expected) == read(body(row(), totals=totals)).totals


def test_missing_totals_are_none() -> None:
    assert Totals(None, None, None) == read(body(row())).totals


def test_now_is_the_servers_timestamp() -> None:
    snapshot = read(body(row(), timestamp=b'"2026-11-23T13:00:00.5+01:00"'))
    assert NOW.replace(microsecond=500_000) == snapshot.now
    assert UTC is snapshot.now.tzinfo
    assert () == snapshot.notes
    assert not snapshot.live


@pytest.mark.parametrize("timestamp", [b"null", b'""', b"17", b'"2026-11-23T12:00:00"', b'"\xff"', b"[]", None])
def test_a_missing_clock_is_replaced_and_noted(timestamp: bytes | None) -> None:
    document = body(row(), timestamp=timestamp) if timestamp else b'{"analytics":{"keyBreakdown":[]}}'
    header = datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    dated, undated = read(document, date=header, received_at=LOCAL), read(document)
    assert (header, LOCAL) == (dated.now, undated.now)
    assert [["clock-replaced"]] * 2 == [[note.code for note in snapshot.notes] for snapshot in (dated, undated)]
    assert "Date header" in dated.notes[0].text
    assert "local clock" in undated.notes[0].text


@pytest.mark.parametrize(
    "document",
    [
        b'{"analytics": {"keyBreakdown": [%s], "keyBreakdown": []}, "timestamp": "2026-01-01T00:00:00Z"}',
        b'{"analytics": {"keyBreakdown": [%s]}, "analytics": {"keyBreakdown": []}}',
    ],
)
def test_a_list_that_is_there_twice_is_not_silently_taken_for_the_last(document: bytes) -> None:
    with pytest.raises(UnreadableAnswer, match="twice"):
        frame.read_analytics(Answer(document % row(), "x"), local_now=LOCAL)


def test_a_key_that_goes_by_the_name_of_a_member_is_no_second_list() -> None:
    snapshot = frame.read_analytics(Answer(body(row(name="keyBreakdown")), "x"), local_now=LOCAL)
    assert ["keyBreakdown"] == list(snapshot.keys["name"])


def test_a_given_now_wins() -> None:
    given_now = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    for document in (body(row()), body(row(), timestamp=b"null")):
        snapshot = frame.read_analytics(Answer(document, "x"), now=given_now, local_now=LOCAL)
        assert datetime(2026, 1, 1, tzinfo=UTC) == snapshot.now
        assert UTC is snapshot.now.tzinfo
        assert ["clock-given"] == [note.code for note in snapshot.notes]
    assert () == frame.read_analytics(Answer(body(row()), "x"), now=NOW, local_now=LOCAL).notes


@pytest.mark.parametrize(
    ("received", "skew"),
    [
        (NOW, None),
        (NOW + timedelta(minutes=5), None),
        (NOW - timedelta(minutes=5), None),
        (NOW + timedelta(minutes=5, seconds=1), "0:05:01 (h:mm:ss) behind"),
        (NOW - timedelta(hours=2, microseconds=400), "2:00:00 (h:mm:ss) ahead of"),
    ],
)
def test_a_skewed_clock_is_noted_in_a_live_answer_only(received: datetime, skew: str | None) -> None:
    snapshot = read(body(row()), received_at=received)
    expected = [f"The server's clock is {skew} the local clock."] if skew else []
    assert expected == [note.text for note in snapshot.notes if note.code == "clock-skew"]
    assert snapshot.live
    assert NOW == snapshot.now
    assert () == read(body(row())).notes


def test_a_skewed_date_header_that_replaces_the_timestamp_is_noted_too() -> None:
    snapshot = read(body(row(), timestamp=b"null"), date=NOW - timedelta(hours=1), received_at=NOW)
    assert ["clock-replaced", "clock-skew"] == [note.code for note in snapshot.notes]


# ---------------------------------------------------------------- our own key


@pytest.mark.parametrize(
    ("prefixes", "token", "own"),
    [
        (["rt_live_ab12", "rt_live_cd34"], "rt_live_ab12wxyz", [True, False]),
        (["rt_live_", "rt_live_a"], "rt_live_ab12wxyz", [False, False]),
        (["rt_live_ab", "rt_live_ab12"], "rt_live_ab12wxyz", [False, True]),
        (["rt_live_ab12", "rt_live_ab12"], "rt_live_ab12wxyz", [True, True]),
        (["rt_live_ab", "RT_LIVE_AB12"], "rt_live_ab12wxyz", [True, False]),
        (["", "rt_live_ab12wxyz0"], "rt_live_ab12wxyz", [False, False]),
        (["rt_live_ab12wxyz", "x"], "rt_live_ab12wxyz", [True, False]),
        (["", "x"], "", [False, False]),
    ],
)
def test_the_own_key_is_known_by_the_longest_prefix(prefixes: list[str], token: str, own: list[bool]) -> None:
    keys = read(body(*(row(keyPrefix=prefix) for prefix in prefixes))).keys
    marked = frame.mark_own(keys, token)
    assert own == marked["own"].tolist()
    assert frame.COLUMNS == {name: str(dtype) for name, dtype in marked.dtypes.items()}
    assert not keys["own"].any()


def test_an_empty_account_has_no_own_key() -> None:
    marked = frame.mark_own(read(body()).keys, "rt_live_ab12wxyz")
    assert frame.COLUMNS == {name: str(dtype) for name, dtype in marked.dtypes.items()}


# ---------------------------------------------------------------- the saved form


def problems(snapshot: Snapshot) -> list[Mapping[str, object]]:
    return [
        {"index": bad.index, "problem": bad.problem, "id": bad.id, "name": bad.name, "prefix": bad.prefix}
        for bad in snapshot.rejected
    ]


def test_a_saved_document_reads_like_the_first() -> None:
    rows = [
        row(),
        row(id="k2", plainKey=SECRET, lastUsedAt=None),
        row(id=7, plainKey=SECRET),
        row(isActive={"secret": SECRET}),
        row(name=[SECRET]),
        row(isActive="yes"),
        raw_row(lastUsedAt=b"1e400"),
        raw_row(id=b'"k1","id":"k2"'),
        raw_row(name=b'"a\xff"'),
        raw_row(plainKey=b'"a\xff"'),
        raw_row(name=b'"\\ud800 \\u0000 \\" \\\\"'),
        without("lastUsedAt"),
        json.dumps([SECRET]).encode(),
        json.dumps(SECRET).encode(),
        b"{}", b"null", b"false", b"42",
    ]  # fmt: skip
    totals = b'"totalKeys":5,"activeKeys":{"a":"%s"},"expiredKeys":[1],' % SECRET.encode()
    answer = Answer(body(*rows, totals=totals), "x")
    reduced = saved(answer)
    first, second = (frame.read_analytics(each, local_now=LOCAL) for each in (answer, reduced))
    assert SECRET.encode() not in reduced.body
    assert b'"activeKeys":{},"expiredKeys":[]' in reduced.body
    assert problems(first) == problems(second)
    assert (first.totals, first.now, first.notes) == (second.totals, second.now, second.notes)
    pd.testing.assert_frame_equal(first.keys, second.keys)
    assert reduced == saved(reduced)


def test_hostile_names_survive_saving() -> None:
    answer = Answer(body(*(row(id=label, name=name) for label, name in HOSTILE)), "x")
    first, second = (frame.read_analytics(each, local_now=LOCAL).keys for each in (answer, saved(answer)))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize("timestamp", [b"null", b"17", b'{"a":1}', b'"2026-11-23T12:00:00Z"'])
def test_saving_keeps_what_the_clock_says(timestamp: bytes) -> None:
    answer = Answer(body(row(), timestamp=timestamp), "x")
    first, second = (frame.read_analytics(each, local_now=LOCAL) for each in (answer, saved(answer)))
    assert (first.now, first.notes) == (second.now, second.notes)


def test_saving_invents_nothing() -> None:
    reduced = saved(Answer(b'{"analytics":{"keyBreakdown":[]},"more":1}', "x"))
    assert b'{"analytics":{"keyBreakdown":[]}}' == reduced.body
