"""The summary on the terminal and the plain text report."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console

from keyaudit.model import AuditResult
from keyaudit.render import RenderSettings
from keyaudit.render.terminal import PlainText, summary
from keyaudit.text import visible
from tests.hostile import HOSTILE
from tests.render.conftest import PREFIX

if TYPE_CHECKING:
    import pytest

GOLDEN = Path(__file__).parents[1] / "data"
FILES = {
    "html": Path("keyaudit-reports/default-20240425T120000Z.html"),
    "markdown": Path("keyaudit-reports/default-20240425T120000Z.md"),
}


def printed(result: AuditResult, *, width: int = 80, files: dict[str, Path] | None = None, **more: Any) -> str:
    limit = {"limit": more.pop("limit")} if "limit" in more else {}
    console = Console(file=io.StringIO(), width=width, **more)
    summary(result, console, files=files, **limit)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def report(result: AuditResult) -> str:
    return b"".join(PlainText().render(result, RenderSettings())).decode()


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_the_sample_reads_as_it_always_did(sample: AuditResult) -> None:
    """After a wanted change, write the new text to the files and look at the difference."""
    released = replace(sample, version="1.0")
    assert (GOLDEN / "sample-terminal.txt").read_text("utf-8") == printed(released, files=FILES)
    assert (GOLDEN / "sample.txt").read_text("utf-8") == report(released)


def test_a_narrow_terminal_gets_narrow_lines_and_whole_paths(everything: AuditResult) -> None:
    lines = printed(everything, width=44, files=FILES).splitlines()
    wide = [line for line in lines if cell_len(line) > 44]
    assert [f"{'html':8}  {FILES['html']}", f"markdown  {FILES['markdown']}"] == wide
    assert [] == [line for line in lines if line != line.rstrip()]


def test_a_terminal_of_no_width_to_speak_of_still_gets_everything(sample: AuditResult) -> None:
    words = printed(sample, width=1).split()
    assert {"Staging", "Backup", "medium", "stale"} <= set(words)


def test_what_is_broken_off_hangs_below_its_text(everything: AuditResult) -> None:
    lines = printed(everything, width=60).splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("high") and "Billing sync" in line)
    assert ["          last used 100 days ago, on 15 Aug 2026 17:30 IST;", "          the limit is 90 days"] == lines[
        place + 1 : place + 3
    ]


def test_the_terminal_shows_the_worst_and_counts_the_rest(crowd: AuditResult) -> None:
    text = printed(crowd, limit=3)
    assert (3, True) == (text.count("last used"), "\n+ 2,397 more findings\n" in text)
    assert "\n+ 2,380 more findings; the reports hold more\n" in printed(crowd, files=FILES)
    assert 20 == printed(crowd).count("last used")


def test_waived_findings_are_counted_on_the_terminal_and_shown_in_the_text(everything: AuditResult) -> None:
    assert ("1 finding waived\n" in printed(everything), "Search indexer" in printed(everything)) == (True, False)
    assert (
        "Search indexer\n          last used 50 days ago, on 04 Oct 2026 17:30 IST; the limit is 45 days\n"
        "          acme-prod:stale:k2\n          waived by Ops until 2027-01-01: =SUM(1)"
    ) in report(everything)


def test_rejected_rows_idle_waivers_and_notes_are_told(everything: AuditResult) -> None:
    for text in (printed(everything, width=200), report(everything)):
        assert "\n3 rows not audited, because unreadable\n" in text
        assert "\n1 waiver in the config: expired\n1 waiver in the config: matches nothing\n" in text
        assert "\nNote: 3 rows of the answer could not be read.\n" in text
        assert "(the account)\n" in text


def test_an_account_without_findings_says_so_in_few_lines(empty: AuditResult) -> None:
    assert "All right: the account lists no keys." in printed(empty)
    assert "What to do" not in printed(empty)


def test_our_own_key_is_marked(sample: AuditResult) -> None:
    own = replace(sample, findings=sample.findings.assign(own=[True, False, False, False]))
    assert "medium    stale    runtype_9012  (keyaudit's own key) Staging Key\n" in printed(own)


def test_colours_only_where_there_is_a_terminal_that_wants_them(
    sample: AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b[" not in printed(sample)
    coloured = printed(sample, force_terminal=True, color_system="truecolor")
    assert "\x1b[33mmedium" in coloured
    assert printed(sample) == without_colours(coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in printed(sample, force_terminal=True, color_system="truecolor")


def test_names_are_no_markup_and_no_control_sequence(hostile: AuditResult) -> None:
    for text in (
        printed(hostile, width=10_000, limit=len(HOSTILE)),
        without_colours(printed(hostile, width=10_000, limit=len(HOSTILE), force_terminal=True)),
        report(hostile),
    ):
        lines = text.splitlines()
        ends = [line.partition(f"{PREFIX}  ")[2] for line in lines if PREFIX in line]
        assert [visible(name) for _, name in HOSTILE] == ends
        assert [] == [line for line in lines if not line.isprintable()]


def test_a_path_is_shown_visibly(sample: AuditResult) -> None:
    assert "html  a⟨U+001B⟩[31mb [bold]/c.html\n" in printed(sample, files={"html": Path("a\x1b[31mb [bold]/c.html")})
