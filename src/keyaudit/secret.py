"""Secrets: named by a :class:`SecretRef`, fetched by :func:`resolve`, kept out of sight in a :class:`Secret`."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, Self, cast
from urllib.parse import quote

from keyaudit.errors import ConfigError

MASK = "***"
"""What stands wherever a secret value would have stood."""

_FORMS = "env:NAME, file:PATH or keyring:SERVICE/USER"
_LONGEST = 8192
_SCHEMES = ("env", "file", "keyring")
# A token pasted behind a scheme ("env:rt_live_…") would otherwise be echoed as the name that is missing.
_TOKEN_LIKE = re.compile(r"(?:rt|tv)_(?:live|test)_\w*|runtype_\w*\d\w*")


class Secret:
    """A secret value: ``***`` in ``repr``, ``str`` and format strings, and neither pickled nor copied.

    ``reference`` says where the value came from (``env:RUNTYPE_API_KEY``), fit to be shown. An empty value is
    a :class:`ValueError`. Two secrets are equal only if they are the same object.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, reference: str = "") -> None:
        if not value:
            msg = "a secret cannot be empty"
            raise ValueError(msg)
        self._value = value
        self.reference = reference
        _known.add(value)

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "a secret is neither pickled nor copied; pass its SecretRef on"
        raise TypeError(msg)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is to be found; it holds no secret and may be shown, compared and pickled.

    ``target`` is the variable's name, the file's path, or ``SERVICE/USER`` in the keyring.
    """

    scheme: Literal["env", "file", "keyring"]
    target: str

    @classmethod
    def parse(cls, text: str, *, where: str = "the secret") -> Self:
        """Read ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE/USER``.

        *where* names the setting in messages (``[runtype] token``). Raises :class:`ConfigError`, which never
        repeats *text*: what is no reference may be the secret itself.
        """
        scheme, colon, target = text.partition(":")
        if not colon or scheme not in _SCHEMES or _TOKEN_LIKE.fullmatch(target):
            msg = f"{where} must say where the secret is, as {_FORMS}, and not be the secret itself."
            raise ConfigError(msg)
        service, _, user = target.rpartition("/")
        well_formed = {
            "env": re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", target) is not None,
            "file": target != "" and target.isprintable(),
            "keyring": bool(service and user) and target.isprintable(),
        }
        if not well_formed[scheme]:
            msg = f"{where} begins with {scheme}: but cannot be read; a reference is {_FORMS}."
            raise ConfigError(msg)
        return cls(cast("Literal['env', 'file', 'keyring']", scheme), target)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.target}"


def resolve(ref: SecretRef, environ: Mapping[str, str]) -> Secret:
    """Fetch the secret that *ref* names; line ends at the end of a file are dropped.

    Raises :class:`ConfigError`, naming the reference and never the value, where there is none or where it
    holds anything but visible ASCII characters (which no HTTP header could carry faithfully).
    """
    if ref.scheme == "env":
        value = _from_environment(ref, environ)
    elif ref.scheme == "file":
        value = _from_file(ref)
    else:
        value = _from_keyring(ref)
    if not value:
        msg = f"{ref} is empty; it should hold a token."
        raise ConfigError(msg)
    if len(value) > _LONGEST:
        msg = f"{ref} is longer than {_LONGEST} characters, which no token is."
        raise ConfigError(msg)
    if not re.fullmatch(r"[!-~]+", value):
        msg = (
            f"{ref} holds a space, a line break or another character that no token has. "
            "Store the token alone, without quotes, 'Bearer' or further lines."
        )
        raise ConfigError(msg)
    return Secret(value, str(ref))


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """*text* with every occurrence of the secrets, plain or percent-encoded, replaced by ``***``."""
    return _redacted(text, {secret.reveal() for secret in secrets})


def redact_known(text: str) -> str:
    """*text* without any secret that this process has ever resolved: for what is shown when something went wrong."""
    return _redacted(text, _known)


_known: set[str] = set()


def _redacted(text: str, values: Collection[str]) -> str:
    # Longest first, so that a secret that contains another one leaves no remainder behind.
    for form in sorted({*values, *(quote(value, safe="") for value in values)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _from_environment(ref: SecretRef, environ: Mapping[str, str]) -> str:
    if ref.target not in environ:
        msg = f"The environment variable {ref.target} is not set; it should hold a token ({ref})."
        raise ConfigError(msg)
    return environ[ref.target]


def _from_file(ref: SecretRef) -> str:
    path = os.path.expanduser(ref.target)
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST + len("\r\n") + 1)
    except OSError as error:
        msg = f"The token cannot be read from {ref}: {error.strerror}."
        raise ConfigError(msg) from None
    # Latin-1 cannot fail: a UnicodeDecodeError would carry the secret's bytes along.
    return content.decode("latin-1").rstrip("\r\n")


def _from_keyring(ref: SecretRef) -> str:
    try:
        import keyring
    except ImportError:
        msg = (
            f"{ref} needs the keyring package. Install it with 'pipx inject keyaudit keyring' "
            "or 'pip install \"keyaudit[keyring]\"'."
        )
        raise ConfigError(msg) from None
    service, _, user = ref.target.rpartition("/")
    problem = ""
    try:
        value = keyring.get_password(service, user)
    # Backends raise whatever their platform raises, and their words might quote what they found.
    except Exception as error:  # noqa: BLE001
        value, problem = None, type(error).__name__
    if problem:
        msg = f"The keyring did not answer for {ref} ({problem}). Is there one, and is it unlocked?"
        raise ConfigError(msg)
    if value is None:
        msg = f"The keyring holds no password for {ref}. Add it with 'keyring set {service} {user}'."
        raise ConfigError(msg)
    return value
