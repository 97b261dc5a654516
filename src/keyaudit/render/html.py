"""The page: one self-contained file, which asks nothing of anybody and reads as well without its script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import pandas as pd
from markupsafe import Markup

from keyaudit.model import AuditResult, Finding, Override, Severity, WaiverInForce
from keyaudit.render import ROWS_SHOWN, Format, RenderSettings
from keyaudit.render._policy import selects, sets
from keyaudit.render._templates import environment, fill, source
from keyaudit.render._verdict import verdict
from keyaudit.wording import DASHBOARD, count, timestamp

if TYPE_CHECKING:
    import jinja2

FIRST = 5
"""How many findings the first screen names."""

TEMPLATE = "report.html.j2"


@dataclass(frozen=True, slots=True)
class Row:
    """A finding as the page shows it: row ``number`` (from 1, the same in every table of the page).

    ``key`` numbers the key, so that rows of one key can be brought together; 0 is the account. ``used`` is the
    last use in words, ``ago`` its age, ``epoch`` its seconds since 1970 for sorting (empty: no use known).
    """

    number: int
    finding: Finding
    key: int
    used: str
    ago: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and the findings it settles."""

    severity: Severity
    action: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """A severity with its unwaived findings; ``share`` is their part of all, in per cent."""

    severity: Severity
    findings: int
    share: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart. ``length`` is in per cent of the longest; ``limit`` is the threshold that begins here.

    ``tone`` is ``fresh``, ``past`` one limit, ``long`` past the last of several, or ``never`` used.
    """

    label: str
    keys: int
    length: str
    limit: int | None
    tone: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A waiver in words; ``state`` as in :class:`keyaudit.model.WaiverInForce`."""

    number: int
    state: str
    findings: int
    selects: tuple[tuple[str, tuple[str, ...]], ...]
    rules: tuple[str, ...]
    reason: str
    owner: str
    expires: str


@dataclass(frozen=True, slots=True)
class Special:
    """An override in words: whom it selects, and what it sets for each rule."""

    selects: tuple[tuple[str, tuple[str, ...]], ...]
    rules: tuple[tuple[str, tuple[str, ...]], ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Clean:
    """A key without findings."""

    name: str
    id: str
    prefix: str
    used: str
    ago: str
    active: bool
    own: bool


class Html(Format):
    """The page that people will judge an account by, and us."""

    name = "html"
    suffix = "html"
    summary = "one self-contained page: verdict, chart, sortable findings, policy; for people"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:
        templates = environment(settings)
        yield fill(templates, TEMPLATE, {**_assets(templates), **_page(result, settings)})


def _assets(templates: jinja2.Environment) -> dict[str, object]:
    """Style and script, and the policy that lets a browser run these and load nothing else."""
    style, script = source(templates, "report.css"), source(templates, "report.js")
    csp = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return {"style": Markup(style), "script": Markup(script), "csp": csp}  # noqa: S704  our own files, or the user's


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _page(result: AuditResult, settings: RenderSettings) -> dict[str, object]:
    """What the template is given: plain values only, so that a user's template can do nothing else with them."""
    rows = tuple(_rows(result))
    standing = tuple(row for row in rows if not row.finding.waived)
    judged = verdict(result)
    return {
        "account": result.account,
        "source": result.source,
        "version": result.version,
        "audited": timestamp(result.now, result.zone),
        "audited_at": result.now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "dashboard": DASHBOARD,
        "count": count,
        "verdict": judged,
        "fail_on": result.fail_on,
        "exit_code": result.exit_codes[0] if result.exit_codes else 0,
        "counts": result.counts,
        "tallies": _tallies(result),
        "first": _first(standing[:FIRST]),
        "first_named": min(FIRST, len(standing)),
        "standing": standing,
        "waived": tuple(row for row in rows if row.finding.waived),
        "left_out": len(result.findings) - len(rows),
        "siblings": [settings.siblings[name] for name in ("csv", "json") if name in settings.siblings],
        "bars": tuple(_bars(result)),
        "notes": result.notes,
        "rules": result.rules,
        "overrides": [_override(override) for override in result.overrides],
        "waivers": [_waiver(number, applied) for number, applied in enumerate(result.waivers, 1)],
        "rejected": result.rejected,
        "clean": tuple(_clean(result)),
    }


def _rows(result: AuditResult) -> Iterator[Row]:
    numbers: dict[tuple[str, str, str], int] = {}
    for number, finding in enumerate(result.worst(ROWS_SHOWN), 1):
        subject = (finding.key_id, finding.key_name, finding.key_prefix)
        used, ago = _last_use(finding.last_used_at, result)
        yield Row(
            number=number,
            finding=finding,
            key=numbers.setdefault(subject, len(numbers) + 1) if any(subject) else 0,
            used="" if finding.active is None else used,
            ago=ago,
            epoch="" if finding.last_used_at is None else f"{finding.last_used_at.timestamp():.0f}",
        )


def _first(worst: tuple[Row, ...]) -> tuple[Step, ...]:
    """The *worst* findings in their order, those that ask for the same thing together."""
    alike = groupby(worst, key=lambda row: (row.finding.severity, row.finding.action))
    return tuple(Step(severity, action, tuple(rows)) for (severity, action), rows in alike)


def _last_use(moment: datetime | None, result: AuditResult) -> tuple[str, str]:
    """When a key was last used, and how long ago that is."""
    if moment is None:
        return "never used", ""
    age = result.now - moment
    if age >= timedelta(days=1):
        ago = f"{count(age.days, 'day')} ago"
    else:
        # the question itself may count as a use, a moment after the server read its clock
        ago = "in the future" if age < timedelta(minutes=-5) else "today"
    return timestamp(moment, result.zone), ago


def _tallies(result: AuditResult) -> list[Tally]:
    whole = max(result.counts.findings, 1)
    return [
        Tally(severity, number, f"{100 * number / whole:.2f}")
        for severity in sorted(Severity, reverse=True)
        for number in (result.counts.by_severity.get(severity, 0),)
    ]


def _bars(result: AuditResult) -> Iterator[Bar]:
    longest = max((bucket.keys for bucket in result.use), default=0) or 1
    limits = result.use_thresholds
    for bucket in result.use:
        passed = sum(limit <= bucket.low for limit in limits)
        tone = "past" if passed else "fresh"
        if bucket.low < 0:
            tone = "never"
        elif passed > 1 and passed == len(limits):
            tone = "long"
        yield Bar(
            bucket.label,
            bucket.keys,
            f"{100 * bucket.keys / longest:.2f}",
            bucket.low if bucket.low in limits else None,
            tone,
        )


def _override(override: Override) -> Special:
    return Special(
        tuple(selects(override.selector)),
        tuple((name, tuple(sets(setting))) for name, setting in override.rules.items()),
        override.comment,
    )


def _waiver(number: int, applied: WaiverInForce) -> Accepted:
    waiver = applied.waiver
    return Accepted(
        number,
        applied.state,
        applied.findings,
        tuple(selects(waiver.selector)),
        waiver.rules,
        waiver.reason,
        waiver.owner,
        waiver.expires.isoformat(),
    )


def _clean(result: AuditResult) -> Iterator[Clean]:
    keys = result.clean_keys
    columns = (keys[name] for name in ("name", "id", "prefix", "last_used_at", "is_active", "own"))
    for name, id, prefix, last_used_at, active, own in zip(*columns, strict=True):
        moment = None if pd.isna(last_used_at) else last_used_at.to_pydatetime()
        yield Clean(name, id, prefix, *_last_use(moment, result), bool(active), bool(own))
