"""The summary on the terminal, and the same as a plain text report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from keyaudit.model import AuditResult, Finding, Severity
from keyaudit.render import ROWS_SHOWN, Format, RenderSettings
from keyaudit.render._verdict import verdict
from keyaudit.text import visible
from keyaudit.wording import DASHBOARD, count, timestamp

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

FINDINGS_SHOWN = 20
"""How many findings the terminal shows: what fits a person's attention; the reports hold the rest."""

_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "blue",
}
_WORD = max(len(severity.label) for severity in Severity) + 2
_PREFIX = 16
_NARROWEST = 20
_PATH = 4096


class Line(NamedTuple):
    """A line: the ``body`` that a narrow terminal may break, hanging behind the ``head`` that stands once."""

    head: Text
    body: Text

    def __str__(self) -> str:
        """The line unbroken and without colours."""
        return f"{self.head}{self.body}".rstrip()


class PlainText(Format):
    """Without colours, with the ids of the findings and the waived ones too; no line is ever broken."""

    name = "text"
    suffix = "txt"
    summary = "the summary of the terminal with more findings and their ids, as plain text"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:
        """UTF-8, each finding on three lines; a fourth line says what waives it."""
        findings = list(result.worst(ROWS_SHOWN))
        for line in (*_opening(result), *_findings(result, findings, with_ids=True)):
            yield f"{line}\n".encode()
        if left_out := len(result.findings) - len(findings):
            holders = [settings.siblings[name] for name in ("csv", "json") if name in settings.siblings]
            where = " and ".join(holders) if holders else "the formats csv and json"
            yield f"\n+ {count(left_out, 'more finding')}; all of them are in {where}\n".encode()
        for line in (*_actions(findings), *_notes(result)):
            yield f"{line}\n".encode()


def summary(
    result: AuditResult, console: Console, *, files: Mapping[str, Path] | None = None, limit: int = FINDINGS_SHOWN
) -> None:
    """Print the verdict, the counts, the worst *limit* unwaived findings, the notes and the *files* written.

    *files* maps formats to paths. The console decides on colours and width; nothing in the result is taken for
    its markup.
    """
    findings = [finding for finding in result.worst(limit) if not finding.waived]
    _print(console, _opening(result))
    _print(console, _findings(result, findings, with_ids=False))
    if left_out := result.counts.findings - len(findings):
        where = "; the reports hold more" if files else ""
        _print(console, [_line(), _line(f"+ {count(left_out, 'more finding')}{where}", "dim")])
    _print(console, _actions(findings))
    _print(console, _notes(result))
    _print(console, _files(files or {}))


def _print(console: Console, lines: Iterable[Line]) -> None:
    from rich.text import Text

    for head, body in lines:
        # broken here and not by rich, which knows no hanging indent
        margin = head.cell_len
        for number, piece in enumerate(body.wrap(console, max(console.width - margin, _NARROWEST))):
            piece.rstrip()
            console.print((Text(" " * margin) if number else head).append_text(piece), soft_wrap=True)


# ---------------------------------------------------------------- the parts


def _opening(result: AuditResult) -> Iterator[Line]:
    counts, judged = result.counts, verdict(result)
    yield _line(
        f"keyaudit {result.version} · account {result.account} · from {result.source} · "
        f"{timestamp(result.now, result.zone)}",
        "dim",
    )
    yield _line()
    yield _line(f"{judged.sentence}.", "bold green" if judged.all_right else "bold red")
    yield _line()
    digits = max(len(f"{number:,}") for number in counts.by_severity.values())
    for severity, number in counts.by_severity.items():
        style = _STYLES[severity] if number else "dim"
        yield _line(f"  {severity.label:<{_WORD}}{number:>{digits},}", style)
    yield _line()
    yield _line(
        f"{count(counts.received, 'key')} listed: {counts.active:,} active, {counts.inactive:,} inactive, "
        f"{counts.never_used:,} never used; {counts.without_findings:,} without findings"
    )
    if counts.rejected:
        yield _line(f"{count(counts.rejected, 'row')} not audited, because unreadable", "red")
    unevaluated = sum(rule.state == "not evaluated" for rule in result.rules)
    if unevaluated:
        yield _line(f"{count(unevaluated, 'rule')} not evaluated: {result.details.reason}", "yellow")
    if counts.waived:
        yield _line(f"{count(counts.waived, 'finding')} waived")
    for state in ("expired", "matches nothing"):
        if number := sum(waiver.state == state for waiver in result.waivers):
            yield _line(f"{count(number, 'waiver')} in the config: {state}", "yellow")


def _findings(result: AuditResult, findings: list[Finding], *, with_ids: bool) -> Iterator[Line]:
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    rule_width = max((len(finding.rule) for finding in findings), default=0)
    prefix_width = min(_PREFIX, max((cell_len(finding.key_prefix) for finding in findings), default=0))
    for finding in findings:
        prefix = finding.key_prefix
        if cell_len(prefix) < prefix_width:
            prefix = set_cell_size(prefix, prefix_width)
        yield _line()
        yield Line(
            Text(f"{finding.severity.label:<{_WORD}}", _STYLES[finding.severity]),
            Text.assemble(
                f"{finding.rule:<{rule_width}}  ",
                # the name comes last, so that no name can pretend to what stands behind it
                (f"{prefix}  " if prefix else "", "dim"),
                ("(keyaudit's own key) " if finding.own else "", "dim"),
                (finding.key_name or finding.key_id or "(the account)", "bold"),
            ),
        )
        below = [finding.evidence]
        if finding.owner:
            below.append(f"owner: {finding.owner}")
        if with_ids:
            below.append(finding.id)
        if finding.waived:
            waiver = result.waivers[finding.waiver].waiver
            below.append(f"waived by {waiver.owner} until {waiver.expires.isoformat()}: {waiver.reason}")
        yield from (_line(text, head=" " * _WORD) for text in below)


def _actions(findings: list[Finding]) -> Iterator[Line]:
    actions = dict.fromkeys((finding.rule, finding.action) for finding in findings)
    if actions:
        yield _line()
        yield _line(f"What to do, in {DASHBOARD}:")
    width = max((len(rule) for rule, _ in actions), default=0)
    for rule, action in actions:
        yield _line(action, head=f"  {rule:<{width}}  ")


def _notes(result: AuditResult) -> Iterator[Line]:
    if result.notes:
        yield _line()
    for note in result.notes:
        yield _line(note.text, head="Note: ")


def _files(files: Mapping[str, Path]) -> Iterator[Line]:
    if files:
        yield _line()
    width = max((len(name) for name in files), default=0)
    for name, path in files.items():
        line = _line(visible(str(path), _PATH), head=f"{name:<{width}}  ")
        # a path that is broken cannot be clicked or copied
        line.body.no_wrap, line.body.overflow = True, "ignore"
        yield line


def _line(text: str = "", style: str = "", *, head: str = "") -> Line:
    from rich.text import Text

    return Line(Text(head), Text(text, style))
