"""Times whole processes that do keyaudit's main job, and prints Markdown tables: see README.md beside this file.

Standard library only, and small on purpose: see :func:`measure`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks import generate

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
MIB = 1024 * 1024
AUDIT = (sys.executable, "-m", "keyaudit", "audit", "--from", "{source}", "-o", "{folder}", "--fail-on", "never", "-f")


class Failed(Exception):
    """A contestant ended with an error, took too long or found something else than it should; says which."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process from start to end: ``wall`` in seconds, ``peak`` in bytes resident."""

    wall: float
    peak: int


@dataclass(frozen=True, slots=True)
class Contestant:
    """Someone who does the job. ``command`` may hold ``{source}``, ``{both}`` (with the details) and ``{folder}``.

    ``needs`` is the module that the command, if it is Python, cannot do without, or else the program.
    """

    name: str
    command: tuple[str, ...]
    needs: str
    finds: bool = True

    @property
    def present(self) -> bool:
        """Whether what it needs is installed."""
        if self.command[0] != sys.executable:
            return shutil.which(self.needs) is not None
        try:
            return find_spec(self.needs) is not None
        except ModuleNotFoundError:  # not even the package of a dotted name
            return False


def python_peer(name: str, script: str, needs: str, *, finds: bool = True) -> Contestant:
    """A contestant that is a Python script in ``peers/``."""
    return Contestant(name, (sys.executable, str(PEERS / script), "{source}", "{folder}"), needs, finds)


KEYAUDIT = Contestant("**keyaudit**", (*AUDIT, "csv,json"), "keyaudit.__main__")
CONTESTANTS = (
    KEYAUDIT,
    Contestant("keyaudit, with HTML and Markdown too", (*AUDIT, "csv,json,html,markdown"), "keyaudit.__main__"),
    Contestant(
        "keyaudit, with the details and all their rules",
        tuple(part.replace("{source}", "{both}") for part in KEYAUDIT.command),
        "keyaudit.__main__",
    ),
    python_peer("DuckDB", "duckdb_sql.py", "duckdb"),
    python_peer("Polars, with schema", "polars_schema.py", "polars"),
    python_peer("`json.load` + `json_normalize` + `to_datetime`", "plain_pandas.py", "pandas"),
    Contestant("jq, with real dates", (str(PEERS / "jq.sh"), "{source}", "{folder}"), "jq"),
    python_peer("floor: read + `orjson.loads`, no findings", "orjson_floor.py", "orjson", finds=False),
)
IMPORT_PANDAS = Contestant(
    "`python -c 'import pandas'`", (sys.executable, "-c", "import pandas"), "pandas", finds=False
)
FIXED_COSTS = (
    IMPORT_PANDAS,
    Contestant("`python -c pass`", (sys.executable, "-c", "pass"), "sys", finds=False),
    Contestant("`keyaudit --help`", (sys.executable, "-m", "keyaudit", "--help"), "keyaudit.__main__", finds=False),
    Contestant("keyaudit, 5 keys, CSV and JSON", KEYAUDIT.command, KEYAUDIT.needs),
)


@dataclass(slots=True)
class Bench:
    """Runs contestants in a scratch folder, each within ``timeout`` seconds; ``patience`` bounds one's repetitions."""

    scratch: Path
    timeout: float
    patience: float
    environ: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        # Nobody's settings, history or missing bytecode may weigh on one contestant and not on another.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KEYAUDIT_", "RUNTYPE_"))}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        folders = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "STATE_DIRECTORY")
        self.environ = kept | dict.fromkeys(folders, str(self.scratch / "home"))
        (self.scratch / "home").mkdir()

    def measure(self, command: Sequence[str]) -> Run:
        """One run of *command*. Raises :class:`Failed`.

        Linux counts what the parent held at the fork towards the child's peak, so this process has to stay
        small. Of a pipeline the peak is that of its largest process.
        """
        with (self.scratch / "stderr").open("w+b") as stderr:
            start = time.perf_counter()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=self.scratch,
                env=self.environ,
                start_new_session=True,
            )
            watchdog = threading.Timer(self.timeout, os.killpg, (process.pid, signal.SIGKILL))
            watchdog.start()
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except KeyboardInterrupt:  # it has its own session, where Ctrl-C does not reach
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                watchdog.cancel()
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            stderr.seek(0)
            said = stderr.read().decode(errors="replace").strip().splitlines()
        if process.returncode == -signal.SIGKILL and wall >= self.timeout:
            raise Failed(f"was stopped after {self.timeout:g} s")
        if process.returncode:
            raise Failed(f"ended with {process.returncode}: {said[-1] if said else 'no word'}")
        return Run(wall, usage.ru_maxrss * 1024)

    def race(self, contestants: Iterable[Contestant], keys: int, repeat: int) -> dict[str, list[Run] | str]:
        """The runs of each contestant by name, or why there are none; repetitions are interleaved."""
        source, both = self.scratch / f"{keys}.json", self.scratch / f"{keys}-both.json"
        if not source.exists():
            generate.write(source, keys)
            generate.write(both, keys, details=True)
        results: dict[str, list[Run] | str] = {}
        for _ in range(repeat):
            for contestant in contestants:
                so_far = results.setdefault(contestant.name, [] if contestant.present else "missing")
                if isinstance(so_far, str) or sum(run.wall for run in so_far) > self.patience:
                    continue
                try:
                    so_far.append(self.turn(contestant, source, both, check=keys if not so_far else None))
                except Failed as failure:
                    results[contestant.name] = f"failed: {failure}"
                print(f"{keys:>9,} keys  {contestant.name}: {describe(results[contestant.name])}", file=sys.stderr)
        return results

    def turn(self, contestant: Contestant, source: Path, both: Path, check: int | None) -> Run:
        """One run in an empty output folder; with *check* keys its findings are counted as well (not timed)."""
        folder = self.scratch / "output"
        folder.mkdir()
        try:
            run = self.measure([part.format(source=source, both=both, folder=folder) for part in contestant.command])
            if contestant.finds and check is not None:
                verify(folder, generate.expected(check))
        finally:
            shutil.rmtree(folder)
        return run


