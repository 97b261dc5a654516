"""Where settings come from: the config file, with the lines of its statements, and the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from keyaudit.errors import ConfigError
from keyaudit.text import visible

MAX_BYTES = 2**20
"""The longest config file that is read."""

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of tables and, from 0, positions in lists."""

_NAMED_BY = "KEYAUDIT_CONFIG"
_LOCAL = "keyaudit.toml"
_SYSTEM = Path("/etc/keyaudit/config.toml")


# ---------------------------------------------------------------- the search


@dataclass(frozen=True)
class Place:
    """Where a config file was looked for: what the place is called, its path, and whether a file is there."""

    what: str
    path: Path
    exists: bool


@dataclass(frozen=True)
class Search:
    """The places in the order of the search. The first that exists is the config file; the others are not read."""

    places: tuple[Place, ...]

    @property
    def found(self) -> Path | None:
        """The config file, or ``None`` where there is none."""
        return next((place.path for place in self.places if place.exists), None)


def search(environ: Mapping[str, str], cwd: Path) -> Search:
    """Look for the config file where ``-c`` names none; a relative ``KEYAUDIT_CONFIG`` is relative to *cwd*.

    Raises :class:`ConfigError` where ``KEYAUDIT_CONFIG`` names a file that is not there: a run with other
    settings than those asked for would be worse than none.
    """
    from platformdirs import user_config_path

    places = []
    if named := environ.get(_NAMED_BY):
        path = cwd / os.path.expanduser(named)
        if not os.path.exists(path):
            raise ConfigError(f"{_NAMED_BY} names {visible(str(path))}, which does not exist.")
        places.append((_NAMED_BY, path))
    places += [
        ("the working directory", cwd / _LOCAL),
        ("the user's config directory", user_config_path("keyaudit") / "config.toml"),
        ("the system's config directory", _SYSTEM),
    ]
    return Search(tuple(Place(what, path, os.path.exists(path)) for what, path in places))


# ---------------------------------------------------------------- the file


@dataclass(frozen=True)
class Document:
    """A parsed config file that knows on which line each of its values stands. ``name`` is fit to be shown."""

    name: str
    text: str
    tree: dict[str, Any] = field(repr=False)

    def line(self, path: KeyPath) -> int:
        """The line, from 1, of the statement that brought *path*, or the innermost table around it, into being."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        """The line of every value and table. tomllib keeps none, but reads single statements as well as documents."""
        lines: dict[KeyPath, int] = {(): 1}
        table: KeyPath = ()
        last_of: dict[KeyPath, int] = {}
        line = 1
        for start, end in pairwise([0, *self._ends]):
            text = self.text[start:end]
            statement = tomllib.loads(text)
            if text.lstrip(" \t").startswith("["):
                table = _opened(statement, last_of)
                found = [table[:length] for length in range(len(table) + 1)]
            else:
                found = [table + path for path in _paths(statement)]
            for path in found:
                lines.setdefault(path, line)
            line += text.count("\n")
        return lines

    @cached_property
    def _ends(self) -> list[int]:
        """The offsets behind each statement, blank line or comment."""
        depth = 0
        ends = []
        for token in _TOKEN.finditer(self.text):
            match token[0]:
                case "[" | "{":
                    depth += 1
                case "]" | "}":
                    depth -= 1
                case "\n" if depth == 0:
                    ends.append(token.end())
        return [*ends, len(self.text)]


# All that matters for telling where a statement ends, in a text that is known to be TOML. A string in three quotes
# may end with up to two more.
_TOKEN = re.compile(
    r"""
    \"{3} (?: [^\\] | \\. )*? \"{3,5}
    | '{3} .*? '{3,5}
    | " (?: [^"\\] | \\. )* "
    | ' [^']* '
    | \# [^\n]*
    | [\[\]{}\n]
    """,
    re.DOTALL | re.VERBOSE,
)


def _opened(header: dict[str, Any], last_of: dict[KeyPath, int]) -> KeyPath:
    """The path of the table that ``[a.b]`` or ``[[a.b]]`` opens; *last_of* counts the tables of each list."""
    path: KeyPath = ()
    while header:
        ((key, inner),) = header.items()
        path += (key,)
        if isinstance(inner, list):
            last_of[path] = last_of.get(path, -1) + 1
            inner = {}
        if path in last_of:
            path += (last_of[path],)
        header = inner
    return path


def _paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """*path*, and the paths of all that lies in *value*."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in inside:
        yield from _paths(inner, (*path, step))


