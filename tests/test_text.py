"""The visible form of text from outside, and globs."""

from __future__ import annotations

import fnmatch
import unicodedata

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyaudit import text
from tests.hostile import HOSTILE

ODD = "\u202e\u200b\x00\n\r\t\x1b\u00a0\u3000\ufe0f\u0301\u3164\u2800\ue000\U0010f800\U000e0041⟨⟩ 0U+D empty…\u0378"
names = st.one_of(st.text(max_size=12), st.text(st.sampled_from(ODD + "aé日"), max_size=8))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "⟨empty⟩"),
        (" ", "⟨U+0020⟩"),
        ("   ", "⟨U+0020⟩⟨U+0020⟩⟨U+0020⟩"),
        (" a", "⟨U+0020⟩a"),
        ("a ", "a⟨U+0020⟩"),
        ("a  b", "a ⟨U+0020⟩b"),
        ("a\nb", "a⟨U+000A⟩b"),
        ("a\x00b", "a⟨U+0000⟩b"),
        ("a\x9bb", "a⟨U+009B⟩b"),
        ("a\u00a0b", "a⟨U+00A0⟩b"),
        ("a\u2028b", "a⟨U+2028⟩b"),
        ("a\u2029b", "a⟨U+2029⟩b"),
        ("safe\u202egnp", "safe⟨U+202E⟩gnp"),
        ("a\ufe0fb", "a⟨U+FE0F⟩b"),
        ("a\U000e0100b", "a⟨U+E0100⟩b"),
        ("a\U000e0041b", "a⟨U+E0041⟩b"),
        ("a\u034fb", "a⟨U+034F⟩b"),
        ("\u3164", "⟨U+3164⟩"),
        ("\u2800", "⟨U+2800⟩"),
        ("a\ue000b", "a⟨U+E000⟩b"),
        ("a\u0378b", "a⟨U+0378⟩b"),
        ("a\uffffb", "a⟨U+FFFF⟩b"),
        ("⟨empty⟩", "⟨U+27E8⟩empty⟩"),
        ("\u0301a", "⟨U+0301⟩a"),
        ("\u200b\u0301a", "⟨U+200B⟩⟨U+0301⟩a"),
        ("a \u0301b", "a ⟨U+0301⟩b"),
        ("a\u0301b", "a⟨U+0301⟩b"),
        ("\u00e1b", "\u00e1b"),
        ("x\u0301\u0302\u0303\u0304", "x\u0301\u0302\u0303⟨U+0304⟩"),
        ("\u212a", "⟨U+212A⟩"),
        ("\u0928\u093c", "\u0928⟨U+093C⟩"),
        ("\u0915\u094d\u0937", "\u0915\u094d\u0937"),
        ("a\ud800b", "a⟨U+D800⟩b"),
        ("a" + text.stand_in(0xD800) + "b", "a⟨U+D800⟩b"),
        ("a" + text.stand_in(0xDFFF) + "b", "a⟨U+DFFF⟩b"),
    ],
)
def test_what_cannot_be_seen_is_spelt_out(name: str, shown: str) -> None:
    assert text.visible(name) == shown


@given(st.text(ODD + "ab") | st.text())
def test_the_visible_form_can_be_read_back(name: str) -> None:
    assert name == text.invisible(text.visible(name, limit=10**6)) or text.stand_in(0xD800) <= max(name)


@pytest.mark.parametrize(
    "name",
    [
        "Production deploy",
        "Schlüssel für Köln",
        "日本 キー 한국",
        "مفتاح الإنتاج",
        "מפתח",
        "คีย์",
        "कुंजी",
        "🔑 key",
        "a-b_c (1) ⟩",
    ],
)
def test_ordinary_text_is_unchanged(name: str) -> None:
    assert text.visible(name) == name


def test_a_long_name_is_cut_and_stays_distinct() -> None:
    one, other = "x" * 1_048_576, "x" * 1_048_575 + "y"
    shown = text.visible(one)
    assert shown.startswith("x" * 255 + "⟨… 1,048,321 more characters, SHA-256 ")
    assert len(shown) < 320
    assert shown != text.visible(other)
    assert text.visible("x" * 255) == "x" * 255
    assert text.visible("abcdef", limit=3).startswith("abc⟨… 3 more characters, SHA-256 bef57ec7f53a⟩")


def test_a_cut_does_not_hide_a_space() -> None:
    assert text.visible("ab cd", limit=3).startswith("ab⟨U+0020⟩⟨… 2 more")


def test_a_long_name_with_half_a_character_has_a_digest_too() -> None:
    assert text.visible("\ud800" * 300).startswith("⟨U+D800⟩")


