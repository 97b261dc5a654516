from __future__ import annotations

import copy
import os
import pickle
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest

from keyaudit.errors import ConfigError
from keyaudit.secret import Secret, SecretRef, redact, redact_known, resolve

# Put together here, so that no scanner takes it for a token that someone left behind.
TOKEN = f"rt_{'live'}_A1b2C3d4E5f6"


def said(refused: pytest.ExceptionInfo[ConfigError]) -> str:
    """Everything that could be printed of an error, its chain and its frames' sources included."""
    error = refused.value
    return "".join([str(error), repr(error), error.details, *traceback.format_exception(error)])


class TestSecret:
    def test_shows_nothing_of_its_value(self) -> None:
        secret = Secret(TOKEN, "env:X")
        assert ["***"] * 4 == [str(secret), repr(secret), f"{secret:>40}", "%s" % secret]  # noqa: UP031
        assert "[***]" == repr([secret])

    def test_reveals_its_value_and_knows_its_reference(self) -> None:
        secret = Secret(TOKEN, "env:X")
        assert (TOKEN, "env:X") == (secret.reveal(), secret.reference)

    @pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_does_not_leave_the_process(self, leave: object) -> None:
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            leave(Secret(TOKEN))  # type: ignore[operator]

    def test_has_no_attributes_to_dump(self) -> None:
        assert not hasattr(Secret(TOKEN), "__dict__")

    def test_cannot_be_empty(self) -> None:
        with pytest.raises(ValueError, match="empty"):
            Secret("")


class TestReference:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("env:RUNTYPE_API_KEY", SecretRef("env", "RUNTYPE_API_KEY")),
            ("env:_x1", SecretRef("env", "_x1")),
            ("file:/run/secrets/runtype_token.txt", SecretRef("file", "/run/secrets/runtype_token.txt")),
            ("file:a:b", SecretRef("file", "a:b")),
            ("keyring:keyaudit/me", SecretRef("keyring", "keyaudit/me")),
            ("keyring:https://api.runtype.com/me", SecretRef("keyring", "https://api.runtype.com/me")),
        ],
    )
    def test_is_read_and_written_alike(self, text: str, expected: SecretRef) -> None:
        ref = SecretRef.parse(text)
        assert expected == ref
        assert text == str(ref)
        assert ref == pickle.loads(pickle.dumps(ref))  # noqa: S301

    @pytest.mark.parametrize(
        "text",
        [
            TOKEN,
            f"env:{TOKEN}",
            f"file:{TOKEN}",
            f"token:{TOKEN}",
            f"ENV:{TOKEN}",
            f"env:{'runtype'}_12ab34",
            f"Bearer {TOKEN}",
            f"env:{TOKEN} ",
            f"file:{TOKEN}\n",
            f"keyring:{TOKEN}",
            f"keyring:/{TOKEN}",
        ],
    )
    def test_that_may_be_the_secret_itself_is_not_repeated(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"^\[runtype\] token .*env:NAME, file:PATH or keyring:") as refused:
            SecretRef.parse(text, where="[runtype] token")
        for part in (TOKEN, "12ab34"):
            assert part not in said(refused)

    @pytest.mark.parametrize(
        "text", ["", "env", "env:", "env:1A", "env:A-B", "env:A\n", "file:", "file:a\x1b[0m", "keyring:a", "keyring:a/"]
    )
    def test_that_cannot_be_read_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match="env:NAME, file:PATH or keyring:SERVICE/USER"):
            SecretRef.parse(text)


