from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from keyaudit.evaluate import evaluate
from keyaudit.fetch.demo import (
    KEYS,
    LEAKED,
    OWN_PREFIX,
    DemoServer,
    demo_account,
    demo_details,
    demo_policy,
    demo_waivers,
)
from keyaudit.fetch.runtype import ANALYTICS, DETAILS
from keyaudit.fetch.settings import RuntypeSettings
from keyaudit.frame import read_analytics, with_details
from keyaudit.model import Answer, AuditResult, Policy, Severity, Snapshot, Waiver
from keyaudit.pipeline import Api, Reporting, Surroundings, render, save_answers, take_snapshot
from keyaudit.render import all_formats
from keyaudit.rules import all_rules

NOW = datetime(2026, 11, 23, 12, 0, 0, 250000, tzinfo=UTC)


def fetched(now: datetime) -> Snapshot:
    """The demo account as the real client gets it from the real server, over HTTP."""
    with DemoServer(now) as server:
        source = Api(RuntypeSettings(server.base_url, deadline=5.0), server.token)
        return take_snapshot(source, Surroundings(environ={}, clock=lambda: now))


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return fetched(NOW)


@pytest.fixture(scope="module")
def result(snapshot: Snapshot) -> AuditResult:
    return evaluate(snapshot, demo_policy(), demo_waivers(NOW))


def names(result: AuditResult, rule: str) -> set[str]:
    return {finding.key_name for finding in result.worst() if finding.rule == rule and not finding.waived}


class TestAccount:
    @pytest.mark.parametrize("rule", all_rules())
    def test_every_rule_finds_something(self, result: AuditResult, rule: str) -> None:
        assert result.counts.by_rule.get(rule, 0) >= 1

    def test_the_default_policy_finds_something_by_every_rule_that_is_on(self, snapshot: Snapshot) -> None:
        enabled = {name for name, rule in all_rules().items() if rule.enabled}
        assert enabled == set(evaluate(snapshot, Policy()).counts.by_rule)

    def test_stale_keys_are_of_both_severities(self, result: AuditResult) -> None:
        severities = {finding.severity for finding in result.worst() if finding.rule == "stale"}
        assert {Severity.MEDIUM, Severity.HIGH} == severities

    def test_expired_keys_are_with_and_without_a_last_use(self, result: AuditResult) -> None:
        used = {finding.last_used_at is not None for finding in result.worst() if finding.rule == "expired"}
        assert {True, False} == used

    def test_most_keys_are_in_order(self, result: AuditResult) -> None:
        assert 55 <= result.counts.received <= 70
        assert result.counts.without_findings > result.counts.received / 2

    def test_use_is_spread_over_every_bar(self, result: AuditResult) -> None:
        assert [] == [bucket.label for bucket in result.use if bucket.keys == 0]

    def test_a_row_without_a_readable_time_is_kept_apart_and_not_taken_for_never_used(
        self, result: AuditResult
    ) -> None:
        lost = [(row.list, row.name) for row in result.rejected if not row.kept]
        assert [("analytics", "Loyalty card import"), ("details", "Loyalty card import")] == lost
        assert "Loyalty card import" not in names(result, "never-used")

    def test_mischievous_names_are_among_the_findings(self, result: AuditResult) -> None:
        shown = set(result.findings["key_name"])
        assert {"<script>alert(1)</script>", "Invoice mailer⟨U+200B⟩"} <= shown
        assert any(name.startswith("=HYPERLINK(") for name in shown)

    def test_the_key_that_asks_is_the_only_one_marked(self, snapshot: Snapshot) -> None:
        own = snapshot.keys[snapshot.keys["own"]]
        assert [("keyaudit (nightly audit)", OWN_PREFIX)] == list(zip(own["name"], own["prefix"], strict=True))

    def test_ids_and_names_tell_keys_apart(self, snapshot: Snapshot) -> None:
        assert len(KEYS) == snapshot.keys["id"].nunique() == snapshot.keys["name"].nunique()

    def test_the_server_s_clock_is_the_now_that_was_given(self, snapshot: Snapshot) -> None:
        assert NOW == snapshot.now

    def test_the_same_now_gives_the_same_account_in_whatever_zone_it_is_told(self) -> None:
        elsewhere = NOW.astimezone(timezone(timedelta(hours=-7)))
        assert demo_account(NOW) == demo_account(elsewhere)
        assert demo_details(NOW) == demo_details(elsewhere)

    def test_the_two_lists_contradict_each_other_in_every_way_once(self, snapshot: Snapshot) -> None:
        told = {note.code: note.text for note in snapshot.notes}
        assert {"details-incomplete", "lists-disagree", "listed-once"} == set(told)
        assert "disagree on 1 key (isActive of 1)" in told["lists-disagree"]
        assert "1 key in the analytics alone and 1 key in the details alone" in told["listed-once"]
        assert [("Recommendation worker - staging", True)] == [
            (row.name, row.kept) for row in snapshot.rejected if row.kept
        ]

    def test_what_the_list_gives_away_is_nowhere(self, snapshot: Snapshot, result: AuditResult) -> None:
        assert LEAKED in json.dumps(demo_details(NOW))
        assert LEAKED not in repr(snapshot) + snapshot.keys.to_csv()
        for name in all_formats():
            assert LEAKED.encode() not in b"".join(render(result, name, Reporting()))
        with DemoServer(NOW) as server:
            source = Api(RuntypeSettings(server.base_url), server.token)
            content, _ = save_answers(source, Surroundings(environ={}, clock=lambda: NOW))
        assert LEAKED.encode() not in content

    def test_most_details_are_in_order(self, snapshot: Snapshot) -> None:
        keys = snapshot.keys
        assert keys["detailed"].sum() >= len(keys) - 1
        soon_due = keys["created_at"] <= NOW - timedelta(days=76)
        endless = keys["ends"].eq(False).fillna(value=True)
        assert (soon_due | endless).sum() < len(keys) / 4
        assert 0 < keys["allowed_ips"].notna().sum() < len(keys) / 4

    def test_the_findings_stay_the_same_as_time_goes_by(self, result: AuditResult) -> None:
        later = NOW + timedelta(days=1000, hours=7)
        again = evaluate(fetched(later), demo_policy(), demo_waivers(later))
        assert list(result.findings["id"]) == list(again.findings["id"])
        assert list(result.findings["severity"]) == list(again.findings["severity"])


