"""What may be written in ``config.toml``: one class a section, from which its reference and its schema are made too.

A new section is a class here, a field of :class:`ConfigFile`, and a line in :func:`keyaudit.config.load`. A rule's
options and a format's name need nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator
from pydantic_core.core_schema import literal_schema

from keyaudit.errors import ConfigError
from keyaudit.fetch.settings import DetailsMode, RuntypeSettings, parse_base_url
from keyaudit.profiles import PROFILES
from keyaudit.render import all_formats
from keyaudit.rules import Rule, all_rules
from keyaudit.secret import SecretRef

if TYPE_CHECKING:
    from pydantic import ValidationInfo
    from pydantic.fields import FieldInfo
    from pydantic_core import CoreSchema

SeverityWord = Literal["info", "low", "medium", "high", "critical"]
S = TypeVar("S", bound="Section")

ACCOUNT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What an account may be called: it becomes part of file names."""

MAX_WAIVER_DAYS = 366


class Section(BaseModel):
    """A table of the config file: types as TOML has them, and no key that means nothing."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )


# ---------------------------------------------------------------- values


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Lets text pass as it is if *check* does not raise a :class:`ConfigError`."""

    def validate(text: str) -> str:
        try:
            check(text)
        except ConfigError as error:
            raise ValueError(error.message.rstrip(".")) from None
        return text

    return AfterValidator(validate)


def one_line(text: str) -> str:
    """*text* on one line, as reports show it. Raises :class:`ValueError` where it is empty or has hidden parts."""
    line = " ".join(text.split())
    if not line:
        raise ValueError("must not be empty")
    if not line.isprintable():
        raise ValueError("holds an invisible or control character; write it as plain text")
    return line


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("must be a path")
    return text


def _account(text: str) -> str:
    if not re.fullmatch(ACCOUNT, text):
        raise ValueError("must be 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit")
    return text


def _zone(text: str) -> str:
    if text not in time_zones():
        near = get_close_matches(text, time_zones(), 1)
        raise ValueError("is no time zone of the IANA database" + (f"; did you mean {near[0]}?" if near else ""))
    return text


@cache
def time_zones() -> tuple[str, ...]:
    """The names of the IANA time zone database, from the tzdata package: the same on every machine."""
    return tuple((files("tzdata") / "zones").read_text("ascii").split())


def _regular_expression(text: str) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), text)
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ").partition(": ")[0]
        raise ValueError(f"is no regular expression in RE2 syntax: {reason}") from None
    return text


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _soon_enough(day: date, info: ValidationInfo[dict[str, Any]]) -> date:
    today, most = info.context["today"], info.context["max_waiver_days"]
    ahead = (day - today).days
    if ahead > most:
        raise ValueError(f"lies {ahead} days ahead, and policy.max_waiver_days allows {most}")
    return day


class OneOf:
    """Text that is one of some words, which are asked for only when they are needed."""

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        self._words = words

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return literal_schema(list(self._words()))


Line = Annotated[str, AfterValidator(one_line)]
PathText = Annotated[str, AfterValidator(_path)]
Format = Annotated[str, OneOf(all_formats)]
RuleWord = Annotated[str, OneOf(lambda: ["*", *all_rules()])]
# one, or a list of them; always a list once it is read
Globs = Annotated[
    list[str],
    BeforeValidator(_one_or_more, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]),
]
Words = Annotated[list[str], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str])]
RuleWords = Annotated[
    list[RuleWord],
    BeforeValidator(_one_or_more, json_schema_input_type=RuleWord | Annotated[list[RuleWord], Field(min_length=1)]),
]


# ---------------------------------------------------------------- sections


_RUNTYPE = RuntypeSettings()


class RuntypeSection(Section):
    """The account to audit, and how patient to be with the API."""

    account: Annotated[str, AfterValidator(_account)] = Field(
        default="default",
        description="what to call the account in reports, file names and finding ids",
        json_schema_extra={"pattern": f"^{ACCOUNT}$"},
    )
    base_url: Annotated[str, _checked(parse_base_url)] = Field(
        default=_RUNTYPE.base_url, description="address of the API; https, unless it is this machine itself"
    )
    token: Annotated[str, _checked(lambda text: SecretRef.parse(text, where="it"))] = Field(
        default="env:RUNTYPE_API_KEY",
        description="where the token is: env:NAME, file:PATH or keyring:SERVICE/USER; never the token itself",
        json_schema_extra={"pattern": "^(env|file|keyring):.+"},
    )
    details: DetailsMode = Field(
        default=_RUNTYPE.details,
        description=(
            "whether to read the details of the keys too: auto goes on without them where they cannot be had, "
            "on ends the audit there, off does not ask"
        ),
    )
    ca_file: PathText | None = Field(
        default=None,
        description="PEM file with the certificate authorities to trust instead of the usual ones",
        examples=["/etc/ssl/certs/company-ca.pem"],
    )
    deadline: float = Field(
        default=_RUNTYPE.deadline,
        gt=0,
        le=3600,
        description="seconds for all questions to the API together, retries included",
    )
    connect_timeout: float = Field(
        default=_RUNTYPE.connect_timeout, gt=0, le=3600, description="seconds for making a connection"
    )
    read_timeout: float = Field(
        default=_RUNTYPE.read_timeout,
        gt=0,
        le=3600,
        description="seconds of silence after which an answer counts as broken",
    )
    max_body_mib: int = Field(
        default=_RUNTYPE.max_body_bytes // 2**20,
        ge=1,
        le=16384,
        description="the largest answer to accept, in MiB after decompression",
    )


