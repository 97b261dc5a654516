from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from keyaudit import docs, errors
from keyaudit.cli import EXIT_CODES, cli
from keyaudit.config import load
from keyaudit.errors import KeyauditError
from keyaudit.model import Policy, Reference, Severity, Standard
from keyaudit.profiles import PROFILES
from keyaudit.render import RenderSettings, all_formats, html, markdown
from keyaudit.render._templates import environment, folder
from keyaudit.render.csv import COLUMNS
from keyaudit.rules import AccountHit, Context, KeyHits, NoOptions, Rule, all_rules, option
from keyaudit.standards import by_clause
from keyaudit.text import visible
from tests.builders import audit, key

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Limits:
    share: int = option(50, "percent that may fail", ge=0, le=100)
    label: str = option("x", "a word")


class Sample(Rule[Limits]):
    """No rule of ours: it lies outside their folder, so that nothing else finds it."""

    name = "sample"
    title = "A sample"
    severity = Severity.CRITICAL
    rationale = "Because."
    remediation = "Mend it."
    references = (
        Reference(Standard("a", "A standard", "2", "https://example.com/standard"), "1.1", "be good", analogous=True),
        Reference(Standard("b", "A book", ""), "", "be better"),
    )
    inactive = True
    Options = Limits

    def check(self, context: Context[Limits]) -> Iterable[KeyHits | AccountHit]:
        raise NotImplementedError


class Bare(Rule[NoOptions]):
    name = "bare"
    title = "A rule that says only what it must"
    severity = Severity.LOW
    rationale = "Because."
    remediation = "Mend it."
    scope = "account"

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits | AccountHit]:
        raise NotImplementedError


def page_of(monkeypatch: pytest.MonkeyPatch, *rules: Rule[Any]) -> list[str]:
    monkeypatch.setattr(docs, "all_rules", lambda: {rule.name: rule for rule in rules})
    return docs.rules_markdown().splitlines()


def test_the_page_of_the_rules_is_what_the_rules_say() -> None:
    ran = subprocess.run([sys.executable, "-m", "keyaudit.docs"], capture_output=True, encoding="utf-8", check=True)
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert ran.stdout == page, "write it again: python -m keyaudit.docs > docs/rules.md"


@pytest.mark.parametrize("rule", all_rules().values(), ids=all_rules())
def test_every_rule_has_a_section_with_all_its_texts(rule: Rule[Any]) -> None:
    _, _, rest = docs.rules_markdown().partition(f"\n## {rule.name}\n")
    section, _, _ = rest.partition("\n## ")
    for text in (rule.title, rule.rationale, rule.remediation, *rule.option_fields()):
        assert text in section


