"""The CSV report: RFC 4180 to the letter, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyaudit.model import AuditResult
from keyaudit.render import RenderSettings, _columns
from keyaudit.render.csv import COLUMNS, Csv, guarded
from tests.render.conftest import with_texts
from tests.render.test_formats_agree import unguarded

FORMULA = "=+-@\t\r\n\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"

mischief = st.text(st.sampled_from("=+-@'\";, \tx\uff1d"), max_size=12) | st.text(st.characters(codec="utf-8"))


def report(result: AuditResult) -> str:
    return b"".join(Csv().render(result, RenderSettings())).decode()


def rows(result: AuditResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report(result).removeprefix("\ufeff"), newline=""), strict=True))


def test_the_sample(sample: AuditResult) -> None:
    found = rows(sample)
    assert ["Staging Key", "Backup Key", "Old Key 1", "Old Key 2"] == [each["key_name"] for each in found]
    assert {
        "id": "default:stale:c3d4e5f6-7890-1234-ab56-cd78ef901234",
        "rule": "stale",
        "severity": "medium",
        "key_id": "c3d4e5f6-7890-1234-ab56-cd78ef901234",
        "key_name": "Staging Key",
        "key_prefix": "runtype_9012",
        "active": "true",
        "own": "false",
        "last_used_at": "2024-02-28T17:00:00Z",
        "evidence": "last used 56 days ago, on 28 Feb 2024 17:00 UTC; the limit is 45 days",
        "action": next(rule.remediation for rule in sample.rules if rule.name == "stale"),
        "waived": "false",
        "waiver": "",
        "owner": "",
    } == found[0]
    assert ["", "2023-12-15T11:30:00Z"] == [each["last_used_at"] for each in found[2:]]


def test_it_begins_with_a_byte_order_mark_and_the_columns_and_ends_its_lines_with_crlf(sample: AuditResult) -> None:
    text = report(sample)
    assert text.startswith("\ufeff" + ",".join(COLUMNS) + "\r\n")
    assert (5, True, 5) == (text.count("\n"), text.endswith("\r\n"), text.count("\r\n"))


def test_findings_on_the_account_leave_the_key_empty(everything: AuditResult) -> None:
    found = next(each for each in rows(everything) if each["rule"] == "count-mismatch")
    assert ("", "", "", "", "false", "") == tuple(
        found[name] for name in ("key_id", "key_name", "key_prefix", "active", "own", "last_used_at")
    )


def test_a_waived_finding_says_who_accepts_it_until_when_and_why(everything: AuditResult) -> None:
    waived = [each for each in rows(everything) if each["waived"] == "true"]
    words = "accepted by Ops until 2027-01-01: =SUM(1) moves in <b>May</b>, see https://x.example"
    assert [("k2", words)] == [(each["key_id"], each["waiver"]) for each in waived]
    assert {""} == {each["waiver"] for each in rows(everything) if each["waived"] == "false"}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain, with-dash", "plain, with-dash"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "\t'=1"),
        (' "=1', " \"'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("'", "''"),
        ("a;=1", "a;'=1"),
        ("a; '=1", "a; ''=1"),
        ("O'Brien", "O'Brien"),
        ("", ""),
    ],
)
def test_the_guard(text: str, cell: str) -> None:
    assert cell == guarded(text)


@given(mischief)
@example("'")
@example(";;'=")
def test_what_the_guard_did_can_be_undone(text: str) -> None:
    assert text == unguarded(guarded(text))


@given(st.lists(mischief, min_size=1, max_size=6))
def test_any_text_comes_back_and_no_cell_is_a_formula(texts: list[str]) -> None:
    found = rows(with_texts(texts))
    for column in ("id", "key_id", "key_name", "key_prefix", "evidence"):
        assert texts == [unguarded(each[column]) for each in found]
        assert not [each[column] for each in found if each[column].lstrip(' "').startswith(tuple("=+-@\uff1d"))]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_no_hostile_name_becomes_a_formula_whatever_the_separator(delimiter: str, hostile: AuditResult) -> None:
    text = report(hostile).removeprefix("\ufeff")
    cells = [cell for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in line]
    assert [] == [cell for cell in cells if cell.lstrip(' "').startswith(tuple(FORMULA))]


def test_it_comes_in_pieces_whatever_the_number_of_findings(
    crowd: AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = report(crowd)
    monkeypatch.setattr(_columns, "CHUNK", 99)
    pieces = list(Csv().render(crowd, RenderSettings()))
    assert whole == b"".join(pieces).decode()
    assert max(map(len, pieces)) < len(whole) / 20


def test_pandas_reads_it_back(crowd: AuditResult) -> None:
    back = pd.read_csv(io.BytesIO(report(crowd).encode()))
    assert list(crowd.findings["id"]) == list(back["id"])
    assert (2500, 100) == (len(back), int(back["waived"].sum()))
