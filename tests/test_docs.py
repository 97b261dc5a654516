from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from keyaudit import docs, errors
from keyaudit.cli import cli
from keyaudit.config import load
from keyaudit.errors import KeyauditError
from keyaudit.model import Policy, Reference, Severity
from keyaudit.render import RenderSettings, all_formats
from keyaudit.render.csv import COLUMNS
from keyaudit.rules import AccountHit, Context, KeyHits, Rule, all_rules, option
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
    references = (Reference("A standard", "https://example.com/standard"), Reference("A book"))
    inactive = True
    Options = Limits

    def check(self, context: Context[Limits]) -> Iterable[KeyHits | AccountHit]:
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
    assert ["- [A standard](https://example.com/standard)", "- A book"] == page[-2:]


def test_rules_without_options_or_references_have_no_empty_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(monkeypatch, all_rules()["unreadable-key"])
    assert not {"Options:", "References:"} & set(page)
    assert any(line.endswith("looks at the account.") for line in page)


# ---------------------------------------------------------------- pages written by hand

README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORTS = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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
    told = {name: severity for (name,), severity in ((names([row]), row[-1]) for row in table(README, "rule"))}
    assert {name: rule.severity.label for name, rule in all_rules().items()} | {"stale": "medium; high"} == told


def test_readme_lists_every_format() -> None:
    assert set(all_formats()) == set(names(table(README, "format")))


def test_readme_and_errors_agree_on_exit_codes() -> None:
    told = {int(code) for first, *_ in table(README, "exit") for code in first.split(",")}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, KeyauditError)]
    raised = {error.exit_code for error in classes}
    assert {0, 1} | raised == told


def commands(page: str) -> list[str]:
    """What a page tells its reader to type after ``keyaudit``, in a line of its own or in code style."""
    return re.findall(r"(?:^ +(?:[-\d*]+ .*)?|`)keyaudit ([a-z][^`\n#]*)", page, re.MULTILINE)


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
    told = {name: row[1].rpartition(".")[2].strip("`") for row in table(REPORTS, "format") for name in names([row])}
    assert {name: each.suffix for name, each in all_formats().items()} == told


def test_every_column_of_the_csv_report_is_described() -> None:
    assert list(COLUMNS) == names(table(REPORTS, "column"))


def test_every_member_of_the_json_report_is_described() -> None:
    document = json.loads(b"".join(all_formats()["json"].render(audit(key()), RenderSettings())))
    assert set(document) - {"format", "version"} == set(names([row[:1] for row in table(REPORTS, "member")]))
    assert ("keyaudit/audit-result", 1) == (document["format"], document["version"])
