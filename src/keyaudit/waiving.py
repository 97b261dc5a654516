"""Waivers to paste into a config."""

from __future__ import annotations

import re
from datetime import date, timedelta

from keyaudit.errors import UsageError
from keyaudit.rules import all_rules
from keyaudit.text import invisible


def split_finding_id(text: str) -> tuple[str, str]:
    """The subject and the rule of a finding's id, ``<account>:<rule>:<subject>``. Raises :class:`UsageError`."""
    _, first, rest = text.partition(":")
    rule, second, subject = rest.partition(":")
    if not first or not second or rule not in all_rules():
        raise UsageError("Name a rule behind the key, or give a finding's id such as default:stale:<key id>.")
    subject = re.sub(r"⟨\d+⟩\Z", "", subject)
    if "⟨… " in subject:
        raise UsageError(
            "This finding's id is cut, because the key's own is so long. Name the key with --from instead."
        )
    return invisible(subject), rule


def waiver_toml(id: str, rule: str, reason: str, owner: str, today: date, days: int) -> str:
    """A ``[[waivers]]`` table for the key *id*. What is left empty the config refuses until somebody fills it in.

    Raises :class:`UsageError` for an unknown rule.
    """
    if rule not in all_rules():
        raise UsageError(f"There is no such rule; 'keyaudit rules' lists them: {', '.join(all_rules())}.")
    literal = re.sub(r"([*?\[])", r"[\1]", id)
    return "\n".join(
        (
            "[[waivers]]",
            f"id = [{_toml(literal)}]",
            f"rules = [{_toml(rule)}]",
            f"reason = {_toml(reason)}" + ("" if reason else "  # required: why is this accepted?"),
            f"owner = {_toml(owner)}" + ("" if owner else "  # required: who answers for it?"),
            f"expires = {(today + timedelta(days=days)).isoformat()}",
            "",
        )
    )


def _toml(text: str) -> str:
    """A TOML basic string in which nothing is left that a terminal or an eye could mistake."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in text) + '"'