class TestPolicy:
    def test_the_override_spares_the_keys_kept_for_emergencies(self, snapshot: Snapshot, result: AuditResult) -> None:
        kept = {"DR restore - Frankfurt", "DR restore - Dublin"}
        plain = evaluate(snapshot, replace(demo_policy(), overrides=()))
        assert names(plain, "stale") >= kept
        assert not names(result, "stale") & kept
        assert all(override.comment for override in demo_policy().overrides)

    def test_every_state_of_a_waiver_is_there_once(self, result: AuditResult) -> None:
        states = Counter(waiver.state for waiver in result.waivers)
        assert {"in force": 1, "expired": 1, "matches nothing": 1} == states

    def test_the_waiver_in_force_marks_what_would_count(self, snapshot: Snapshot, result: AuditResult) -> None:
        unwaived = evaluate(snapshot, demo_policy())
        assert 1 == result.counts.waived
        assert unwaived.counts.findings == result.counts.findings + 1

    def test_waivers_end_relative_to_the_day_in_utc(self) -> None:
        def ends(now: datetime) -> list[timedelta]:
            return [waiver.expires - now.astimezone(UTC).date() for waiver in demo_waivers(now)]

        nearly_tomorrow = datetime(2026, 11, 23, 20, 0, tzinfo=timezone(timedelta(hours=-7)))
        assert ends(NOW) == ends(nearly_tomorrow)
        assert all(timedelta() < end <= timedelta(days=365) for end in ends(NOW)[::2])

    def test_waivers_say_why_and_who(self) -> None:
        def spoken_for(waiver: Waiver) -> bool:
            return bool(waiver.reason and waiver.owner)

        assert all(map(spoken_for, demo_waivers(NOW)))


def ask(server: DemoServer, path: str = ANALYTICS, method: str = "GET", **headers: str) -> tuple[int, str, Any]:
    """Status, content type and decoded body of the answer to one request."""
    with closing(http.client.HTTPConnection(*address(server), timeout=5)) as connection:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, response.headers.get_content_type(), json.loads(body) if is_json else body


def address(server: DemoServer) -> tuple[str, int]:
    host, port = server.base_url.removeprefix("http://").split(":")
    return host, int(port)


def bearer(server: DemoServer) -> str:
    return f"Bearer {server.token.reveal()}"


