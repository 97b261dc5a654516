"""Where the Runtype API is and how patient we are with it: plain values, checked, without any HTTP library."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from keyaudit.errors import ConfigError

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# Narrower than RFC 3986 on purpose: what fits here, every URL parser reads alike.
_BASE_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{{1,5}}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]*)*)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"https": 443, "http": 80}

DetailsMode = Literal["auto", "on", "off"]
"""Whether the details of the keys are read: if they can be had, in any case, or not at all."""


class BaseUrl(NamedTuple):
    """A checked base address. ``host`` has no brackets, ``path`` no slash at its end."""

    scheme: str
    host: str
    port: int
    path: str
    loopback: bool

    @property
    def origin(self) -> str:
        """Scheme, host and, unless it is the usual one, port: fit to be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


@dataclass(frozen=True, slots=True)
class RuntypeSettings:
    """How the Runtype API is reached. Times are in seconds; ``deadline`` bounds all requests of one audit together.

    ``max_body_bytes`` bounds each answer after decompression. ``ca_file`` is a PEM file whose authorities
    are trusted instead of the usual ones. ``backoff`` is the longest pause before the second try; it
    doubles with each further try. ``details`` says whether the details of the keys are asked for too. Raises
    :class:`ConfigError` for an address that would send the token in clear text, or that is none, and for limits that
    are not positive.
    """

    base_url: str = "https://api.runtype.com"
    deadline: float = 120.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    max_body_bytes: int = 512 * 2**20
    ca_file: Path | None = None
    backoff: float = 1.0
    details: DetailsMode = "auto"

    def __post_init__(self) -> None:
        parse_base_url(self.base_url)
        for name in ("deadline", "connect_timeout", "read_timeout", "max_body_bytes", "backoff"):
            if not getattr(self, name) > 0:
                msg = f"[runtype] {name} must be greater than 0."
                raise ConfigError(msg)


def parse_base_url(text: str) -> BaseUrl:
    """Take the base address apart. Raises :class:`ConfigError`, without repeating *text*: it may hold credentials."""
    if "@" in text:
        msg = "base_url must hold no user name or password; the token is given by reference, as [runtype] token."
        raise ConfigError(msg)
    if "?" in text or "#" in text:
        msg = "base_url must end with its host or path: a query ('?') or a fragment ('#') has no place in it."
        raise ConfigError(msg)
    match = _BASE_URL.fullmatch(text)
    port = int(match["port"] or _DEFAULT_PORTS[match["scheme"].lower()]) if match else 0
    host = match["host"].lower().strip("[]") if match else ""
    if match is None or not 0 < port < 2**16 or (":" in host and not _is_address(host)):
        msg = "base_url is no address like https://api.runtype.com (international names go in their xn-- form)."
        raise ConfigError(msg)
    scheme = match["scheme"].lower()
    loopback = host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
    if scheme != "https" and not loopback:
        msg = (
            "base_url must begin with https://, or the token would travel in clear text; "
            "http:// is allowed only for this machine itself (127.0.0.1, [::1], localhost)."
        )
        raise ConfigError(msg)
    return BaseUrl(scheme, host, port, match["path"].rstrip("/"), loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
