"""The formats: one file each, found by being in this folder; templates lie in ``reports/templates``."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

from keyaudit.model import AuditResult

ROWS_SHOWN = 2000
"""How many findings a format for people holds at most: the worst ones. It says so when there are more."""


@dataclass(frozen=True)
class RenderSettings:
    """What a renderer may know beside the result.

    ``templates`` is a directory whose files replace ours by name, rendered in a sandbox. ``siblings`` maps the
    formats written in the same run to their file names, so that a page can name the file that holds all findings.
    ``include_waived`` is for formats whose readers may take a waived finding for one that stands: they hold waived
    findings only then. All other formats always hold them, marked.
    """

    templates: Path | None = None
    siblings: Mapping[str, str] = field(default_factory=dict)
    include_waived: bool = False


class Format(ABC):
    """A report format. ``name`` is what ``--format`` takes, ``suffix`` ends the file's name, without a dot."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:
        """The report as chunks of bytes. The same result and settings give the same bytes.

        Raises :class:`keyaudit.errors.ReportNotWritten` when a user's template is at fault.
        """


@cache
def all_formats() -> Mapping[str, Format]:
    """Every format in this folder by name, in alphabetical order of the names."""
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue  # what formats share, and import when they render
        importlib.import_module(f"{__name__}.{module.name}")
    found = [cls() for cls in Format.__subclasses__() if cls.__module__.startswith(f"{__name__}.")]
    return {each.name: each for each in sorted(found, key=lambda each: each.name)}