class TestServer:
    def test_answers_the_account_to_its_own_token(self) -> None:
        with DemoServer(NOW) as server:
            for path, document in ((ANALYTICS, demo_account(NOW)), (DETAILS, demo_details(NOW))):
                answer = (200, "application/json", json.loads(json.dumps(document)))
                assert answer == ask(server, path, Authorization=bearer(server))

    def test_reads_the_path_without_its_query(self) -> None:
        with DemoServer(NOW) as server:
            assert 200 == ask(server, f"{ANALYTICS}?page=1", Authorization=bearer(server))[0]

    @pytest.mark.parametrize(
        "authorization", ["", "Bearer", "Bearer rt_live_demo", "Basic {token}", "{token}", "Bearer é"]
    )
    def test_refuses_everybody_else(self, authorization: str) -> None:
        with DemoServer(NOW) as server:
            told = authorization.format(token=server.token.reveal())
            status, kind, body = ask(server, Authorization=told)
        assert (401, "application/json") == (status, kind)
        assert {"error", "code"} == body.keys()

    def test_refuses_a_request_without_a_token(self) -> None:
        with DemoServer(NOW) as server:
            assert 401 == ask(server)[0]

    @pytest.mark.parametrize("path", ["/", "/v1/api-keys/analytics/", "/v1/secrets", "/../etc/passwd"])
    def test_has_nothing_elsewhere(self, path: str) -> None:
        with DemoServer(NOW) as server:
            status, kind, _ = ask(server, path, Authorization=bearer(server))
        assert (404, "application/json") == (status, kind)

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
    def test_only_gets(self, method: str) -> None:
        with DemoServer(NOW) as server:
            assert 501 == ask(server, method=method, Authorization=bearer(server))[0]

    def test_dates_its_answers(self) -> None:
        with DemoServer(NOW) as server, closing(http.client.HTTPConnection(*address(server), timeout=5)) as connection:
            connection.request("GET", "/")
            date = parsedate_to_datetime(connection.getresponse().headers["Date"])
        assert abs(datetime.now(UTC) - date) < timedelta(seconds=10)

    def test_listens_on_one_loopback_address_alone(self) -> None:
        with DemoServer(NOW) as server:
            host, port = address(server)
            assert "127.0.0.1" == host
            with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=2):  # noqa: PT011
                pass

    def test_makes_up_a_token_of_its_own_and_keeps_it_out_of_sight(self) -> None:
        with DemoServer(NOW) as one, DemoServer(NOW) as other:
            assert one.token.reveal().startswith(OWN_PREFIX)
            assert one.token.reveal() != other.token.reveal()
            assert one.token.reveal() not in repr(vars(one))
            assert 401 == ask(one, Authorization=bearer(other))[0]

    def test_serves_two_clients_at_once(self) -> None:
        with DemoServer(NOW) as server, socket.create_connection(address(server)):
            assert 200 == ask(server, Authorization=bearer(server))[0]

    def test_leaves_neither_thread_nor_port_behind_even_when_a_client_stays(self) -> None:
        before = set(threading.enumerate())
        with DemoServer(NOW) as server, socket.create_connection(address(server)) as idle:
            ask(server)
            started = time.monotonic()
            server.__exit__(None, None, None)
            assert time.monotonic() - started < 1
            assert b"" == idle.recv(1)
            assert before == set(threading.enumerate())
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address(server), timeout=2)

    def test_stays_silent_even_when_a_client_breaks_off(self, capfd: pytest.CaptureFixture[str]) -> None:
        with DemoServer(NOW) as server:
            ask(server)
            rude = socket.create_connection(address(server))
            rude.sendall(b"GET / HT")
            # a linger of zero seconds makes the close a reset
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            rude.close()
            ask(server)
        assert ("", "") == capfd.readouterr()

    def test_asks_no_resolver_for_this_machine_s_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> str:
            raise AssertionError

        monkeypatch.setattr(socket, "getfqdn", refuse)
        monkeypatch.setattr(socket, "gethostbyaddr", refuse)
        with DemoServer(NOW) as server:
            assert 200 == ask(server, Authorization=bearer(server))[0]

    def test_starts_within_a_twentieth_of_a_second(self) -> None:
        def start() -> float:
            begun = time.perf_counter()
            with DemoServer(NOW):
                return time.perf_counter() - begun

        assert min(start() for _ in range(3)) < 0.05

    def test_needs_no_heavy_import(self) -> None:
        heavy = {"pandas", "numpy", "pyarrow", "httpx", "jinja2", "pydantic", "rich"}
        program = f"import sys, keyaudit.fetch.demo; print(sorted({heavy} & set(sys.modules)))"
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "[]\n" == ran.stdout


def test_a_saved_answer_of_the_demo_can_be_read() -> None:
    body, more = (json.dumps(document(NOW)).encode() for document in (demo_account, demo_details))
    snapshot = read_analytics(Answer(body, "saved"), local_now=NOW + timedelta(days=3))
    assert NOW == with_details(snapshot, Answer(more, "saved")).now
