"""One result, the same everywhere: every format holds the same counts and findings, in the same order, inert."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from keyaudit.model import AuditResult, Severity
from keyaudit.render import ROWS_SHOWN, RenderSettings, all_formats
from keyaudit.text import visible
from tests.hostile import HOSTILE
from tests.render.conftest import PREFIX

if TYPE_CHECKING:
    from markdown_it.token import Token

CAPPED = {"html", "markdown", "text"}
BY_RULE = {"junit"}
"""Formats that hold the findings rule by rule, and only those of one rule worst first."""
LABELS = [severity.label for severity in Severity]


class Shown(NamedTuple):
    """A finding as a reader of a report sees it; ``name`` is that of the key, empty for the account."""

    id: str
    rule: str
    severity: str
    name: str


class Reading(NamedTuple):
    """What a reader takes from a report: findings that are not waived by severity, and the findings in order."""

    by_severity: dict[str, int]
    findings: list[Shown]


def rendered(name: str, result: AuditResult) -> bytes:
    """The report with all that a format can hold, which is waived findings too."""
    return b"".join(all_formats()[name].render(result, RenderSettings(include_waived=True)))


# ---------------------------------------------------------------- how each format is read


def read_json(report: bytes) -> Reading:
    whole = json.loads(report)
    findings = [Shown(f["id"], f["rule"], f["severity"], f["key"]["name"] or "") for f in whole["findings"]]
    return Reading(whole["counts"]["by_severity"], findings)


def read_csv(report: bytes) -> Reading:
    rows = list(csv.DictReader(report.decode("utf-8-sig").splitlines(keepends=True), strict=True))
    number = Counter(row["severity"] for row in rows if row["waived"] == "false")
    findings = [Shown(row["id"], row["rule"], row["severity"], unguarded(row["key_name"])) for row in rows]
    return Reading({label: number[label] for label in LABELS}, findings)


def unguarded(cell: str) -> str:
    """The documented way back: one apostrophe less wherever a cell could begin."""
    return re.sub(r"""(^|;)([\s"]*)'""", r"\1\2", cell)


def read_markdown(report: bytes) -> Reading:
    found: list[Shown] = []
    cells: list[str] = []
    severity = rule = section = ""
    for opening, token in pairwise(MarkdownIt("gfm-like").parse(report.decode())):
        if (opening.type, opening.tag) == ("heading_open", "h2"):
            section = token.content
        elif (opening.type, opening.tag) == ("heading_open", "h3"):
            severity, rule = re.findall(r"^(\w+): .* \(([\w-]+)\)$", token.content)[0]
        elif opening.type == "td_open":
            cells.append(token.content)
        elif opening.type == "paragraph_open" and section in {"Findings", "Waived"} and "finding `" in token.content:
            assert token.children
            spans = [child.content for child in token.children if child.type == "code_inline"]
            found.append(Shown(spans[-1], rule, severity, "" if token.content.startswith("the account") else spans[0]))
    return Reading({label: whole_number(count) for label, count in pairwise(cells) if label in LABELS}, found)


def read_text(report: bytes) -> Reading:
    text = report.decode()
    severities = "|".join(LABELS)
    numbers = {label: whole_number(count) for label, count in re.findall(rf"(?m)^  ({severities}) +([\d,]+)$", text)}
    finding = rf"({severities}) +([a-z-]+)  +(?:(?:{PREFIX}|runtype_\d+)  )?(.*)"
    found = []
    lines = text.split("\n")
    for blank, head, _, id in zip(lines, lines[1:], lines[2:], lines[3:], strict=False):
        if not blank and (parts := re.fullmatch(finding, head)):
            found.append(Shown(id.strip(), parts[2], parts[1], "" if parts[3] == "(the account)" else parts[3]))
    return Reading(numbers, found)


def read_html(report: bytes) -> Reading:
    page = Page()
    page.feed(report.decode())
    page.close()
    return Reading(page.numbers, [Shown(**{**dict.fromkeys(Shown._fields, ""), **each}) for each in page.found])


class Page(HTMLParser):
    """Takes the findings from the rows whose ids are numbered, and the numbers from the list of tallies."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.found: list[dict[str, str]] = []
        self.numbers: dict[str, int] = {}
        self.label = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in {"meta", "link", "input", "br", "hr", "img"}:
            return
        self.open.append((tag, dict(attributes)))
        if tag == "tr" and re.fullmatch(r"f\d+", dict(attributes).get("id") or ""):
            self.found.append({})

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        classes = [name for _, attributes in self.open for name in (attributes.get("class") or "").split()]
        if "tallies" in classes and data.strip():
            if "severity" in classes:
                self.label = data
            else:
                self.numbers[self.label] = whole_number(data)
        if not any(re.fullmatch(r"f\d+", attributes.get("id") or "") for tag, attributes in self.open if tag == "tr"):
            return
        cell = next((a["data-label"] for _, a in reversed(self.open) if "data-label" in a), "")
        if cell in {"Severity", "Rule"}:
            self._add(cell.lower(), data.strip())
        elif "finding-id" in classes:
            self._add("id", data)
        elif "name" in classes and self.open[-1][0] == "bdi":
            self._add("name", data)

    def _add(self, field: str, data: str) -> None:
        self.found[-1][field] = self.found[-1].get(field, "") + data


def read_sarif(report: bytes) -> Reading:
    results = json.loads(report)["runs"][0]["results"]
    number = Counter(each["properties"]["severity"] for each in results if not each["suppressions"])
    findings = [
        Shown(p["findingId"], each["ruleId"], p["severity"], p["keyName"])
        for each in results
        for p in (each["properties"],)
    ]
    return Reading({label: number[label] for label in LABELS}, findings)


def read_junit(report: bytes) -> Reading:
    number: Counter[str] = Counter()
    found = []
    for outcome in ET.fromstring(report).iterfind("testsuite/testcase/*"):  # noqa: S314 - our own report
        if outcome.text:
            told = dict(line.split(": ", 1) for line in outcome.text.strip().split("\n")[1:])
            number[told["Severity"]] += outcome.tag != "skipped"
            found.append(Shown(told["Finding"], told["Finding"].split(":")[1], told["Severity"], told.get("Key", "")))
    return Reading({label: number[label] for label in LABELS}, found)


def read_ocsf(report: bytes) -> Reading:
    events = [json.loads(line) for line in report.splitlines()]
    severities = {number: severity.label for number, severity in enumerate(Severity, 1)}
    number = Counter(severities[each["severity_id"]] for each in events if each["status_id"] == 1)
    findings = [
        Shown(info["uid"], info["analytic"]["uid"], severities[each["severity_id"]], on_key.get("name", ""))
        for each in events
        for info, resource in ((each["finding_info"], each["resources"][0]),)
        for on_key in (resource if resource["type"] == "API key" else {},)
    ]
    return Reading({label: number[label] for label in LABELS}, findings)


def read_github(report: bytes) -> Reading:
    rows: list[list[Token]] = []
    for opening, token in pairwise(MarkdownIt("gfm-like").parse(report.decode())):
        if opening.type == "tr_open":
            rows.append([])
        elif opening.type == "td_open":
            rows[-1].append(token)
    numbers = {row[0].content: whole_number(row[1].content) for row in rows if len(row) == 2}
    found = []
    for _, severity, rule, key, _, id in (row for row in rows if len(row) == 6):
        assert rule.children
        assert key.children
        assert id.children
        name = key.children[0].content if key.children[0].type == "code_inline" else ""
        found.append(Shown(id.children[0].content, rule.children[0].content, severity.content.split(",")[0], name))
    return Reading({label: numbers[label] for label in LABELS}, found)


def whole_number(text: str) -> int:
    return int(text.replace(",", ""))


READERS: dict[str, Callable[[bytes], Reading]] = {
    "csv": read_csv,
    "github": read_github,
    "html": read_html,
    "json": read_json,
    "junit": read_junit,
    "markdown": read_markdown,
    "ocsf": read_ocsf,
    "sarif": read_sarif,
    "text": read_text,
}


def truth(result: AuditResult, name: str = "") -> Reading:
    """The result itself, read in the same way as the format *name*."""
    findings = [Shown(f.id, f.rule, f.severity.label, f.key_name) for f in result.worst()]
    if name in BY_RULE:
        findings.sort(key=lambda shown: shown.rule)
    return Reading({severity.label: number for severity, number in result.counts.by_severity.items()}, findings)


# ---------------------------------------------------------------- the contract


def test_every_format_has_a_reader_here() -> None:
    """A new format must say here how its findings are read back."""
    assert set(READERS) == set(all_formats())


def test_formats_are_told_apart_by_name_and_suffix() -> None:
    formats = all_formats()
    assert sorted(formats) == list(formats)
    assert len(formats) == len({each.suffix for each in formats.values()})
    for name, each in formats.items():
        assert (name, True) == (each.name, re.fullmatch(r"[a-z]+(\.[a-z]+)?", each.suffix) is not None)
        assert each.summary


@pytest.mark.parametrize("account", ["sample", "everything", "hostile"])
@pytest.mark.parametrize("name", all_formats())
def test_same_counts_and_same_findings_in_the_same_order(
    name: str, account: str, request: pytest.FixtureRequest
) -> None:
    result = request.getfixturevalue(account)
    assert truth(result, name) == READERS[name](rendered(name, result))


@pytest.mark.parametrize("name", all_formats())
def test_a_crowd_is_cut_at_the_cap_worst_first(name: str, crowd: AuditResult) -> None:
    whole = truth(crowd, name)
    shown = ROWS_SHOWN if name in CAPPED else len(whole.findings)
    report = rendered(name, crowd)
    assert Reading(whole.by_severity, whole.findings[:shown]) == READERS[name](report)


@pytest.mark.parametrize("name", sorted(CAPPED))
def test_a_cut_report_says_so_and_names_the_files_that_hold_all(name: str, crowd: AuditResult) -> None:
    siblings = {"csv": "acme-1.csv", "html": "acme-1.html", "json": "acme-1.json"}
    alone = rendered(name, crowd).decode()
    beside = b"".join(all_formats()[name].render(crowd, RenderSettings(siblings=siblings))).decode()
    assert (True, False, False) == ("csv" in alone, "acme-1.csv" in alone, "acme-1.json" in alone)
    assert (True, True) == ("acme-1.csv" in beside, "acme-1.json" in beside)


@pytest.mark.parametrize("name", all_formats())
def test_rendering_again_gives_the_same_bytes(
    name: str, everything: AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rendered(name, everything)
    for variable, value in (("COLUMNS", "40"), ("FORCE_COLOR", "1"), ("TZ", "America/New_York"), ("LC_ALL", "C")):
        monkeypatch.setenv(variable, value)
    assert first == rendered(name, everything)


@pytest.mark.parametrize("name", all_formats())
def test_an_account_without_keys_can_be_reported(name: str, empty: AuditResult) -> None:
    assert Reading(dict.fromkeys(LABELS, 0), []) == READERS[name](rendered(name, empty))


@pytest.mark.parametrize("name", all_formats())
def test_hostile_names_are_visible_and_told_apart(name: str, hostile: AuditResult) -> None:
    names = [shown.name for shown in READERS[name](rendered(name, hostile)).findings]
    assert [visible(each) for _, each in HOSTILE] == names
    assert len(HOSTILE) == len(set(names))


@pytest.mark.parametrize("name", all_formats())
def test_a_report_is_utf_8_without_a_hidden_character(name: str, hostile: AuditResult) -> None:
    text = rendered(name, hostile).decode().removeprefix("\ufeff")
    assert set() == {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}} - {"\n", "\r"}
