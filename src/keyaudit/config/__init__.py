"""Configuration: the only place that sees TOML and the environment.

The config file lies under the environment's ``KEYAUDIT_<SECTION>__<KEY>``; ``RUNTYPE_BASE_URL`` lies under both.
What comes out are plain values that know nothing of either.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from keyaudit.config import problems
from keyaudit.config.sections import (
    ACCOUNT,
    MAX_WAIVER_DAYS,
    OverrideSection,
    PolicySection,
    ReportSection,
    RuleSettings,
    RuleTables,
    RuntypeSection,
    Selectors,
    WaiverSection,
    config_file,
    scalars,
    spelt,
)
from keyaudit.config.source import Place, Search, Variables, read, search, variables
from keyaudit.errors import ConfigError
from keyaudit.fetch.settings import RuntypeSettings
from keyaudit.model import Override, Policy, RuleSetting, Selector, Severity, Waiver
from keyaudit.secret import SecretRef

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = [
    "ACCOUNT",
    "Config",
    "Place",
    "ReportSettings",
    "Search",
    "find",
    "init_text",
    "load",
    "search",
]


@dataclass(frozen=True)
class ReportSettings:
    """What is written and where. ``keep`` counts audits, 0 keeps all; ``fail_on`` is ``None`` for never."""

    formats: tuple[str, ...]
    output_dir: Path
    timezone: tzinfo
    templates: Path | None
    keep: int
    fail_on: Severity | None
    include_waived: bool = False


@dataclass(frozen=True)
class Config:
    """The settings of a run. Paths may be relative to the working directory; ``token`` is not resolved yet.

    ``source`` is the config file, ``None`` where there was none. ``variables`` names the environment variables that
    had a say.
    """

    source: Path | None
    variables: tuple[str, ...]
    account: str
    runtype: RuntypeSettings
    token: SecretRef
    policy: Policy
    waivers: tuple[Waiver, ...]
    report: ReportSettings


def find(environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The config file to use where ``-c`` names none: what :func:`search` found."""
    return search(environ, cwd).found


def load(path: Path | None, environ: Mapping[str, str], *, today: date) -> Config:
    """Read the settings from the file *path*, if any, and from *environ*. *today* (UTC) bounds the waivers' ends.

    Raises :class:`ConfigError` with a line for each problem. Secrets are neither resolved nor repeated.
    """
    document = read(path) if path else None
    model = config_file()
    fields = scalars(model)
    found = _with_runtype_base_url(variables(environ, fields), document.tree if document else {}, environ)
    tree = _merged(document.tree if document else {}, found, fields)
    wrong = problems.unknown_variables(found.unknown, model)
    try:
        file = model.model_validate(tree, context={"today": today, "max_waiver_days": _max_waiver_days(tree)})
    except ValidationError as error:
        wrong = problems.sentences(error, model, tree, document, found) + wrong
    if wrong:
        raise ConfigError("\n".join(wrong))
    return Config(
        source=path,
        variables=tuple(found.names.values()),
        account=file.runtype.account,
        runtype=_runtype(file.runtype),
        token=SecretRef.parse(file.runtype.token),
        policy=_policy(file.policy),
        waivers=tuple(_waiver(waiver) for waiver in file.waivers),
        report=_report(file.report),
    )


def init_text() -> str:
    """The commented config that ``keyaudit init`` writes; editors find the schema beside the installed package."""
    from keyaudit.config.reference import example, schema_file

    return example(schema_file().as_uri())


# ---------------------------------------------------------------- one tree from file and environment


_BASE_URL = ("runtype", "base_url")


def _with_runtype_base_url(found: Variables, tree: Mapping[str, Any], environ: Mapping[str, str]) -> Variables:
    """Add the address that Runtype's own tools read, unless something of ours says otherwise."""
    address = environ.get("RUNTYPE_BASE_URL")
    if not address or _BASE_URL in found.texts or problems.value_at(tree, _BASE_URL) is not None:
        return found
    return Variables({**found.texts, _BASE_URL: address}, {**found.names, _BASE_URL: "RUNTYPE_BASE_URL"}, found.unknown)


