"""Selectors and the settings of rules, in the few words that people read."""

from __future__ import annotations

from collections.abc import Iterator

from keyaudit.model import RuleInForce, RuleSetting, Selector
from keyaudit.wording import option_value


def selects(selector: Selector) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What *selector* asks of a key: a word, and the patterns of which one must match (none after a mere word)."""
    for field, patterns in (
        ("id", selector.ids),
        ("name", selector.names),
        ("prefix", selector.prefixes),
        ("owner", selector.owners),
    ):
        if patterns:
            yield field, patterns
    if selector.active is not None:
        yield "active" if selector.active else "inactive", ()


def sets(setting: RuleSetting) -> Iterator[str]:
    """What one layer of the policy sets, such as ``off``, ``always low`` or ``days = 30``."""
    if setting.enabled is not None:
        yield "on" if setting.enabled else "off"
    if setting.severity is not None:
        yield f"always {setting.severity.label}"
    if setting.inactive is not None:
        yield "inactive keys too" if setting.inactive else "active keys only"
    yield from (f"{name} = {option_value(value)}" for name, value in sorted(setting.options.items()))


def in_force(rule: RuleInForce) -> Iterator[str]:
    """How a rule was applied to keys that no override selects."""
    options: dict[str, object] = dict(rule.options)
    unevaluated = rule.state == "not evaluated"
    if unevaluated:
        yield rule.state
    yield from sets(RuleSetting(None if unevaluated else rule.enabled, rule.severity, rule.inactive or None, options))
