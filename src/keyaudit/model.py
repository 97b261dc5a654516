"""The vocabulary of keyaudit: frozen dataclasses that every stage passes on, with no logic to speak of.

Every ``datetime`` here is aware and in UTC. Text that came from outside (key names, ids, prefixes) is
raw in a :class:`Snapshot` and in its visible form (:mod:`keyaudit.text`) from :class:`AuditResult` on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from keyaudit.columns import all_differ

if TYPE_CHECKING:
    import pandas as pd


class Severity(IntEnum):
    """How bad a finding is, ordered: ``info < low < medium < high < critical``."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The lower-case word used in configs and reports."""
        return self.name.lower()

    @classmethod
    def from_label(cls, label: str) -> Severity:
        """The severity called *label*. Raises :class:`KeyError` for an unknown word."""
        return cls[label.upper()]


# ---------------------------------------------------------------- fetch → frame


@dataclass(frozen=True, slots=True)
class Answer:
    """One document as it came, before anything in it is believed.

    ``body`` is the decoded (uncompressed) response body. ``date`` is the ``Date`` header, ``received_at``
    the local clock; both are ``None`` for a saved file, whose age says nothing of the server's clock.
    ``source`` is an origin or a file's name, fit to be shown.
    """

    body: bytes = field(repr=False)
    source: str
    date: datetime | None = None
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of an answer that could not be read, or not whole, kept apart.

    ``list`` is the answer it stands in, ``analytics`` or ``details``; ``index`` counts from 0 in the list received.
    ``kept`` says that the key is audited all the same, with what could not be read counting as not known.
    ``problem`` is one sentence without the row's values.
    ``id``, ``name`` and ``prefix`` hold whatever could be read (raw text), else ``None``.
    ``digest`` is the first 16 hex digits of the SHA-256 of the row's bytes.
    """

    index: int
    problem: str
    digest: str
    id: str | None = None
    name: str | None = None
    prefix: str | None = None
    list: Literal["analytics", "details"] = "analytics"
    kept: bool = False


@dataclass(frozen=True, slots=True)
class DetailsState:
    """Whether the details of the keys were read; ``reason`` is one sentence that says why not, else empty."""

    read: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts that the answer itself claims; ``None`` where one is missing or no whole number."""

    total: int | None
    active: int | None
    expired: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on the data or the run: a stable ``code`` (kebab-case) and one sentence for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Snapshot:
    """All keys of one account at one moment, and the rows that could not be read.

    ``keys`` has the columns and dtypes of :data:`keyaudit.frame.COLUMNS` and a ``RangeIndex``;
    ``received`` counts the rows of the analytics: as many as were read and rejected there. ``totals`` is what the
    analytics claim of themselves and ``counted`` what their rows make it, before the details had a say; an unreadable
    row counts in neither ``counted.active`` nor ``counted.expired``. ``now`` is the server's clock, by which every
    age is told.
    ``live`` tells an answer of the API from a saved one; ``asked_with_key`` says that an API key of the
    account (not a dashboard session) authenticated the question, so that at least one key must exist.
    """

    source: str
    now: datetime
    keys: pd.DataFrame
    rejected: tuple[RejectedRow, ...]
    received: int
    totals: Totals
    counted: Totals
    live: bool
    asked_with_key: bool = False
    details: DetailsState = DetailsState(read=False, reason="Only the analytics were asked for.")
    notes: tuple[Note, ...] = ()

    @cached_property
    def repeated_ids(self) -> tuple[str, ...]:
        """The ids that more than one row has, in order."""
        ids = self.keys["id"]
        return () if all_differ(ids) else tuple(sorted(set(ids[ids.duplicated()])))


