from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from keyaudit.errors import ReportNotWritten
from keyaudit.output import file_names, write_private, write_reports
from tests.builders import NOW

DAY = timedelta(days=1)


def write(directory: Path, *, account: str = "acme", days: int = 0, keep: int = 0, body: bytes = b"x") -> None:
    write_reports(directory, account, NOW + days * DAY, {"html": [body], "md": [body, b"y"]}, keep=keep)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_each_report_has_its_own_name_and_that_of_the_latest(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert [
        "acme-20261123T120000Z.html",
        "acme-20261123T120000Z.md",
        "acme-latest.html",
        "acme-latest.md",
    ] == names(tmp_path / "out")
    assert b"xy" == (tmp_path / "out" / "acme-latest.md").read_bytes()


def test_names_are_in_utc() -> None:
    from zoneinfo import ZoneInfo

    assert ("a-20261123T120000Z.csv", "a-latest.csv") == file_names("a", NOW.astimezone(ZoneInfo("Asia/Tokyo")), "csv")


def test_files_and_a_directory_of_our_making_are_private(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        write(tmp_path / "deep" / "out")
    finally:
        os.umask(previous)
    assert 0o700 == stat.S_IMODE((tmp_path / "deep" / "out").stat().st_mode)
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep" / "out").iterdir()}


def test_the_mode_of_a_directory_that_exists_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write(tmp_path)
    assert 0o755 == stat.S_IMODE(tmp_path.stat().st_mode)


def test_the_latest_follows_and_the_earlier_report_stays_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, body=b"one")
    write(tmp_path, days=1, body=b"two")
    assert b"two" == (tmp_path / "acme-latest.html").read_bytes()
    assert b"one" == (tmp_path / "acme-20261123T120000Z.html").read_bytes()


def test_writing_the_same_audit_again_replaces_it(tmp_path: Path) -> None:
    write(tmp_path, body=b"one")
    write(tmp_path, body=b"two")
    assert b"two" == (tmp_path / "acme-20261123T120000Z.html").read_bytes()
    assert b"two" == (tmp_path / "acme-latest.html").read_bytes()
    assert 4 == len(names(tmp_path))


def test_without_hard_links_the_latest_is_a_private_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path, body=b"one")
    assert b"one" == (tmp_path / "acme-latest.html").read_bytes()
    assert 0o600 == stat.S_IMODE((tmp_path / "acme-latest.html").stat().st_mode)


def test_a_link_planted_under_our_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "acme-latest.html").symlink_to(victim)
    write(tmp_path)
    assert "precious" == victim.read_text()
    assert not (tmp_path / "acme-latest.html").is_symlink()


def test_a_report_that_fails_half_way_leaves_none_behind(tmp_path: Path) -> None:
    def broken() -> object:
        yield b"half"
        raise ReportNotWritten("no")

    write(tmp_path, body=b"before")
    with pytest.raises(ReportNotWritten):
        write_reports(tmp_path, "acme", NOW + DAY, {"html": [b"new"], "md": broken()}, keep=0)  # type: ignore[dict-item]
    assert b"before" == (tmp_path / "acme-latest.html").read_bytes()
    assert 4 == len(names(tmp_path))


@pytest.mark.parametrize("obstacle", ["file", "parent"])
def test_a_directory_that_cannot_be_is_named(tmp_path: Path, obstacle: str) -> None:
    blocker = tmp_path / "blocker"
    blocker.write_text("")
    directory = blocker if obstacle == "file" else blocker / "out"
    with pytest.raises(ReportNotWritten, match=r"blocker.*--output") as caught:
        write(directory)
    assert 3 == caught.value.exit_code


def test_the_newest_audits_stay_and_other_files_are_not_ours_to_remove(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "acme-20261101T000000Z.html.bak~").write_text("mine")
    write(tmp_path, account="acme-eu")
    for day in range(4):
        write(tmp_path, days=day, keep=2)
    assert [
        "acme-20261101T000000Z.html.bak~",
        "acme-20261125T120000Z.html",
        "acme-20261125T120000Z.md",
        "acme-20261126T120000Z.html",
        "acme-20261126T120000Z.md",
        "acme-eu-20261123T120000Z.html",
        "acme-eu-20261123T120000Z.md",
        "acme-eu-latest.html",
        "acme-eu-latest.md",
        "acme-latest.html",
        "acme-latest.md",
        "notes.txt",
    ] == names(tmp_path)


def test_an_audit_of_long_ago_is_not_pruned_by_its_own_run(tmp_path: Path) -> None:
    write(tmp_path, keep=1)
    write(tmp_path, days=-100, keep=1, body=b"old")
    assert b"old" == (tmp_path / "acme-20260815T120000Z.html").read_bytes()


def test_what_a_killed_run_left_goes_after_a_day(tmp_path: Path) -> None:
    write(tmp_path)
    now = (tmp_path / "acme-latest.md").stat().st_mtime
    for name, age in (("old", 25 * 3600), ("young", 3600)):
        path = tmp_path / f".keyaudit-{name}.tmp"
        path.write_text("half")
        os.utime(path, (now - age, now - age))
    write(tmp_path, days=1)
    assert [".keyaudit-young.tmp"] == [name for name in names(tmp_path) if name.startswith(".")]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ReportNotWritten, match="no regular file"):
        write_private(pipe, b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_private(link, b"new")
    assert (b"new", True) == (target.read_bytes(), link.is_symlink())


def test_one_private_file(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (b"new", 0o600, ["answer.json"]) == (path.read_bytes(), stat.S_IMODE(path.stat().st_mode), names(tmp_path))
    with pytest.raises(ReportNotWritten, match="could not be written"):
        write_private(tmp_path / "missing" / "answer.json", b"new")
