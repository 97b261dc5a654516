"""(snapshot, policy, waivers, now) → audit result: pure, and vectorised over keys.

Each rule is asked once for each distinct set of settings; what it reports is put in order, matched against the
waivers and turned into the visible form, as columns throughout. No clock, no file and no network in here.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keyaudit import __version__
from keyaudit.columns import days_since, to_arrow, to_pandas
from keyaudit.errors import RuleCrashed
from keyaudit.model import (
    AuditResult,
    ClauseResult,
    Counts,
    DetailsState,
    Note,
    Override,
    Policy,
    RejectedRow,
    RuleInForce,
    Selector,
    Severity,
    Snapshot,
    UseBucket,
    Waiver,
    WaiverInForce,
)
from keyaudit.policy import base, resolve, selected, shown_options, with_owners
from keyaudit.rules import AccountHit, Context, KeyHits, Rule, all_rules
from keyaudit.standards import by_clause
from keyaudit.text import visible, visible_column
from keyaudit.wording import count, sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAN_KEYS_LISTED = 2000
"""How many keys without findings a result lists; it always counts all of them."""

_LONGEST_PROSE = 4096
_USE_EDGES = (0, 1, 7, 30, 60, 90, 180, 365)


@dataclass(frozen=True)
class _Hit:
    """All that one rule reported under one set of settings."""

    rule: Rule[Any]
    pinned: Severity | None
    reported: KeyHits | AccountHit


def evaluate(
    snapshot: Snapshot,
    policy: Policy,
    waivers: tuple[Waiver, ...] = (),
    *,
    account: str = "default",
    zone: tzinfo = UTC,
    fail_on: Severity | None = Severity.HIGH,
) -> AuditResult:
    """Judge *snapshot* by *policy*; ages are told against ``snapshot.now``, times shown in *zone*.

    ``fail_on`` is the severity from which unwaived findings make exit code 1, ``None`` for never.
    Raises :class:`RuleCrashed` when a rule raises, and :class:`ConfigError` for an impossible setting.
    """
    snapshot = replace(snapshot, keys=with_owners(policy, snapshot.keys))
    keys = snapshot.keys
    selections = [selected(override.selector, keys) for override in policy.overrides]
    idle_days = days_since(keys["last_used_at"], snapshot.now)
    hits: list[_Hit] = []
    for rule in sorted(all_rules().values(), key=lambda rule: bool(rule.after)):
        if not (rule.needs_details and not snapshot.details.read):
            hits += _ask(rule, policy, snapshot, selections, idle_days, _found(rule, hits, len(keys)), zone)

    table = _Table.of(hits, keys)
    del hits  # at a million keys its sentences weigh as much as the ids
    waiver_of, waivers_in_force = _waive(table, waivers, snapshot.now)
    findings = _arrange(table, waiver_of, account, snapshot)
    clean = np.ones(len(keys), dtype=bool)
    clean[table.rows[table.rows < len(keys)]] = False
    counts = _count(snapshot, findings, int(clean.sum()))
    rules = _rules_in_force(policy, selections, counts, snapshot.details)
    thresholds = _thresholds(policy)
    return AuditResult(
        account=account,
        source=snapshot.source,
        version=__version__,
        now=snapshot.now,
        zone=zone,
        findings=findings,
        clean_keys=_clean_keys(keys, clean),
        rejected=tuple(_visible_row(row) for row in snapshot.rejected),
        counts=counts,
        totals=snapshot.totals,
        use=_use(keys, idle_days, thresholds),
        use_thresholds=thresholds,
        waivers=waivers_in_force,
        rules=rules,
        overrides=tuple(map(_visible_override, policy.overrides)),
        notes=(*snapshot.notes, *_notes(snapshot)),
        fail_on=fail_on,
        exit_codes=_exit_codes(counts, fail_on),
        details=replace(snapshot.details, reason=_visible_reason(snapshot.details)),
        compliance=_compliance(rules, findings),
        profile=policy.profile,
    )


# ---------------------------------------------------------------- asking the rules


def _ask(
    rule: Rule[Any],
    policy: Policy,
    snapshot: Snapshot,
    selections: list[NDArray[np.bool_]],
    idle_days: NDArray[np.float64],
    found_by: Mapping[str, NDArray[np.bool_]],
    zone: tzinfo,
) -> list[_Hit]:
    active = snapshot.keys["is_active"].to_numpy(dtype=bool)
    detailed = snapshot.keys["detailed"].to_numpy(dtype=bool)
    found: list[_Hit] = []
    for settings, where in resolve(policy, rule, selections, len(active)):
        if not settings.enabled:
            continue
        looked_at = where if settings.inactive else where & active
        if rule.needs_details:
            looked_at = looked_at & detailed
        context = Context(snapshot, looked_at, idle_days, settings.options, snapshot.now, zone, found_by)
        try:
            found += [_Hit(rule, settings.severity, reported) for reported in rule.check(context)]
        except Exception as error:
            raise RuleCrashed(
                f"Rule {rule.name} crashed ({type(error).__name__}), so that this audit proves nothing. "
                "Please report it; until then the rule can be switched off in the policy.",
                details=traceback.format_exc(),
            ) from error
    return found


def _found(rule: Rule[Any], hits: list[_Hit], keys: int) -> Mapping[str, NDArray[np.bool_]]:
    """For each rule that *rule* comes after, the keys on which it found something above info."""
    found = {name: np.zeros(keys, dtype=bool) for name in rule.after}
    for hit in hits:
        if hit.rule.name in found and isinstance(hit.reported, KeyHits):
            above_info = _severities(hit, hit.reported, len(hit.reported.rows)) > Severity.INFO
            found[hit.rule.name][hit.reported.rows[above_info]] = True
    return found


# ---------------------------------------------------------------- from hits to columns


@dataclass(frozen=True)
class _Table:
    """Hits as columns, in the order in which the rules reported them; text is raw.

    ``rows`` are positions in ``subjects``: what a finding can be about, which is every key, in the order of the
    snapshot, and behind them the hits on the account.
    """

    rows: NDArray[np.intp]
    rule: NDArray[np.int16]
    severity: NDArray[np.int8]
    evidence: pa.Array
    action: pd.Categorical
    subjects: pd.DataFrame

    @classmethod
    def of(cls, hits: list[_Hit], keys: pd.DataFrame) -> _Table:
        codes = {name: code for code, name in enumerate(all_rules())}
        on_keys = [(hit, hit.reported) for hit in hits if isinstance(hit.reported, KeyHits)]
        on_account = [(hit, hit.reported) for hit in hits if isinstance(hit.reported, AccountHit)]
        sizes = [len(reported.rows) for _, reported in on_keys]
        behind = np.arange(len(keys), len(keys) + len(on_account))
        return cls(
            rows=np.concatenate([*(reported.rows for _, reported in on_keys), behind]).astype(np.intp),
            rule=np.concatenate(
                [
                    np.repeat(np.array([codes[hit.rule.name] for hit, _ in on_keys], np.int16), sizes),
                    np.array([codes[hit.rule.name] for hit, _ in on_account], np.int16),
                ]
            ),
            severity=np.concatenate(
                [
                    *(_severities(hit, reported, size) for (hit, reported), size in zip(on_keys, sizes, strict=True)),
                    np.array([hit.pinned if hit.pinned is not None else r.severity for hit, r in on_account], np.int8),
                ]
            ),
            evidence=pa.concat_arrays(
                [
                    pa.array([], pa.large_string()),
                    *(_texts(reported.evidence, size) for (_, reported), size in zip(on_keys, sizes, strict=True)),
                    pa.array(
                        [visible(reported.evidence, _LONGEST_PROSE) for _, reported in on_account], pa.large_string()
                    ),
                ]
            ),
            action=_actions(
                [
                    *((r.action or hit.rule.remediation, size) for (hit, r), size in zip(on_keys, sizes, strict=True)),
                    *((hit.rule.remediation, 1) for hit, _ in on_account),
                ]
            ),
            subjects=_subjects(keys, [reported for _, reported in on_account]),
        )


def _severities(hit: _Hit, reported: KeyHits, size: int) -> NDArray[np.int8]:
    severity = reported.severity if hit.pinned is None else hit.pinned
    return np.broadcast_to(np.asarray(severity, np.int8), size)


def _texts(evidence: str | pa.Array, size: int) -> pa.Array:
    if isinstance(evidence, str):
        return pa.repeat(pa.scalar(evidence, pa.large_string()), size)
    return evidence.cast(pa.large_string())


def _actions(runs: list[tuple[str, int]]) -> pd.Categorical:
    """Each action as often as its number says, in order."""
    distinct = list(dict.fromkeys(action for action, _ in runs))
    codes = np.repeat([distinct.index(action) for action, _ in runs], [size for _, size in runs]).astype(np.int16)
    return pd.Categorical.from_codes(codes, pd.Index(distinct, dtype="str"))


def _subjects(keys: pd.DataFrame, on_account: list[AccountHit]) -> pd.DataFrame:
    of_keys = keys[["id", "name", "prefix", "last_used_at", "is_active", "own", "owner"]].assign(
        subject=keys["id"], is_active=keys["is_active"].astype("boolean")
    )
    if not on_account:
        return of_keys
    of_account = pd.DataFrame(
        {
            "subject": [hit.subject for hit in on_account],
            "id": [hit.key_id for hit in on_account],
            "name": [hit.key_name for hit in on_account],
            "prefix": [hit.key_prefix for hit in on_account],
            "owner": "",
            "last_used_at": pd.Series(pd.NaT, range(len(on_account)), dtype=of_keys["last_used_at"].dtype),
            "is_active": pd.NA,
            "own": False,
        }
    ).astype(of_keys.dtypes)
    return pd.concat([of_keys, of_account[of_keys.columns]], ignore_index=True)


def _arrange(table: _Table, waiver_of: NDArray[np.int32], account: str, snapshot: Snapshot) -> pd.DataFrame:
    """The findings worst first, their text visible: the frame that :class:`AuditResult` documents."""
    subjects, keys = table.subjects, snapshot.keys
    order = _order(table, waiver_of)
    rows, rule = table.rows[order], table.rule[order]
    take = pa.array(rows)
    on_account = subjects.iloc[len(keys) :]

    def with_account(shown: pa.Array, column: str) -> pa.Array:
        # a key's empty name is a name; what a finding on the account leaves empty is none
        few = [visible(text) if text else "" for text in on_account[column]]
        return pa.concat_arrays([shown, pa.array(few, shown.type)]).take(take)

    shown = {column: to_arrow(visible_column(keys[column])) for column in ("id", "name", "prefix")}
    names = list(all_rules())
    rule_text = pa.DictionaryArray.from_arrays(pa.array(rule), pa.array(names))
    ids = to_pandas(sentence(f"{account}:", rule_text, ":", with_account(shown["id"], "subject")))
    return pd.DataFrame(
        {
            "id": ids if _all_differ(table, snapshot) else _told_apart(ids),
            "rule": pd.Categorical.from_codes(rule, pd.Index(names)),
            "severity": table.severity[order],
            "key_id": to_pandas(with_account(shown["id"], "id")),
            "key_name": to_pandas(with_account(shown["name"], "name")),
            "key_prefix": to_pandas(with_account(shown["prefix"], "prefix")),
            "active": subjects["is_active"].array.take(rows),
            "own": subjects["own"].to_numpy()[rows],
            "last_used_at": subjects["last_used_at"].array.take(rows),
            "evidence": to_pandas(table.evidence.take(pa.array(order))),
            "action": table.action[order],
            "waiver": waiver_of[order],
            "owner": to_pandas(to_arrow(_visible_owners(subjects["owner"])).take(take)),
        }
    )


def _visible_owners(owners: pd.Series[Any]) -> pd.Series[Any]:
    """The visible form of owners; where there is none it stays empty."""
    some = owners != ""
    return owners.where(~some, visible_column(owners)) if some.any() else owners


def _order(table: _Table, waiver_of: NDArray[np.int32]) -> NDArray[np.intp]:
    """Unwaived first, then worst, then by rule and action, the longest idle (never used first), subject and name."""
    take = pa.array(table.rows)
    columns = {
        "waived": pa.array(waiver_of >= 0),
        "mildness": pa.array(-table.severity),
        "rule": pa.array(table.rule),
        "action": pa.array(table.action.codes),
        "last_used_at": pa.array(table.subjects["last_used_at"].astype("int64").to_numpy()[table.rows]),
        "subject": to_arrow(table.subjects["subject"]).take(take),
        "name": to_arrow(table.subjects["name"]).take(take),
    }
    # a record batch is sorted column by column, which is several times faster than a table's comparisons
    order: NDArray[np.intp] = pc.sort_indices(
        pa.record_batch(columns), sort_keys=[(name, "ascending") for name in columns]
    ).to_numpy()
    return order


def _all_differ(table: _Table, snapshot: Snapshot) -> bool:
    on_account = table.subjects["subject"].iloc[len(snapshot.keys) :]
    return not len(snapshot.repeated_ids) and not on_account.duplicated().any()


def _told_apart(ids: pd.Series[Any]) -> pd.Series[Any]:
    """*ids* with ``⟨2⟩``, ``⟨3⟩``, … behind what would be the same id again: keys may share theirs.

    No id ends so by itself: the visible form spells that bracket.
    """
    number = ids.groupby(ids).cumcount() + 1
    return ids.where(number == 1, ids + "⟨" + number.astype("str") + "⟩")


# ---------------------------------------------------------------- waivers


def _waive(
    table: _Table, waivers: tuple[Waiver, ...], now: datetime
) -> tuple[NDArray[np.int32], tuple[WaiverInForce, ...]]:
    """For each hit the first waiver in force that accepts it (-1: none); and how each waiver fared.

    A finding on the account is selected by what ends its id.
    """
    waiver_of = np.full(len(table.rows), -1, np.int32)
    names = list(all_rules())
    candidates = table.subjects.assign(id=table.subjects["subject"]) if waivers else table.subjects
    fared = []
    for number, waiver in enumerate(waivers):
        accepts = selected(waiver.selector, candidates)[table.rows]
        if waiver.rules != ("*",):
            accepts &= np.isin(table.rule, [names.index(rule) for rule in waiver.rules if rule in names])
        expired = now.astimezone(UTC).date() > waiver.expires
        if not expired:
            waiver_of[accepts & (waiver_of < 0)] = number
        state = "expired" if expired else "in force" if accepts.any() else "matches nothing"
        fared.append(WaiverInForce(_visible_waiver(waiver), state, int(accepts.sum())))
    return waiver_of, tuple(fared)


# ---------------------------------------------------------------- what surrounds the findings


def _count(snapshot: Snapshot, findings: pd.DataFrame, without_findings: int) -> Counts:
    unwaived = findings[["rule", "severity"]][findings["waiver"] < 0]
    by_severity = unwaived["severity"].value_counts()
    by_rule = unwaived["rule"].value_counts()
    keys = snapshot.keys
    active = int(keys["is_active"].sum())
    rejected = _lost(snapshot)
    return Counts(
        received=len(keys) + rejected,
        read=len(keys),
        rejected=rejected,
        active=active,
        inactive=len(keys) - active,
        never_used=int(keys["last_used_at"].isna().sum()),
        without_findings=without_findings,
        findings=len(unwaived),
        waived=len(findings) - len(unwaived),
        by_severity={severity: int(by_severity.get(severity, 0)) for severity in reversed(Severity)},
        by_rule={name: int(by_rule[name]) for name in all_rules() if by_rule[name]},
    )


def _lost(snapshot: Snapshot) -> int:
    """How many keys were not audited, because no row that speaks of them could be read."""
    analytics = [row for row in snapshot.rejected if row.list == "analytics"]
    details = [row for row in snapshot.rejected if row.list == "details" and not row.kept]
    known = {row.id for row in analytics if row.id is not None}
    if details:
        known |= set(snapshot.keys["id"][snapshot.keys["id"].isin([row.id for row in details])])
    return len(analytics) + sum(row.id not in known for row in details)


def _clean_keys(keys: pd.DataFrame, clean: NDArray[np.bool_]) -> pd.DataFrame:
    rows = np.flatnonzero(clean)
    take = pa.array(rows)
    by = pa.record_batch({name: to_arrow(keys[name]).take(take) for name in ("name", "id")})
    first = pc.select_k_unstable(by, CLEAN_KEYS_LISTED, [("name", "ascending"), ("id", "ascending")])
    columns = ["id", "name", "prefix", "last_used_at", "is_active", "own", "owner"]
    listed: pd.DataFrame = keys[columns].iloc[rows[first.to_numpy()]].reset_index(drop=True)
    for column in columns[:3]:
        listed[column] = visible_column(listed[column])
    listed["owner"] = _visible_owners(listed["owner"])
    return listed


def _visible_row(row: RejectedRow) -> RejectedRow:
    return replace(
        row,
        id=None if row.id is None else visible(row.id),
        name=None if row.name is None else visible(row.name),
        prefix=None if row.prefix is None else visible(row.prefix),
    )


def _visible_reason(details: DetailsState) -> str:
    return visible(details.reason, _LONGEST_PROSE) if details.reason else ""


def _visible_override(override: Override) -> Override:
    comment = visible(override.comment, _LONGEST_PROSE) if override.comment else ""
    return replace(override, selector=_visible_selector(override.selector), comment=comment)


def _visible_waiver(waiver: Waiver) -> Waiver:
    return replace(
        waiver,
        selector=_visible_selector(waiver.selector),
        reason=visible(waiver.reason, _LONGEST_PROSE),
        owner=visible(waiver.owner, _LONGEST_PROSE),
    )


def _visible_selector(selector: Selector) -> Selector:
    return replace(
        selector,
        ids=tuple(map(visible, selector.ids)),
        names=tuple(map(visible, selector.names)),
        prefixes=tuple(map(visible, selector.prefixes)),
        owners=tuple(map(visible, selector.owners)),
    )


def _thresholds(policy: Policy) -> tuple[int, ...]:
    days: set[int] = set()
    for rule in all_rules().values():
        settings = base(policy, rule)
        if settings.enabled:
            days.update(rule.idle_thresholds(settings.options))
    return tuple(sorted(days))


def _use(keys: pd.DataFrame, idle_days: NDArray[np.float64], thresholds: tuple[int, ...]) -> tuple[UseBucket, ...]:
    """Active keys by days since last use. A bar never straddles a threshold; a use in the future counts as today."""
    idle = idle_days[keys["is_active"].to_numpy(dtype=bool)]
    edges = sorted({*_USE_EDGES, *thresholds})
    numbers, _ = np.histogram(np.maximum(idle[~np.isnan(idle)], 0), bins=[*edges, np.inf])
    bars = [
        UseBucket(_bar_label(low, high), low, high, int(number))
        for low, high, number in zip(edges, [*edges[1:], None], numbers, strict=True)
    ]
    return (*bars, UseBucket("never", -1, None, int(np.isnan(idle).sum())))


def _bar_label(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return f"{low}" if high == low + 1 else f"{low}–{high - 1}"


def _rules_in_force(
    policy: Policy, selections: list[NDArray[np.bool_]], counts: Counts, details: DetailsState
) -> tuple[RuleInForce, ...]:
    return tuple(
        RuleInForce(
            name=rule.name,
            title=rule.title,
            rationale=rule.rationale,
            remediation=rule.remediation,
            references=rule.references,
            enabled=settings.enabled,
            inactive=settings.inactive,
            severity=settings.severity,
            options=shown_options(settings.options),
            overridden=_overridden(policy, rule, selections),
            findings=counts.by_rule.get(rule.name, 0),
            state=state,
            reason=f"It needs the details of the keys. {_visible_reason(details)}" if state == "not evaluated" else "",
        )
        for rule in all_rules().values()
        for settings in (base(policy, rule),)
        for state in (_state(policy, rule, settings.enabled, details),)
    )


def _state(
    policy: Policy, rule: Rule[Any], enabled: bool, details: DetailsState
) -> Literal["on", "off", "not evaluated"]:
    switched_on = enabled or any(
        override.rules[rule.name].enabled
        for override in policy.overrides
        if rule.scope == "key" and rule.name in override.rules
    )
    if not switched_on:
        return "off"
    return "not evaluated" if rule.needs_details and not details.read else "on"


def _compliance(rules: tuple[RuleInForce, ...], findings: pd.DataFrame) -> tuple[ClauseResult, ...]:
    """How the account stands to each clause that some rule answers to, by standard and number."""
    above_info = findings[findings["severity"] > Severity.INFO]
    unwaived = above_info[above_info["waiver"] < 0]["rule"].value_counts()
    waived = above_info[above_info["waiver"] >= 0]["rule"].value_counts()
    results = []
    for reference, these in by_clause(rules).items():
        failed = sum(int(unwaived[rule.name]) for rule in these)
        accepted = sum(int(waived[rule.name]) for rule in these)
        state: Literal["fail", "not evaluated", "waived", "pass"] = "pass"
        if failed:
            state = "fail"
        elif any(rule.state == "not evaluated" for rule in these) or all(rule.state == "off" for rule in these):
            state = "not evaluated"
        elif accepted:
            state = "waived"
        results.append(ClauseResult(reference, tuple(rule.name for rule in these), state, failed, accepted))
    return tuple(results)


def _overridden(policy: Policy, rule: Rule[Any], selections: list[NDArray[np.bool_]]) -> int:
    masks = [
        mask
        for override, mask in zip(policy.overrides, selections, strict=True)
        if rule.scope == "key" and rule.name in override.rules
    ]
    return int(np.logical_or.reduce(masks).sum()) if masks else 0


def _notes(snapshot: Snapshot) -> Iterable[Note]:
    missing = [
        field
        for field, value in (
            ("totalKeys", snapshot.totals.total),
            ("activeKeys", snapshot.totals.active),
            ("expiredKeys", snapshot.totals.expired),
        )
        if value is None
    ]
    if missing:
        yield Note(
            "totals-missing",
            f"The answer has no readable {' and no readable '.join(missing)} that its rows could be checked against.",
        )
    if (own := int(snapshot.keys["own"].sum())) > 1:
        yield Note(
            "own-key-ambiguous",
            f"{own} keys share the prefix of the token with which keyaudit asked; only one of them is its own.",
        )
    partly = sum(row.kept for row in snapshot.rejected)
    if lost := len(snapshot.rejected) - partly:
        yield Note("rows-rejected", f"{count(lost, 'row')} of the answer could not be read.")
    if partly:
        yield Note(
            "rows-partly-read",
            f"{count(partly, 'row')} of the details could not be read whole; what is missing counts as not known.",
        )


def _exit_codes(counts: Counts, fail_on: Severity | None) -> tuple[int, ...]:
    failing = fail_on is not None and any(
        number for severity, number in counts.by_severity.items() if severity >= fail_on
    )
    return (1,) if failing else (0,)
