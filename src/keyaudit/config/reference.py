"""What is said about the settings: the JSON Schema, the commented example and the reference page.

All three are made from the models of :mod:`keyaudit.config.sections`, so that none can fall behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from keyaudit.config.sections import config_file
from keyaudit.config.source import variable

_Node = dict[str, Any]
_SCHEMA = "src/keyaudit/schema/config.schema.json"


# ---------------------------------------------------------------- the schema


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  titles would only repeat the keys
        return False


@cache
def schema() -> _Node:
    """A JSON Schema (draft 2020-12) of the config file, for editors; dates are texts in it, as editors see TOML."""
    generated = config_file().model_json_schema(schema_generator=_Generator)
    for model in generated["$defs"].values():
        del model["title"]
        for field in model["properties"].values():
            if "default" in field and field["default"] is None:
                del field["default"]  # TOML has no null: such a setting is left out
                field.update(next(kind for kind in field.pop("anyOf") if kind != {"type": "null"}))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **generated, "title": "keyaudit configuration"}


def schema_file() -> Path:
    """Where the schema lies in this installation."""
    return Path(__file__).parents[1] / "schema" / "config.schema.json"


# ---------------------------------------------------------------- walking the schema


def _resolved(node: _Node) -> _Node:
    """*node* with what it refers to; what it says itself goes before."""
    if "$ref" not in node:
        return node
    target: _Node = schema()["$defs"][node["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _tables(
    node: _Node, path: tuple[str, ...] = (), *, many: bool = False
) -> Iterator[tuple[tuple[str, ...], _Node, bool]]:
    """The tables of the file, their paths, and whether there may be many of one, which then has no tables inside."""
    if path and (many or _settings(node)):
        yield path, node, many
    for key, child in node["properties"].items() if not many else ():
        if _is_table(child):
            yield from _tables(_resolved(child), (*path, key))
        elif _is_table(child.get("items", {})):
            yield from _tables(_resolved(child["items"]), (*path, key), many=True)


def _is_table(node: _Node) -> bool:
    return "properties" in _resolved(node)


def _settings(node: _Node, *, many: bool = False) -> dict[str, _Node]:
    """The settings of a table; in a table of many, what would be a table inside counts as one."""
    return {
        key: child
        for key, child in node["properties"].items()
        if not _is_table(child.get("items", {})) and (many or not _is_table(child))
    }


# ---------------------------------------------------------------- the example


_EXAMPLE_HEAD = """\
# Settings of keyaudit. All of them are here, each with its default or, where it has none, with an example.
# Take the "#" away from what should differ. `keyaudit check` says whether the file is right, `keyaudit rules` explains
# the rules. A setting outside [[lists]] can also be given in the environment, as in KEYAUDIT_REPORT__KEEP=30.
"""


def example(schema_uri: str) -> str:
    """A complete commented ``config.toml`` that changes nothing as it stands; *schema_uri* is for editors."""
    lines = [f"#:schema {schema_uri}", "", _EXAMPLE_HEAD.rstrip()]
    for path, node, many in _tables(schema()):
        name = ".".join(path)
        lines += ["", f"# {_inline(node['description'])}", f"#[[{name}]]" if many else f"[{name}]"]
        for key, child in _settings(node, many=many).items():
            lines.append(f"# {child['description']}{_choices(child)}")
            lines += [f"#{line}" for line in _assignments(key, _shown_value(child), child)]
    return "\n".join(lines) + "\n"


def _shown_value(node: _Node) -> Any:
    return node["default"] if "default" in node and "examples" not in node else node["examples"][0]


def _choices(node: _Node) -> str:
    choices = node.get("enum") or node.get("items", {}).get("enum")
    return f" ({', '.join(choices)})" if choices else ""


def _assignments(key: str, value: Any, node: _Node) -> Iterator[str]:
    if isinstance(value, dict):
        for inner, each in value.items():
            yield from _assignments(f"{key}.{inner}", each, node)
    else:
        yield f"{key} = {value if node.get('format') == 'date' else _toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # a literal string, in single quotes, takes backslashes as they are
    return f"'{value}'" if isinstance(value, str) and "\\" in value else json.dumps(value, ensure_ascii=False)


def _inline(docstring: str) -> str:
    return " ".join(docstring.split())


# ---------------------------------------------------------------- the page


_PAGE_HEAD = """\
# Configuration

<!-- Written by `make docs`; a test compares it with the settings. -->

keyaudit needs no config file: with `RUNTYPE_API_KEY` set, `keyaudit audit` uses the defaults below. `keyaudit init`
writes a file to start from, and `keyaudit check` says whether a file is right and where it was found.

## Where the file is sought

The first of these that exists is read, and no other:

1. the file that `-c` names;
2. the file that `KEYAUDIT_CONFIG` names;
3. `keyaudit.toml` in the working directory;
4. `config.toml` in the user's config directory (on Linux `~/.config/keyaudit/`);
5. `/etc/keyaudit/config.toml`.

A file that `-c` or `KEYAUDIT_CONFIG` names must exist. Paths in the file begin at the working directory, whatever the
file's own; `~` is the home directory.

## The environment

Every setting outside lists can be given as `KEYAUDIT_<SECTION>__<KEY>`, in capitals, with `_` for `-`, such as
`KEYAUDIT_POLICY__RULES__NEVER_USED__ENABLED`. Numbers are written as in the file, truth values as `true` or `false`. An
empty variable counts as not set.

What is given on the command line wins over the environment, which wins over the file, which wins over the default.
`RUNTYPE_BASE_URL`, which Runtype's own tools read, counts for `runtype.base_url` where neither
`KEYAUDIT_RUNTYPE__BASE_URL` nor the file gives one.

A variable of the form `KEYAUDIT_X__Y` that is no setting is refused, as an unknown key of the file is. Without the
double underscore it is left alone, since container platforms set such variables of their own.

## The token

The token is never written into the file. `token` says where it is:

| reference | the token is |
| --- | --- |
| `env:NAME` | in the environment variable `NAME` |
| `file:PATH` | alone in the file `PATH`, such as a container's secret |
| `keyring:SERVICE/USER` | in the system's keyring; needs the extra `keyaudit[keyring]` |

## Editors

The JSON Schema of the file is `keyaudit/schema/config.schema.json` in the package. Editors that know TOML find it
through the `#:schema` line at the top of the file that `keyaudit init` writes, then complete keys and mark mistakes.

## Patterns

`id`, `name` and `prefix` select keys in overrides and waivers, and `owner` in overrides, once the rule `ownerless-name`
is on. Each takes one pattern or a list of them. Of several patterns in one selector any must match; of several
selectors, all. The whole text must match the pattern:

| in a pattern | stands for |
| --- | --- |
| `*` | any text, none as well |
| `?` | one character |
| `[abc]` | one of these characters |
| `[a-z]` | one character from a to z |
| `[!abc]`, `[!a-z]` | one character that is none of these |
| `[*]`, `[?]`, `[[]` | the character itself |

All else stands for itself, capitals included. The permissions in `broad-permission` are such patterns too, but capitals
do not matter there.

## Profiles

The defaults below are those of the profile `default`. Another `[policy] profile` changes some of them. What
`[policy.rules]` sets wins over the profile, and an override wins over both, setting by setting.

## Settings
"""


def reference() -> str:
    """The reference page as Markdown."""
    parts = [_PAGE_HEAD]
    for path, node, many in _tables(schema()):
        name = ".".join(path)
        parts += [f"### `{f'[[{name}]]' if many else f'[{name}]'}`", "", _inline(node["description"]), ""]
        parts += ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
        parts += [_row(key, child, node) for key, child in _settings(node, many=many).items()]
        if not many:
            parts += ["", f"In the environment: `{variable((*path, ''))}` and the key in capitals."]
        parts.append("")
    return "\n".join(parts)


def _row(key: str, child: _Node, owner: _Node) -> str:
    if "default" in child:
        default = _code(_toml(child["default"]))
    else:
        default = "required" if key in owner.get("required", ()) else "none"
    return f"| `{key}` | {_kind(child)} | {default} | {_cell(child['description'])} |"


def _kind(node: _Node) -> str:
    """What a setting takes, in words."""
    match _resolved(node):
        case {"anyOf": [first, *_]}:
            return f"{_kind(first)}, or a list of such"
        case {"enum": choices}:
            return ", ".join(_code(_toml(choice)) for choice in choices)
        case {"type": "array", "items": items}:
            return f"list of {_kind(items)}"
        case {"type": "object"}:
            return "tables"
        case {"format": "date"}:
            return "date"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": "integer" | "number" as type, **limits}:
            return ("whole number" if type == "integer" else "number") + _limits(limits)
    return "text"


def _limits(limits: Mapping[str, Any]) -> str:
    words = {"exclusiveMinimum": "more than", "minimum": "at least", "maximum": "at most"}
    given = [f"{word} {limits[key]:,}" for key, word in words.items() if key in limits]
    return f", {', '.join(given)}" if given else ""


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# ---------------------------------------------------------------- the files


@dataclass(frozen=True)
class Generated:
    """A file of the checkout that is made from the settings, and the function that makes its text."""

    file: str
    text: Callable[[], str]


def schema_json() -> str:
    """:func:`schema` as text."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


GENERATED = {
    "example": Generated("config.example.toml", lambda: example(_SCHEMA)),
    "reference": Generated("docs/configuration.md", reference),
    "schema": Generated(_SCHEMA, schema_json),
}