class RuleSettings(Section):
    """What every rule has; :func:`config_file` adds each rule's own defaults and options."""

    enabled: bool
    severity: SeverityWord | None


class RuleTables(Section):
    """The settings of each rule; `keyaudit rules` explains them."""


def _require_a_selector(schema: dict[str, Any], model: type[Any]) -> None:
    schema["anyOf"] = [{"required": [name]} for name in model.SELECTORS]


class Selectors(Section):
    """Which keys are meant."""

    SELECTORS: ClassVar[tuple[str, ...]] = ("id", "name", "prefix")
    model_config = ConfigDict(json_schema_extra=_require_a_selector)

    id: Globs = Field(
        default_factory=list, min_length=1, description="pattern, or list of patterns, for ids", examples=["api_0c9d*"]
    )
    name: Globs = Field(
        default_factory=list,
        min_length=1,
        description="pattern, or list of patterns, for names; capitals matter",
        examples=[["Nightly *", "CI *"]],
    )
    prefix: Globs = Field(
        default_factory=list,
        min_length=1,
        description="pattern, or list of patterns, for prefixes",
        examples=["rt_test_*"],
    )

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if not self.model_fields_set.intersection(self.SELECTORS):
            *most, last = self.SELECTORS
            raise ValueError(f"selects no key; say which are meant with {', '.join(most)} or {last}")
        return self


class OverrideSection(Selectors):
    """Other settings for the keys that match every selector given. Of several overrides the later wins."""

    SELECTORS = (*Selectors.SELECTORS, "owner", "active")

    owner: Globs = Field(
        default_factory=list,
        min_length=1,
        description="pattern, or list of patterns, for the owners that names tell (see the rule ownerless-name)",
        examples=["platform"],
    )
    active: bool | None = Field(
        default=None, description="true for active keys, false for inactive ones", examples=[True]
    )
    comment: Line = Field(default="", description="why, for people", examples=["Run four times a year."])
    rules: RuleTables = Field(
        description="what to change, rule by rule, as under [policy.rules]",
        examples=[{"stale": {"days": 120, "high_days": 180}}],
    )

    @model_validator(mode="after")
    def _changes(self) -> Self:
        tables = [getattr(self.rules, name) for name in self.rules.model_fields_set]
        if not any(table.model_fields_set for table in tables):
            raise ValueError("changes nothing; say what with rules.<rule>.<setting>")
        return self


class PolicySection(Section):
    """Which rules apply, with which options, to which keys."""

    profile: Literal["default", "cis", "pci", "strict"] = Field(
        default="default",
        description="thresholds to begin with: "
        + "; ".join(f"{name}: {profile.summary.rstrip('.')}" for name, profile in PROFILES.items()),
    )
    max_waiver_days: int = Field(
        default=MAX_WAIVER_DAYS, ge=1, le=3660, description="how many days ahead the end of a waiver may lie at most"
    )
    rules: RuleTables
    overrides: list[OverrideSection]


class WaiverSection(Selectors):
    """Accepted findings of the keys that match every selector given: they stay in every report but do not count."""

    rules: RuleWords = Field(
        min_length=1, description='the rules whose findings are accepted; "*" for all', examples=[["stale"]]
    )
    reason: Line = Field(description="why the findings are accepted", examples=["The migration to OAuth ends in June."])
    owner: Line = Field(description="the person or team who answers for it", examples=["platform@example.com"])
    expires: Annotated[date, AfterValidator(_soon_enough)] = Field(
        description="the last day, in UTC, on which the waiver holds", examples=["2027-06-30"]
    )


