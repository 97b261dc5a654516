"""The walls: between modules, around the tests, and between the repository and the machine it is written on."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import socket
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import OutsideTraffic

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "keyaudit"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """*command* in the checkout, with the test's environment and *environ* over it."""
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def script(name: str) -> str:
    """A command of the environment that runs the tests."""
    return str(Path(sysconfig.get_path("scripts")) / name)


# ---------------------------------------------------------------- walls between modules


def test_modules_import_only_what_their_layer_allows() -> None:
    linted = run(script("lint-imports"), "--no-cache", "--no-logo")
    assert 0 == linted.returncode, linted.stdout + linted.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    started = run(sys.executable, "-X", "importtime", script("keyaudit"), option)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in started.stderr.splitlines()}
    heavy = {"httpx", "jinja2", "msgspec", "numpy", "pandas", "pyarrow", "pydantic", "rich", "stamina"}
    assert (0, True, set()) == (started.returncode, "click" in imported, heavy & imported), started.stdout


PURE = [
    path
    for name in ("evaluate.py", "frame", "model.py", "policy.py", "text.py", "wording.py", "rules", "render")
    for path in ([SOURCE / name] if name.endswith(".py") else sorted((SOURCE / name).glob("*.py")))
]


CLOCKS = {"gmtime", "localtime", "monotonic", "now", "perf_counter", "time", "time_ns", "today", "utcnow"}


def clock_calls(source: str) -> Iterator[str]:
    """Calls that ask a clock: ``datetime.now()``, ``Timestamp.today()``, ``time.time()``, ``to_datetime("now")``."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
        if called in CLOCKS or (called in {"Timestamp", "datetime64", "to_datetime"} and words & {"now", "today"}):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(SOURCE)))
def test_pure_part_asks_no_clock(path: Path) -> None:
    assert [] == list(clock_calls(path.read_text()))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("datetime.now(UTC)", 1),
        ("pd.Timestamp.utcnow()", 1),
        ("np.datetime64('now', 'us')", 1),
        ("time()", 1),
        ("context.now.astimezone(UTC)", 0),
        ("moment.timestamp()", 0),
    ],
)
def test_clock_calls_are_told_from_moments_passed_in(source: str, found: int) -> None:
    assert found == len(list(clock_calls(source)))


# ---------------------------------------------------------------- walls around the tests


async def open_connection() -> None:
    await asyncio.open_connection("192.0.2.1", 9)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: socket.create_connection(("192.0.2.1", 9), timeout=0.01),
        lambda: socket.create_connection(("host.invalid", 9), timeout=0.01),
        lambda: socket.socket(socket.AF_INET6).connect_ex(("2001:db8::1", 9)),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 9)),
        lambda: socket.socket().bind(("0.0.0.0", 0)),  # noqa: S104  what must not succeed
        lambda: socket.gethostbyname("host.invalid"),
        lambda: asyncio.run(open_connection()),
    ],
    ids=["connect", "resolve", "connect_ex IPv6", "datagram", "bind to every interface", "gethostbyname", "asyncio"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the attempts leave their sockets to the garbage collector
def test_traffic_beyond_loopback_is_refused(attempt: Callable[[], object]) -> None:
    with pytest.raises(OutsideTraffic):
        attempt()


def test_traffic_on_loopback_is_allowed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as client,
    ):
        client.sendall(b"hello")
        accepted, _ = server.accept()
        with accepted:
            assert b"hello" == accepted.recv(5)


PROBE = """
import os, pathlib, pytest

def test_environment():
    foreign = {"RUNTYPE_API_KEY", "KEYAUDIT_CONFIG", "https_proxy", "SSL_CERT_FILE", "NO_COLOR", "STATE_DIRECTORY"}
    assert set() == foreign & os.environ.keys()
    assert pathlib.Path.cwd() == pathlib.Path.home() == pathlib.Path(os.environ["XDG_CONFIG_HOME"]).parent
    assert [] == list(pathlib.Path.home().iterdir())

def test_tool_is_missing():
    pytest.skip("no chromium")

@pytest.mark.skip(reason="platform: has no such thing")
def test_platform_is_another():
    raise AssertionError

@pytest.mark.xfail(strict=True)
def test_known_bug():
    raise AssertionError
