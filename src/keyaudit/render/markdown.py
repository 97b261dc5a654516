"""The report as GitHub-flavoured Markdown that reads well as plain text too.

Escaping would not do: GitHub turns ``\\@name``, ``\\#1`` and an escaped address into links all the same. What keeps
text inert is a code span. So prose keeps its plain words, and every word that could mean anything to Markdown or to
GitHub stands in a code span, where it is also plain to see that it was not written by us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from keyaudit.model import AuditResult, Finding, Severity, Waiver
from keyaudit.render import ROWS_SHOWN, Format, RenderSettings
from keyaudit.render._policy import in_force, selects, sets
from keyaudit.render._verdict import verdict
from keyaudit.wording import DASHBOARD, count, timestamp

TEMPLATE = "report.md.j2"

_PLAIN_WORD = re.compile(
    r"""
    (?![0-9a-f]{7,40}\b)                      # GitHub takes it for a commit
    (?![0-9]+[.)])                            # begins a list where a line begins
    [("“\u2018]*
    (?: [^\W\d_]+ (?: [-'’] [^\W\d_]+ )*      # letters of any script
      | [0-9]+ (?: [-,.:] [0-9]+ )*           # numbers, dates, times
    )
    [)"”’%]* [,.;:?]? [)"”’]*
    | [–—·→]
    """,
    re.VERBOSE,
)


class Markdown(str):
    """Text that is Markdown already and goes into the report as it is; all other text becomes :func:`prose`."""

    __slots__ = ()


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
    """Findings that follow one another with the same severity and rule, and so the same action."""

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


def prose(text: object) -> Markdown:
    """*text* on one line, the words that could mean anything to Markdown in code spans."""
    if isinstance(text, Markdown):
        return text
    runs = groupby(str(text).split(), key=lambda word: _PLAIN_WORD.fullmatch(word) is not None)
    return Markdown(" ".join(" ".join(words) if plain else code(" ".join(words)) for plain, words in runs))


def code(text: object) -> Markdown:
    """*text* in a code span, whose fence is longer than any run of backticks within."""
    content = re.sub(r"\s*[\r\n]\s*", " ", str(text)) or "⟨empty⟩"
    fence = "`" * (1 + max(map(len, re.findall("`+", content)), default=0))
    # one space at either end is taken for padding
    padding = " " if "`" in (content[0], content[-1]) or content[0] == content[-1] == " " else ""
    return Markdown(f"{fence}{padding}{content}{padding}{fence}")


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
        "rejected": result.rejected,
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
    for (severity, rule), found in groupby(rows, key=lambda row: (row.finding.severity, row.finding.rule)):
        alike = tuple(found)
        yield Group(severity, rule, titles[rule], alike[0].finding.action, alike)