class ReportSection(Section):
    """What is written, where, and when an audit counts as failed."""

    formats: Annotated[list[Format], AfterValidator(_unique)] = Field(
        default=["html", "markdown"], min_length=1, description="the formats to write"
    )
    output_dir: PathText = Field(
        default="keyaudit-reports", description="directory for the reports; made when it is missing"
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="IANA time zone in which reports show times, such as Europe/Berlin"
    )
    templates: PathText | None = Field(
        default=None,
        description="directory with templates of your own, which replace ours of the same name",
        examples=["/etc/keyaudit/templates"],
    )
    keep: int = Field(default=90, ge=0, le=100_000, description="how many audits to keep the reports of; 0 keeps all")
    include_waived: bool = Field(
        default=False, description="whether SARIF, whose readers ignore waivers, holds waived findings too"
    )
    fail_on: Literal[SeverityWord, "never"] = Field(
        default="high", description="severity from which findings end the command with exit code 1, or never"
    )


class ConfigFile(Section):
    """The whole file."""

    runtype: RuntypeSection = Field(default_factory=RuntypeSection)
    policy: PolicySection
    waivers: list[WaiverSection] = Field(default_factory=list)
    report: ReportSection = Field(default_factory=ReportSection)


# ---------------------------------------------------------------- what rules and formats bring along


@cache
def config_file() -> type[ConfigFile]:
    """:class:`ConfigFile` with the options of all rules and the names of all formats."""
    models = {rule.name: _rule_model(rule) for rule in all_rules().values()}
    of_keys = {name: model for name, model in models.items() if all_rules()[name].scope == "key"}
    tables = _extended(RuleTables, **_optional_tables(models))
    key_tables = _extended(RuleTables, "KeyRuleTables", **_optional_tables(of_keys))
    override = _extended(OverrideSection, rules=(key_tables, OverrideSection.model_fields["rules"]))
    policy = _extended(
        PolicySection,
        rules=(tables, Field(default_factory=tables)),
        overrides=(list[override], Field(default_factory=list)),  # type: ignore[valid-type]
    )
    return _extended(ConfigFile, policy=(policy, Field(default_factory=policy)))


def _extended(base: type[S], name: str = "", **fields: Any) -> type[S]:
    """A section like *base*, its *fields* replaced or added."""
    return create_model(name or base.__name__, __base__=base, __doc__=base.__doc__, **fields)


def _optional_tables(models: dict[str, type[RuleSettings]]) -> dict[str, Any]:
    return {name.replace("-", "_"): (model, Field(default_factory=model, alias=name)) for name, model in models.items()}


def _rule_model(rule: Rule[Any]) -> type[RuleSettings]:
    fields: dict[str, Any] = {
        "enabled": (bool, Field(rule.enabled, description="whether the rule is asked at all")),
        "severity": (
            SeverityWord | None,
            Field(
                None,
                description="severity of all its findings, instead of the rule's own",
                examples=[rule.severity.label],
            ),
        ),
    }
    if rule.scope == "key":
        fields["inactive"] = (bool, Field(rule.inactive, description="whether it looks at inactive keys too"))
    types = get_type_hints(rule.Options)
    for name, option in rule.option_fields().items():
        meta = option.metadata
        annotation, default = types[name], option.default
        if meta["pattern"]:
            annotation = Annotated[annotation, AfterValidator(_regular_expression)]
        elif isinstance(default, tuple):  # TOML has lists
            annotation, default = Words, list(default)
        fields[name] = (annotation, Field(default, description=meta["help"], ge=meta["ge"], le=meta["le"]))
    return create_model(f"{type(rule).__name__}Settings", __base__=RuleSettings, __doc__=f"{rule.title}.", **fields)


# ---------------------------------------------------------------- looking into the models


def is_list(field: FieldInfo) -> bool:
    """Whether *field* holds a list."""
    return get_origin(field.annotation) is list


def inner_model(field: FieldInfo) -> type[Section] | None:
    """The section that *field* holds, alone or in a list; ``None`` for a plain value."""
    annotation = get_args(field.annotation)[0] if is_list(field) else field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def spelt(model: type[Section]) -> dict[str, str]:
    """The attributes of a section, and the keys that the file has for them."""
    return {name: field.alias or name for name, field in model.model_fields.items()}


def keys_of(model: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section by their keys in the file."""
    return {key: model.model_fields[name] for name, key in spelt(model).items()}


def leaves(model: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting with its path, in the order of the file; a list counts as one, whatever it holds."""
    for key, field in keys_of(model).items():
        inner = None if is_list(field) else inner_model(field)
        if inner:
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key), field


def scalars(model: type[Section]) -> dict[tuple[str, ...], FieldInfo]:
    """Every setting outside lists by its path: those that the environment can give."""
    return {path: field for path, field in leaves(model) if not is_list(field)}