class TestResolve:
    def test_takes_an_environment_variable(self) -> None:
        secret = resolve(SecretRef("env", "T"), {"T": TOKEN})
        assert (TOKEN, "env:T") == (secret.reveal(), secret.reference)

    def test_names_a_missing_variable(self) -> None:
        with pytest.raises(ConfigError, match="environment variable T is not set"):
            resolve(SecretRef("env", "T"), {})

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_takes_a_file_without_its_line_end(self, tmp_path: Path, end: str) -> None:
        (tmp_path / "t").write_bytes((TOKEN + end).encode())
        assert TOKEN == resolve(SecretRef("file", f"{tmp_path}/t"), {}).reveal()

    def test_takes_a_file_below_the_home_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "t").write_text(TOKEN)
        assert TOKEN == resolve(SecretRef("file", "~/t"), {}).reveal()

    def test_names_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"file:.*/none: No such file or directory\."):
            resolve(SecretRef("file", f"{tmp_path}/none"), {})
        with pytest.raises(ConfigError, match="Is a directory"):
            resolve(SecretRef("file", str(tmp_path)), {})

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads files of any mode")
    def test_names_a_file_it_may_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "t").touch(0o000)
        with pytest.raises(ConfigError, match="Permission denied"):
            resolve(SecretRef("file", f"{tmp_path}/t"), {})

    @pytest.mark.parametrize(
        ("value", "sentence"),
        [
            (b"", "is empty"),
            (b"\n", "is empty"),
            (b"%s %s" % (TOKEN.encode(), TOKEN.encode()), "a space, a line break"),
            (b"Bearer " + TOKEN.encode(), "'Bearer'"),
            (b" " + TOKEN.encode(), "a space"),
            (TOKEN.encode() + b"\nmore", "a line break"),
            (TOKEN.encode() + b"\x00", "another character"),
            (b"\xef\xbb\xbf" + TOKEN.encode(), "another character"),
            (TOKEN.encode() + b"\xff", "another character"),
            (TOKEN.encode() * 1000, "longer than 8192 characters"),
        ],
    )
    def test_refuses_what_is_no_token_without_showing_it(self, tmp_path: Path, value: bytes, sentence: str) -> None:
        (tmp_path / "t").write_bytes(value)
        with pytest.raises(ConfigError, match=sentence) as refused:
            resolve(SecretRef("file", f"{tmp_path}/t"), {})
        assert f"file:{tmp_path}/t" in refused.value.message
        assert TOKEN not in said(refused)
        assert refused.value.__context__ is None

    def test_does_not_read_an_endless_file(self) -> None:
        with pytest.raises(ConfigError, match="longer than 8192"):
            resolve(SecretRef("file", "/dev/zero"), {})


class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if service == "locked":
            raise keyring.errors.KeyringLocked(TOKEN)
        return TOKEN if (service, username) == ("https://api.runtype.com", "me") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


class TestKeyring:
    @pytest.fixture(autouse=True)
    def _backend(self) -> Iterator[None]:
        before = keyring.get_keyring()
        keyring.set_keyring(Keyring())  # type: ignore[no-untyped-call]
        yield
        keyring.set_keyring(before)

    def test_is_asked(self) -> None:
        assert TOKEN == resolve(SecretRef.parse("keyring:https://api.runtype.com/me"), {}).reveal()

    def test_without_the_password_says_how_to_add_it(self) -> None:
        with pytest.raises(ConfigError, match="keyring set keyaudit me"):
            resolve(SecretRef.parse("keyring:keyaudit/me"), {})

    def test_that_is_locked_is_named(self) -> None:
        with pytest.raises(ConfigError, match=r"keyring:locked/me \(KeyringLocked\)") as refused:
            resolve(SecretRef.parse("keyring:locked/me"), {})
        assert TOKEN not in said(refused)
        assert refused.value.__context__ is None

    def test_that_is_not_installed_says_how_to_install_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(ConfigError, match=r"keyaudit\[keyring\]"):
            resolve(SecretRef.parse("keyring:keyaudit/me"), {})


class TestRedact:
    def test_removes_every_occurrence(self) -> None:
        assert "a *** b *** c" == redact(f"a {TOKEN} b {TOKEN} c", [Secret(TOKEN)])

    def test_removes_the_percent_encoded_form(self) -> None:
        assert "?t=***" == redact("?t=a%2Fb%3D", [Secret("a/b=")])

    def test_leaves_no_remainder_of_a_longer_secret(self) -> None:
        assert "***" == redact("abcdef", [Secret("abc"), Secret("abcdef")])

    def test_without_secrets_changes_nothing(self) -> None:
        assert "abc" == redact("abc", [])

    def test_of_all_known_needs_no_list(self) -> None:
        resolve(SecretRef("env", "T"), {"T": "seen-once"})
        assert "a *** b" == redact_known("a seen-once b")
