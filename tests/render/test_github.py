"""The summary for GitHub: within its size, a table that holds together, and every word of an outsider inert."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from keyaudit.model import AuditResult, Note
from keyaudit.render import RenderSettings, github
from keyaudit.render.github import GitHub
from tests.render.conftest import with_texts

if TYPE_CHECKING:
    from markdown_it.token import Token

PARSER = MarkdownIt("gfm-like")
STRUCTURE = {
    "inline",
    "heading",
    "paragraph",
    "bullet_list",
    "list_item",
    *("table", "thead", "tbody", "tr", "th", "td"),
}


def report(result: AuditResult, settings: RenderSettings | None = None) -> str:
    return b"".join(GitHub().render(result, settings or RenderSettings())).decode()


def leaves(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield from token.children or ()


def findings(text: str) -> list[list[Token]]:
    """The cells of the rows of the last table but that of the standards."""
    table: list[list[Token]] = []
    for opening, token in pairwise(PARSER.parse(text)):
        if opening.type == "tr_open":
            table.append([])
        elif opening.type == "td_open":
            table[-1].append(token)
    return [cells for cells in table if cells and cells[0].content.isdecimal()]


def rows(text: str) -> list[str]:
    return [line for line in text.split("\n") if re.match(r"\| \d+ \| ", line)]


@pytest.fixture(scope="session")
def multitude(crowd: AuditResult) -> AuditResult:
    """50,000 findings: twenty times those of the crowd, the waived ones last."""
    many = pd.concat([crowd.findings] * 20, ignore_index=True)
    return replace(crowd, findings=many.sort_values("waiver", kind="stable", ignore_index=True))


# ---------------------------------------------------------------- inert


@pytest.mark.parametrize("account", ["hostile", "everything"])
def test_nothing_forms_that_we_did_not_write(account: str, request: pytest.FixtureRequest) -> None:
    text = report(request.getfixturevalue(account))
    tokens = PARSER.parse(text)
    assert STRUCTURE >= {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert {"text", "code_inline", "softbreak", "strong_open", "strong_close"} >= {t.type for t in leaves(text)}


@pytest.mark.parametrize("account", ["hostile", "everything"])
def test_no_mention_reference_formula_or_shortcode_stands_outside_of_code(
    account: str, request: pytest.FixtureRequest
) -> None:
    words = [token.content for token in leaves(report(request.getfixturevalue(account))) if token.type == "text"]
    meaning = re.compile(r"[@#$`<>\[\]|\\*_~&]|://|www\.|:\w+:|\bGH-\d|\b[0-9a-f]{7,40}\b")
    assert [] == [text for text in words if meaning.search(text)]


def test_no_text_breaks_out_of_its_cell() -> None:
    texts = ["a | b", "a \\| b", "a \\\\| b", "|", "`|`", "|---|---|", "\\", "``|", "x|`y`|z"]
    found = findings(report(with_texts(texts)))
    assert [6] * len(texts) == [len(cells) for cells in found]
    for place in (3, 5):
        spans = [[c.content for c in cells[place].children or () if c.type == "code_inline"] for cells in found]
        assert texts == [span[0] for span in spans]


# ---------------------------------------------------------------- what it says


def test_it_begins_with_the_verdict_and_the_numbers(everything: AuditResult) -> None:
    text = report(everything)
    assert text.startswith("## API keys of `acme-prod`\n\n**Not all right: ")
    assert text.index("| critical | 1 |") < text.index("### Findings")
    for line in (
        "| waived | 1 |",
        "- 3 rows of the answer could not be read.",
        "| `stale` | 2 | Ask the owner whether a job still needs the key.",
        "| `no id \\| here`, prefix `rt_live_ab12` | row 8 of the answer was not audited: id is missing |",
        "| critical | `never-used` | `Ledger @ops <b>`, prefix `rt_live_ab12` |",
        "| medium, waived | `stale` | `Search indexer`, prefix `rt_live_ab12` |",
        "; accepted by Ops until 2027-01-01: `=SUM(1)` moves in `<b>May</b>,` see `https://x.example` |",
        "| high | `count-mismatch` | the account | totalKeys says 12, but the rows make it 11 |",
    ):
        assert line in text, f"{line}\n\n{text}"
    assert text.endswith(
        f"Audited on 23 Nov 2026 17:30 IST by the server's clock, from `sample-analytics.json`, "
        f"by keyaudit {everything.version}.\n"
    )


def test_own_keys_owners_and_nameless_keys_are_told(sample: AuditResult) -> None:
    texts = {"owner": "Ops", "key_name": "a", "key_id": "k", "key_prefix": "p"}
    columns = {name: pd.Series(text, sample.findings.index, dtype="str") for name, text in texts.items()}
    owned = replace(sample, findings=sample.findings.assign(**columns, own=True))
    assert "| `a`, prefix `p`, owner `Ops`, keyaudit's own key |" in report(owned)
    assert "| `a`, owner `Ops`, keyaudit's own key |" in report(
        replace(owned, findings=owned.findings.assign(key_prefix=""))
    )
    assert "| the key `k` |" in report(replace(owned, findings=owned.findings.assign(key_name="")))


def test_notes_are_prose(sample: AuditResult) -> None:
    assert "\n- Beware of `@everyone` here.\n" in report(
        replace(sample, notes=(Note("n", "Beware of @everyone here."),))
    )


def test_what_was_not_evaluated_is_told_with_the_reason(sample: AuditResult) -> None:
    first, second, third, *others = (replace(rule, state="on") for rule in sample.rules)
    rules = (
        replace(first, state="not evaluated", reason="The list was refused."),
        replace(second, state="not evaluated", reason="A is missing."),
        replace(third, state="not evaluated", reason="The list was refused."),
        *others,
    )
    told = [line for line in report(replace(sample, rules=rules)).split("\n") if "Not evaluated" in line]
    assert [
        f"- Not evaluated: `{second.name}`. A is missing.",
        f"- Not evaluated: `{first.name}`, `{third.name}`. The list was refused.",
    ] == told
    assert "Not evaluated" not in report(replace(sample, rules=(first,)))


def test_clauses_are_told_where_there_are_any(sample: AuditResult) -> None:
    assert "### Standards" not in report(replace(sample, compliance=()))
    assert sample.compliance
    text = report(sample)
    for clause in sample.compliance:
        assert f"| {clause.reference.title} | {clause.state} | {clause.findings} | {clause.waived} |\n" in text


def test_an_account_without_findings_has_no_table_of_them(empty: AuditResult) -> None:
    assert "All right: the account lists no keys" in report(empty)
    assert "### Findings" not in report(empty)
    assert "What to do" not in report(empty)


# ---------------------------------------------------------------- size


def test_as_many_of_the_worst_as_fit_are_shown(multitude: AuditResult) -> None:
    text = report(multitude)
    size, shown = len(text.encode()), len(rows(text))
    assert 999_000 < size <= 1_000_000
    assert f"- This summary shows the worst {shown:,} of 50,000 findings.\n" in text
    assert [f.id for f in multitude.worst(shown)] == [row.split("`")[-2] for row in rows(text)]


def test_a_cut_summary_names_the_files_that_hold_all(multitude: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "LIMIT", 20_000)
    alone = report(multitude)
    beside = report(multitude, RenderSettings(siblings={"csv": "acme-1.csv", "json": "acme-1.json"}))
    assert "  To have them all, run the audit with `--format` csv or `--format` json too.\n" in alone
    assert "  Beside this file `acme-1.csv` and `acme-1.json` hold all of them.\n" in beside
    for text in (alone, beside):
        assert 19_000 < len(text.encode()) <= 20_000


def test_where_no_row_fits_the_rest_still_stands(multitude: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "LIMIT", 10)
    text = report(multitude)
    assert "- This summary shows the worst 0 of 50,000 findings." in text
    assert [] == rows(text)


def test_a_summary_that_fits_is_whole(crowd: AuditResult) -> None:
    text = report(crowd)
    assert 2500 == len(rows(text))
    assert "This summary shows" not in text