def verify(folder: Path, expected: Mapping[str, int]) -> None:
    """Raises :class:`Failed` unless the CSV and the JSON in *folder* both hold *expected* findings per rule."""
    counting = [sys.executable, str(HERE / "count.py"), str(folder)]
    counted = json.loads(subprocess.run(counting, check=True, capture_output=True).stdout)
    for name, counts in counted.items():
        found = {rule: counts.get(rule, 0) for rule in expected}
        if found != expected:
            raise Failed(f"found {found} in its {name.upper()} where {expected} is right")


def describe(result: list[Run] | str) -> str:
    """The latest of a contestant, for the progress on stderr."""
    return result if isinstance(result, str) else f"{result[-1].wall:.2f} s"


def times(value: float, base: list[Run] | str | None) -> str:
    """*value* seconds as a multiple of the median of *base*."""
    return f"{value / median(run.wall for run in base):.2f}" if base and not isinstance(base, str) else ""


def table(results: Mapping[str, list[Run] | str], base: str, document: int) -> str:
    """Medians as a Markdown table; the ratios are against the contestant called *base* and the *document* in bytes.

    Against a small document the peak says nothing but how large an interpreter is, and is left out.
    """
    lines = [
        f"| whole process | wall, s | × {base} | peak, MiB | × document | runs |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, runs in results.items():
        if isinstance(runs, str):
            lines.append(f"| {name} | {runs} | | | | |")
            continue
        wall, peak = median(run.wall for run in runs), median(run.peak for run in runs)
        ratio = times(wall, results.get(base))
        share = f"{peak / document:.1f}" if document > 10 * MIB else ""
        lines.append(f"| {name} | {wall:.3f} | {ratio} | {peak / MIB:.0f} | {share} | {len(runs)} |")
    return "\n".join(lines)


def where() -> str:
    """The machine and how busy it was already, on one line: figures from a busy one are worth nothing."""
    system = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CPython {platform.python_version()}"
    return f"{system}, load {os.getloadavg()[0]:.1f} at the start"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a contestant failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare keyaudit with other ways to do its job; tables on stdout."
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10_000, 100_000, 1_000_000], metavar="KEYS")
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repetitions (default: 5)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds that one run may take (default: 120)")
    parser.add_argument(
        "--patience",
        type=float,
        default=60,
        help="a contestant that took this many seconds in all at one size is not repeated there again (default: 60)",
    )
    options = parser.parse_args(arguments)
    if options.repeat < 1 or min(options.sizes) < 1:
        parser.error("sizes and --repeat are 1 or more")
    failures = 0
    with tempfile.TemporaryDirectory(prefix="keyaudit-benchmark-") as scratch:
        bench = Bench(Path(scratch), options.timeout, options.patience)
        bench.race(CONTESTANTS, 5, 1)  # not shown: fills the caches of bytecode and pages
        races: list[tuple[str, int, tuple[Contestant, ...], Contestant]] = [
            ("Fixed cost", 5, FIXED_COSTS, IMPORT_PANDAS)
        ]
        races += [(f"{keys:,} keys", keys, CONTESTANTS, KEYAUDIT) for keys in options.sizes]
        print(f"Medians of up to {options.repeat} interleaved runs; {where()}.")
        for title, keys, contestants, base in races:
            results = bench.race(contestants, keys, options.repeat)
            size = (bench.scratch / f"{keys}.json").stat().st_size
            findings = sum(generate.expected(keys).values())
            print(f"\n### {title}\n\n{size:,} bytes of JSON, {findings:,} findings\n")
            print(table(results, base.name, size), flush=True)
            failures += sum(isinstance(result, str) and result != "missing" for result in results.values())
    return 1 if failures else 0
