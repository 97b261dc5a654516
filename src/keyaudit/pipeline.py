"""The order of the stages, and nothing else: fetch → frame → evaluate → result → render → files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from keyaudit.errors import ReportNotWritten, UnreadableAnswer
from keyaudit.fetch.settings import DetailsMode, RuntypeSettings
from keyaudit.model import Answer, AuditResult, DetailsState, Policy, Severity, Snapshot, Waiver
from keyaudit.secret import MASK, Secret, SecretRef, resolve

if TYPE_CHECKING:
    from keyaudit.output import Written

Progress = Callable[[str], None]

_API_KEYS_BEGIN = ("rt_live_", "rt_test_", "tv_live_", "tv_test_", "runtype_")


@dataclass(frozen=True, slots=True)
class Api:
    """Ask the Runtype API, with the token that *token* names, or that is at hand already."""

    settings: RuntypeSettings
    token: SecretRef | Secret

    @property
    def details(self) -> DetailsMode:
        """Whether the details of the keys are read."""
        return self.settings.details


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """Read answers saved earlier from the file *path*, or from standard input if it is ``-``.

    ``max_body_bytes`` bounds each of the two that it may hold.
    """

    path: str
    details: DetailsMode = "auto"
    max_body_bytes: int = 512 * 2**20


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
    """Which reports are written, where, and how many audits stay (0: all). ``templates`` replace ours by name.

    ``include_waived`` asks formats that leave waived findings out to hold them too.
    """

    formats: tuple[str, ...] = ("html", "markdown")
    directory: Path = Path("keyaudit-reports")
    templates: Path | None = None
    keep: int = 90
    include_waived: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What was got. Without *details*, *reason* says why; *missed* tells that they were asked for in vain."""

    analytics: Answer
    details: Answer | None
    reason: str = ""
    missed: bool = False


def get_answers(source: Api | SavedAnswer, surroundings: Surroundings) -> tuple[Answers, str]:
    """The documents, and the token with which they were got (empty for saved ones).

    Raises :class:`keyaudit.errors.ConfigError`, :class:`keyaudit.errors.UsageError`,
    :class:`keyaudit.errors.FetchError` and :class:`keyaudit.errors.UnreadableAnswer`.
    """
    if isinstance(source, SavedAnswer):
        return _saved(source, surroundings), ""
    token = source.token if isinstance(source.token, Secret) else resolve(source.token, surroundings.environ)
    from keyaudit.fetch.runtype import fetch_lists

    analytics, details = fetch_lists(
        source.settings,
        token,
        environ=surroundings.environ,
        clock=surroundings.clock,
        on_progress=surroundings.progress,
    )
    analytics = _without_token(analytics, token)
    if isinstance(details, Answer):
        return Answers(analytics, _without_token(details, token)), token.reveal()
    answers = Answers(analytics, None, details.message, missed=True) if details else Answers(analytics, None, _OFF)
    return answers, token.reveal()


def _without_token(answer: Answer, token: Secret) -> Answer:
    """*answer* with the token masked: somebody may have pasted it into a key's name."""
    plain = token.reveal().encode()
    return replace(answer, body=answer.body.replace(plain, MASK.encode())) if plain in answer.body else answer


_OFF = "Switched off by [runtype] details."


def _saved(source: SavedAnswer, surroundings: Surroundings) -> Answers:
    from keyaudit.fetch.saved import read_saved
    from keyaudit.frame import saved_answers

    analytics, details, missed = saved_answers(
        read_saved(source.path, surroundings.stdin, max_bytes=2 * source.max_body_bytes)
    )
    if source.details == "off":
        return Answers(analytics, None, _OFF)
    if source.details == "on" and details is None:
        raise UnreadableAnswer(f'{analytics.source} holds no details of the keys, and [runtype] details is "on".')
    return Answers(analytics, details, missed or "The saved answer holds no details.", bool(missed))


def _read(
    source: Api | SavedAnswer, answers: Answers, surroundings: Surroundings, now: datetime | None = None
) -> tuple[Snapshot, Answers]:
    """The snapshot of *answers*, and these without the details where they turned out to be no such thing."""
    from keyaudit.frame import read_analytics, with_details, without_details

    surroundings.progress(f"Reading {len(answers.analytics.body):,} bytes")
    snapshot = read_analytics(answers.analytics, now=now, local_now=surroundings.clock())
    if answers.details is not None:
        surroundings.progress(f"Reading {len(answers.details.body):,} bytes of details")
        try:
            return with_details(snapshot, answers.details), answers
        except UnreadableAnswer as error:
            if source.details == "on":
                raise
            answers = Answers(answers.analytics, None, error.message, missed=True)
    return without_details(snapshot, answers.reason, noted=answers.missed), answers


def take_snapshot(source: Api | SavedAnswer, surroundings: Surroundings, *, now: datetime | None = None) -> Snapshot:
    """All keys of the account as *source* lists them; *now* replaces the server's clock.

    Raises what :func:`get_answers` raises.
    """
    answers, token = get_answers(source, surroundings)
    snapshot, _ = _read(source, answers, surroundings, now)
    if not token:
        return snapshot
    from keyaudit.frame import mark_own

    return replace(snapshot, keys=mark_own(snapshot.keys, token), asked_with_key=token.startswith(_API_KEYS_BEGIN))


def save_answers(source: Api | SavedAnswer, surroundings: Surroundings) -> tuple[bytes, DetailsState]:
    """The answers reduced to the fields that keyaudit names, after making sure that they can be read."""
    answers, _ = get_answers(source, surroundings)
    snapshot, answers = _read(source, answers, surroundings)
    from keyaudit import frame

    missed = answers.reason if answers.missed else ""
    return frame.save_answers(answers.analytics, answers.details, missed), snapshot.details


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
        {suffixes[name]: render(result, name, reporting, siblings) for name in reporting.formats},
        keep=reporting.keep,
    )
    return {name: written[suffix] for name, suffix in suffixes.items()}


def render(
    result: AuditResult, format: str, reporting: Reporting, siblings: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """One report as chunks of bytes. Raises :class:`ReportNotWritten`, whatever the renderer raised."""
    from keyaudit.render import RenderSettings, all_formats

    settings = RenderSettings(reporting.templates, siblings or {}, reporting.include_waived)
    try:
        yield from all_formats()[format].render(result, settings)
    except ReportNotWritten:
        raise
    except Exception as error:
        raise ReportNotWritten(f"The {format} report could not be rendered ({type(error).__name__}).") from error
