"""Which settings of a rule apply to which keys: the layers of a policy, resolved for whole columns at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keyaudit.columns import to_arrow, to_pandas
from keyaudit.errors import ConfigError
from keyaudit.model import Override, Policy, RuleSetting, Selector, Severity
from keyaudit.profiles import PROFILES
from keyaudit.rules import Rule, all_rules
from keyaudit.text import glob_to_regex
from keyaudit.wording import option_value

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Effective:
    """The settings of one rule after every layer that applies; ``options`` is an instance of the rule's own class."""

    enabled: bool
    severity: Severity | None
    inactive: bool
    options: Any


@dataclass(frozen=True)
class Layer:
    """One layer that had a say in a rule's settings for a key: where it stands, and what it sets."""

    origin: str
    setting: RuleSetting


def effective(rule: Rule[Any], settings: Iterable[RuleSetting]) -> Effective:
    """The rule's own defaults with *settings* laid over them, the later over the earlier.

    Raises :class:`ConfigError` when an option is unknown to the rule.
    """
    enabled, severity, inactive = rule.enabled, None, rule.inactive
    options: dict[str, object] = {}
    for setting in settings:
        enabled = enabled if setting.enabled is None else setting.enabled
        severity = severity if setting.severity is None else setting.severity
        inactive = inactive if setting.inactive is None else setting.inactive
        options.update(setting.options)
    unknown = options.keys() - rule.option_fields().keys()
    if unknown:
        raise ConfigError(f"Rule {rule.name} has no option {', '.join(sorted(unknown))}.")
    return Effective(enabled, severity, inactive, rule.Options(**options))


def base(policy: Policy, rule: Rule[Any]) -> Effective:
    """The settings of *rule* for a key that no override selects."""
    return effective(rule, [layer.setting for layer in _base_layers(policy, rule)])


def selected(selector: Selector, keys: pd.DataFrame) -> NDArray[np.bool_]:
    """The rows of *keys*, which must have their owners (:func:`with_owners`), that *selector* selects."""
    import numpy as np

    chosen = np.ones(len(keys), dtype=bool)
    for column, patterns in (
        ("id", selector.ids),
        ("name", selector.names),
        ("prefix", selector.prefixes),
        ("owner", selector.owners),
    ):
        if patterns:
            regex = "|".join(f"(?:{glob_to_regex(pattern)})" for pattern in patterns)
            chosen &= _matches(keys[column], regex)
    if selector.active is not None:
        chosen &= keys["is_active"].astype("boolean").eq(selector.active).fillna(False).to_numpy(dtype=bool)
    return chosen


def with_owners(policy: Policy, keys: pd.DataFrame) -> pd.DataFrame:
    """*keys* with a column ``owner`` as the rules read it from the names: empty where none does."""
    for rule in all_rules().values():
        settings = base(policy, rule)
        owners = rule.owners(keys, settings.options) if settings.enabled else None
        if owners is not None:
            return keys.assign(owner=to_pandas(owners))
    return keys.assign(owner="").astype({"owner": "str"})


def resolve(
    policy: Policy, rule: Rule[Any], selections: list[NDArray[np.bool_]], rows: int
) -> Iterator[tuple[Effective, NDArray[np.bool_]]]:
    """The distinct settings of *rule* over *rows* keys, each with the rows to which it applies.

    *selections* holds one mask for each override of the policy, in order.
    """
    import numpy as np

    base_layers = [layer.setting for layer in _base_layers(policy, rule)]
    relevant = [
        (override.rules[rule.name], mask)
        for override, mask in zip(policy.overrides, selections, strict=True)
        if rule.name in override.rules and rule.scope == "key"
    ]
    if not relevant:
        yield effective(rule, base_layers), np.ones(rows, dtype=bool)
        return
    matrix = np.column_stack([mask for _, mask in relevant])
    patterns, pattern_of = np.unique(matrix, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        layers = [setting for (setting, _), applies in zip(relevant, pattern, strict=True) if applies]
        yield effective(rule, [*base_layers, *layers]), pattern_of.reshape(-1) == number


def layers(policy: Policy, rule: Rule[Any], key: pd.DataFrame) -> list[Layer]:
    """The layers that shape *rule* for the single row of *key*, the weakest first: for ``check --explain``.

    *key* must have its owner (:func:`with_owners`).
    """
    found = _base_layers(policy, rule)
    for number, override in enumerate(policy.overrides, start=1):
        if rule.name in override.rules and rule.scope == "key" and selected(override.selector, key)[0]:
            found.append(Layer(_origin(number, override), override.rules[rule.name]))
    return found


def shown_options(options: Any) -> Mapping[str, str]:
    """Option names and values as text for reports."""
    return {name: option_value(getattr(options, name)) for name in options.__dataclass_fields__}


def _origin(number: int, override: Override) -> str:
    return f"policy.overrides[{number}]" + (f" ({override.comment})" if override.comment else "")


def _base_layers(policy: Policy, rule: Rule[Any]) -> list[Layer]:
    named = ((f"profile {policy.profile}", PROFILES[policy.profile].rules), ("policy.rules", policy.rules))
    return [Layer(origin, rules[rule.name]) for origin, rules in named if rule.name in rules]


def _matches(column: pd.Series[Any], regex: str) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    found: NDArray[np.bool_] = pc.match_substring_regex(to_arrow(column), regex).to_numpy(zero_copy_only=False)
    return found
