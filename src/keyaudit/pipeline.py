"""The order of the stages, and nothing else: fetch → frame → evaluate → result → render → files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from keyaudit.errors import ReportNotWritten
from keyaudit.fetch.settings import RuntypeSettings
from keyaudit.model import Answer, AuditResult, Policy, Severity, Snapshot, Waiver
from keyaudit.secret import Secret, SecretRef, resolve

if TYPE_CHECKING:
    from keyaudit.output import Written

Progress = Callable[[str], None]

_API_KEYS_BEGIN = ("rt_live_", "rt_test_", "tv_live_", "tv_test_", "runtype_")


@dataclass(frozen=True, slots=True)
class Api:
    """Ask the Runtype API, with the token that *token* names, or that is at hand already."""

    settings: RuntypeSettings
    token: SecretRef | Secret


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """Read an answer saved earlier from the file *path*, or from standard input if it is ``-``."""

    path: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run may know of the machine: the environment, a clock (aware, UTC), standard input, who hears progress."""

    environ: Mapping[str, str]
    clock: Callable[[], datetime]
    stdin: BinaryIO | None = None
    progress: Progress = lambda _: None


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a snapshot is judged and shown. ``fail_on`` is ``None`` where no finding is to fail the audit."""

    account: str = "default"
    policy: Policy = field(default_factory=Policy)
    waivers: tuple[Waiver, ...] = ()
    zone: tzinfo = UTC
    fail_on: Severity | None = Severity.HIGH


@dataclass(frozen=True, slots=True)
class Reporting:
    """Which reports are written, where, and how many audits stay (0: all). ``templates`` replace ours by name."""

    formats: tuple[str, ...] = ("html", "markdown")
    directory: Path = Path("keyaudit-reports")
    templates: Path | None = None
    keep: int = 90


def get_answer(source: Api | SavedAnswer, surroundings: Surroundings) -> tuple[Answer, str]:
    """The document, and the token with which it was got (empty for a saved one).

    Raises :class:`keyaudit.errors.ConfigError`, :class:`keyaudit.errors.UsageError` and
    :class:`keyaudit.errors.FetchError`.
    """
    if isinstance(source, SavedAnswer):
        from keyaudit.fetch.saved import read_saved

        return read_saved(source.path, surroundings.stdin), ""
    token = source.token if isinstance(source.token, Secret) else resolve(source.token, surroundings.environ)
    from keyaudit.fetch.runtype import fetch_analytics

    answer = fetch_analytics(
        source.settings,
        token,
        environ=surroundings.environ,
        clock=surroundings.clock,
        on_progress=surroundings.progress,
    )
    return answer, token.reveal()


def take_snapshot(source: Api | SavedAnswer, surroundings: Surroundings, *, now: datetime | None = None) -> Snapshot:
    """All keys of the account as *source* lists them; *now* replaces the server's clock.

    Raises what :func:`get_answer` raises, and :class:`keyaudit.errors.UnreadableAnswer`.
    """
    answer, token = get_answer(source, surroundings)
    from keyaudit.frame import mark_own, read_analytics

    surroundings.progress(f"Reading {len(answer.body):,} bytes")
    snapshot = read_analytics(answer, now=now, local_now=surroundings.clock())
    if not token:
        return snapshot
    return replace(snapshot, keys=mark_own(snapshot.keys, token), asked_with_key=token.startswith(_API_KEYS_BEGIN))


def save_answer(source: Api | SavedAnswer, surroundings: Surroundings) -> bytes:
    """The answer reduced to the fields that keyaudit names, after making sure that it can be read."""
    answer, _ = get_answer(source, surroundings)
    from keyaudit.frame import read_analytics, save_analytics

    read_analytics(answer, local_now=surroundings.clock())
    return save_analytics(answer)


def judge(snapshot: Snapshot, judgement: Judgement, surroundings: Surroundings) -> AuditResult:
    """The audit result of *snapshot*. Raises :class:`keyaudit.errors.RuleCrashed`."""
    from keyaudit.evaluate import evaluate

    surroundings.progress(f"Judging {len(snapshot.keys):,} keys")
    return evaluate(
        snapshot,
        judgement.policy,
        judgement.waivers,
        account=judgement.account,
        zone=judgement.zone,
        fail_on=judgement.fail_on,
    )


def write(result: AuditResult, reporting: Reporting, surroundings: Surroundings) -> Mapping[str, Written]:
    """Write a report in each format; the files by format. Raises :class:`ReportNotWritten`: then there is none."""
    from keyaudit.output import file_names, write_reports
    from keyaudit.render import all_formats

    suffixes = {name: all_formats()[name].suffix for name in reporting.formats}
    siblings = {name: file_names(result.account, result.now, suffix)[0] for name, suffix in suffixes.items()}
    surroundings.progress(f"Writing {', '.join(reporting.formats)}")
    written = write_reports(
        reporting.directory,
        result.account,
        result.now,
        {suffixes[name]: render(result, name, reporting.templates, siblings) for name in reporting.formats},
        keep=reporting.keep,
    )
    return {name: written[suffix] for name, suffix in suffixes.items()}


def render(
    result: AuditResult, format: str, templates: Path | None = None, siblings: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """One report as chunks of bytes. Raises :class:`ReportNotWritten`, whatever the renderer raised."""
    from keyaudit.render import RenderSettings, all_formats

    try:
        yield from all_formats()[format].render(result, RenderSettings(templates, siblings or {}))
    except ReportNotWritten:
        raise
    except Exception as error:
        raise ReportNotWritten(f"The {format} report could not be rendered ({type(error).__name__}).") from error