# ---------------------------------------------------------------- policy


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """What one layer of a policy says of one rule; ``None`` and absent options leave it as it was.

    ``severity`` pins every finding of the rule to one severity. ``inactive`` says whether the rule looks
    at inactive keys. ``options`` holds only the options that this layer sets.
    """

    enabled: bool | None = None
    severity: Severity | None = None
    inactive: bool | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which keys are meant: every given field must match, any pattern within a field suffices.

    Patterns are case-sensitive globs (``*``, ``?``, ``[…]``) that must match the whole text. ``owners`` are matched
    against the owner that a key's name tells.
    """

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Other settings for the keys that ``selector`` selects; ``comment`` says why, for people."""

    selector: Selector
    rules: Mapping[str, RuleSetting]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which rules with which options apply to which keys: a profile, the rules' settings, then overrides.

    Of several overrides the later wins. ``profile`` is a name of :data:`keyaudit.profiles.PROFILES`.
    """

    profile: str = "default"
    rules: Mapping[str, RuleSetting] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiver:
    """An accepted exception. It marks findings, it never hides them.

    ``rules`` names rules, or is ``("*",)``. The waiver is in force up to and including the day
    ``expires`` in UTC.
    """

    selector: Selector
    rules: tuple[str, ...]
    reason: str
    owner: str
    expires: date


# ---------------------------------------------------------------- evaluate → render


@dataclass(frozen=True, slots=True)
class Standard:
    """A text that people are audited by. ``slug`` is what ``keyaudit rules --standard`` takes a part of."""

    slug: str
    name: str
    version: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A clause that a rule answers to. ``says`` is what it asks for, in our words.

    ``analogous`` marks a clause that speaks of users or of another cloud. ``earlier`` tells its number in other
    releases of the standard.
    """

    standard: Standard
    number: str
    says: str
    analogous: bool = False
    earlier: str = ""

    @property
    def clause(self) -> str:
        """The standard with its version, and the number in it."""
        return f"{self.standard.name} {self.standard.version} {self.number}".strip()

    @property
    def title(self) -> str:
        """The clause and what it says, fit to be shown."""
        remarks = "; ".join(filter(None, (self.earlier, "analogous" if self.analogous else "")))
        return f"{self.clause}: {self.says}" + (f" ({remarks})" if remarks else "")

    @property
    def url(self) -> str:
        """An https address of the standard, or empty."""
        return self.standard.url


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """How the account stands to one clause. ``state`` is ``fail``, ``not evaluated``, ``waived`` or ``pass``.

    It fails when a rule that answers to it has an unwaived finding above info, and is not evaluated when one of them
    could not be evaluated or all are switched off; one that is off has no say otherwise. ``findings`` and
    ``waived`` count findings above info; ``rules`` are names.
    """

    reference: Reference
    rules: tuple[str, ...]
    state: Literal["fail", "not evaluated", "waived", "pass"]
    findings: int
    waived: int


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """A rule as this audit applied it: its own texts, and the options of the policy's base layer.

    ``state`` is ``on``, ``off`` or, where it would need what this audit does not have, ``not evaluated``; then
    ``reason`` says what. ``options`` maps option names to values as shown to people. ``overridden`` counts the keys
    for which an override changed something. ``findings`` counts unwaived findings.
    """

    name: str
    title: str
    rationale: str
    remediation: str
    references: tuple[Reference, ...]
    enabled: bool
    inactive: bool
    severity: Severity | None
    options: Mapping[str, str]
    overridden: int
    findings: int
    state: Literal["on", "off", "not evaluated"] = "on"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WaiverInForce:
    """A waiver as this audit applied it; ``state`` is ``in force``, ``expired`` or ``matches nothing``."""

    waiver: Waiver
    state: str
    findings: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers that every format shows alike. ``by_severity`` and ``by_rule`` leave waived findings out."""

    received: int
    read: int
    rejected: int
    active: int
    inactive: int
    never_used: int
    without_findings: int
    findings: int
    waived: int
    by_severity: Mapping[Severity, int]
    by_rule: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule broken by one key, or by the account (then ``key_id`` is empty unless a row's could be read).

    ``id`` is ``<account>:<rule>:<subject>``, the same from run to run. All text is in its visible form.
    ``evidence`` and ``action`` are plain sentences. ``waiver`` is the index in ``AuditResult.waivers`` or -1.
    ``last_used_at`` is ``None`` when never used or not known; ``active`` is ``None`` for account-level findings.
    """

    id: str
    rule: str
    severity: Severity
    key_id: str
    key_name: str
    key_prefix: str
    active: bool | None
    own: bool
    last_used_at: datetime | None
    evidence: str
    action: str
    waiver: int
    owner: str = ""

    @property
    def waived(self) -> bool:
        """Whether a waiver in force accepts this finding."""
        return self.waiver >= 0


