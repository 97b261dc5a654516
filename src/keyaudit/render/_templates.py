"""The Jinja environment of the formats that are made from templates, and how a template's failure is told."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from keyaudit.errors import ReportNotWritten
from keyaudit.render import RenderSettings

OURS = "keyaudit"
"""Prefix of our own templates: a replacement can ``{% extends "keyaudit/report.html.j2" %}`` what it replaces."""

_PLAIN = frozenset({"builtins", "datetime", "jinja2", "keyaudit", "markupsafe"})
_HARMLESS = re.compile(r"'[\w. ]+' (is undefined|has no attribute '[A-Za-z_]\w*')")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Holds a user's template to the attributes of plain values and of our own dataclasses.

    Jinja's sandbox guards Python's internals; it knows nothing of a frame's ``to_csv`` and its like.
    """

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return type(obj).__module__.partition(".")[0] in _PLAIN and super().is_safe_attribute(obj, attr, value)


def folder() -> Path:
    """Where our own templates lie: inside the package once it is installed, else in the checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "templates"
    return packaged if packaged.is_dir() else package.parents[1] / "reports" / "templates"


def environment(settings: RenderSettings) -> jinja2.Environment:
    """Our templates or, where ``settings.templates`` is set, the user's before ours, in a sandbox.

    An undefined name is an error. ``*.html.j2`` is escaped for HTML, nothing else is escaped.
    Raises :class:`ReportNotWritten` when the user's directory is not there.
    """
    ours = jinja2.FileSystemLoader(folder())
    kind: type[jinja2.Environment] = jinja2.Environment
    loader: jinja2.BaseLoader = ours
    if settings.templates is not None:
        if not settings.templates.is_dir():
            raise ReportNotWritten(
                f"The template directory {settings.templates} is not there. "
                "Create it, or take `templates` out of [report] to use keyaudit's own."
            )
        kind = _Sandbox
        loader = jinja2.ChoiceLoader(
            [jinja2.FileSystemLoader(settings.templates), ours, jinja2.PrefixLoader({OURS: ours})]
        )
    return kind(
        loader=loader,
        # the default of select_autoescape knows .html, not .html.j2
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(environment: jinja2.Environment, name: str, context: Mapping[str, object]) -> bytes:
    """The template *name* filled with *context*, as UTF-8.

    Raises :class:`ReportNotWritten` naming template and line, without any value, when the template is at fault.
    """
    try:
        return environment.get_template(name).render(context).encode()
    except Exception as error:
        raise _told(error, name) from error


def source(environment: jinja2.Environment, name: str) -> str:
    """The text of the file *name*, as it is: for style and script, whose braces are no template's.

    Raises :class:`ReportNotWritten` when it cannot be read.
    """
    loader = cast("jinja2.BaseLoader", environment.loader)
    try:
        return loader.get_source(environment, name)[0]
    except Exception as error:
        raise _told(error, name) from error


def _told(error: Exception, name: str) -> ReportNotWritten:
    where, line = name, 0
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.endswith(".j2"):
            where, line = Path(frame.filename).name, frame.lineno or 0
    match error:
        case jinja2.TemplateSyntaxError():
            where, line = error.name or name, error.lineno
            what = f"is not valid Jinja: {(error.message or '').rstrip('.')}"
        case jinja2.TemplateNotFound():
            what = "needs a template that is not there" if line else "is not there"
        case SecurityError():
            what = "does what the sandbox forbids"
        case jinja2.UndefinedError() if _HARMLESS.fullmatch(error.message or ""):
            what = f"uses what it was not given: {error.message}"
        case jinja2.UndefinedError():
            what = "uses what it was not given"
        case UnicodeError():
            what = "is not UTF-8 throughout"
        case _:
            what = f"fails with {type(error).__name__}"
    place = f"Template {where}, line {line}," if line else f"Template {where}"
    return ReportNotWritten(
        f"{place} {what}. Mend it, or take it out of the template directory to use keyaudit's own.",
        details="".join(traceback.format_exception(error)),
    )
