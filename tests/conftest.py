"""What holds for every test: loopback only, an environment of its own, and no quiet skips in CI."""

from __future__ import annotations

import ipaddress
import itertools
import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# ---------------------------------------------------------------- loopback only


class OutsideTraffic(RuntimeError):
    """A test tried to reach another host.

    No :class:`OSError`: the code under test would take that for an unreachable host, and the test would pass.
    """


_HOST_AT = {
    # audit event → position of the address or host among its arguments
    "socket.bind": 1,
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}


def _is_loopback(address: object) -> bool:
    if not isinstance(address, tuple):  # a path of AF_UNIX, or no address at all (a connected socket's sendmsg)
        return True
    host = address[0]
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):  # AF_NETLINK, AF_ALG and the like stay within the machine
        return True
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, args: tuple[Any, ...]) -> None:
    position = _HOST_AT.get(event)
    if position is None:
        return
    address = args[position]
    if event.startswith("socket.get"):
        address = None if address is None else (address,)
    if not _is_loopback(address):
        raise OutsideTraffic(f"{event} to {address!r}: tests talk to loopback only")


# An audit hook sees the sockets of C extensions and of every event loop too, which patched methods would not.
# It cannot be removed, and need not: it lives as long as the test process.
sys.addaudithook(_guard)


# ---------------------------------------------------------------- an environment of its own

_FOREIGN = re.compile(
    r"(RUNTYPE|KEYAUDIT|XDG)_.*|.*_PROXY|SSL_CERT_(FILE|DIR)|SSLKEYLOGFILE|NETRC|STATE_DIRECTORY"
    r"|NO_COLOR|FORCE_COLOR|CLICOLOR.*|COLUMNS|LINES|PYTHONPATH",
    re.IGNORECASE,
)
"""Variables that keyaudit or a library below it reads: whoever runs the tests may have set them."""


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # numbered here: mktemp would look through all directories of the session to number the next
    root = tmp_path_factory.mktemp("homes")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, _homes: Iterator[Path]) -> Path:
    """An empty home that is also the working directory, and no variable that changes what keyaudit does."""
    for name in [name for name in os.environ if _FOREIGN.fullmatch(name)]:
        monkeypatch.delenv(name)
    home = next(_homes)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    monkeypatch.chdir(home)
    return home


# ---------------------------------------------------------------- Hypothesis

# a busy machine is no bug; under CI=true Hypothesis also makes its examples the same in every run
settings.register_profile("keyaudit", settings(), deadline=None)
settings.load_profile("keyaudit")


# ---------------------------------------------------------------- no quiet skips in CI

_CI = os.environ.get("CI", "").lower() == "true"
_LEGAL_SKIP = re.compile(r"Skipped: (root|Windows|macOS|platform:) ")
"""How the reason of a skip begins that no tool could mend: it lies with the platform or the user."""


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not _CI or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not _LEGAL_SKIP.match(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true, where every tool must be present ({reason})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