def read(path: Path) -> Document:
    """Read and parse a config file: UTF-8, at most 1 MiB.

    Raises :class:`ConfigError` with the line and column where it is no TOML, and never with a word of the file:
    what is malformed may be a token without its quotes.
    """
    name = visible(str(path))
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = error.strerror if isinstance(error, OSError) else "it is no path that this system could open"
        raise ConfigError(f"The config file {name} cannot be read: {reason}.") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"The config file {name} is larger than {MAX_BYTES // 2**20} MiB, which no config is.")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: the file is not in UTF-8; save it in that encoding.") from None
    try:
        return Document(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        where, problem = _syntax_problem(str(error), text)
    except RecursionError:
        where, problem = "1", "lists or tables are nested too deeply"
    except ValueError:  # int() on more digits than Python reads
        where, problem = "1", "it holds a number with far too many digits"
    raise ConfigError(f"{name}:{where}: {problem}.")


_SYNTAX = {
    "Invalid value": "no value can be read here; text needs quotes, and true and false are lower-case",
    "Cannot declare": "this table is defined a second time",
    "Cannot overwrite": "something here is defined a second time",
    "Duplicate inline table key": "something here is defined a second time",
    "Cannot mutate": "this adds to a table that was closed where it was defined",
    "Cannot redefine": "this adds to a table that was closed where it was defined",
    "Expected newline": "a new line is missing between two settings, or text lacks its quotes",
    "Expected '='": "a setting needs an equals sign between its name and its value",
    "Unclosed array": "a list lacks its closing bracket",
    "Unclosed inline table": "a table in braces lacks its closing brace",
    "Unterminated string": "text lacks its closing quote",
    "Unescaped '\\'": "a backslash in double quotes must be doubled; single quotes take it as it is",
    "Expected '\\n'": "text lacks its closing quote",
    "Illegal character": "text holds a control character, or lacks its closing quote",
    "Found invalid character": "a control character stands here",
    "Invalid date": "this day or time does not exist",
}


def _syntax_problem(message: str, text: str) -> tuple[str, str]:
    """Where tomllib stumbled, and why in our words; its own may quote the file."""
    at = re.search(r"\(at line (\d+), column (\d+)\)$", message)
    where = f"{at[1]}:{at[2]}" if at else str(text.rstrip("\n").count("\n") + 1)
    return where, next((ours for start, ours in _SYNTAX.items() if message.startswith(start)), "this is no TOML")


# ---------------------------------------------------------------- the environment


@dataclass(frozen=True)
class Variables:
    """Settings found in the environment: the texts by their paths, and the variables that hold them."""

    texts: Mapping[tuple[str, ...], str] = field(repr=False)
    names: Mapping[tuple[str, ...], str]
    unknown: tuple[str, ...]


def variable(path: Iterable[str]) -> str:
    """The environment variable of a setting: ``KEYAUDIT_POLICY__RULES__NEVER_USED__ENABLED``."""
    return "KEYAUDIT_" + "__".join(path).upper().replace("-", "_")


def variables(environ: Mapping[str, str], settings: Iterable[tuple[str, ...]]) -> Variables:
    """The *settings* that *environ* holds; an empty variable counts as not set.

    ``unknown`` lists those of the form ``KEYAUDIT_X__Y`` that mean no setting. What has no double underscore is left
    alone: Kubernetes sets KEYAUDIT_SERVICE_HOST and its like wherever a service is called keyaudit.
    """
    path_of = {variable(path): path for path in settings}
    present = sorted(name for name, value in environ.items() if value and re.match(r"KEYAUDIT_.*?__", name))
    known = [name for name in present if name in path_of]
    return Variables(
        {path_of[name]: environ[name] for name in known},
        {path_of[name]: name for name in known},
        tuple(name for name in present if name not in path_of),
    )
