"""The command line: each command a few lines around the pipeline. What it costs to import, ``--help`` costs."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO, TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from keyaudit.errors import KeyauditError, ReportNotWritten, UsageError

if TYPE_CHECKING:
    from keyaudit.config import Config
    from keyaudit.model import AuditResult, Snapshot
    from keyaudit.output import Written
    from keyaudit.pipeline import Api, Judgement, Reporting, SavedAnswer, Surroundings

EXIT_CODES = """\b
Exit codes:
  0  audited; nothing at or above --fail-on
  1  audited; findings at or above --fail-on
  2  wrong usage or config
  3  could not audit: never to be taken for clean or for findings
  130, 143  interrupted, terminated
"""

_SEVERITIES = ("info", "low", "medium", "high", "critical")
_SLOW_SECONDS = 3.0
_UNBROKEN = 4096


# ---------------------------------------------------------------- options that several commands share


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter at either end of the calendar
        pass
    raise click.BadParameter("give a time with its zone, such as 2026-11-23T12:00:00Z")


def _account_name(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    import re

    from keyaudit.config import ACCOUNT

    if not re.fullmatch(ACCOUNT, text):
        raise click.BadParameter("use letters, digits, '.', '_' and '-', 64 at most, beginning with a letter or digit")
    return text


config_option = click.option(
    "-c",
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Config file. Without it: KEYAUDIT_CONFIG, ./keyaudit.toml, your config directory, /etc/keyaudit/config.toml.",
)
from_option = click.option(
    "--from", "saved", metavar="FILE|-", help="Read a saved answer instead of asking the API; - is standard input."
)
now_option = click.option("--now", metavar="ISO", callback=_moment, help="Tell ages against this time.")
account_option = click.option(
    "--account", metavar="NAME", callback=_account_name, help="What the account is called in ids, files and reports."
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print errors only, and findings at or above --fail-on."
)


# ---------------------------------------------------------------- the commands


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with 'keyaudit demo', which needs no login.",
)
@click.version_option(None, "--version", package_name="keyaudit", message="keyaudit %(version)s")
@click.option("--debug", is_flag=True, help="Show what lies behind an error, with secrets masked.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Watch the API keys of a Runtype account: stale, never used, expired, too powerful, never rotated."""
    context.obj = {"debug": debug}


@cli.command(epilog=EXIT_CODES)
@config_option
@from_option
@now_option
@account_option
@click.option("-f", "--format", "formats", metavar="NAMES", help="Reports to write, such as html,markdown,json,csv.")
@click.option("-o", "--output", metavar="DIR|-", help="Where to write them; - writes a single one to standard output.")
@click.option(
    "--fail-on",
    type=click.Choice([*_SEVERITIES, "never"]),
    help="Exit with 1 for findings from this severity on (default: high).",
)
@quiet_option
def audit(
    config: Path | None,
    saved: str | None,
    now: datetime | None,
    account: str | None,
    formats: str | None,
    output: str | None,
    fail_on: str | None,
    quiet: bool,
) -> int:
    """Audit an account once: fetch, evaluate, write reports.

    Without a config file the token comes from RUNTYPE_API_KEY, the default policy applies, and HTML and Markdown
    reports go to keyaudit-reports/.
    """
    surroundings = _surroundings(quiet=quiet)
    settings = _load(config, surroundings)
    judgement, reporting = _judgement(settings), _reporting(settings)
    from dataclasses import replace

    from keyaudit.model import Severity

    if account is not None:
        judgement = replace(judgement, account=account)
    if fail_on is not None:
        judgement = replace(judgement, fail_on=None if fail_on == "never" else Severity.from_label(fail_on))
    if formats is not None:
        reporting = replace(reporting, formats=_formats(formats))
    if output is not None and output != "-":
        reporting = replace(reporting, directory=Path(output))
    if output == "":
        raise UsageError("-o needs a directory, or - for standard output.")
    if output == "-" and len(reporting.formats) != 1:
        raise UsageError("With -o - exactly one format can be written; name it with -f, for example -f json.")
    _check_formats(reporting.formats)

    result = _audit(_source(settings, saved), judgement, surroundings, now)
    if output == "-":
        _to_stdout(result, reporting)
    else:
        _write_and_summarise(result, reporting, surroundings, quiet=quiet)
    return result.exit_codes[0]


