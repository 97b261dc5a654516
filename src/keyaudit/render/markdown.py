"""The report as GitHub-flavoured Markdown that reads well as plain text too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from keyaudit.model import AuditResult, Finding, Severity, Waiver
from keyaudit.render import ROWS_SHOWN, Format, RenderSettings
from keyaudit.render._markdown import Markdown, code, prose
from keyaudit.render._policy import in_force, selects, sets
from keyaudit.render._verdict import verdict
from keyaudit.wording import DASHBOARD, count, timestamp

TEMPLATE = "report.md.j2"


@dataclass(frozen=True, slots=True)
class Row:
    """A finding with its number from 1, the ``waiver`` that accepts it, and the ``margin`` of its further lines."""

    number: int
    finding: Finding
    waiver: Waiver | None

    @property
    def margin(self) -> Markdown:
        return Markdown(" " * len(f"{self.number}. "))


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that follow one another with the same severity, rule and action."""

    severity: Severity
    rule: str
    title: str
    action: str
    rows: tuple[Row, ...]


class MarkdownReport(Format):
    """Findings in a list, not in a table: names of any length, and readable without being rendered."""

    name = "markdown"
    suffix = "md"
    summary = "GitHub-flavoured, for issues, wikis and chats; reads well as plain text too"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:
        """UTF-8. In a user's template, too, every value is inert unless it went through ``code`` or ``ours``."""
        from keyaudit.render._templates import environment, fill

        templates = environment(settings)
        templates.finalize = prose
        templates.filters |= {"code": code, "ours": Markdown}
        yield fill(templates, TEMPLATE, _page(result, settings))


def _page(result: AuditResult, settings: RenderSettings) -> dict[str, object]:
    """What the template is given: plain values only, so that a user's template can do nothing else with them."""
    rows = [
        Row(number, finding, result.waivers[finding.waiver].waiver if finding.waived else None)
        for number, finding in enumerate(result.worst(ROWS_SHOWN), 1)
    ]
    return {
        "account": result.account,
        "source": result.source,
        "version": result.version,
        "audited": timestamp(result.now, result.zone),
        "dashboard": DASHBOARD,
        "count": count,
        "verdict": verdict(result),
        "counts": result.counts,
        "shown": len(rows),
        "all": len(result.findings),
        "siblings": [settings.siblings[name] for name in ("csv", "json") if name in settings.siblings],
        "notes": result.notes,
        "standing": tuple(_groups(result, [row for row in rows if row.waiver is None])),
        "waived": tuple(_groups(result, [row for row in rows if row.waiver is not None])),
        "waivers": [(each, tuple(selects(each.waiver.selector))) for each in result.waivers],
        "rejected": result.rejected[:ROWS_SHOWN],
        "rejected_more": max(0, len(result.rejected) - ROWS_SHOWN),
        "unevaluated": tuple(rule.name for rule in result.rules if rule.state == "not evaluated"),
        "details": result.details,
        "compliance": result.compliance,
        "standards": tuple(dict.fromkeys(clause.reference.standard for clause in result.compliance)),
        "profile": result.profile,
        "use": result.use,
        "thresholds": result.use_thresholds,
        "rules": [(rule, tuple(in_force(rule))) for rule in result.rules],
        "overrides": [
            (
                override,
                tuple(selects(override.selector)),
                tuple((rule, tuple(sets(setting))) for rule, setting in override.rules.items()),
            )
            for override in result.overrides
        ],
    }


def _groups(result: AuditResult, rows: list[Row]) -> Iterator[Group]:
    titles = {rule.name: rule.title for rule in result.rules}
    for (severity, rule, action), found in groupby(
        rows, key=lambda row: (row.finding.severity, row.finding.rule, row.finding.action)
    ):
        yield Group(severity, rule, titles[rule], action, tuple(found))