@dataclass(frozen=True, slots=True)
class UseBucket:
    """A bar of the chart of active keys by whole days since last use: ``low <= days < high``.

    ``high`` is ``None`` for the open end; ``low`` is -1 for the bar of keys never used.
    """

    label: str
    low: int
    high: int | None
    keys: int


@dataclass(frozen=True)
class AuditResult:
    """What one evaluation of one snapshot found: all that a renderer needs, and nothing secret.

    ``findings`` is a frame with one row a finding, worst first, unwaived before waived, and the columns

    ================ =======================  ==========================================================
    column           dtype                    holds
    ================ =======================  ==========================================================
    ``id``           ``str``                  ``<account>:<rule>:<subject>``
    ``rule``         ``category``             the rule's name
    ``severity``     ``int8``                 :class:`Severity`
    ``key_id``       ``str``                  visible form; empty for the account itself
    ``key_name``     ``str``                  visible form
    ``key_prefix``   ``str``                  visible form
    ``active``       ``boolean``              nullable; NA for account-level findings
    ``own``          ``bool``                 the key with which keyaudit itself asked
    ``last_used_at`` ``datetime64[us, UTC]``  NaT when never used or not known
    ``evidence``     ``str``                  one sentence
    ``action``       ``category``             what to do
    ``waiver``       ``int32``                index in ``waivers``, -1 for none
    ``owner``        ``str``                  visible form; the owner that the name tells, empty for none
    ================ =======================  ==========================================================

    ``clean_keys`` holds the keys without any finding, waived ones included, with the columns ``id``,
    ``name``, ``prefix`` (visible forms), ``last_used_at``, ``is_active``, ``own``, ``owner``, ordered by name and id.
    ``rejected`` holds visible text. ``zone`` is the zone that times are shown in. ``exit_codes`` are
    those known when the reports are rendered, in the documented order. ``profile`` is that of the policy.
    """

    account: str
    source: str
    version: str
    now: datetime
    zone: tzinfo
    findings: pd.DataFrame
    clean_keys: pd.DataFrame
    rejected: tuple[RejectedRow, ...]
    counts: Counts
    totals: Totals
    use: tuple[UseBucket, ...]
    use_thresholds: tuple[int, ...]
    waivers: tuple[WaiverInForce, ...]
    rules: tuple[RuleInForce, ...]
    overrides: tuple[Override, ...]
    notes: tuple[Note, ...]
    fail_on: Severity | None
    exit_codes: tuple[int, ...]
    details: DetailsState = DetailsState(read=False)
    compliance: tuple[ClauseResult, ...] = ()
    profile: str = "default"

    def worst(self, limit: int | None = None) -> Iterator[Finding]:
        """The first *limit* findings (all by default), in order, as objects: for formats that people read."""
        head = self.findings if limit is None else self.findings.head(limit)
        columns = [head[name].astype(object).where(head[name].notna(), None) for name in head.columns]
        for values in zip(*columns, strict=True):
            row = dict(zip(head.columns, values, strict=True))
            row["severity"] = Severity(row["severity"])
            if row["last_used_at"] is not None:
                row["last_used_at"] = row["last_used_at"].to_pydatetime()
            yield Finding(**row)