@cli.command()
@click.option("-f", "--format", "formats", metavar="NAMES", default="html,markdown,json,csv", show_default=True)
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), default="keyaudit-demo", show_default=True
)
@now_option
def demo(formats: str, output: Path, now: datetime | None) -> int:
    """Run the whole product on an embedded sample account; no login, nothing leaves this machine.

    Ends with 0 when the reports are written, whatever they say.
    """
    from keyaudit.fetch import demo as sample
    from keyaudit.fetch.settings import RuntypeSettings
    from keyaudit.pipeline import Api, Judgement, Reporting

    if str(output) == "-":
        raise UsageError("The demo writes its reports into a directory; name one with -o.")
    reporting = Reporting(_formats(formats), output)
    _check_formats(reporting.formats)
    surroundings = _surroundings()
    moment = now or surroundings.clock()
    judgement = Judgement(sample.ACCOUNT, sample.demo_policy(), sample.demo_waivers(moment))
    with sample.DemoServer(moment) as server:
        source = Api(RuntypeSettings(base_url=server.base_url), server.token)
        result = _audit(source, judgement, surroundings, now)
    files = _write_and_summarise(result, reporting, surroundings)
    if "html" in files:
        click.echo(f"\nOpen {files['html'].latest.resolve().as_uri()} in a browser.")
    return 0


@cli.command()
@config_option
@click.option(
    "-o", "--output", metavar="FILE|-", required=True, help="File to write (mode 0600); - is standard output."
)
def fetch(config: Path | None, output: str) -> int:
    """Save the API's answers for 'audit --from', reduced to the fields that keyaudit names."""
    from keyaudit.output import write_private
    from keyaudit.pipeline import save_answers

    surroundings = _surroundings()
    settings = _load(config, surroundings)
    content, details = save_answers(_source(settings, None), surroundings)
    if output == "-":
        sys.stdout.buffer.write(content)
    else:
        write_private(Path(output), content)
        click.echo(f"{output} written; audit it with: keyaudit audit --from {output}", err=True)
    if not details.read:
        click.echo(f"It holds no details of the keys. {details.reason}", err=True)
    return 0


@cli.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), default=Path("keyaudit.toml"))
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def init(path: Path, force: bool) -> int:
    """Write a commented config file to start from."""
    from keyaudit.config import init_text
    from keyaudit.output import write_private

    if path.exists() and not force:
        raise UsageError(f"{path} exists; give another name, or --force to replace it.")
    write_private(path, init_text().encode())
    click.echo(f"{path} written. Next: edit it, then run: keyaudit check -c {path}")
    return 0


@cli.command()
@config_option
@from_option
@now_option
@click.option("--explain", metavar="KEY", help="Show which settings apply to a key (id, name or prefix), and why.")
@click.option("--offline", is_flag=True, help="Look at the config only; ask no API.")
def check(config: Path | None, saved: str | None, now: datetime | None, explain: str | None, offline: bool) -> int:
    """Say whether the config is right and the token accepted.

    Exit codes: 0 all is well, 2 the config or the token reference is wrong, 3 the API did not answer as it should.
    """
    surroundings = _surroundings()
    settings = _load(config, surroundings)
    for line in _config_lines(config, settings, surroundings):
        click.echo(line)
    if offline and saved is None:
        if explain is not None:
            raise UsageError("--explain needs the key: leave --offline out, or give a saved answer with --from.")
        return 0
    from keyaudit.pipeline import take_snapshot

    snapshot = take_snapshot(_source(settings, saved), surroundings, now=now)
    for line in _snapshot_lines(snapshot):
        click.echo(line)
    if explain is not None:
        from keyaudit.explain import explanation

        for line in explanation(snapshot, settings.policy, settings.waivers, explain):
            click.echo(line)
    return 0


@cli.command()
@click.argument("name", metavar="[RULE]", required=False)
@click.option("--standard", metavar="NAME", help="List by clause of the standards so named, such as cis, pci or nist.")
def rules(name: str | None, standard: str | None) -> int:
    """List the rules, or explain one."""
    from keyaudit.explain import clause_table, rule_page, rule_table
    from keyaudit.rules import all_rules

    if standard is not None:
        for line in clause_table(standard):
            click.echo(line)
        return 0

    if name is not None:
        _check_known("rule", name, all_rules())
    for line in rule_table() if name is None else rule_page(all_rules()[name]):
        click.echo(line)
    return 0


@cli.command()
@click.argument("key")
@click.argument("rule", required=False)
@from_option
@click.option("--reason", default="", help="Why the finding is accepted.")
@click.option("--owner", default="", help="Who answers for it.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it holds.")
@now_option
def waive(
    key: str, rule: str | None, saved: str | None, reason: str, owner: str, days: int, now: datetime | None
) -> int:
    """Print the waiver to paste for KEY (its id) and RULE, or for a finding's id alone.

    With --from, KEY may also be a name or a prefix in that saved answer.
    """
    from keyaudit.waiving import split_finding_id, waiver_toml

    surroundings = _surroundings()
    if rule is None:
        key, rule = split_finding_id(key)
    if saved is not None:
        from keyaudit.explain import find_key
        from keyaudit.pipeline import SavedAnswer, take_snapshot

        keys = take_snapshot(SavedAnswer(saved), surroundings, now=now).keys
        key = keys["id"][find_key(keys, key)]
    click.echo(waiver_toml(key, rule, reason, owner, (now or surroundings.clock()).date(), days), nl=False)
    return 0