def _merged(tree: Mapping[str, Any], found: Variables, fields: Mapping[tuple[str, ...], FieldInfo]) -> dict[str, Any]:
    """*tree* with the values from the environment laid over it; it is not changed itself."""
    merged = dict(tree)
    for path, text in found.texts.items():
        table = merged
        for key in path[:-1]:
            inner = table.get(key, {})
            if not isinstance(inner, dict):  # the file is wrong here, which is what will be said
                break
            table[key] = table = dict(inner)
        else:
            table[path[-1]] = _from_text(text, fields[path])
    return merged


def _from_text(text: str, field: FieldInfo) -> object:
    """A number or a truth value from a variable's text; other text, and what is neither, as it is."""
    if field.annotation not in {bool, int, float}:
        return text
    try:
        return TypeAdapter(field.annotation).validate_python(text)
    except ValidationError:
        return text


def _max_waiver_days(tree: Mapping[str, Any]) -> int:
    """The limit on waivers' ends, which they are held to even while the policy is still wrong elsewhere."""
    limit = problems.value_at(tree, ("policy", "max_waiver_days"))
    return limit if type(limit) is int else MAX_WAIVER_DAYS


# ---------------------------------------------------------------- sections → the vocabulary


def _runtype(section: RuntypeSection) -> RuntypeSettings:
    return RuntypeSettings(
        base_url=section.base_url,
        deadline=section.deadline,
        connect_timeout=section.connect_timeout,
        read_timeout=section.read_timeout,
        max_body_bytes=section.max_body_mib * 2**20,
        ca_file=_home(section.ca_file) if section.ca_file else None,
        details=section.details,
    )


def _policy(section: PolicySection) -> Policy:
    return Policy(
        section.profile, _rule_settings(section.rules), tuple(_override(override) for override in section.overrides)
    )


def _override(section: OverrideSection) -> Override:
    selector = replace(_selector(section), owners=tuple(section.owner), active=section.active)
    return Override(selector, _rule_settings(section.rules), section.comment)


def _rule_settings(tables: RuleTables) -> dict[str, RuleSetting]:
    given = (
        (key, getattr(tables, name)) for name, key in spelt(type(tables)).items() if name in tables.model_fields_set
    )
    return {key: _rule_setting(settings) for key, settings in given if settings.model_fields_set}


def _rule_setting(settings: RuleSettings) -> RuleSetting:
    given = settings.model_dump(exclude_unset=True)
    severity = given.pop("severity", None)
    return RuleSetting(
        enabled=given.pop("enabled", None),
        severity=Severity.from_label(severity) if severity else None,
        inactive=given.pop("inactive", None),
        options={name: tuple(value) if isinstance(value, list) else value for name, value in given.items()},
    )


def _waiver(section: WaiverSection) -> Waiver:
    rules = ("*",) if "*" in section.rules else tuple(dict.fromkeys(section.rules))
    return Waiver(_selector(section), rules, section.reason, section.owner, section.expires)


def _selector(section: Selectors) -> Selector:
    return Selector(ids=tuple(section.id), names=tuple(section.name), prefixes=tuple(section.prefix))


def _report(section: ReportSection) -> ReportSettings:
    return ReportSettings(
        formats=tuple(section.formats),
        output_dir=_home(section.output_dir),
        timezone=UTC if section.timezone == "UTC" else ZoneInfo(section.timezone),
        templates=_home(section.templates) if section.templates else None,
        keep=section.keep,
        fail_on=None if section.fail_on == "never" else Severity.from_label(section.fail_on),
        include_waived=section.include_waived,
    )


def _home(text: str) -> Path:
    return Path(os.path.expanduser(text))
