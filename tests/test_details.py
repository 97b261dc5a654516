"""The details of the keys: what is read of them, how they join the analytics, and how both are saved."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyaudit import frame
from keyaudit.errors import UnreadableAnswer
from keyaudit.frame import rows as reading
from keyaudit.model import Answer, DetailsState, RejectedRow, Snapshot
from keyaudit.text import visible
from tests.hostile import HOSTILE
from tests.test_frame import DEEP, VALUES, timestamps

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = "rt_live_" + "SECRET" * 2
SHARED: dict[str, Any] = {
    "id": "k1",
    "name": "Deploy",
    "keyPrefix": "rt_live_ab12",
    "lastUsedAt": "2026-11-01T00:00:00Z",
    "isActive": True,
}
GOOD: dict[str, Any] = SHARED | {
    "createdAt": "2026-10-01T00:00:00Z",
    "expiresAt": "2027-01-01T02:00:00+02:00",
    "permissions": ["FLOWS:READ", "RECORDS:READ"],
    "allowedIps": ["192.0.2.1", "192.0.2.2"],
    "isTestKey": False,
    "canReveal": True,
}
BAD_ROW = b'"not a row"'
UNKNOWN = "it counts as not known"


def row(**members: object) -> bytes:
    """A row of the analytics."""
    return json.dumps(SHARED | members).encode()


def detail(**members: object) -> bytes:
    """A row of the details."""
    return json.dumps(GOOD | members).encode()


def raw_detail(**members: bytes) -> bytes:
    """A row of the details whose given members are JSON as it stands."""
    encoded = {name: json.dumps(value).encode() for name, value in GOOD.items()} | members
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in encoded.items())


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name not in names}).encode()


def analytics(*rows: bytes) -> Answer:
    return Answer(b'{"analytics":{"keyBreakdown":[%s]},"timestamp":"2026-11-23T12:00:00Z"}' % b",".join(rows), "a")


def details(*rows: bytes, around: bytes = b"") -> Answer:
    return Answer(b'{"apiKeys":[%s]%s}' % (b",".join(rows), around), "d")


def join(ours: Answer, theirs: Answer) -> Snapshot:
    return frame.with_details(frame.read_analytics(ours, local_now=NOW), theirs)


def read_one(one: bytes, *, slowly: bool) -> Snapshot:
    """*one*, a row for key k1, beside good rows, read by Arrow or, because of a bad row beside it, row by row."""
    rows = [detail(id="first"), one, *([BAD_ROW] if slowly else []), detail(id="last")]
    return join(analytics(row(id="first"), row(), row(id="last")), details(*rows))


def of_k1(snapshot: Snapshot) -> dict[str, Any]:
    """What is known of k1, ``None`` for what is not."""
    values = snapshot.keys[snapshot.keys["id"] == "k1"].iloc[0].to_dict()
    return {str(name): None if pd.isna(value) else value for name, value in values.items()}


def codes(snapshot: Snapshot) -> list[str]:
    return [note.code for note in snapshot.notes]


def text(snapshot: Snapshot, code: str) -> str:
    (note,) = [note for note in snapshot.notes if note.code == code]
    return note.text


# ---------------------------------------------------------------- what is read


def test_columns_and_dtypes_are_those_documented() -> None:
    for ours, theirs in (
        ([], []),
        ([row()], []),
        ([], [detail()]),
        ([row()], [detail()]),
        ([row()], [without("permissions", "createdAt", "expiresAt")]),
        ([row()], [detail(), BAD_ROW]),
        ([row(), row(id="x")], [detail(id="y"), detail()]),
    ):
        keys = join(analytics(*ours), details(*theirs)).keys
        assert {name: str(dtype) for name, dtype in keys.dtypes.items()} == frame.COLUMNS
        assert keys.index.equals(pd.RangeIndex(len(keys)))
        assert keys["id"].dtype.storage == "pyarrow"  # type: ignore[union-attr]
        assert ["both", "analytics", "details"] == keys["listed"].cat.categories.tolist()
        assert "str" == str(keys["permissions"].cat.categories.dtype)


@pytest.mark.parametrize("slowly", [False, True])
def test_a_row_is_read_as_it_is(*, slowly: bool) -> None:
    snapshot = read_one(detail(), slowly=slowly)
    assert DetailsState(read=True) == snapshot.details
    assert {
        "id": "k1",
        "name": "Deploy",
        "prefix": "rt_live_ab12",
        "last_used_at": pd.Timestamp("2026-11-01T00:00:00Z"),
        "is_active": True,
        "own": False,
        "listed": "both",
        "detailed": True,
        "created_at": pd.Timestamp("2026-10-01T00:00:00Z"),
        "expires_at": pd.Timestamp("2027-01-01T00:00:00Z"),
        "ends": True,
        "permissions": '["FLOWS:READ","RECORDS:READ"]',
        "allowed_ips": 2,
        "is_test": False,
        "can_reveal": True,
    } == of_k1(snapshot)
    assert ["FLOWS:READ", "RECORDS:READ"] == json.loads(snapshot.keys["permissions"].cat.categories[0])


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("absent", [False, True])
def test_null_and_absent_are_alike(*, slowly: bool, absent: bool) -> None:
    optional = GOOD.keys() - SHARED.keys()
    one = without(*optional) if absent else detail(**dict.fromkeys(optional))
    snapshot = read_one(one, slowly=slowly)
    expected = dict.fromkeys(("created_at", "expires_at", "permissions", "allowed_ips", "is_test", "can_reveal"))
    assert expected | {"ends": False, "detailed": True} == {
        name: value for name, value in of_k1(snapshot).items() if name in {*expected, "ends", "detailed"}
    }
    assert [False] * len(snapshot.rejected) == [bad.kept for bad in snapshot.rejected]
    assert "The details do not tell createdAt of 1 key and permissions of 1 key." == text(
        snapshot, "details-incomplete"
    )


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ([], "[]"),
        ([""], '[""]'),
        (["*"], '["*"]'),
        (["b", "a", "b"], '["b","a","b"]'),
        (['"', "\\", ",", "],[", "é\x00\n"], '["\\"","\\\\",",","],[","é\\u0000\\n"]'),
    ],
)
def test_permissions_become_the_json_that_they_came_as(permissions: list[str], expected: str) -> None:
    for slowly in (False, True):
        known = of_k1(read_one(detail(permissions=permissions), slowly=slowly))["permissions"]
        assert expected == known
        assert permissions == json.loads(known)


def test_each_distinct_list_of_permissions_is_one_category(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 3)
    sets: list[list[str] | None] = [["a"], ["a", "b"], None, [], ["a,b"], ["a"], ["b"], ["a", "b"]]
    rows = [detail(id=str(number), permissions=held) for number, held in enumerate(sets)]
    keys = join(analytics(), details(*rows)).keys["permissions"]
    assert ['["a"]', '["a","b"]', "[]", '["a,b"]', '["b"]'] == keys.cat.categories.tolist()
    assert sets == [None if pd.isna(each) else json.loads(each) for each in keys]


# ---------------------------------------------------------------- what cannot be read


NO_TIME = "is no RFC 3339 timestamp with a zone"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        *(
            (name, value, problem)
            for name in ("createdAt", "expiresAt")
            for value, problem in (
                (b'"garbage"', NO_TIME),
                (b'"2026-13-01T00:00:00Z"', NO_TIME),
                (b'"0000-00-00T00:00:00Z"', NO_TIME),
                (b'"2026-11-01T00:00:00"', "has no time zone"),
                (b'""', "is empty"),
                (b"1700000000", "is a number, not text or null"),
                (b"false", "is true or false, not text or null"),
                (b"{}", "is an object, not text or null"),
                (b'["2026-11-01T00:00:00Z"]', "is a list, not text or null"),
                (b'"\xff"', "is not valid UTF-8"),
                (b'null,"%s":null' % name.encode(), "appears twice"),
            )
        ),
        *(
            (name, value, problem)
            for name in ("permissions", "allowedIps")
            for value, problem in (
                (b'"*"', "is text, not a list or null"),
                (b"{}", "is an object, not a list or null"),
                (b"7", "is a number, not a list or null"),
                (b'["a",7]', "holds a number, not only text"),
                (b'["a",null]', "holds null, not only text"),
                (b"[null]", "holds null, not only text"),
                (b"[true]", "holds true or false, not only text"),
                (b'[["a"]]', "holds a list, not only text"),
                (b'[{"plainKey":"%s"}]' % SECRET.encode(), "holds an object, not only text"),
                (b'["a","\xff"]', "is not valid UTF-8"),
                (b'[],"%s":[]' % name.encode(), "appears twice"),
            )
        ),
        *(
            (name, value, problem)
            for name in ("isTestKey", "canReveal")
            for value, problem in (
                (b'"true"', "is text, not true or false or null"),
                (b"1", "is a number, not true or false or null"),
                (b"[]", "is a list, not true or false or null"),
                (b'true,"%s":true' % name.encode(), "appears twice"),
            )
        ),
    ],
)
def test_one_unreadable_value_is_not_known_and_loses_nothing_else(name: str, value: bytes, problem: str) -> None:
    columns = {
        "createdAt": ("created_at",), "expiresAt": ("expires_at", "ends"), "permissions": ("permissions",),
        "allowedIps": ("allowed_ips",), "isTestKey": ("is_test",), "canReveal": ("can_reveal",),
    }  # fmt: skip
    for slowly in (False, True):
        one = raw_detail(**{name: value})
        snapshot = read_one(one, slowly=slowly)
        assert of_k1(read_one(detail(), slowly=False)) | dict.fromkeys(columns[name]) == of_k1(snapshot)
        (told,) = [bad for bad in snapshot.rejected if bad.index == 1]
        assert ("details", True, f"{name} {problem}; {UNKNOWN}") == (told.list, told.kept, told.problem)
        assert ("k1", "Deploy", "rt_live_ab12") == (told.id, told.name, told.prefix)
        assert ["first", "k1", "last"] == snapshot.keys["id"].tolist()
        assert SECRET not in repr(snapshot)


def test_several_unreadable_values_of_one_row_are_told_together() -> None:
    snapshot = read_one(detail(createdAt="", permissions="*", canReveal=1), slowly=False)
    expected = (
        "createdAt is empty; permissions is text, not a list or null; "
        "canReveal is a number, not true or false or null; they count as not known"
    )
    assert [expected] == [bad.problem for bad in snapshot.rejected]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"[]", "the row is a list, not an object"),
        (b"{}", "id is missing"),
        (detail(id=""), "id is empty"),
        (detail(id=7), "id is a number, not text"),
        (detail(name=None), "name is null, not text"),
        (without("lastUsedAt"), "lastUsedAt is missing"),
        (detail(lastUsedAt="yesterday"), f"lastUsedAt {NO_TIME}"),
        (detail(isActive=None), "isActive is null, not true or false"),
        (raw_detail(id=b'"k1","id":"k2"'), "id appears twice"),
        (detail(keyPrefix=1, createdAt="garbage"), "keyPrefix is a number, not text"),
    ],
)
def test_a_row_that_cannot_be_read_leaves_its_key_without_details(bad: bytes, problem: str) -> None:
    for slowly in (False, True):
        snapshot = read_one(bad, slowly=slowly)
        (told,) = [each for each in snapshot.rejected if each.index == 1]
        assert ("details", False, problem) == (told.list, told.kept, told.problem)
        assert ["first", "k1", "last"] == snapshot.keys["id"].tolist()
        assert [True, False, True] == snapshot.keys["detailed"].tolist()
        known = of_k1(snapshot)
        assert [None] * 7 == [known[name] for name in list(frame.COLUMNS)[8:]]
        assert ("Deploy", True) == (known["name"], known["is_active"])
        assert 3 == snapshot.received


def test_where_a_row_cannot_be_read_its_key_still_stands_in_the_list() -> None:
    snapshot = join(analytics(row(), row(id="b", isActive=None)), details(detail(lastUsedAt=7), detail(id="b")))
    assert [("k1", "both", False), ("b", "both", True)] == list(
        snapshot.keys[["id", "listed", "detailed"]].itertuples(index=False, name=None)
    )
    assert "listed-once" not in codes(snapshot)


members = st.tuples(st.sampled_from([*GOOD, "plainKey", "CreatedAt"]), st.sampled_from([*VALUES, b'["a"]', b"[null]"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(members, max_size=6), st.booleans(), st.booleans())
def test_both_ways_of_reading_agree_on_every_row(some: list[tuple[str, bytes]], completed: bool, reverse: bool) -> None:
    if completed:
        some = some + [(name, json.dumps(value).encode()) for name, value in GOOD.items() if name not in dict(some)]
    one = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in some[:: -1 if reverse else 1])
    agree(*(read_one(one, slowly=slowly) for slowly in (False, True)))


@settings(deadline=None, max_examples=50)
@given(timestamps, timestamps)
def test_both_ways_of_reading_agree_on_every_timestamp(created: str, expires: str) -> None:
    one = detail(createdAt=created, expiresAt=expires)
    agree(*(read_one(one, slowly=slowly) for slowly in (False, True)))


@settings(deadline=None, max_examples=50)
@given(st.none() | st.lists(st.text('a,"\\[] \n\x00é\U0001f511'), max_size=3))
def test_both_ways_of_reading_agree_on_every_list(held: list[str] | None) -> None:
    both = [read_one(detail(permissions=held, allowedIps=held), slowly=slowly) for slowly in (False, True)]
    agree(*both)
    known = of_k1(both[0])
    assert held == (known["permissions"] and json.loads(known["permissions"]))
    assert (None if held is None else len(held)) == known["allowed_ips"]


def agree(fast: Snapshot, slow: Snapshot) -> None:
    assert list(fast.rejected) == [bad for bad in slow.rejected if bad.index == 1]
    pd.testing.assert_frame_equal(fast.keys, slow.keys)


def test_hostile_names_are_read_as_they_are() -> None:
    rows = [detail(id=label, name=name, permissions=[name[:99]]) for label, name in HOSTILE]
    keys = join(analytics(), details(*rows)).keys
    assert [visible(name) for _, name in HOSTILE] == [visible(name) for name in keys["name"]]
    assert [visible(name[:99]) for _, name in HOSTILE] == [visible(json.loads(held)[0]) for held in keys["permissions"]]


# ---------------------------------------------------------------- the join


def test_an_account_at_rest_is_joined_without_a_note() -> None:
    ids = ["b", "a", "c"]
    rows = [detail(id=id) for id in ids]
    ours, theirs = analytics(*(row(id=id) for id in ids)), details(*rows, around=b',"total":3')
    snapshot = join(ours, theirs)
    assert (ids, ()) == (snapshot.keys["id"].tolist(), snapshot.notes)
    assert {"both"} == set(snapshot.keys["listed"])
    before = frame.read_analytics(ours, local_now=NOW)
    assert (before.now, before.received, before.totals, before.counted) == (
        snapshot.now, snapshot.received, snapshot.totals, snapshot.counted
    )  # fmt: skip


def test_a_key_in_one_list_alone_is_kept_and_marked() -> None:
    ours = analytics(row(id="a"), row(id="gone", name="Old"), row(id="c"))
    snapshot = join(ours, details(detail(id="new", name="New", isActive=False), detail(id="c"), detail(id="a")))
    assert [
        ("a", "both", True), ("gone", "analytics", False), ("c", "both", True), ("new", "details", True),
    ] == list(snapshot.keys[["id", "listed", "detailed"]].itertuples(index=False, name=None))  # fmt: skip
    assert ["Deploy", "Old", "Deploy", "New"] == snapshot.keys["name"].tolist()
    assert [True, True, True, False] == snapshot.keys["is_active"].tolist()
    assert 3 == snapshot.received
    assert (3, 3, 0) == (snapshot.counted.total, snapshot.counted.active, snapshot.counted.expired)
    assert text(snapshot, "listed-once").startswith(
        "Listed once: 1 key in the analytics alone and 1 key in the details alone."
    )


def test_no_details_at_all_still_lose_no_key() -> None:
    snapshot = join(analytics(row(), row(id="b")), details())
    assert ["analytics"] * 2 == snapshot.keys["listed"].tolist()
    assert snapshot.details.read
    assert "2 keys in the analytics alone." in text(snapshot, "listed-once")


def test_an_id_repeated_in_the_details_counts_once() -> None:
    rows = [detail(), BAD_ROW, detail(name="Another"), detail(id="b"), detail(name="Third")]
    for ours in (analytics(row(), row(id="b")), analytics(row())):
        snapshot = join(ours, details(*rows))
        assert ["k1", "b"] == snapshot.keys["id"].tolist()
        assert ["Deploy", "Deploy"] == snapshot.keys["name"].tolist()
        again = "id stands in an earlier row already, whose details are used"
        assert [(1, None), (2, "Another"), (4, "Third")] == [(bad.index, bad.name) for bad in snapshot.rejected]
        assert [again] * 2 == [bad.problem for bad in snapshot.rejected[1:]]
        assert {("details", False)} == {(bad.list, bad.kept) for bad in snapshot.rejected}
        assert frame.read_analytics(analytics(rows[2], b"7"), local_now=NOW).keys["id"].tolist() == ["k1"]


def test_an_id_repeated_in_the_analytics_stays_so_with_details_for_each() -> None:
    snapshot = join(analytics(row(), row(id="b"), row()), details(detail(), detail(id="b", createdAt=None)))
    assert ["k1", "b", "k1"] == snapshot.keys["id"].tolist()
    assert [True] * 3 == snapshot.keys["detailed"].tolist()
    assert [False, True, False] == snapshot.keys["created_at"].isna().tolist()
    assert ("k1",) == snapshot.repeated_ids


def test_where_the_lists_disagree_the_details_are_believed() -> None:
    ours = analytics(row(id="a", lastUsedAt=None), row(id="b"), row(id="c"), row(id="d"), row(id="e"))
    theirs = details(
        detail(id="a", isActive=False),
        detail(id="b", name="Renamed"),
        detail(id="c", lastUsedAt=None),
        detail(id="d", keyPrefix="rt_live_cd34", name="Renamed", lastUsedAt="2026-10-01T00:00:00Z"),
        detail(id="e"),
    )
    snapshot = join(ours, theirs)
    assert ["Deploy", "Renamed", "Deploy", "Renamed", "Deploy"] == snapshot.keys["name"].tolist()
    assert [False, True, True, True, True] == snapshot.keys["is_active"].tolist()
    assert [False, False, True, False, False] == snapshot.keys["last_used_at"].isna().tolist()
    assert "rt_live_cd34" == snapshot.keys["prefix"][3]
    assert (
        "The analytics and the details disagree on 4 keys (name of 2, keyPrefix of 1, lastUsedAt of 3, isActive of 1); "
        "the details, read later, are believed: a, b, c, …."
    ) == text(snapshot, "lists-disagree")
    # what the analytics claim of themselves is held against themselves
    assert (5, 0) == (snapshot.counted.active, snapshot.counted.expired)


def test_ids_in_a_note_are_visible_and_short() -> None:
    id = "\x1b[2J\u202e" + "x" * 5000
    note = text(join(analytics(row(id=id)), details(detail(id=id, name="Other"))), "lists-disagree")
    assert "⟨U+001B⟩[2J⟨U+202E⟩xxx" in note
    assert note.isprintable()
    assert len(note) < 400


@pytest.mark.parametrize(
    ("before", "after", "disagree"),
    [
        ("2026-11-23T11:00:00Z", "2026-11-23T12:00:01Z", False),
        (None, "2026-11-23T11:58:00Z", False),
        ("2026-11-23T11:00:00Z", "2026-11-23T11:55:02Z", False),
        ("2026-11-23T11:00:00Z", "2026-11-23T11:55:01Z", True),
        ("2026-11-23T12:00:00Z", "2026-11-23T11:59:00Z", True),
        ("2026-11-23T12:00:00Z", None, True),
    ],
)
def test_a_use_between_the_two_answers_is_no_contradiction(
    before: str | None, after: str | None, disagree: bool
) -> None:
    rows = [detail(lastUsedAt=after)]
    snapshot = join(analytics(row(lastUsedAt=before)), details(*rows, around=b',"timestamp":"2026-11-23T12:00:02Z"'))
    assert disagree is ("lists-disagree" in codes(snapshot))
    assert after == (None if snapshot.keys["last_used_at"].isna()[0] else f"{snapshot.keys['last_used_at'][0]:%FT%TZ}")
    undated = join(analytics(row(lastUsedAt=before)), details(*rows))
    assert "lists-disagree" in codes(undated)


@pytest.mark.parametrize(
    ("total", "note"),
    [
        (b"2", None),
        (b"3", "The list of details says that it has 3 keys, but it has 2 rows."),
        (b"0", "The list of details says that it has 0 keys, but it has 2 rows."),
        (b'"3"', None),
        (b"null", None),
    ],
)
def test_a_total_that_disagrees_is_noted_and_the_rows_count(total: bytes, note: str | None) -> None:
    snapshot = join(analytics(row()), details(detail(), BAD_ROW, around=b',"total":%s' % total))
    assert [note] * bool(note) == [each.text for each in snapshot.notes if each.code == "details-count"]
    assert 1 == len(snapshot.keys)


ids = st.sampled_from("abcdefgh")


@settings(deadline=None, max_examples=40)
@given(st.lists(ids, max_size=8), st.lists(ids, max_size=8), st.integers(1, 4))
def test_the_join_does_what_a_simple_one_does(ours: list[str], theirs: list[str], chunk: int) -> None:
    rows = [detail(id=id, name=f"{id}{number}", createdAt=None) for number, id in enumerate(theirs)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "CHUNK", chunk)
        snapshot = join(analytics(*(row(id=id, name=f"{id}!") for id in ours)), details(*rows))
    first = {id: f"{id}{number}" for number, id in reversed(list(enumerate(theirs)))}
    expected = [(id, first.get(id, f"{id}!"), "both" if id in first else "analytics", id in first) for id in ours]
    expected += [(id, first[id], "details", True) for id in dict.fromkeys(theirs) if id not in ours]
    columns = ["id", "name", "listed", "detailed"]
    assert expected == list(snapshot.keys[columns].itertuples(index=False, name=None))
    assert len(theirs) == len(first) + len(snapshot.rejected)
    assert snapshot.keys["ends"].notna().equals(snapshot.keys["detailed"])


def test_many_rows_in_another_order_find_each_other() -> None:
    order = np.random.default_rng(1).permutation(3000)
    ours = analytics(*(row(id=f"k{number}") for number in range(3000)))
    snapshot = join(ours, details(*(detail(id=f"k{number}", allowedIps=["x"] * (number % 7)) for number in order)))
    assert [f"k{number}" for number in range(3000)] == snapshot.keys["id"].tolist()
    assert [number % 7 for number in range(3000)] == snapshot.keys["allowed_ips"].tolist()


# ---------------------------------------------------------------- what is no list of keys


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>x</title>", "an HTML page"),
        (b'{"apiKeys":[{"id":', "JSON that breaks off after 18 bytes"),
        (b"[]", "a list"),
        (b"{}", "an object without `apiKeys`"),
        (b'{"error":"no"}', "an error message"),
        (b'{"analytics":{"keyBreakdown":[]}}', "the analytics of API keys (`analytics`), which are another endpoint's"),
        (b'{"apiKeys":null}', "an object whose `apiKeys` is null, not a list"),
        (b'{"apiKeys":{}}', "an object whose `apiKeys` is an object, not a list"),
        (b'{"apiKeys":[%s]}' % DEEP, "JSON nested too deeply"),
    ],
)
def test_an_answer_of_another_kind_is_named_and_not_echoed(document: bytes, what: str) -> None:
    for act in (join, lambda ours, theirs: frame.save_answers(ours, theirs, "")):
        with pytest.raises(UnreadableAnswer) as caught:
            act(analytics(row()), Answer(document, "answer.json"))
        expected = f"The answer from answer.json is no list of API keys but {what}. Check the address"
        assert expected == caught.value.message[: len(expected)]


def test_where_no_row_can_be_read_there_are_no_details() -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        join(analytics(row()), details(detail(id=7), detail(isActive=SECRET, plainKey=SECRET)))
    assert caught.value.message.startswith("Not one of the 2 keys in the answer from d could be read: ")
    assert SECRET not in caught.value.message + caught.value.details


def test_a_byte_order_mark_and_line_ends_are_no_obstacle() -> None:
    indented = json.dumps(json.loads(details(detail(), detail(id="b")).body), indent=1).replace("\n", "\r\n")
    assert 2 == len(join(analytics(), Answer(b"\xef\xbb\xbf" + indented.encode(), "d")).keys)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("http://127.0.0.1:8 refused it (HTTP 403). See there.", "http://127.0.0.1:8 refused it (HTTP 403)."),
        ("Switched off.", "Switched off."),
        ("no full stop", "no full stop"),
    ],
)
def test_without_details_the_first_sentence_says_why(told: str, state: str) -> None:
    before = frame.read_analytics(analytics(row()), local_now=NOW)
    quiet, noted = (frame.without_details(before, told, noted=noted) for noted in (False, True))
    assert DetailsState(read=False, reason=state) == quiet.details == noted.details
    assert () == quiet.notes
    assert f"Details not available: {told}" == text(noted, "details-unavailable")


# ---------------------------------------------------------------- secrets


def test_no_unnamed_member_is_kept_anywhere() -> None:
    secrets = {
        "plainKey": SECRET,
        "tokenValue": {"id": SECRET, "name": SECRET},
        "keyPreview": [SECRET],
        "valuePreview": SECRET,
        "nested": {"permissions": [SECRET], "createdAt": SECRET},
    }
    rows = (
        detail(**secrets),
        detail(id="b", createdAt=SECRET, expiresAt=[SECRET], allowedIps={"x": SECRET}, isTestKey=SECRET, **secrets),
        detail(id="c", permissions=[{"plainKey": SECRET}, [SECRET]], allowedIps=SECRET, **secrets),
        detail(isActive=SECRET, lastUsedAt=SECRET, **secrets),
        raw_detail(plainKey=b'"%s\xff"' % SECRET.encode()),
        json.dumps([SECRET]).encode(),
        json.dumps(SECRET).encode(),
    )
    ours = analytics(json.dumps(SHARED | secrets).encode())
    snapshot = join(ours, details(*rows, around=b',"plainKey":"%s"' % SECRET.encode()))
    assert (3, 6) == (len(snapshot.keys), len(snapshot.rejected))
    assert SECRET not in snapshot.keys.to_csv()
    assert SECRET not in "".join(map(str, snapshot.keys["permissions"].cat.categories))
    assert SECRET not in repr(snapshot)
    # a wrong scalar by a name that is read stays in a saved answer, so that it is wrong there too
    saved = json.loads(frame.save_answers(ours, details(rows[0], rows[4], *rows[5:]), ""))
    assert SECRET not in json.dumps(saved)
    assert {*GOOD} == {*saved["details"]["apiKeys"][0]}
    assert [[], ""] == saved["details"]["apiKeys"][2:]
    nested = detail(permissions=[{"plainKey": SECRET}, [SECRET]], createdAt={"x": SECRET}, name=[SECRET])
    assert SECRET.encode() not in frame.save_answers(ours, details(nested), "")


# ---------------------------------------------------------------- the saved form


def saved(ours: Answer, theirs: Answer | None, reason: str = "") -> Answer:
    return Answer(frame.save_answers(ours, theirs, reason), "saved.json")


def problems(snapshot: Snapshot) -> list[tuple[object, ...]]:
    def told(bad: RejectedRow) -> tuple[object, ...]:
        return bad.list, bad.index, bad.kept, bad.problem, bad.id, bad.name, bad.prefix

    return [told(bad) for bad in snapshot.rejected]


def test_saved_answers_read_like_the_first() -> None:
    ours = analytics(row(), row(id="b"), row(id=7), BAD_ROW, row(name=[SECRET]), row(id="c"))
    rows = [
        detail(),
        detail(id="b", plainKey=SECRET, permissions=[], allowedIps=None),
        detail(id="c", createdAt="garbage", permissions="*", isTestKey=0),
        detail(id="d", permissions=["a", 7, None, True, {"x": 1}, ["y"]]),
        detail(id="e", allowedIps={"x": [1]}, expiresAt=[1], canReveal={}),
        detail(id="f", name='\ud800 \x00 " \\ 🔑'),
        raw_detail(id=b'"g"', permissions=b'["a\xff"]', createdAt=b'"\xff"'),
        raw_detail(id=b'"h"', expiresAt=b'null,"expiresAt":null'),
        detail(),
        raw_detail(lastUsedAt=b"1e400"),
        BAD_ROW, b"[1]", b"{}", b"null", b"false", b"42", without("createdAt", "expiresAt", "permissions"),
    ]  # fmt: skip
    theirs = details(*rows, around=b',"total":99,"timestamp":"2026-11-23T12:00:01Z","more":[1]')
    again = saved(ours, theirs)
    first, second = join(ours, theirs), join(*parts(again))
    assert problems(first) == problems(second)
    assert (first.now, first.notes, first.details) == (second.now, second.notes, second.details)
    pd.testing.assert_frame_equal(first.keys, second.keys)
    assert again == saved(*parts(again))


def parts(answer: Answer) -> tuple[Answer, Answer]:
    ours, theirs, missed = frame.saved_answers(answer)
    assert theirs is not None
    assert "" == missed
    return ours, theirs


@settings(deadline=None, max_examples=40)
@given(st.lists(members, max_size=6))
def test_any_row_is_saved_with_its_problems(some: list[tuple[str, bytes]]) -> None:
    some = some + [(name, json.dumps(value).encode()) for name, value in GOOD.items() if name not in dict(some)]
    one = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in some)
    ours, theirs = analytics(row()), details(one, detail(id="last"))
    first, second = join(ours, theirs), join(*parts(saved(ours, theirs)))
    assert problems(first) == problems(second)
    pd.testing.assert_frame_equal(first.keys, second.keys)


def test_a_saved_answer_names_its_form() -> None:
    content = json.loads(saved(analytics(row()), details(detail())).body)
    assert {"format", "version", "analytics", "details", "details_reason"} == set(content)
    assert ("keyaudit/snapshot", 1, None) == (content["format"], content["version"], content["details_reason"])
    assert {"analytics", "timestamp"} == set(content["analytics"])
    assert {"apiKeys"} == set(content["details"])


def test_saved_answers_may_be_written_in_another_way() -> None:
    again = saved(analytics(row(), row(id="b")), details(detail()))
    document = json.loads(again.body)
    for content in (
        json.dumps(document, indent=2, sort_keys=True).replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + again.body,
        json.dumps(dict(reversed(document.items())) | {"more": 1}).encode(),
    ):
        pd.testing.assert_frame_equal(join(*parts(again)).keys, join(*parts(Answer(content, "x"))).keys)


@pytest.mark.parametrize("reason", ["", "x refused it (HTTP 403). More."])
def test_saved_answers_tell_why_there_are_no_details(reason: str) -> None:
    ours = analytics(row())
    assert (None, reason) == frame.saved_answers(saved(ours, None, reason))[1:]


def test_a_reason_from_outside_is_shown_in_its_visible_form() -> None:
    content = json.dumps({"format": "keyaudit/snapshot", "version": 1, "analytics": {}, "details_reason": "a\x1b[2Jb"})
    assert "a⟨U+001B⟩[2Jb" == frame.saved_answers(Answer(content.encode(), "x"))[2]
    content = content.replace('"a\\u001b[2Jb"', "[7]")
    assert "" == frame.saved_answers(Answer(content.encode(), "x"))[2]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"keyaudit/snapshot",
        b'{"format":"keyaudit/snapshot"',
        b'{"format":["keyaudit/snapshot"]}',
        b'{"format":"keyaudit/snapshot/2"}',
        analytics(row(name="keyaudit/snapshot")).body,
        analytics(row()).body,
        b'{"format":"keyaudit/snapshot","x":%s}' % DEEP,
    ],
)
def test_what_is_no_saved_form_of_ours_is_taken_for_the_analytics(body: bytes) -> None:
    answer = Answer(body, "x")
    assert (answer, None, "") == frame.saved_answers(answer)


def test_a_later_version_of_the_form_is_refused() -> None:
    content = saved(analytics(row()), None).body.replace(b'"version":1', b'"version":2')
    with pytest.raises(UnreadableAnswer, match=r"^x is saved in version 2 of its form; this keyaudit reads only 1\.$"):
        frame.saved_answers(Answer(content, "x"))


def test_a_saved_form_without_the_analytics_is_told_so() -> None:
    ours, _, _ = frame.saved_answers(Answer(b'{"format":"keyaudit/snapshot","version":1}', "x"))
    with pytest.raises(UnreadableAnswer, match="is no analytics document of API keys but empty"):
        frame.read_analytics(ours, local_now=NOW)
