"""What the policy means for one key, and what a rule is, in lines of plain text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from keyaudit.errors import UsageError
from keyaudit.evaluate import evaluate
from keyaudit.model import Policy, RuleSetting, Snapshot, Waiver
from keyaudit.policy import Effective, effective, layers, shown_options, with_owners
from keyaudit.rules import Rule, all_rules
from keyaudit.standards import by_clause
from keyaudit.text import visible
from keyaudit.wording import count, timestamp

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 88


def rule_table() -> Iterator[str]:
    """Every rule on a line: name, severity, title, and whether it is off unless switched on."""
    widest = max(map(len, all_rules()))
    for rule in all_rules().values():
        off = "" if rule.enabled else " (off by default)"
        yield f"{rule.name:<{widest}}  {rule.severity.label:<8}  {rule.title}{off}"


def rule_page(rule: Rule[Any]) -> Iterator[str]:
    """All that *rule* says of itself."""
    yield f"{rule.name}: {rule.title}"
    yield ""
    yield f"Severity  {rule.severity.label}"
    yield f"Default   {'on' if rule.enabled else 'off'}"
    yield f"Judges    {_judges(rule)}"
    yield ""
    yield from wrap(rule.rationale, _WIDTH)
    yield ""
    yield from wrap(f"What to do: {rule.remediation}", _WIDTH)
    options = rule.option_fields()
    if options:
        yield ""
        yield f"Options, in [policy.rules.{rule.name}]:"
        for name, field in options.items():
            yield f"  {name} = {field.default!r}"
            yield from wrap(field.metadata["help"], _WIDTH, initial_indent="      ", subsequent_indent="      ")
    if rule.references:
        yield ""
        yield "References:"
        for reference in rule.references:
            yield f"  - {reference.title}{f' <{reference.url}>' if reference.url else ''}"


def clause_table(wanted: str) -> Iterator[str]:
    """The clauses of the standards whose short name contains *wanted*, each with the rules that answer to it.

    Raises :class:`UsageError` when there is no such standard.
    """
    clauses = by_clause(all_rules().values())
    standards = dict.fromkeys(reference.standard for reference in clauses)
    chosen = [standard for standard in standards if wanted.lower() in standard.slug]
    if not chosen:
        raise UsageError(
            f"There is no standard {visible(wanted, 80)}. There are: {', '.join(each.slug for each in standards)}."
        )
    for number, standard in enumerate(chosen):
        if number:
            yield ""
        yield f"{standard.name} {standard.version}"
        for reference, rules in clauses.items():
            if reference.standard == standard:
                remarks = "; ".join(filter(None, (reference.earlier, "analogous" if reference.analogous else "")))
                yield f"  {reference.number}  {reference.says}{f' ({remarks})' if remarks else ''}"
                yield f"      {', '.join(rule.name for rule in rules)}"


def find_key(keys: pd.DataFrame, wanted: str) -> int:
    """The position of the one key whose id, name or prefix is *wanted*, as it is or in its visible form.

    Raises :class:`UsageError` when there is none, or more than one.
    """
    for column in ("id", "name", "prefix"):
        found = [row for row, text in enumerate(keys[column]) if wanted in {text, visible(text)}]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(visible(id) for id in keys["id"].iloc[found[:3]])
            raise UsageError(f"{count(len(found), 'key')} have the {column} {visible(wanted, 80)}; give an id: {ids}.")
    raise UsageError(f"No key has the id, name or prefix {visible(wanted, 80)}.")


def explanation(snapshot: Snapshot, policy: Policy, waivers: tuple[Waiver, ...], wanted: str) -> Iterator[str]:
    """Which settings of each rule apply to the key *wanted*, from which layer, and what the rules find on it.

    Options are told where they differ from the rule's own defaults.

    Raises :class:`UsageError` when *wanted* is not the id, name or prefix of exactly one key.
    """
    row = find_key(snapshot.keys, wanted)
    key = snapshot.keys.iloc[[row]].reset_index(drop=True)
    id, name, prefix = (visible(key[column][0]) for column in ("id", "name", "prefix"))
    never = key["last_used_at"].isna()[0]
    used = "never used" if never else f"last used {timestamp(key['last_used_at'][0], UTC)}"
    yield f"{name} ({prefix}, {id}): {'active' if key['is_active'][0] else 'inactive'}, {used}"
    key = with_owners(policy, key)
    found = [f for f in evaluate(snapshot, policy, waivers).worst() if f.key_id == id and f.key_name == name]
    for rule in all_rules().values():
        if rule.scope == "account":
            continue
        applied = layers(policy, rule, key)
        settings = effective(rule, [layer.setting for layer in applied])
        usual = shown_options(rule.Options())
        changed = {name: value for name, value in shown_options(settings.options).items() if value != usual[name]}
        options = ", ".join(f"{name} = {value}" for name, value in changed.items())
        yield f"  {rule.name}: {_state(rule, settings, key)}{f'; {options}' if options else ''}"
        for layer in applied:
            yield f"      {layer.origin} sets {_said(layer.setting)}"
        for finding in found:
            if finding.rule == rule.name:
                waived = f" (waived: {visible(waivers[finding.waiver].reason)})" if finding.waived else ""
                yield f"      → {finding.severity.label}: {finding.evidence}{waived}"


def _state(rule: Rule[Any], settings: Effective, key: pd.DataFrame) -> str:
    if not settings.enabled:
        return "off"
    if rule.needs_details and not key["detailed"][0]:
        return "not evaluated, because the details of this key were not read"
    return "on" if settings.inactive or key["is_active"][0] else "on, but not for inactive keys"


def _said(setting: RuleSetting) -> str:
    parts = [
        f"{name} = {value}"
        for name, value in (
            ("enabled", setting.enabled),
            ("severity", setting.severity and setting.severity.label),
            ("inactive", setting.inactive),
            *setting.options.items(),
        )
        if value is not None
    ]
    return visible(", ".join(parts), 1024) if parts else "nothing"


def _judges(rule: Rule[Any]) -> str:
    if rule.scope == "account":
        return "the account as a whole"
    return "active and inactive keys" if rule.inactive else "active keys"
