from __future__ import annotations

from typing import Any

import pytest

from keyaudit.errors import ConfigError
from keyaudit.fetch.settings import RuntypeSettings, parse_base_url


@pytest.mark.parametrize(
    ("text", "origin", "path"),
    [
        ("https://api.runtype.com", "https://api.runtype.com", ""),
        ("https://API.Runtype.com/", "https://api.runtype.com", ""),
        ("HTTPS://api.runtype.com:443", "https://api.runtype.com", ""),
        ("https://gateway.example:8443/runtype/", "https://gateway.example:8443", "/runtype"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443", ""),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", ""),
        ("http://127.8.9.10", "http://127.8.9.10", ""),
        ("http://[::1]:8000", "http://[::1]:8000", ""),
        ("http://localhost:8000/x", "http://localhost:8000", "/x"),
    ],
)
def test_takes_a_base_url_apart(text: str, origin: str, path: str) -> None:
    base = parse_base_url(text)
    assert (origin, path) == (base.origin, base.path)


@pytest.mark.parametrize(
    "text",
    [
        "http://api.runtype.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.1",
        "http://[2001:db8::1]",
    ],
)
def test_refuses_clear_text_but_on_loopback(text: str) -> None:
    with pytest.raises(ConfigError, match="must begin with https://"):
        RuntypeSettings(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("https://user:hunter2@api.runtype.com", "no user name or password"),
        ("https://hunter2@api.runtype.com", "no user name or password"),
        ("http://127.0.0.1@hunter2.example", "no user name or password"),
        ("https://api.runtype.com/?token=hunter2", "a query"),
        ("https://api.runtype.com#hunter2", "a fragment"),
        ("hunter2", "no address"),
        ("", "no address"),
        ("ftp://hunter2", "no address"),
        ("https://", "no address"),
        ("https:///hunter2", "no address"),
        ("https://hunter2 .example", "no address"),
        ("https://hunter2.example\n", "no address"),
        ("https://hunter2..example", "no address"),
        ("https://hunter2.example\\x", "no address"),
        ("https://127.0.0.1\\hunter2", "no address"),
        ("https://hünter2.example", "no address"),
        ("https://hunter2.example:0", "no address"),
        ("https://hunter2.example:65536", "no address"),
        ("https://[::1::hunter2]", "no address"),
        ("https://[1:2]", "no address"),
        ("https://" + "a" * 64 + ".example", "no address"),
    ],
)
def test_refuses_an_unusable_base_url_without_repeating_it(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"base_url .*{sentence}") as refused:
        RuntypeSettings(text)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["deadline", "connect_timeout", "read_timeout", "max_body_bytes", "backoff"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_refuses_limits_that_are_not_positive(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=f"{name} must be greater than 0"):
        RuntypeSettings(**settings)