# ---------------------------------------------------------------- what the commands share


def _surroundings(*, quiet: bool = False) -> Surroundings:
    from keyaudit.pipeline import Surroundings

    return Surroundings(
        environ=os.environ,
        clock=lambda: datetime.now(UTC),
        stdin=sys.stdin.buffer if sys.stdin else None,
        progress=_late_progress() if sys.stderr and sys.stderr.isatty() and not quiet else lambda _: None,
    )


def _late_progress() -> Callable[[str], None]:
    """Tell what happens on stderr, but only from the moment on at which somebody begins to wonder."""
    from time import monotonic

    start = monotonic()

    def tell(sentence: str) -> None:
        if monotonic() - start > _SLOW_SECONDS:
            click.echo(f"{sentence} …", err=True)

    return tell


def _load(path: Path | None, surroundings: Surroundings) -> Config:
    from keyaudit.config import find, load

    found = path or find(surroundings.environ, Path.cwd())
    # how far ahead a waiver may reach is a question of today, whatever time the audit is told
    return load(found, surroundings.environ, today=surroundings.clock().date())


def _source(settings: Config, saved: str | None) -> Api | SavedAnswer:
    from keyaudit.pipeline import Api, SavedAnswer

    if saved is None:
        return Api(settings.runtype, settings.token)
    return SavedAnswer(saved, settings.runtype.details, settings.runtype.max_body_bytes)


def _judgement(settings: Config) -> Judgement:
    from keyaudit.pipeline import Judgement

    return Judgement(
        settings.account, settings.policy, settings.waivers, settings.report.timezone, settings.report.fail_on
    )


def _reporting(settings: Config) -> Reporting:
    from keyaudit.pipeline import Reporting

    report = settings.report
    return Reporting(report.formats, report.output_dir, report.templates, report.keep, report.include_waived)


