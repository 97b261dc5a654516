"""The account that ``keyaudit demo`` audits: its keys, its policy, and a server on loopback that lists them.

The company is invented. Every rule finds something in it, most keys are in order, and all dates follow ``now``.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from keyaudit.model import Override, Policy, RuleSetting, Selector, Waiver
from keyaudit.secret import Secret

ACCOUNT = "acme"
"""What the demo calls its account."""

OWN_PREFIX = "rt_live_demo"
"""The prefix of the key with which the demo asks; its token starts with it."""


@dataclass(frozen=True, slots=True)
class DemoKey:
    """One key of the account. ``idle`` is the time since its last use in days, ``None`` when it was never used."""

    name: str
    idle: float | None
    active: bool = True
    prefix: str = ""

    @property
    def id(self) -> str:
        """An id that follows from the name, so that reports of different days speak of the same key."""
        return str(uuid.uuid5(_NAMESPACE, self.name))

    @property
    def shown_prefix(self) -> str:
        """The first characters of the key, as the API lists them."""
        return self.prefix or f"rt_live_{sha256(self.name.encode()).hexdigest()[:4]}"

    def last_used_at(self, now: datetime) -> str | None:
        """When the key was last used, as the API would say it at *now* (in UTC)."""
        return None if self.idle is None else _rfc3339(now - timedelta(days=self.idle))


_NAMESPACE = uuid.UUID("5a1fb1a6-2e0c-4f0e-9d55-6f0a8f5d3c11")

KEYS = (
    # services
    DemoKey("Checkout service - production", 0.0011),
    DemoKey("Storefront search - production", 0.0007),
    DemoKey("Order router - production", 0.0032),
    DemoKey("Fraud screening", 0.0019),
    DemoKey("Recommendation worker - production", 0.0058),
    DemoKey("Support chat assistant", 0.013),
    DemoKey("Email triage bot", 0.021),
    DemoKey("Returns portal", 0.084),
    DemoKey("Translation pipeline", 0.17),
    DemoKey("Product feed generator", 0.23),
    DemoKey("Invoice mailer", 0.31),
    DemoKey("Data lake export (nightly)", 0.46),
    DemoKey("Price monitor", 0.52),
    DemoKey("Contract summariser (legal)", 2.41),
    DemoKey("Board report assembler (monthly)", 19.34),
    DemoKey("Invoice archive export (yearly)", 312.67),
    DemoKey("DR restore - Frankfurt", 71.26),
    DemoKey("DR restore - Dublin", 71.31),
    # sites abroad
    DemoKey("Lager Nürnberg: Pickliste", 0.11),
    DemoKey("Entrepôt de Lyon - étiquettes", 0.27),
    DemoKey("متجر الرياض", 0.35),
    DemoKey("東京倉庫・在庫照会", 0.42),
    DemoKey("Kiosk display - Lisbon", -0.14),
    # staging
    DemoKey("Checkout service - staging", 1.23),
    DemoKey("Storefront search - staging", 3.11),
    DemoKey("Order router - staging", 12.49),
    DemoKey("Recommendation worker - staging", 47.63),
    # builds and releases
    DemoKey("GitHub Actions: storefront", 0.061),
    DemoKey("GitHub Actions: flows repository", 0.19),
    DemoKey("Jenkins nightly regression", 0.58),
    DemoKey("Jenkins (old controller)", 203.44),
    DemoKey("Release smoke tests", 1.96),
    DemoKey("Terraform deploy", 5.35),
    DemoKey("Load test rig", 33.76),
    # people
    DemoKey("Priya Raman - laptop", 0.15),
    DemoKey("José Álvarez - local development", 0.99),
    DemoKey("佐藤 健 - 開発環境", 4.28),
    DemoKey("Tom Becker - notebook experiments", 98.24),
    DemoKey("Zoë Lindqvist - prompt tuning", 26.89),
    # partners
    DemoKey("Partner: Bluefin Logistics", 0.74),
    DemoKey("Partner: Halden Payments", 6.19),
    DemoKey("Partner: Tähti Analytics", 58.98),
    DemoKey("Partner: Skagen Retail (onboarding)", None),
    # experiments
    DemoKey("🚀 Launch day dashboard", 64.57),
    DemoKey("Prototype: voice ordering", 40.29),
    DemoKey("Experiment: receipt OCR", 421.74),
    DemoKey("Webinar booking bot", None),
    # rotations that nobody finished
    DemoKey("Payment reconciliation", 8.75),
    DemoKey("Payment reconciliation 2", 0.049),
    # names that say nothing, or too much
    DemoKey("Key 1", 14.62),
    DemoKey("test", None, prefix="rt_test_91c7"),
    DemoKey("<script>alert(1)</script>", 79.5, prefix="rt_test_e04b"),
    DemoKey('=HYPERLINK("https://example.com/refund","Open refund")', 95.89, active=False),
    DemoKey("Invoice mailer\N{ZERO WIDTH SPACE}", None),
    # no longer in use
    DemoKey("Checkout service - production (before migration)", 130.46, active=False),
    DemoKey("Legacy CRM sync", 388.05, active=False),
    DemoKey("Partner: Oderbruch Media", 77.53, active=False),
    DemoKey("Summer campaign landing page", 161.27, active=False),
    DemoKey("Ana Sousa - laptop", 52.65, active=False),
    DemoKey("Hackathon: returns by phone", None, active=False),
    # the audit itself
    DemoKey("keyaudit (nightly audit)", 0.98, prefix=OWN_PREFIX),
)

# A zero date, as some databases give for "none": no reader may take it for "never used".
_UNREADABLE = DemoKey("Loyalty card import", None)
_ZERO_DATE = "0000-00-00T00:00:00Z"


def demo_account(now: datetime) -> dict[str, Any]:
    """What ``GET /v1/api-keys/analytics`` answers for the demo account at *now* (aware), ready for JSON.

    The same *now* gives the same answer. It contradicts itself by one key and holds one row that cannot be read.
    """
    now = now.astimezone(UTC)
    rows = [_row(key, key.last_used_at(now)) for key in KEYS]
    rows.insert(len(rows) // 2, _row(_UNREADABLE, _ZERO_DATE))
    active = sum(row["isActive"] for row in rows)
    return {
        "analytics": {
            "totalKeys": len(rows) + 1,
            "activeKeys": active,
            "expiredKeys": len(rows) - active,
            "keyBreakdown": rows,
        },
        "timestamp": _rfc3339(now),
    }


def _row(key: DemoKey, last_used_at: str | None) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "keyPrefix": key.shown_prefix,
        "lastUsedAt": last_used_at,
        "isActive": key.active,
    }


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def demo_policy() -> Policy:
    """The policy of the demo account: a budget of keys, and more patience with those kept for emergencies."""
    return Policy(
        rules={"too-many-active": RuleSetting(enabled=True, options={"max_active": 50})},
        overrides=(
            Override(
                Selector(names=("DR restore *",)),
                {"stale": RuleSetting(options={"days": 100, "high_days": 190})},
                comment="Recovery is rehearsed once a quarter, so that these keys may rest for longer.",
            ),
        ),
    )


def demo_waivers(now: datetime) -> tuple[Waiver, ...]:
    """The waivers of the demo account: one in force at *now* (aware), one expired, one that matches nothing."""
    today = now.astimezone(UTC).date()
    return (
        Waiver(
            Selector(names=("Invoice archive export (yearly)",)),
            rules=("stale",),
            reason="Runs once a year, when the books are closed.",
            owner="Finance systems",
            expires=today + timedelta(days=120),
        ),
        Waiver(
            Selector(names=("Partner: Tähti Analytics",)),
            rules=("stale",),
            reason="The partner is moving to another data centre.",
            owner="Partner integrations",
            expires=today - timedelta(days=9),
        ),
        Waiver(
            Selector(names=("Mobile app beta",)),
            rules=("*",),
            reason="Kept for the testers of the beta.",
            owner="Mobile team",
            expires=today + timedelta(days=45),
        ),
    )


class DemoServer:
    """The Runtype API of the demo account on this machine's loopback, while the ``with`` block runs.

    ``base_url`` and ``token`` are what a client needs. The token is made up anew for each server and opens nothing
    else. Other machines cannot reach the server, and it leaves no thread behind.
    """

    def __init__(self, now: datetime) -> None:
        token = f"{OWN_PREFIX}_no_real_token_{secrets.token_hex(8)}"
        self.token = Secret(token, "the demo server")
        self._server = _Server(token, {"/v1/api-keys/analytics": demo_account(now)})
        # The server looks for the end of its work this often, in seconds; its default would delay every exit.
        poll = 0.02
        self._thread = threading.Thread(target=self._server.serve_forever, args=(poll,), name="demo", daemon=True)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


# http.server.HTTPServer would ask the resolver for this machine's name before it serves.
class _Server(ThreadingTCPServer):
    """Answers each path of *documents* with its document as JSON, to those who know *token*."""

    def __init__(self, token: str, documents: Mapping[str, object]) -> None:
        self.authorization = f"Bearer {token}".encode()
        self.documents = {path: _json(document) for path, document in documents.items()}
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End the connections of clients that neither ask nor go, so that their threads end as well."""
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in mid-sentence is its own affair; the default would print a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        body = self.server.documents.get(urlsplit(self.path).path)
        if body is None:
            self._answer(HTTPStatus.NOT_FOUND, _json({"error": "There is no such resource.", "code": "NOT_FOUND"}))
        elif not hmac.compare_digest(self.headers.get("Authorization", "").encode(), self.server.authorization):
            self._answer(HTTPStatus.UNAUTHORIZED, _json({"error": "The token is not valid.", "code": "UNAUTHORIZED"}))
        else:
            self._answer(HTTPStatus.OK, body)

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "keyaudit-demo"

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: standard error belongs to the command."""


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
