"""Reports on disk: atomic, private, named by us, and pruned."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keyaudit.errors import ReportNotWritten

_TEMPORARY = ".keyaudit-"
_AT_ONCE = 2
_ABANDONED_AFTER_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Written:
    """Where one report lies: the file of this audit, and the name that always holds the latest one."""

    path: Path
    latest: Path


def file_names(account: str, moment: datetime, suffix: str) -> tuple[str, str]:
    """The names of a report of *account* at *moment* (shown in UTC): its own, and that of the latest."""
    return f"{account}-{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}.{suffix}", f"{account}-latest.{suffix}"


def write_reports(
    directory: Path, account: str, moment: datetime, reports: Mapping[str, Iterable[bytes]], *, keep: int
) -> dict[str, Written]:
    """Write *reports* (suffix → chunks) into *directory*: all of them, or none that anybody could mistake for whole.

    Files have mode 0600, and the directory 0700 when it is made here. Every report is complete on disk before
    the first takes its name. Of this account's earlier audits the newest *keep* stay; 0 keeps all.
    Raises :class:`ReportNotWritten`.
    """
    staged: dict[str, Path] = {}

    def stage(report: tuple[str, Iterable[bytes]]) -> None:
        suffix, chunks = report
        staged[suffix] = _stage(directory, chunks)

    try:
        _make_directory(directory)
        # large reports are made by Arrow, which lets other threads run meanwhile
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(stage, reports.items()))
        written = {}
        for suffix in reports:
            written[suffix] = _publish(staged[suffix], directory, account, moment, suffix)
        _sync_directory(directory)
        _prune(directory, account, keep, spare={each.path for each in written.values()})
    except OSError as error:
        raise ReportNotWritten(
            f"The reports could not be written to {directory}: {error.strerror or error}. "
            "Give another directory with --output, or mend this one."
        ) from error
    finally:
        for path in staged.values():
            path.unlink(missing_ok=True)
    return written


def write_private(path: Path, content: bytes) -> None:
    """Write one file atomically with mode 0600. Raises :class:`ReportNotWritten`."""
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise ReportNotWritten(f"{path} is no regular file. To write to a pipe or a device, use -o - and redirect.")
    try:
        staged = _stage(path.parent, [content])
        try:
            os.replace(staged, path)
        finally:
            staged.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise ReportNotWritten(f"{path} could not be written: {error.strerror or error}.") from error


def _make_directory(directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)


def _stage(directory: Path, chunks: Iterable[bytes]) -> Path:
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, suffix=".tmp", dir=directory)  # mode 0600
    path = Path(name)
    try:
        with open(handle, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _publish(staged: Path, directory: Path, account: str, moment: datetime, suffix: str) -> Written:
    own, latest = (directory / name for name in file_names(account, moment, suffix))
    os.replace(staged, own)
    # a link costs no second copy of a large report; not every file system has links
    twin = staged.with_suffix(".latest.tmp")
    try:
        try:
            os.link(own, twin)
        except OSError:
            shutil.copyfile(own, twin)
            twin.chmod(0o600)
        os.replace(twin, latest)
    finally:
        twin.unlink(missing_ok=True)
    return Written(own, latest)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prune(directory: Path, account: str, keep: int, *, spare: set[Path]) -> None:
    ours = re.compile(rf"{re.escape(account)}-(\d{{8}}T\d{{6}}Z)\.[a-z.]+")
    by_audit: dict[str, list[Path]] = {}
    abandoned: list[tuple[float, Path]] = []
    newest = 0.0
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another run may publish or prune at the same time
            modified = path.lstat().st_mtime
            newest = max(newest, modified)
            if match := ours.fullmatch(path.name):
                by_audit.setdefault(match[1], []).append(path)
            elif path.name.startswith(_TEMPORARY) and path.name.endswith(".tmp"):
                abandoned.append((modified, path))
    too_old = sorted(by_audit)[:-keep] if keep else []
    for path in (path for stamp in too_old for path in by_audit[stamp] if path not in spare):
        path.unlink(missing_ok=True)
    for modified, path in abandoned:  # left by a run that was killed
        if newest - modified > _ABANDONED_AFTER_SECONDS:
            path.unlink(missing_ok=True)