def test_options_show_their_bounds_and_references_their_links(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(monkeypatch, Sample())
    assert "| [`sample`](#sample) | A sample | critical | yes | all keys |" in page
    assert "**A sample.** Severity critical; on by default; looks at all keys." in page
    assert "- `share` = `50` (at least 0, at most 100): percent that may fail" in page
    assert "- `label` = `x`: a word" in page
    assert ["- [A standard 2 1.1: be good (analogous)](https://example.com/standard)", "- A book: be better"] == page[
        -2:
    ]


def test_rules_without_options_or_references_have_no_empty_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(monkeypatch, Bare())
    assert not {"Options:", "References:"} & set(page)
    assert any(line.endswith("looks at the account.") for line in page)


# ---------------------------------------------------------------- pages written by hand

README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORTS = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES_MADE: dict[str, Callable[[], dict[str, object]]] = {
    "html": lambda: {**html._assets(environment(RenderSettings())), **html._page(audit(key()), RenderSettings())},
    "markdown": lambda: markdown._page(audit(key()), RenderSettings()),
}


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the table whose header line begins with *heading*, cell by cell."""
    _, _, rest = page.partition(f"\n| {heading} |")
    assert rest, f"no table begins with {heading}"
    lines = itertools.takewhile(lambda line: line.startswith("|"), rest.splitlines()[2:])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(rows: Iterable[list[str]]) -> list[str]:
    """The words in code style in the first cells of *rows*."""
    return [name for first, *_ in rows for name in re.findall(r"`([^`]+)`", first)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_readme_lists_every_rule() -> None:
    assert set(all_rules()) == set(names(table(README, "rule")))


def test_readme_says_how_bad_each_rule_is() -> None:
    told = {names([row])[0]: row[-1].split("; ") for row in table(README, "rule")}
    assert {name: rule.severity.label for name, rule in all_rules().items()} == {name: told[name][0] for name in told}
    assert {severity.label for severity in Severity} >= {word for words in told.values() for word in words}


def test_readme_says_which_rules_are_off_and_which_need_details() -> None:
    rows = {names([row])[0]: row for row in table(README, "rule")}
    off = {name for name, row in rows.items() if row[1].endswith("; off by default")}
    assert {name for name, rule in all_rules().items() if not rule.enabled} == off
    needing = {name for name, row in rows.items() if row[2] == "yes"}
    assert {name for name, rule in all_rules().items() if rule.needs_details} == needing


def test_readme_lists_every_clause() -> None:
    clauses: dict[tuple[str, str], list[str]] = {}
    for reference in by_clause(all_rules().values()):
        standard = reference.standard
        clauses.setdefault((standard.slug, f"{standard.name} {standard.version}"), []).append(reference.number)
    told = {(names([row])[0], row[1]): row[2].split(", ") for row in table(README, "standard")}
    assert clauses == told


def test_readme_lists_every_state_of_a_clause() -> None:
    assert ["fail", "not evaluated", "waived", "pass"] == names(table(README, "state"))


def test_readme_lists_every_profile() -> None:
    assert list(PROFILES) == names(table(README, "profile"))


def test_readme_lists_every_format() -> None:
    assert set(all_formats()) == set(names(table(README, "format")))


def test_readme_and_errors_agree_on_exit_codes() -> None:
    told = {int(code) for first, *_ in table(README, "exit") for code in first.split(",")}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, KeyauditError)]
    helped = {
        int(code) for codes in re.findall(r"^ +([\d, ]+)  ", EXIT_CODES, re.MULTILINE) for code in codes.split(",")
    }
    assert helped == told
    assert {error.exit_code for error in classes} <= told


def commands(page: str) -> list[str]:
    """What a page tells its reader to type after ``keyaudit``: in a line of its own, a step of a job or code style."""
    return re.findall(r"(?:^ +(?:[-\d*]+ .*|(?:run|script): )?|`)keyaudit ([a-z][^`\n#]*)", page, re.MULTILINE)


@pytest.mark.parametrize(
    "command", sorted({command.strip() for page in PAGES for command in commands(page.read_text(encoding="utf-8"))})
)
def test_commands_and_options_in_the_pages_exist(command: str) -> None:
    name, *words = shlex.split(command)
    known = {option for parameter in cli.commands[name].params for option in parameter.opts}
    assert {word for word in words if word.startswith("-") and word != "-"} <= known


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
def test_settings_in_the_readme_are_right(tmp_path: Path, block: str) -> None:
    file = tmp_path / "keyaudit.toml"
    file.write_text(block, encoding="utf-8")
    loaded = load(file, {}, today=date(2026, 11, 23))
    assert Policy() != loaded.policy or loaded.waivers


@pytest.mark.parametrize("name", ["invoice\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe", ""])
def test_readme_shows_names_as_reports_do(name: str) -> None:
    assert f"`{visible(name)}`" in README


def test_reports_are_described_by_suffix() -> None:
    rows = table(REPORTS, "format")
    told = {name: row[1].strip("`").removeprefix("<account>-<time>.") for row in rows for name in names([row])}
    assert {name: each.suffix for name, each in all_formats().items()} == told


def test_every_column_of_the_csv_report_is_described() -> None:
    assert list(COLUMNS) == names(table(REPORTS, "column"))


def test_every_member_of_the_json_report_is_described() -> None:
    document = json.loads(b"".join(all_formats()["json"].render(audit(key()), RenderSettings())))
    assert set(document) - {"format", "version"} == set(names([row[:1] for row in table(REPORTS, "member")]))
    assert ("keyaudit/audit-result", 1) == (document["format"], document["version"])


def test_every_template_and_its_values_are_described() -> None:
    assert {path.name for path in folder().iterdir()} == set(names(table(REPORTS, "file")))
    rows = table(REPORTS, "value")
    told = {kind: {name for row in rows if row[1] in {kind, "both"} for name in names([row])} for kind in PAGES_MADE}
    assert {kind: set(values()) for kind, values in PAGES_MADE.items()} == told


def test_the_blocks_of_the_page_are_described() -> None:
    blocks = re.findall(r"{% block (\w+) %}", (folder() / "report.html.j2").read_text(encoding="utf-8"))
    _, _, rest = REPORTS.partition("The blocks of the page are ")
    assert blocks == re.findall(r"`(\w+)`", rest.partition(". ")[0])


def test_the_template_in_the_page_works(tmp_path: Path) -> None:
    (block,) = re.findall(r"```jinja\n(.*?)```", REPORTS, re.DOTALL)
    (tmp_path / "report.html.j2").write_text(block, encoding="utf-8")
    (included,) = re.findall(r"`({% include .*? %})`", REPORTS)
    (tmp_path / "report.md.j2").write_text(f"Mine.\n{included}", encoding="utf-8")
    result, mine = audit(key()), RenderSettings(templates=tmp_path)
    page = b"".join(all_formats()["html"].render(result, mine)).decode()
    assert "<p>Questions about default? Ask the platform team.</p>\n" in page
    ours = b"".join(all_formats()["markdown"].render(result, RenderSettings()))
    assert b"Mine.\n" + ours == b"".join(all_formats()["markdown"].render(result, mine))
