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
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from keyaudit.model import Override, Policy, RuleSetting, Selector, Waiver
from keyaudit.secret import Secret

ACCOUNT = "acme"
"""What the demo calls its account."""

OWN_PREFIX = "rt_live_demo"
"""The prefix of the key with which the demo asks; its token starts with it."""

LEAKED = "_must_never_be_seen"
"""The end of what the list gives away as a whole key."""


_IN_TIME = float("inf")
"""The end of a key that is in order: neither near nor far."""


@dataclass(frozen=True, slots=True)
class DemoKey:
    """One key of the account; times are in days.

    ``idle`` is the time since its last use, ``None`` when it was never used. ``created`` is the time since it was made
    and ``ends`` the time until it ends, ``None`` for never; keys that are in order need not say them. ``listed`` names
    the one list that has it, or both. ``said_active`` is what the analytics say where they disagree.
    """

    name: str
    idle: float | None
    active: bool = True
    prefix: str = ""
    created: float | str | None = None
    ends: float | None = _IN_TIME
    permissions: tuple[str, ...] = ("FLOWS:READ", "RECORDS:READ")
    allowed_ips: tuple[str, ...] | None = None
    can_reveal: bool = False
    listed: Literal["both", "analytics", "details"] = "both"
    said_active: bool | None = None

    @property
    def id(self) -> str:
        """An id that follows from the name, so that reports of different days speak of the same key."""
        return str(uuid.uuid5(_NAMESPACE, self.name))

    @property
    def shown_prefix(self) -> str:
        """The first characters of the key, as the API lists them."""
        return self.prefix or f"rt_live_{sha256(self.name.encode()).hexdigest()[:4]}"

    @property
    def _any_number(self) -> int:
        return sha256(self.name.encode()).digest()[2]

    def last_used_at(self, now: datetime) -> str | None:
        """When the key was last used, as the API would say it at *now* (in UTC)."""
        return None if self.idle is None else _rfc3339(now - timedelta(days=self.idle))

    def created_at(self, now: datetime) -> str:
        """When the key was made; text in place of a number is what the API says instead."""
        if isinstance(self.created, str):
            return self.created
        recently = max(20.4 + self._any_number % 50, (self.idle or 0) + 30)
        return _rfc3339(now - timedelta(days=recently if self.created is None else self.created))

    def expires_at(self, now: datetime) -> str | None:
        """When the key ends."""
        if self.ends is None:
            return None
        return _rfc3339(now + timedelta(days=self.ends if self.ends != _IN_TIME else 120.6 + self._any_number % 100))


_NAMESPACE = uuid.UUID("5a1fb1a6-2e0c-4f0e-9d55-6f0a8f5d3c11")

KEYS = (
    # services
    DemoKey("Checkout service - production", 0.0011, allowed_ips=("192.0.2.17", "192.0.2.18")),
    DemoKey("Storefront search - production", 0.0007),
    DemoKey("Order router - production", 0.0032),
    DemoKey("Fraud screening", 0.0019),
    DemoKey("Recommendation worker - production", 0.0058, prefix="rt_test_5d20"),
    DemoKey("Support chat assistant", 0.013),
    DemoKey("Email triage bot", 0.021),
    DemoKey("Returns portal", 0.084, created=52.4, ends=0.62),
    DemoKey("Translation pipeline", 0.17),
    DemoKey("Product feed generator", 0.23),
    DemoKey("Invoice mailer", 0.31),
    DemoKey("Data lake export (nightly)", 0.46),
    DemoKey("Demand forecast", 0.4),
    DemoKey("Loyalty points ledger", 0.0094),
    DemoKey("Price monitor", 0.52, created=74.8, ends=11.2),
    DemoKey("Contract summariser (legal)", 2.41, created=66.7, ends=24.3),
    DemoKey("Board report assembler (monthly)", 19.34),
    DemoKey("Invoice archive export (yearly)", 312.67, created=341.2, ends=389.5),
    DemoKey("DR restore - Frankfurt", 71.26, created=74.5),
    DemoKey("DR restore - Dublin", 71.31, created=74.6),
    # sites abroad
    DemoKey("Lager Nürnberg: Pickliste", 0.11),
    DemoKey("Entrepôt de Lyon - étiquettes", 0.27),
    DemoKey("متجر الرياض", 0.35),
    DemoKey("東京倉庫・在庫照会", 0.42),
    DemoKey("Kiosk display - Lisbon", -0.14, created=-0.21),
    # staging
    DemoKey("Checkout service - staging", 1.23),
    DemoKey("Storefront search - staging", 3.11),
    DemoKey("Order router - staging", 12.49),
    DemoKey("Recommendation worker - staging", 47.63, created="the day before yesterday"),
    # builds and releases
    DemoKey("GitHub Actions: storefront", 0.061, permissions=("FLOWS:READ", "FLOWS:WRITE")),
    DemoKey("GitHub Actions: flows repository", 0.19, permissions=("FLOWS:READ", "FLOWS:WRITE")),
    DemoKey("Jenkins nightly regression", 0.58),
    DemoKey("Jenkins (old controller)", 203.44, created=604.8, ends=None, permissions=("*",)),
    DemoKey("Release smoke tests", 1.96, prefix="rt_test_2ce8"),
    DemoKey("Terraform deploy", 5.35, permissions=("FLOWS:*", "manage:api-keys")),
    DemoKey("Load test rig", 33.76, prefix="rt_test_7b3c"),
    # people
    DemoKey("Priya Raman - laptop", 0.15),
    DemoKey("José Álvarez - local development", 0.99),
    DemoKey("佐藤 健 - 開発環境", 4.28),
    DemoKey("Tom Becker - notebook experiments", 98.24, created=118.9, ends=None),
    DemoKey("Zoë Lindqvist - prompt tuning", 26.89),
    # partners
    DemoKey("Partner: Bluefin Logistics", 0.74),
    DemoKey("Partner: Halden Payments", 6.19, allowed_ips=("198.51.100.4",)),
    DemoKey("Partner: Tähti Analytics", 58.98, created=73.3),
    DemoKey("Partner: Skagen Retail (onboarding)", None, created=6.2),
    # experiments
    DemoKey("🚀 Launch day dashboard", 64.57, created=72.1, ends=27.9),
    DemoKey("Prototype: voice ordering", 40.29),
    DemoKey("Experiment: receipt OCR", 421.74, created=431.5, ends=-66.5),
    DemoKey("Webinar booking bot", None),
    # rotations that nobody finished
    DemoKey("Payment reconciliation", 8.75, created=98.6, ends=81.4),
    DemoKey("Payment reconciliation 2", 0.049, created=8.9, allowed_ips=()),
    # names that say nothing, or too much
    DemoKey("Key 1", 14.62),
    DemoKey("test", None, prefix="rt_test_91c7", can_reveal=True),
    DemoKey("<script>alert(1)</script>", 79.5, prefix="rt_test_e04b", created=83.1),
    DemoKey('=HYPERLINK("https://example.com/refund","Open refund")', 95.89, active=False),
    DemoKey("Invoice mailer\N{ZERO WIDTH SPACE}", None),
    # no longer in use
    DemoKey("Checkout service - production (before migration)", 130.46, active=False, created=310.2, ends=-101.3),
    DemoKey("Legacy CRM sync", 388.05, active=False, created=571.7, ends=-206.7),
    DemoKey("Partner: Oderbruch Media", 77.53, active=False, created=260.4, ends=-80.4),
    DemoKey("Summer campaign landing page", 161.27, active=False),
    DemoKey("Ana Sousa - laptop", 52.65, active=False, created=192.3, ends=-12.3),
    DemoKey("Hackathon: returns by phone", None, active=False, said_active=True),
    # changed between the two answers: deleted, made
    DemoKey("Spring sale banner", 3.87, listed="analytics"),
    DemoKey("Gift card balance check", None, created=0.00002, listed="details"),
    # the audit itself
    DemoKey("keyaudit (nightly audit)", 0.98, prefix=OWN_PREFIX, permissions=("API_KEYS:READ",)),
)