@pytest.mark.parametrize(("label", "name"), HOSTILE, ids=[label for label, _ in HOSTILE])
def test_a_hostile_name_is_inert(label: str, name: str) -> None:
    shown = text.visible(name)
    assert shown, label
    assert not [
        c for c in shown if c != " " and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
    ]
    assert shown == shown.strip(" ")
    assert "  " not in shown
    assert len(shown) < 256 * 10


def test_no_hostile_name_is_mistaken_for_another() -> None:
    assert len(HOSTILE) >= 60
    assert len({label for label, _ in HOSTILE}) == len(HOSTILE)
    assert len({text.visible(name) for _, name in HOSTILE}) == len(HOSTILE) == len({name for _, name in HOSTILE})


@settings(deadline=None)
@given(names, names, st.sampled_from([3, 255]))
@example("", "⟨empty⟩", 255)
@example("\n", "⟨U+000A⟩", 255)
@example("a  b", "a ⟨U+0020⟩b", 255)
def test_different_names_look_different(one: str, other: str, limit: int) -> None:
    assert (text.visible(one, limit) == text.visible(other, limit)) == (one == other)


@settings(deadline=None)
@given(st.lists(names, max_size=6))
@example(["plain", "names", "日本 key"])
@example(["x" * 256, "x" * 255])
def test_the_column_says_what_the_function_says(some: list[str]) -> None:
    column = pd.Series(some, dtype="str", index=range(5, 5 + len(some)), name="name")
    expected = pd.Series([text.visible(name) for name in some], dtype="str", index=column.index, name="name")
    pd.testing.assert_series_equal(text.visible_column(column), expected)


def test_one_hostile_name_is_enough_to_be_noticed() -> None:
    for label, name in HOSTILE:
        if not any("\ud800" <= character <= "\udfff" for character in name):
            column = pd.Series([name], dtype="str")
            assert [text.visible(name)] == text.visible_column(column).tolist(), label


def test_every_character_is_alike_in_a_column() -> None:
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    some = (
        every[:0x3100:3] + every[0x3000::211] + every[0xF800:0x10000:7] + every[0xE0000 - 0x800 : 0xE0200 - 0x800 : 5]
    )
    column = pd.Series([f"a{c}" for c in some] + some, dtype="str")
    shown = text.visible_column(column).tolist()
    assert shown == [text.visible(name) for name in column]


def test_an_ordinary_column_comes_back_as_it_is() -> None:
    column = pd.Series(["Deploy", "Prod ünïcode", "日本 key"], dtype="str")
    assert text.visible_column(column) is column


def test_a_column_of_several_chunks_keeps_its_order() -> None:
    chunks = pa.chunked_array([["a", "b\n"], ["\tc", "d"]], pa.large_string())
    column = pd.Series(chunks, dtype="str")
    assert text.visible_column(column).tolist() == ["a", "b⟨U+000A⟩", "⟨U+0009⟩c", "d"]


def matches(name: str, pattern: str) -> bool:
    return bool(pc.match_substring_regex(pa.array([name]), text.glob_to_regex(pattern))[0].as_py())


GLOBBY = "ab[]!-*?^\\.&|~z\n+é日 "


@settings(deadline=None)
@given(st.text(GLOBBY, max_size=8), st.text(GLOBBY, max_size=6))
@example("[", "[")
@example("[]a]", "]")
@example("[!]a]", "]")
@example("[z-a]", "m")
@example("[!z-a]", "m")
@example("[z-a]", "\x00")
@example("[a-]", "-")
@example("[^a]", "^")
@example("[\n]", "\n")
@example("[]-z]", "^")
@example("a*b", "a\n\nb")
@example("a", "a\n")
def test_globs_are_those_of_fnmatch(pattern: str, name: str) -> None:
    assert matches(name, pattern) == fnmatch.fnmatchcase(name, pattern)


@settings(deadline=None)
@given(st.text(max_size=6))
def test_a_pattern_of_any_text_is_understood(pattern: str) -> None:
    assert matches(pattern, pattern) == fnmatch.fnmatchcase(pattern, pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("ci-*", "ci-deploy", True),
        ("ci-*", "CI-deploy", False),
        ("ci-*", "my ci-deploy", False),
        ("key ?", "key 日", True),
        ("key ?", "key 12", False),
        ("key [0-9]", "key 7", True),
        ("key [!0-9]", "key 7", False),
        ("*.(x)+", "a.(x)+", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_globs(pattern: str, name: str, expected: bool) -> None:
    assert matches(name, pattern) is expected
