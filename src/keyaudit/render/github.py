"""The report in short, as the summary of a GitHub Actions job, within the size that GitHub takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from keyaudit.model import AuditResult, Finding
from keyaudit.render import Format, RenderSettings
from keyaudit.render._markdown import Markdown, code, prose
from keyaudit.render._verdict import verdict
from keyaudit.render._words import accepted, where_all_are
from keyaudit.wording import DASHBOARD, count, timestamp

LIMIT = 1_000_000
"""How many bytes a summary has at most. Beyond 1,048,576 GitHub refuses all that a step says, and what the step says
of its own counts too."""

_SHORTEST_ROW = 40


class GitHub(Format):
    """Findings in a table: unlike the Markdown report it is only ever read on GitHub, where tables may be wide."""

    name = "github"
    suffix = "github.md"
    summary = "the summary of a GitHub Actions job, below its limit of 1 MiB"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:
        """UTF-8, to be appended to the file that ``GITHUB_STEP_SUMMARY`` names."""
        opening, numbers, end = (_lines(part(result)) for part in (_opening, _numbers, _end))
        # the more is cut, the longer the remark, but for the digits of what is shown
        longest_remarks = _lines(_remarks(result, settings, 0)) + b"1,000,000"
        rows = list(_fitting(result, LIMIT - sum(map(len, (opening, longest_remarks, numbers, end)))))
        yield opening
        yield _lines(_remarks(result, settings, len(rows)))
        yield numbers
        yield from rows
        yield end


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _cells(*cells: str) -> str:
    # a table takes the bar for a border even in a code span, and takes away the backslash before it
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# ---------------------------------------------------------------- what surrounds the findings


def _opening(result: AuditResult) -> Iterator[str]:
    overall = verdict(result)
    below = f" Below {overall.threshold.label}: {overall.below}." if overall.below else ""
    yield from (f"## API keys of {code(result.account)}", "", f"**{overall.sentence}.**{below}", "")


def _remarks(result: AuditResult, settings: RenderSettings, shown: int) -> Iterator[str]:
    if shown < len(result.findings):
        yield f"- This summary shows the worst {shown:,} of {len(result.findings):,} findings."
        yield f"  {prose(where_all_are(settings))}"
    for note in result.notes:
        yield f"- {prose(note.text)}"
    dropped = [rule for rule in result.rules if rule.state == "not evaluated"]
    for reason, rules in groupby(sorted(dropped, key=lambda rule: rule.reason), key=lambda rule: rule.reason):
        yield f"- Not evaluated: {', '.join(code(rule.name) for rule in rules)}. {prose(reason)}"
    yield ""


def _numbers(result: AuditResult) -> Iterator[str]:
    counts = result.counts
    yield _cells("Severity", "Findings")
    yield "| :--- | ---: |"
    yield from (_cells(severity.label, f"{number:,}") for severity, number in counts.by_severity.items())
    yield from (_cells("waived", f"{counts.waived:,}"), "")
    yield (
        f"{count(counts.received, 'key')} listed: {counts.active:,} active, {counts.inactive:,} inactive, "
        f"{counts.never_used:,} never used, {counts.without_findings:,} without findings, "
        f"{counts.rejected:,} not audited, because unreadable."
    )
    yield ""
    found = [rule for rule in result.rules if rule.findings]
    if found:
        yield f"What is to be done, people do in {DASHBOARD}: an API key cannot change keys."
        yield from ("", _cells("Rule", "Findings", "What to do"), "| :--- | ---: | :--- |")
        yield from (_cells(code(rule.name), f"{rule.findings:,}", rule.remediation) for rule in found)
        yield ""
    if len(result.findings):
        yield from ("### Findings", "", _cells("", "Severity", "Rule", "Key", "Why", "Finding"))
        yield "| ---: | :--- | :--- | :--- | :--- | :--- |"


def _end(result: AuditResult) -> Iterator[str]:
    yield ""
    if result.compliance:
        yield from ("### Standards", "", _cells("Clause", "State", "Findings", "Waived"))
        yield "| :--- | :--- | ---: | ---: |"
        for clause in result.compliance:
            yield _cells(clause.reference.title, clause.state, f"{clause.findings:,}", f"{clause.waived:,}")
        yield ""
    yield (
        f"Audited on {timestamp(result.now, result.zone)} by the server's clock, from {code(result.source)}, "
        f"by keyaudit {result.version}."
    )


# ---------------------------------------------------------------- findings


def _fitting(result: AuditResult, room: int) -> Iterator[bytes]:
    """The rows of as many of the worst findings as fit into *room* bytes."""
    for number, finding in enumerate(result.worst(max(0, room) // _SHORTEST_ROW), 1):
        row = _lines([_row(result, number, finding)])
        room -= len(row)
        if room < 0:
            return
        yield row


def _row(result: AuditResult, number: int, finding: Finding) -> str:
    severity, why = finding.severity.label, prose(finding.evidence)
    if finding.waived:
        severity += ", waived"
        why = Markdown(f"{why}; {prose(accepted(result.waivers[finding.waiver].waiver))}")
    return _cells(f"{number}", severity, code(finding.rule), _key(finding), why, code(finding.id))


def _key(finding: Finding) -> str:
    if not finding.key_name:
        return f"the key {code(finding.key_id)}" if finding.key_id else "the account"
    parts: list[str] = [code(finding.key_name)]
    parts += [f"prefix {code(finding.key_prefix)}"] if finding.key_prefix else []
    parts += [f"owner {code(finding.owner)}"] if finding.owner else []
    parts += ["keyaudit's own key"] if finding.own else []
    return ", ".join(parts)
