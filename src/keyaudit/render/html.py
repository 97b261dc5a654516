"""The page: one self-contained file, which asks nothing of anybody and reads as well without its script."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import pandas as pd
from markupsafe import Markup

from keyaudit.model import (
    AuditResult,
    ClauseResult,
    Finding,
    Override,
    RejectedRow,
    RuleInForce,
    Severity,
    Standard,
    WaiverInForce,
)
from keyaudit.profiles import PROFILES
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

DETAILS_NOTE = "details-unavailable"
"""The code of the note that details were wanted and not to be had; its text begins with the words that follow."""
DETAILS_WORDS = "Details not available: "


@dataclass(frozen=True, slots=True)
class Row:
    """A finding as the page shows it: row ``number`` (from 1, the same in every table of the page).

    ``key`` numbers the key, so that rows of one key can be brought together; 0 is the account. ``owner`` numbers the
    owner; 0 is none. ``used`` is the last use in words, ``ago`` its age, ``epoch`` its seconds since 1970 for sorting
    (empty: no use known).
    """

    number: int
    finding: Finding
    key: int
    owner: int
    used: str
    ago: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Owned:
    """An owner with the unwaived findings that the page shows; ``number`` as in :class:`Row`, ``name`` may be empty."""

    number: int
    name: str
    findings: int


@dataclass(frozen=True, slots=True)
class Gap:
    """That the details were not read: ``reason``, how many rules that left unevaluated, and whether anybody erred.

    ``wanted`` tells details that could not be had from those that nobody asked for.
    """

    reason: str
    rules: int
    wanted: bool


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
class Applied:
    """A rule and how it fared: the severity of its worst unwaived finding, and how many of its findings are waived."""

    rule: RuleInForce
    worst: Severity | None
    waived: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rules that fared alike, worst findings first; ``name`` is found, passed, not-evaluated or off."""

    name: str
    rules: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """How the account stands to a clause, and the rules that say so."""

    result: ClauseResult
    rules: tuple[RuleInForce, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """The clauses of one standard, and in words how many of them pass."""

    standard: Standard
    clauses: tuple[Clause, ...]
    tally: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that could not be read, or not whole, and whether its key was audited all the same."""

    row: RejectedRow
    audited: str


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
    owner: str


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
    gap = _gap(result)
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
        "gap": gap,
        "notes": [note for note in result.notes if gap is None or note.code != DETAILS_NOTE],
        "owned": bool((result.findings["owner"] != "").any() or (result.clean_keys["owner"] != "").any()),
        "owners": _owners(standing),
        "compliance": tuple(_chapters(result)),
        "compliance_tally": _tally(result.compliance, f"of {count(len(result.compliance), 'clause')} "),
        "profile": result.profile,
        "profile_summary": PROFILES[result.profile].summary,
        "rules": result.rules,
        "outcomes": _outcomes(result),
        "overrides": [_override(override) for override in result.overrides],
        "waivers": [_waiver(number, applied) for number, applied in enumerate(result.waivers, 1)],
        "idle_waivers": _idle(result.waivers),
        "rejected": [Unread(row, _audited(row)) for row in result.rejected[:ROWS_SHOWN]],
        "unread": len(result.rejected),
        "rejected_in": settings.siblings.get("json", ""),
        "clean": tuple(_clean(result)),
    }


def _rows(result: AuditResult) -> Iterator[Row]:
    numbers: dict[tuple[str, str, str], int] = {}
    owners: dict[str, int] = {"": 0}
    for number, finding in enumerate(result.worst(ROWS_SHOWN), 1):
        subject = (finding.key_id, finding.key_name, finding.key_prefix)
        used, ago = _last_use(finding.last_used_at, result)
        yield Row(
            number=number,
            finding=finding,
            key=numbers.setdefault(subject, len(numbers) + 1) if any(subject) else 0,
            owner=owners.setdefault(finding.owner, len(owners)),
            used="" if finding.active is None else used,
            ago=ago,
            epoch="" if finding.last_used_at is None else f"{finding.last_used_at.timestamp():.0f}",
        )


def _owners(rows: tuple[Row, ...]) -> list[Owned]:
    """The owners of *rows* by name, those without one last; nothing where no row has one."""
    numbers = Counter((row.owner, row.finding.owner) for row in rows)
    owners = [Owned(number, name, findings) for (number, name), findings in numbers.items()]
    owners.sort(key=lambda each: (not each.name, each.name.casefold()))
    return owners if any(each.name for each in owners) else []


def _gap(result: AuditResult) -> Gap | None:
    """What the lack of details left out, or nothing where no rule wanted them."""
    rules = sum(rule.state == "not evaluated" for rule in result.rules)
    if result.details.read or not rules:
        return None
    told = [note.text.removeprefix(DETAILS_WORDS) for note in result.notes if note.code == DETAILS_NOTE]
    return Gap(" ".join(told) or result.details.reason, rules, bool(told))


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


def _outcomes(result: AuditResult) -> list[Outcome]:
    """The rules by how they fared, in the order in which that calls for attention."""
    standing = result.findings["waiver"] < 0
    worst = result.findings[standing].groupby("rule", observed=True)["severity"].max()
    waived = result.findings["rule"][~standing].value_counts()
    rules = [
        Applied(rule, Severity(worst[rule.name]) if rule.name in worst else None, int(waived.get(rule.name, 0)))
        for rule in result.rules
    ]
    rules.sort(key=lambda each: -1 if each.worst is None else each.worst, reverse=True)
    # an unwaived finding outweighs the state: an override can switch on a rule that is off for all other keys
    alike: dict[str, list[Applied]] = {name: [] for name in ("found", "passed", "not-evaluated", "off")}
    for each in rules:
        name = "passed" if each.rule.state == "on" else each.rule.state.replace(" ", "-")
        alike["found" if each.worst is not None else name].append(each)
    return [Outcome(name, tuple(members)) for name, members in alike.items() if members]


def _chapters(result: AuditResult) -> Iterator[Chapter]:
    rules = {rule.name: rule for rule in result.rules}
    for standard, those in groupby(result.compliance, key=lambda each: each.reference.standard):
        clauses = tuple(Clause(each, tuple(rules[name] for name in each.rules)) for each in those)
        yield Chapter(standard, clauses, _tally([clause.result for clause in clauses]))


def _tally(clauses: Sequence[ClauseResult], of: str = "") -> str:
    """How many *clauses* pass and what becomes of the others: ``1 passes, 2 fail``; *of* says of what they are."""
    numbers = Counter(clause.state for clause in clauses)
    words = [count(numbers["pass"], f"{of}passes", f"{of}pass")]
    words += [count(numbers["fail"], "fails", "fail")] if numbers["fail"] else []
    words += [f"{numbers[state]:,} {state}" for state in ("waived", "not evaluated") if numbers[state]]
    return ", ".join(words)


def _audited(row: RejectedRow) -> str:
    if row.kept:
        return "yes; what could not be read counts as not known"
    return "no" if row.list == "analytics" else "by the analytics alone, where they list it"


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


def _idle(waivers: Sequence[WaiverInForce]) -> str:
    """How many *waivers* ended or match nothing: ``1 waiver has expired, 2 waivers match nothing``; empty for none."""
    numbers = Counter(applied.state for applied in waivers)
    words = {
        "expired": ("waiver has expired", "waivers have expired"),
        "matches nothing": ("waiver matches nothing", "waivers match nothing"),
    }
    return ", ".join(count(numbers[state], *forms) for state, forms in words.items() if numbers[state])


def _clean(result: AuditResult) -> Iterator[Clean]:
    keys = result.clean_keys
    columns = (keys[name] for name in ("name", "id", "prefix", "last_used_at", "is_active", "own", "owner"))
    for name, id, prefix, last_used_at, active, own, owner in zip(*columns, strict=True):
        moment = None if pd.isna(last_used_at) else last_used_at.to_pydatetime()
        yield Clean(name, id, prefix, *_last_use(moment, result), bool(active), bool(own), owner)
