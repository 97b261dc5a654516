"""The Markdown report: every word of an outsider is inert on GitHub, and the whole reads well as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from keyaudit.errors import ReportNotWritten
from keyaudit.model import AuditResult, ClauseResult, Reference, RejectedRow, Standard
from keyaudit.render import RenderSettings
from keyaudit.render._markdown import Markdown, code, prose
from keyaudit.render.markdown import MarkdownReport
from keyaudit.rules import all_rules
from keyaudit.text import visible
from tests.hostile import HOSTILE

if TYPE_CHECKING:
    from markdown_it.token import Token

GOLDEN = Path(__file__).parents[1] / "data" / "sample.md"
GITHUB = MarkdownIt("gfm-like")
STRUCTURE = {
    "heading",
    "paragraph",
    "ordered_list",
    "bullet_list",
    "list_item",
    *("table", "thead", "tbody", "tr", "th", "td"),
}
INLINE = {"text", "code_inline", "softbreak", "hardbreak", "strong_open", "strong_close"}

hostile_names = pytest.mark.parametrize("name", [pytest.param(name, id=label) for label, name in HOSTILE])
shown_text = st.text(st.sampled_from("`*_#@[]()<>|\\!&$~:/.-+=1a \n\u27e8")).map(visible) | st.text().map(visible)


def report(result: AuditResult, settings: RenderSettings | None = None) -> str:
    return b"".join(MarkdownReport().render(result, settings or RenderSettings())).decode()


def leaves(text: str) -> Iterator[Token]:
    for token in GITHUB.parse(text):
        yield from token.children or ()


def read(text: str) -> str:
    """What a reader sees of the one paragraph *text*."""
    return "".join(token.content for token in leaves(text))


# ---------------------------------------------------------------- inert


@pytest.mark.parametrize("account", ["hostile", "everything"])
def test_nothing_forms_that_we_did_not_write(account: str, request: pytest.FixtureRequest) -> None:
    text = report(request.getfixturevalue(account))
    tokens = GITHUB.parse(text)
    assert STRUCTURE | {"inline"} >= {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert INLINE | {"link_open", "link_close"} >= {token.type for token in leaves(text)}
    ours = {reference.url for rule in all_rules().values() for reference in rule.references}
    assert ours >= {token.attrs["href"] for token in leaves(text) if token.type == "link_open"}


@pytest.mark.parametrize("account", ["hostile", "everything"])
def test_no_mention_reference_formula_or_shortcode_stands_outside_of_code(
    account: str, request: pytest.FixtureRequest
) -> None:
    words = [token.content for token in leaves(report(request.getfixturevalue(account))) if token.type == "text"]
    github = re.compile(r"[@#$`<>\[\]|\\*_~&]|://|www\.|:\w+:|\bGH-\d|\b[0-9a-f]{7,40}\b")
    assert [] == [text for text in words if github.search(text)]


@hostile_names
def test_a_hostile_name_as_prose_and_as_code_is_read_as_it_is(name: str) -> None:
    shown = visible(name)
    for made in (prose(shown), code(shown)):
        for text in (made, f"1. {made}  \n   {made}", f"- {made}"):
            assert {"text", "code_inline", "hardbreak"} >= {token.type for token in leaves(text)}
        assert shown == read(f"x {made}").removeprefix("x ")


@given(shown_text)
@example("` `` ```")
@example("1) one")
@example("a: b: c@d.example")
@example("deadbeef 1234567 cafe")
def test_prose_is_read_word_for_word_and_means_nothing(text: str) -> None:
    made = prose(text)
    assert text == read(made)
    for context in (made, f"- {made}", f"What to do: {made}", f"**{made}**"):
        tokens = GITHUB.parse(context)
        assert STRUCTURE - {"heading", "ordered_list", "table"} | {"inline"} >= {
            token.type.removesuffix("_open").removesuffix("_close") for token in tokens
        }
        assert INLINE >= {token.type for token in leaves(context)}


@given(shown_text)
@example("`")
@example("a``")
@example("\\")
def test_code_is_read_character_for_character(text: str) -> None:
    tokens = list(leaves(f"the name {code(text)}, and more"))
    assert ["the name ", text, ", and more"] == [token.content for token in tokens]
    assert ["text", "code_inline", "text"] == [token.type for token in tokens]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("last used 56 days ago, on 28 Feb 2024 17:00 UTC; the limit is 45 days", None),
        ("the owner's (old) key: 1,204 rows, 50 % – “fine”", "the owner's (old) key: 1,204 rows, 50 `%` – “fine”"),
        ("Größe 日本語 ключ", None),
        ("see https://x.example and @ops", "see `https://x.example` and `@ops`"),
        ("two suspicious *words* <b>here</b> now", "two suspicious `*words* <b>here</b>` now"),
        ("1. first", "`1.` first"),
        ("commit deadbeef", "commit `deadbeef`"),
        ("GH-12", "`GH-12`"),
        ("spread\nover  lines", "spread over lines"),
        ("", ""),
        (7, "7"),
        (Markdown("**kept**"), "**kept**"),
    ],
)
def test_prose_keeps_plain_words_as_they_are(text: object, shown: str | None) -> None:
    assert (text if shown is None else shown) == prose(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("`", "`` ` ``"),
        ("a`b``", "``` a`b`` ```"),
        ("", "`⟨empty⟩`"),
        (" a ", "`  a  `"),
        ("a\n b", "`a b`"),
    ],
)
def test_the_fence_is_longer_than_any_run_within(text: str, shown: str) -> None:
    assert shown == code(text)


# ---------------------------------------------------------------- what it says


def test_the_sample_reads_as_it_always_did(sample: AuditResult) -> None:
    """After a wanted change, write the new text to the file and look at the difference."""
    assert GOLDEN.read_text("utf-8") == report(replace(sample, version="1.0"))


def test_waivers_overrides_rejected_rows_and_notes_are_all_there(everything: AuditResult) -> None:
    text = report(everything)
    for line in (
        "**Not all right: ",
        "- 3 rows of the answer could not be read.",
        "- in force: `stale` on id `k2`, until 2027-01-01, owner Ops: `=SUM(1)` moves in `<b>May</b>,` see `https://x.",
        "- expired: every rule on name `Old*`, until 2026-01-01, owner Finance: kept for the auditors (1 finding)",
        "- matches nothing: `stale`, `expired` on prefix `tv_*`, until 2027-01-01, owner Ops: none left (0 findings)",
        "   waived by Ops until 2027-01-01: `=SUM(1)` moves in `<b>May</b>,` see `https://x.example`  ",
        "- row 8 of the analytics: id is missing, name `no id | here`, prefix `rt_live_ab12`",
        "- `never-used`, Key never used: on, always critical, `grace_days = 14`; otherwise for 8 keys",
        "1. name `Nightly*` or `x|y` and active: `stale` always low, inactive keys too, `days = 30`; `vague-name` off ",
        " `vague-name` off (asked for by `@ops` in `#7`)",
        "2. id `k5` and prefix `rt_*` and inactive: `expired` on",
        "3. every key: `never-used` active keys only",
        "the account  ",
    ):
        assert line in text, f"{line}\n\n{text}"


def test_an_unreadable_row_is_named_by_what_could_be_read(everything: AuditResult) -> None:
    nameless = replace(everything, findings=everything.findings.assign(key_name="", key_prefix=""))
    assert "`bad time`, prefix `rt_live_ab12`  " in report(everything)
    assert "the key `k10`  " in report(nameless)


def test_an_account_where_all_is_well_or_waived_says_so(empty: AuditResult, everything: AuditResult) -> None:
    assert "\n## Findings\n\nNo findings.\n" in report(empty)
    waived = everything.findings[everything.findings["waiver"] >= 0]
    quiet = replace(everything, findings=waived, counts=replace(everything.counts, findings=0, waived=len(waived)))
    assert "\n## Findings\n\nNo findings but the waived ones.\n" in report(quiet)


def test_our_own_key_is_marked(sample: AuditResult) -> None:
    own = replace(sample, findings=sample.findings.assign(own=[True, False, False, False]))
    assert ["1. `Staging Key`, prefix `runtype_9012`, keyaudit's own key  "] == [
        line for line in report(own).splitlines() if "own key" in line
    ]


def test_a_standard_with_an_address_is_a_link(sample: AuditResult) -> None:
    book = Reference(Standard("book", "The book", "1", "https://book.example/1"), "2", "be good")
    clauses = (ClauseResult(book, ("stale",), "fail", 2, 0),)
    shown = report(replace(sample, compliance=clauses))
    assert ["https://book.example/1"] == [t.attrs["href"] for t in leaves(shown) if t.type == "link_open"]
    assert "| fail          |        2 |      0 | The book 1 2, be good: stale |" in shown


def test_rows_that_could_not_be_read_are_capped_too(sample: AuditResult) -> None:
    rejected = tuple(RejectedRow(index, "id is missing", f"d{index}") for index in range(2003))
    text = report(replace(sample, rejected=rejected))
    assert 2000 == text.count("of the analytics: id is missing")
    assert "And 3 more rows; `--format json` holds all of them." in text


def test_the_numbers_go_on_from_group_to_group(crowd: AuditResult) -> None:
    numbers = re.findall(r"(?m)^(\d+)\. `Worker", report(crowd))
    assert [str(number) for number in range(1, 2001)] == numbers
    assert "\n1000. `Worker" in report(crowd)
    assert "\n      last used" in report(crowd)


# ---------------------------------------------------------------- templates of the user


def test_values_are_inert_in_a_template_of_the_user_too(tmp_path: Path, hostile: AuditResult) -> None:
    (tmp_path / "report.md.j2").write_text(
        "{% for group in standing %}{% for row in group.rows %}- {{ row.finding.key_name }}\n{% endfor %}{% endfor %}"
    )
    text = report(hostile, RenderSettings(templates=tmp_path))
    assert INLINE >= {token.type for token in leaves(text)}
    assert len(HOSTILE) == len(text.splitlines())


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{{ nothing }}", "report.md.j2, line 1"),
        ("\n{% for %}", "report.md.j2, line 2"),
        ("{{ counts.__class__.__mro__ }}", "report.md.j2"),
        ("{{ waivers[0].waiver.selector.__init__.__globals__ }}", "report.md.j2"),
    ],
)
def test_a_template_at_fault_is_named(template: str, complaint: str, tmp_path: Path, everything: AuditResult) -> None:
    (tmp_path / "report.md.j2").write_text(template)
    with pytest.raises(ReportNotWritten, match=complaint):
        report(everything, RenderSettings(templates=tmp_path))
