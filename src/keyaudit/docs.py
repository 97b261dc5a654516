"""The page of the rules, written from the rules: ``python -m keyaudit.docs > docs/rules.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import Field
from typing import Any

from keyaudit.model import Reference
from keyaudit.rules import Rule, all_rules
from keyaudit.wording import option_value

_HEAD = """\
# The rules

<!-- Written by `python -m keyaudit.docs`; a test compares it with the rules. -->

Each rule looks for one thing. `keyaudit rules` lists them on the terminal, and `keyaudit rules stale` explains one.

- **Severity** is what a finding has, unless an option of the rule raises it. A policy can pin another one for a rule.
- **On** says whether the default policy uses the rule.
- **Looks at** says which keys can have such a finding: active ones, or all. A policy can change that as well. A rule
  that looks at the account judges it as a whole, so that overrides, which select keys, do not apply to it.
"""

_TABLE = ("| rule | finds | severity | on | looks at |", "| --- | --- | --- | --- | --- |")


def rules_markdown() -> str:
    """The reference of every rule as Markdown: an overview, then a section each with texts, options and references."""
    rules = all_rules().values()
    sections = (line for rule in rules for line in _section(rule))
    return "\n".join([_HEAD, *_TABLE, *(_row(rule) for rule in rules), *sections]) + "\n"


def _row(rule: Rule[Any]) -> str:
    on = "yes" if rule.enabled else "no"
    return f"| [`{rule.name}`](#{rule.name}) | {rule.title} | {rule.severity.label} | {on} | {_scope(rule)} |"


def _section(rule: Rule[Any]) -> Iterator[str]:
    yield from ("", f"## {rule.name}", "")
    state = "on" if rule.enabled else "off"
    needs = "; needs the details of the key" if rule.needs_details else ""
    yield f"**{rule.title}.** Severity {rule.severity.label}; {state} by default; looks at {_scope(rule)}{needs}."
    yield from ("", rule.rationale)
    yield from ("", f"*What to do:* {rule.remediation}")
    options = rule.option_fields()
    if options:
        yield from ("", "Options:", "", *_options(options))
    if rule.references:
        yield from ("", "References:", "", *(f"- {_reference(reference)}" for reference in rule.references))


def _scope(rule: Rule[Any]) -> str:
    if rule.scope == "account":
        return "the account"
    return "all keys" if rule.inactive else "active keys"


def _options(options: Mapping[str, Field[Any]]) -> Iterator[str]:
    for name, option in options.items():
        yield f"- `{name}` = `{option_value(option.default)}`{_bounds(option)}: {option.metadata['help']}"


def _bounds(option: Field[Any]) -> str:
    least, most = option.metadata["ge"], option.metadata["le"]
    limits = [f"at least {least}"] * (least is not None) + [f"at most {most}"] * (most is not None)
    return f" ({', '.join(limits)})" if limits else ""


def _reference(reference: Reference) -> str:
    return f"[{reference.title}]({reference.url})" if reference.url else reference.title


if __name__ == "__main__":
    sys.stdout.write(rules_markdown())
