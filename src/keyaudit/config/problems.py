"""What pydantic found wrong, as sentences that say where and how to mend it, and never what was written there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from keyaudit.config.sections import Section, inner_model, is_list, keys_of, leaves, scalars
from keyaudit.config.source import Document, KeyPath, Variables, variable
from keyaudit.rules import all_rules
from keyaudit.text import visible

if TYPE_CHECKING:
    from pydantic import ValidationError

_SENTENCES = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text in quotes",
    "list_type": "must be a list in square brackets",
    "date_type": "must be a date, such as 2027-06-30",
    "model_type": "must be a table",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must not be empty",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
_UNQUOTED = {"bool_type", "int_type", "float_type", "date_type"}
_PREFIX = variable([""])
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# somebody may write a token where a key belongs
_TOKEN_LIKE = re.compile(r"(?:rt|tv)_(?:live|test)_\w+|runtype_\w+", re.IGNORECASE)


def sentences(
    error: ValidationError, model: type[Section], tree: Mapping[str, Any], document: Document | None, found: Variables
) -> list[str]:
    """One line for each problem: where, which setting, what is wrong. In the file's order, then the environment."""
    lines: list[tuple[int, str]] = []
    for detail in error.errors(include_url=False, include_input=False):
        path: KeyPath = detail["loc"]
        name = found.names.get(tuple(str(step) for step in path))
        if detail["type"] == "extra_forbidden":
            sentence = _unknown(path, model)
        else:
            sentence = _SENTENCES.get(detail["type"], detail["msg"]).format_map(detail.get("ctx", {}))
            sentence += _hint(detail, value_at(tree, path), quoted=name is None)
        if name or document is None:
            lines.append((2**31, f"environment variable {name}: {sentence}"))
        else:
            line = document.line(path)
            lines.append((line, f"{document.name}:{line}: {dotted(path)}: {sentence}"))
    return [line for _, line in sorted(lines, key=lambda each: each[0])]


def unknown_variables(names: Iterable[str], model: type[Section]) -> list[str]:
    """One line for each environment variable that looks like a setting and is none."""
    lists = tuple(variable(path) for path, field in leaves(model) if is_list(field))
    known = {variable(path).removeprefix(_PREFIX): variable(path) for path in scalars(model)}
    lines = []
    for name in names:
        if name.startswith(lists):
            problem = "only the config file can give a list"
        else:
            # without what they all have in common, which would make any two of them look alike
            near = get_close_matches(name.removeprefix(_PREFIX), known, 1, cutoff=0.75)
            problem = "there is no such setting" + (f"; did you mean {known[near[0]]}?" if near else "")
        lines.append(f"environment variable {_harmless(name)}: {problem}")
    return lines


def dotted(path: KeyPath) -> str:
    """``waivers[2].rules[1]``: keys as TOML spells them, positions from 1."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            shown = _harmless(step)
            text += ("." if text else "") + (shown if _BARE.fullmatch(shown) else f'"{shown}"')
    return text


def value_at(tree: Any, path: KeyPath) -> Any:
    """What the settings hold at *path*, or ``None``."""
    for step in path:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _unknown(path: KeyPath, model: type[Section]) -> str:
    *above, key = path
    owner = _model_at(model, above)
    name = str(key)
    if name in all_rules() and "overrides" in above:
        return f"this rule judges the account as a whole and knows no overrides; set it in [policy.rules.{name}]"
    suggestion = _did_you_mean(name, keys_of(owner))
    elsewhere = {dotted(other[:-1]) for other in scalars(model) if other[-1] == name}
    if not suggestion and len(elsewhere) == 1:
        suggestion = f"; it belongs in [{elsewhere.pop()}]"
    return f"there is no such setting{suggestion}"


def _model_at(model: type[Section], path: Iterable[str | int]) -> type[Section]:
    for step in path:
        if isinstance(step, str):
            model = inner_model(keys_of(model)[step]) or model
    return model


def _hint(detail: Mapping[str, Any], value: object, *, quoted: bool) -> str:
    if detail["type"] == "literal_error" and isinstance(value, str):
        return _did_you_mean(value, re.findall("'([^']+)'", detail["ctx"]["expected"]))
    if detail["type"] == "list_type" and isinstance(value, dict):
        return "; of tables, each begins with its name in double brackets, [[…]]"
    if detail["type"] in _UNQUOTED and isinstance(value, str) and quoted:
        return ", without quotes"
    return ""


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _harmless(key: str) -> str:
    return _TOKEN_LIKE.sub("***", visible(key, 60))