def _formats(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _check_formats(names: tuple[str, ...]) -> None:
    from keyaudit.render import all_formats

    if not names:
        raise UsageError(f"Name at least one format: {', '.join(all_formats())}.")
    for name in names:
        _check_known("format", name, all_formats())


def _check_known(what: str, word: str, known: Mapping[str, object]) -> None:
    import difflib

    if word not in known:
        close = difflib.get_close_matches(word, known, n=1)
        guess = f" Did you mean {close[0]}?" if close else ""
        raise UsageError(f"There is no {what} {_shown(word)}.{guess} There are: {', '.join(known)}.")


def _config_lines(given: Path | None, settings: Config, surroundings: Surroundings) -> Iterator[str]:
    from keyaudit.config import search

    if given is None:
        for place in search(surroundings.environ, Path.cwd()).places:
            state = "used" if place.path == settings.source else "passed over" if place.exists else "not there"
            yield f"{place.what}: {_path(place.path)} ({state})"
    yield f"Config: {_path(settings.source) if settings.source else 'none; the defaults apply'}"
    if settings.variables:
        yield f"From the environment: {', '.join(settings.variables)}"
    yield (
        f"Account {settings.account}: {settings.runtype.base_url}, token from {settings.token}, "
        f"{len(settings.policy.overrides)} overrides, {len(settings.waivers)} waivers"
    )
    yield (
        f"Reports: {', '.join(settings.report.formats)} in {_path(settings.report.output_dir)}, "
        f"times in {settings.report.timezone}"
    )


def _snapshot_lines(snapshot: Snapshot) -> Iterator[str]:
    from keyaudit.wording import count, timestamp

    own = snapshot.keys["own"].sum()
    unread = sum(row.list == "analytics" for row in snapshot.rejected)
    yield (
        f"{snapshot.source} answered: {count(snapshot.received, 'key')}, {unread} of them unreadable, "
        f"as of {timestamp(snapshot.now, UTC)}"
    )
    if snapshot.details.read:
        yield f"Details: read of {count(int(snapshot.keys['detailed'].sum()), 'key')}"
    elif not any(note.code == "details-unavailable" for note in snapshot.notes):
        yield f"Details: not read. {snapshot.details.reason}"
    if own:
        yield (
            f"The token belongs to {'one of them' if own == 1 else 'one of these that share its prefix'}: "
            + ", ".join(_shown(name) for name in snapshot.keys["name"][snapshot.keys["own"]])
        )
    for note in snapshot.notes:
        yield f"Note: {note.text}"


def _shown(text: str) -> str:
    from keyaudit.text import visible

    return visible(text, 80)


def _path(path: Path) -> str:
    from keyaudit.text import visible

    return visible(str(path), 4096)


def _audit(
    source: Api | SavedAnswer, judgement: Judgement, surroundings: Surroundings, now: datetime | None
) -> AuditResult:
    from keyaudit.pipeline import judge, take_snapshot

    return judge(take_snapshot(source, surroundings, now=now), judgement, surroundings)


def _to_stdout(result: AuditResult, reporting: Reporting) -> None:
    from keyaudit.pipeline import render

    if sys.__stdout__ is None:
        raise ReportNotWritten("The report could not be written to standard output, which is closed.")
    try:
        sys.stdout.buffer.writelines(render(result, reporting.formats[0], reporting))
        sys.stdout.buffer.flush()
    except OSError as error:
        _forget_stdout()
        raise ReportNotWritten(f"The report could not be written to standard output: {error.strerror}.") from error


def _write_and_summarise(
    result: AuditResult, reporting: Reporting, surroundings: Surroundings, *, quiet: bool = False
) -> dict[str, Written]:
    from keyaudit.pipeline import write

    files = dict(write(result, reporting, surroundings))
    paths = {name: each.path for name, each in files.items()}
    if not quiet:
        _summarise(result, paths)
    elif result.fail_on is not None and result.exit_codes[0]:
        failing = sum(n for severity, n in result.counts.by_severity.items() if severity >= result.fail_on)
        _summarise(result, paths, limit=failing)
    return files


def _summarise(result: AuditResult, paths: Mapping[str, Path], **more: int) -> None:
    from rich.console import Console

    from keyaudit.render.terminal import summary

    terminal = sys.stdout.isatty()
    # where nobody looks at it line by line, a broken line only hinders mail and grep
    width = None if terminal or "COLUMNS" in os.environ else _UNBROKEN
    # not straight to standard output: when nobody reads it any more, rich would end the process with a code of its own
    printed = StringIO()
    summary(result, Console(file=printed, force_terminal=terminal, width=width, highlight=False), files=paths, **more)
    try:
        sys.stdout.write(printed.getvalue())
        sys.stdout.flush()
    except OSError:  # the audit took place and its reports are written
        _forget_stdout()


def _forget_stdout() -> None:
    """Keep Python from complaining about a broken standard output when it flushes at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# ---------------------------------------------------------------- the process


class _Terminated(KeyboardInterrupt):
    """SIGTERM came. Like the interrupt of a person it passes through whatever catches mere exceptions."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process with the documented exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    # a command runs once and ends: collecting garbage, and threads for linear algebra, only delay its start
    gc.disable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every locale has all the characters of key names
    given = sys.argv[1:] if arguments is None else arguments
    # people add it where they are, which is at the end of the line
    debug = "--debug" in given
    sys.exit(_run([each for each in given if each != "--debug"], debug))


def _run(arguments: list[str], debug: bool) -> int:  # noqa: PLR0911 - one for each way in which a command ends
    try:
        code: int = cli.main(arguments, prog_name="keyaudit", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return error.exit_code
    except KeyauditError as error:
        return _complain(error, debug)
    except (KeyboardInterrupt, click.Abort) as error:
        if _Terminated in {type(error), type(error.__cause__)}:  # click makes an Abort of it
            return _complain(KeyauditError("Terminated."), debug, code=143)
        return _complain(KeyauditError("Interrupted."), debug, code=130)
    except SystemExit:  # click's answer to a reader who has had enough, whose code would be taken for findings
        _forget_stdout()
        return 0
    except OSError as error:
        _forget_stdout()
        unwritten = ReportNotWritten(f"Nothing could be written: {error.strerror or error}.", details=_story(error))
        return _complain(unwritten, debug)
    except Exception as error:  # noqa: BLE001 - whatever it is, the exit code must not be taken for a finding
        fault = KeyauditError(
            f"Internal error ({type(error).__name__}); this is a fault of keyaudit. "
            "Run it again with --debug and report what that shows.",
            details=_story(error),
        )
        return _complain(fault, debug)
    return code


def _story(error: BaseException) -> str:
    """The story of *error* as Python tells it."""
    import traceback

    return "".join(traceback.format_exception(error))


def _terminated(_: int, __: FrameType | None) -> NoReturn:
    raise _Terminated


def _complain(error: KeyauditError, debug: bool, *, code: int | None = None) -> int:
    from keyaudit.secret import redact_known

    with suppress(OSError):  # where nobody hears us the exit code must speak
        for line in error.message.splitlines():
            click.echo(f"keyaudit: {redact_known(line)}", err=True)
        if debug:
            click.echo(redact_known(error.details or _story(error)), err=True)
    return error.exit_code if code is None else code