# A zero date, as some databases give for "none": no reader may take it for "never used".
_UNREADABLE = DemoKey("Loyalty card import", None)
_ZERO_DATE = "0000-00-00T00:00:00Z"


def demo_account(now: datetime) -> dict[str, Any]:
    """What ``GET /v1/api-keys/analytics`` answers for the demo account at *now* (aware), ready for JSON.

    The same *now* gives the same answer. It contradicts itself by one key and holds one row that cannot be read.
    """
    now = now.astimezone(UTC)
    rows = [_row(key, now, said_active=key.said_active) for key in KEYS if key.listed != "details"]
    rows.insert(len(rows) // 2, _row(_UNREADABLE, now) | {"lastUsedAt": _ZERO_DATE})
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


def demo_details(now: datetime) -> dict[str, Any]:
    """What ``GET /v1/api-keys`` answers for the demo account at *now* (aware), ready for JSON.

    The same *now* gives the same answer. It contradicts the analytics here and there, does not know what it was asked
    for in one row, cannot be read in another, and gives more away than it should.
    """
    now = now.astimezone(UTC)
    rows = [_detailed_row(key, now) for key in KEYS if key.listed != "analytics"]
    rows.insert(len(rows) // 2, _detailed_row(_UNREADABLE, now) | {"lastUsedAt": _ZERO_DATE})
    return {"apiKeys": rows, "total": len(rows), "timestamp": _rfc3339(now)}


def _row(key: DemoKey, now: datetime, *, said_active: bool | None = None) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "keyPrefix": key.shown_prefix,
        "lastUsedAt": key.last_used_at(now),
        "isActive": key.active if said_active is None else said_active,
    }


def _detailed_row(key: DemoKey, now: datetime) -> dict[str, Any]:
    """A row of the list, with members that keyaudit does not read, some of which nobody should."""
    return (
        _row(key, now)
        | {
            "createdAt": key.created_at(now),
            "updatedAt": _rfc3339(now),
            "expiresAt": key.expires_at(now),
            "permissions": key.permissions,
            "isTestKey": key.shown_prefix.startswith("rt_test_"),
            "canReveal": key.can_reveal,
            "maskedKey": f"{key.shown_prefix}…",
            "usageCount": 0 if key.idle is None else len(key.name),
        }
        | ({} if key.allowed_ips is None else {"allowedIps": key.allowed_ips})
        | ({"plainKey": f"{key.shown_prefix}{LEAKED}"} if key.can_reveal else {})
    )


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_OWNER_AND_PURPOSE = "(?:(?P<owner>[^:]+): )?(?P<purpose>.{6,})"


def demo_policy() -> Policy:
    """The policy of the demo account: all rules, a budget of keys, more patience with those kept for emergencies."""
    return Policy(
        rules={
            "too-many-active": RuleSetting(enabled=True, options={"max_active": 50}),
            "no-ip-allowlist": RuleSetting(enabled=True),
            "ownerless-name": RuleSetting(enabled=True, options={"pattern": _OWNER_AND_PURPOSE}),
        },
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
        self._server = _Server(token, {"/v1/api-keys/analytics": demo_account(now), "/v1/api-keys": demo_details(now)})
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