"""


def run_probe(directory: Path, probe: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Pytest, on its own with our conftest, on the test module *probe*."""
    (directory / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (directory / "test_probe.py").write_text(probe)
    options = ["--config-file", os.devnull, "--rootdir", str(directory), "-p", "no:cacheprovider", "-p", "no:xdist"]
    return run(sys.executable, "-m", "pytest", *options, str(directory), **environ)


@pytest.mark.parametrize(
    ("ci", "outcome"),
    [("true", "1 failed, 1 passed, 1 skipped, 1 xfailed"), ("", "1 passed, 2 skipped, 1 xfailed")],
)
def test_tests_see_a_clean_environment_and_skip_in_ci_only_for_the_platform(
    tmp_path: Path, ci: str, outcome: str
) -> None:
    names = ("RUNTYPE_API_KEY", "KEYAUDIT_CONFIG", "https_proxy", "SSL_CERT_FILE", "NO_COLOR", "STATE_DIRECTORY")
    ended = run_probe(tmp_path, PROBE, CI=ci, **dict.fromkeys(names, "foreign"))
    assert outcome in ended.stdout


def test_module_skipped_for_want_of_a_tool_fails_in_ci(tmp_path: Path) -> None:
    ended = run_probe(tmp_path, "import pytest\npytest.importorskip('no_such_module')\n", CI="true")
    assert (2, True) == (ended.returncode, "1 error" in ended.stdout)


# ---------------------------------------------------------------- what the repository must not hold


def repository_files() -> list[Path]:
    """What git holds or would add."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    assert 0 == listed.returncode, listed.stderr
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


# put together here, so that this file does not hold what it looks for
LEAKS = {
    "a package registry's host": re.compile(r"(?i)pypi" + r"\.org|pytho" + r"nhosted|npm" + r"js\.(?:com|org)"),
    "a path of the machine it was written on": re.compile(r"(?<![\w.*-])/(?:ro" + r"ot|wo" + r"rk|opt/py" + r"pi\S*)/"),
    "what looks like a real token": re.compile(r"(?:rt|tv)_(?:live|test)_\w{12}|\brunt" + r"ype_(?=\w*\d)\w{16}"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_repository_holds_no(leak: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in repository_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if LEAKS[leak].search(line)
    ]
    assert [] == found


# ---------------------------------------------------------------- locks and scripts


def pins(lock: str) -> dict[str, set[str]]:
    """The versions that *lock* pins for each distribution: one, or several for different Pythons."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text().splitlines():
        if not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix(" \\"))
            found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    return found


def group(name: str) -> Iterator[str]:
    """The requirements of a dependency group and of those that it includes."""
    for entry in PYPROJECT["dependency-groups"][name]:
        if isinstance(entry, dict):
            yield from group(entry["include-group"])
        else:
            yield entry


@pytest.mark.parametrize(
    ("lock", "groups"),
    [("requirements.lock", ["build"]), ("requirements-dev.lock", ["dev"])],
)
def test_lock_pins_what_the_project_declares(lock: str, groups: list[str]) -> None:
    pinned = pins(lock)
    wanted = [*PYPROJECT["project"]["dependencies"], *(text for name in groups for text in group(name))]
    unmet = [
        text
        for text, requirement in zip(wanted, map(Requirement, wanted), strict=True)
        for version in pinned.get(canonicalize_name(requirement.name), {"==0"})
        if not requirement.specifier.contains(version.removeprefix("=="))
    ]
    assert [] == unmet


def test_both_locks_agree_on_every_version() -> None:
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert runtime == {name: versions for name, versions in dev.items() if name in runtime}


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("*.lock")))
def test_lock_pins_by_hash_and_names_no_index(lock: str) -> None:
    entry = re.compile(r"[\w.\[\]-]+==\S+(?: ; [^\\]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+")
    entries = re.split(r"\n(?! )", (ROOT / lock).read_text().strip())
    assert [] == [text for text in entries if not entry.fullmatch(text)]


def test_ci_script_runs_as_it_lies() -> None:
    script = ROOT / ".ci" / "run"
    assert (0, True) == (run("bash", "-n", str(script)).returncode, os.access(script, os.X_OK))


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    listed = [line.split()[1] for line in run("make", "--no-print-directory", "help").stdout.splitlines()]
    assert sorted(phony[1].split()) == sorted(listed)
