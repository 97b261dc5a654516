from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from keyaudit.errors import UsageError
from keyaudit.fetch.saved import read_saved


def test_reads_a_file_and_names_it_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_bytes(b"{}\n")
    answer = read_saved(str(tmp_path / "answer.json"), None)
    assert (b"{}\n", "answer.json", None, None) == (answer.body, answer.source, answer.date, answer.received_at)


def test_reads_standard_input() -> None:
    answer = read_saved("-", io.BytesIO(b"{}"))
    assert (b"{}", "standard input", None, None) == (answer.body, answer.source, answer.date, answer.received_at)


def test_reads_a_pipe_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    body = b"x" * 3_000_000
    writer = threading.Thread(target=pipe.write_bytes, args=(body,))
    writer.start()
    assert body == read_saved(str(pipe), None).body
    writer.join(5)


def test_shows_a_hostile_file_name_in_its_visible_form(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2Jb").write_bytes(b"{}")
    assert "\x1b" not in read_saved(str(tmp_path / "a\x1b[2Jb"), None).source
    with pytest.raises(UsageError) as refused:
        read_saved(str(tmp_path / "none\x1b[2Jb"), None)
    assert "\x1b" not in str(refused.value)


def test_judges_no_content(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert b"" == read_saved(str(tmp_path / "empty"), None).body


def test_names_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--from cannot read /.*none\.json: No such file or directory"):
        read_saved(str(tmp_path / "none.json"), None)
    with pytest.raises(UsageError, match=f"cannot read {tmp_path}/?: Is a directory"):
        read_saved(f"{tmp_path}/", None)
    with pytest.raises(UsageError, match="no path that this system could open"):
        read_saved("a\0b", None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads files of any mode")
def test_names_a_file_it_may_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(0o000)
    with pytest.raises(UsageError, match="Permission denied"):
        read_saved(str(tmp_path / "secret"), None)


@pytest.mark.parametrize("closed", [True, False])
def test_says_that_standard_input_is_closed(closed: bool) -> None:
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(UsageError, match="standard input"):
        read_saved("-", stream if closed else None)


def test_reads_up_to_the_limit_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert b"12345" == read_saved(str(tmp_path / "file"), None, max_bytes=5).body
    assert b"12345" == read_saved("-", io.BytesIO(b"12345"), max_bytes=5).body
    with pytest.raises(UsageError, match="file: it is larger than 4 bytes"):
        read_saved(str(tmp_path / "file"), None, max_bytes=4)
    with pytest.raises(UsageError, match="standard input: it is larger than 4 bytes"):
        read_saved("-", io.BytesIO(b"12345"), max_bytes=4)


def test_does_not_read_an_endless_file() -> None:
    with pytest.raises(UsageError, match="larger than 4000000 bytes"):
        read_saved("/dev/zero", None, max_bytes=4_000_000)
