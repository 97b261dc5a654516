"""The rules: one file each, found by being in this folder.

A rule is a subclass of :class:`Rule` that carries its own texts, options and references, and a ``check``
that turns keys into hits without a loop over keys. It sees no clock, no network and no other rule.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from keyaudit.model import Reference, Severity, Snapshot

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

O = TypeVar("O")  # noqa: E741  the options class of a rule; one letter as type variables are


MAX_DAYS = 36_500
MAX_MINUTES = 525_600
"""The largest limits that an option accepts: what lies beyond is a slip of the finger."""


def option(default: Any, help: str, *, ge: int | None = None, le: int | None = None, pattern: bool = False) -> Any:
    """A field of an options class: its default, its line in the reference, and what the config accepts.

    ``ge`` and ``le`` bound a number; ``pattern`` says that the text is a regular expression in RE2 syntax,
    which takes linear time whatever the names are.
    """
    return field(default=default, metadata={"help": help, "ge": ge, "le": le, "pattern": pattern})


@dataclass(frozen=True)
class NoOptions:
    """For a rule that has nothing to configure."""


@dataclass(frozen=True)
class KeyHits:
    """Findings on keys: ``rows`` are positions in the frame; severity and evidence are one value, or one a row.

    ``action`` is what to do where that is not the rule's remediation.
    """

    rows: NDArray[np.intp]
    severity: Severity | NDArray[np.int8]
    evidence: str | pa.Array
    action: str = ""


@dataclass(frozen=True)
class AccountHit:
    """A finding on the account. ``subject`` ends its id and tells it from others of the same rule.

    The texts may hold raw text from outside; evaluation turns it into its visible form.
    """

    subject: str
    severity: Severity
    evidence: str
    key_id: str = ""
    key_name: str = ""
    key_prefix: str = ""


@dataclass(frozen=True)
class Context(Generic[O]):
    """What a rule may look at.

    ``snapshot.keys`` has the columns of :data:`keyaudit.frame.COLUMNS` and ``owner``.
    ``where`` marks the rows of ``snapshot.keys`` to which ``options`` apply and at which the rule looks;
    it may report only these, and may compare them with all. ``idle_days`` holds whole days since the last
    use for each row, rounded down: NaN when never used, negative when the use lies in the future.
    ``zone`` is for times in evidence. ``found_by`` holds, for each rule named in ``after``, the keys on which that
    rule found something above info.
    """

    snapshot: Snapshot
    where: NDArray[np.bool_]
    idle_days: NDArray[np.float64]
    options: O
    now: datetime
    zone: tzinfo
    found_by: Mapping[str, NDArray[np.bool_]]

    def latest(self, tolerance_minutes: int) -> datetime:
        """The last moment that is not yet the future, with that much allowed for clocks that differ."""
        tolerance = timedelta(minutes=tolerance_minutes)
        # at the end of the calendar there is nothing later
        return min(self.now, datetime.max.replace(tzinfo=UTC) - tolerance) + tolerance


class Rule(ABC, Generic[O]):
    """A named check. The class attributes are its documentation; ``keyaudit rules`` prints them.

    ``severity`` is what a finding has unless ``check`` raises it; ``inactive`` says whether the rule looks
    at inactive keys; ``scope`` is ``account`` when it judges the account as a whole, so that overrides,
    which select keys, do not apply to it; ``needs_details`` says that it looks only at keys whose details were read,
    and is not evaluated without them; ``after`` names the rules whose findings it wants to know.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity]
    rationale: ClassVar[str]
    remediation: ClassVar[str]
    references: ClassVar[tuple[Reference, ...]] = ()
    enabled: ClassVar[bool] = True
    inactive: ClassVar[bool] = False
    scope: ClassVar[Literal["key", "account"]] = "key"
    needs_details: ClassVar[bool] = False
    after: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[Any]] = NoOptions

    @abstractmethod
    def check(self, context: Context[O]) -> Iterable[KeyHits | AccountHit]:
        """The findings of this rule; pure, and vectorised over keys."""

    def idle_thresholds(self, options: O) -> tuple[int, ...]:  # noqa: ARG002 - for those that override it
        """The days of idleness at which this rule strikes, for the chart of keys by last use."""
        return ()

    def owners(self, keys: pd.DataFrame, options: O) -> pa.Array | None:  # noqa: ARG002 - for the one that overrides it
        """The owner of each key as this rule reads it from the name, empty for none; ``None`` if it reads none."""
        return None

    def option_fields(self) -> Mapping[str, Any]:
        """The dataclass fields of the options, by name."""
        return {f.name: f for f in fields(self.Options)}


@cache
def all_rules() -> Mapping[str, Rule[Any]]:
    """Every rule in this folder by name, in alphabetical order of the names."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found = [cls() for cls in Rule.__subclasses__() if cls.__module__.startswith(f"{__name__}.")]
    return {rule.name: rule for rule in sorted(found, key=lambda rule: rule.name)}
