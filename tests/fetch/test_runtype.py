from __future__ import annotations

import datetime as dt
import email.utils
import gzip
import hashlib
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from keyaudit.errors import ConfigError, FetchError
from keyaudit.fetch import runtype
from keyaudit.fetch.runtype import Client, fetch_lists
from keyaudit.fetch.settings import RuntypeSettings
from keyaudit.secret import Secret
from tests.fetch.conftest import NOW, QUICK, TOKEN, Authority, Fetched
from tests.fetch.loopback import Recorder, Reply, drip, pour, raw, reply, serve, silence, slam

ANALYTICS = "/v1/api-keys/analytics"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def refusal(fetch: Fetched, server: Recorder, **settings: Any) -> str:
    with pytest.raises(FetchError) as refused:
        fetch(server.address, **settings)
    return refused.value.message


class TestAnswer:
    def test_holds_body_date_and_origin(self, fetch: Fetched) -> None:
        with serve(reply(b'{"a": 1}', Date="Wed, 24 Apr 2024 14:00:00 GMT")) as server:
            answer = fetch(server.address + "/base/")
        assert b'{"a": 1}' == answer.body
        assert dt.datetime(2024, 4, 24, 14, tzinfo=dt.UTC) == answer.date
        assert NOW == answer.received_at
        assert server.address == answer.source
        assert [] == fetch.progress

    @pytest.mark.parametrize("date", ["", "yesterday", "Wed, 99 Apr 2024 14:00:00 GMT"])
    def test_without_a_readable_date_has_none(self, fetch: Fetched, date: str) -> None:
        with serve(reply(Date=date)) as server:
            assert fetch(server.address).date is None

    def test_comes_of_one_get_that_says_who_asks(self, fetch: Fetched) -> None:
        with serve(reply()) as server:
            fetch(server.address + "/base")
        (request,) = server.requests
        assert ("GET", f"/base{ANALYTICS}") == (request.method, request.target)
        assert f"Bearer {TOKEN}" == request.headers["authorization"]
        assert "application/json" == request.headers["accept"]
        assert request.headers["user-agent"].startswith("keyaudit/")

    def test_is_not_mixed_with_netrc(self, fetch: Fetched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        with serve(reply()) as server:
            fetch(server.address)
        assert f"Bearer {TOKEN}" == server.requests[0].headers["authorization"]

    def test_of_several_requests_shares_one_deadline(self) -> None:
        with serve(reply(b"1"), reply(b"2"), silence) as server:
            settings = RuntypeSettings(server.address, **(QUICK | {"deadline": 0.6}))
            with Client(settings, Secret(TOKEN), environ={}, clock=lambda: NOW) as client:
                start = time.monotonic()
                assert [b"1", b"2"] == [client.get("/one").body, client.get("/two").body]
                time.sleep(0.3)
                with pytest.raises(FetchError, match="deadline"):
                    client.get("/three")
                assert time.monotonic() - start < 1
        assert ["/one", "/two", "/three"] == [request.target for request in server.requests]

    def test_comes_in_a_thread_too(self, fetch: Fetched) -> None:
        bodies: list[bytes] = []
        with serve(reply(b"in a thread")) as server:
            thread = threading.Thread(target=lambda: bodies.append(fetch(server.address).body))
            thread.start()
            thread.join(5)
        assert [b"in a thread"] == bodies


class TestRedirect:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_within_the_origin_is_followed(self, fetch: Fetched, status: int) -> None:
        with serve(reply(status=status, Location="/v2/keys?x=1#part"), reply(b"there")) as server:
            assert b"there" == fetch(server.address).body
        assert "/v2/keys?x=1" == server.requests[1].target
        assert f"Bearer {TOKEN}" == server.requests[1].headers["authorization"]

    def test_cannot_replace_the_token(self, fetch: Fetched) -> None:
        with ExitStack() as stack:
            server = stack.enter_context(serve())
            location = f"http://someone:else@127.0.0.1:{server.port}/there"
            server.replies = [reply(status=302, Location=location), reply(b"there")]
            fetch(server.address)
        assert ["GET", "GET"] == [request.method for request in server.requests]
        assert f"Bearer {TOKEN}" == server.requests[1].headers["authorization"]

    @pytest.mark.parametrize(
        "location", ["{other}/", "//127.0.0.1:{port}/", "http://localhost:{own}/", "https://127.0.0.1:{own}/"]
    )
    def test_to_another_origin_is_refused_and_never_asked(self, fetch: Fetched, location: str) -> None:
        with serve(reply(b"stolen")) as other, serve() as server:
            where = location.format(other=other.address, port=other.port, own=server.port)
            server.replies = [reply(status=307, Location=where)]
            message = refusal(fetch, server)
        assert "redirected to another origin" in message
        assert "token was not sent there" in message
        assert (0, 1) == (len(other.requests), len(server.requests))

    def test_from_https_to_http_is_refused(self, fetch: Fetched, authority: Authority) -> None:
        with serve(tls=authority.server("127.0.0.1")) as server:
            server.replies = [reply(status=302, Location=f"http://127.0.0.1:{server.port}/")]
            assert "another origin" in refusal(fetch, server, ca_file=authority.file)
        assert 1 == len(server.requests)

    def test_without_end_is_refused(self, fetch: Fetched) -> None:
        with serve(reply(status=302, Location=ANALYTICS)) as server:
            assert "redirected more than 5 times" in refusal(fetch, server)
        assert 6 == len(server.requests)

    @pytest.mark.parametrize("headers", [{}, {"Location": "http://[::1"}, {"Location": "https://a:b:c/"}])
    def test_to_nowhere_is_refused(self, fetch: Fetched, headers: dict[str, Any]) -> None:
        with serve(reply(status=301, **headers)) as server:
            assert "redirected to no address that can be read" in refusal(fetch, server)
        assert 1 == len(server.requests)


class TestRetry:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_makes_four_tries_on_a_passing_failure(self, fetch: Fetched, status: int) -> None:
        with serve(reply(status=status)) as server:
            message = refusal(fetch, server)
        assert f"HTTP {status}" in message
        assert message.endswith("Gave up after 4 tries.")
        assert 4 == len(server.requests)
        assert ["Try 2 of 4", "Try 3 of 4", "Try 4 of 4"] == [told[told.index("Try") :][:10] for told in fetch.progress]

    @pytest.mark.parametrize(
        ("failure", "sentence"),
        [
            (slam, "broke before"),
            (raw(b""), "broke before"),
            (raw(b"no HTTP at all\r\n\r\n"), "broke before"),
            (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "broke before"),
            (raw(CHUNKED + b"5\r\nshort\r\n"), "broke before"),
            (silence, "was silent for 0.1 s"),
        ],
        ids=["reset", "closed", "no HTTP", "cut short", "chunks cut short", "silence"],
    )
    def test_makes_four_tries_on_a_broken_connection(self, fetch: Fetched, failure: Reply, sentence: str) -> None:
        with serve(failure) as server:
            message = refusal(fetch, server, read_timeout=0.1)
        assert sentence in message
        assert 4 == len(server.requests)

    def test_makes_four_tries_where_nothing_listens(self, fetch: Fetched) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        with pytest.raises(FetchError, match=rf"No connection to http://127\.0\.0\.1:{port}\. .* 4 tries") as refused:
            fetch(f"http://127.0.0.1:{port}")
        assert "ECONNREFUSED" in refused.value.details
        assert 3 == len(fetch.progress)

    @pytest.mark.parametrize("failures", [1, 2, 3])
    def test_ends_with_the_first_success(self, fetch: Fetched, failures: int) -> None:
        with serve(*[reply(status=503)] * failures, reply(b"at last")) as server:
            assert b"at last" == fetch(server.address).body
        assert failures + 1 == len(server.requests)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 418, 422, 501, 204, 206, 300, 304])
    def test_makes_one_try_where_another_would_not_help(self, fetch: Fetched, status: int) -> None:
        with serve(reply(b"", status=status, Retry_After="0")) as server:
            assert f"HTTP {status}" in refusal(fetch, server)
        assert 1 == len(server.requests)

    def test_backs_off_further_each_time(self, fetch: Fetched) -> None:
        with serve(reply(status=500)) as server:
            refusal(fetch, server, backoff=0.1)
        for wait, longest in zip(server.waits, (0.1, 0.2, 0.4), strict=True):
            assert longest / 2 <= wait < longest + 0.15

    def test_does_not_come_in_step_with_others(self, fetch: Fetched) -> None:
        class Told(Exception):
            pass

        def leave(told: str) -> None:
            raise Told(told.split()[-2])

        pauses = set()
        with serve(reply(status=500)) as server:
            for _ in range(4):
                settings = RuntypeSettings(server.address, deadline=1000, backoff=100)
                with pytest.raises(Told) as told:
                    fetch_lists(settings, Secret(TOKEN), environ={}, clock=lambda: NOW, on_progress=leave)
                pauses.add(float(str(told.value)))
        assert len(pauses) > 1
        assert 50 <= min(pauses)
        assert max(pauses) <= 100

    def test_never_comes_earlier_than_asked(self, fetch: Fetched) -> None:
        with serve(reply(status=429, Retry_After="1"), reply()) as server:
            fetch(server.address)
        assert 1 <= server.waits[0] < 1.5
        assert "HTTP 429" in fetch.progress[0]
        assert "follows in 1.0 s" in fetch.progress[0]

    @pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"])
    def test_reads_every_form_of_date_by_the_servers_clock(self, fetch: Fetched, form: str) -> None:
        server_now = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
        until = (server_now + dt.timedelta(seconds=61)).strftime(form)
        with serve(reply(status=503, Retry_After=until, Date=email.utils.format_datetime(server_now, True))) as server:
            assert "asks to wait 61 s" in refusal(fetch, server)
        assert 1 == len(server.requests)

    def test_waits_until_a_date(self, fetch: Fetched) -> None:
        until = email.utils.format_datetime(NOW + dt.timedelta(seconds=1), usegmt=True)
        with serve(reply(status=503, Retry_After=until), reply()) as server:
            fetch(server.address)
        assert 0.75 <= server.waits[0] < 1.25

    @pytest.mark.parametrize("text", ["soon", "-5", "1.5", "٣", "Wed, 24 Apr 2019 14:00:00 GMT", "Wed, 99 Foo"])
    def test_backs_off_as_usual_where_no_wait_is_asked_for(self, fetch: Fetched, text: str) -> None:
        with serve(
            raw(f"HTTP/1.1 503 X\r\nRetry-After: {text}\r\nContent-Length: 0\r\n\r\n".encode()), reply()
        ) as server:
            fetch(server.address)
        assert server.waits[0] < 0.5

    @pytest.mark.parametrize(("asked", "shown"), [("61", "61"), ("3600", "3600"), ("9" * 400, "1000000000")])
    def test_gives_up_at_once_on_a_wait_too_long(self, fetch: Fetched, asked: str, shown: str) -> None:
        start = time.monotonic()
        with serve(reply(status=429, Retry_After=asked)) as server:
            message = refusal(fetch, server, deadline=10_000)
        assert f"It asks to wait {shown} s; 60 s is the most keyaudit waits." in message
        assert 1 == len(server.requests)
        assert time.monotonic() - start < 1

    def test_gives_up_at_once_on_a_wait_beyond_the_deadline(self, fetch: Fetched) -> None:
        start = time.monotonic()
        with serve(reply(status=429, Retry_After="30")) as server:
            message = refusal(fetch, server, deadline=20)
        assert "It asks to wait 30 s, but" in message
        assert message.endswith("s are left of the deadline of 20 s.")
        assert 1 == len(server.requests)
        assert time.monotonic() - start < 1

    def test_gives_up_at_once_where_its_own_pause_would_pass_the_deadline(self, fetch: Fetched) -> None:
        start = time.monotonic()
        with serve(reply(status=500)) as server:
            assert "No further try" in refusal(fetch, server, backoff=60)
        assert 1 == len(server.requests)
        assert time.monotonic() - start < 1


class TestDeadline:
    @pytest.mark.parametrize(
        "slow",
        [
            drip(b"HTTP/1.1 200 OK\r\nX-Slow: "),
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
            drip(b"HTTP/1.1 200 OK\r\n\r\n"),
            drip(CHUNKED, b"1\r\nx\r\n"),
            drip(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\0\0\0\xff\xff"),
            drip(b"HTTP/1.1 401 No\r\nContent-Length: 1000\r\n\r\n"),
            silence,
        ],
        ids=["headers", "body", "endless body", "chunks", "gzip", "error body", "silence"],
    )
    def test_ends_a_fetch_from_a_slow_server(self, fetch: Fetched, slow: Reply) -> None:
        start = time.monotonic()
        with serve(slow) as server:
            message = refusal(fetch, server, deadline=0.5)
        assert "deadline of 0.5 s passed" in message
        assert 0.5 <= time.monotonic() - start < 1.2

    def test_says_what_failed_before(self, fetch: Fetched) -> None:
        with serve(reply(status=502), silence) as server:
            message = refusal(fetch, server, deadline=0.5)
        assert "deadline of 0.5 s passed. Before that:" in message
        assert "HTTP 502" in message

    def test_holds_in_a_thread(self, fetch: Fetched) -> None:
        messages: list[str] = []
        with serve(drip(CHUNKED, b"1\r\nx\r\n")) as server:
            thread = threading.Thread(target=lambda: messages.append(refusal(fetch, server, deadline=0.3)))
            thread.start()
            thread.join(2)
        assert 1 == len(messages)

    def test_ends_a_handshake_that_hangs(self, fetch: Fetched) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            start = time.monotonic()
            with pytest.raises(FetchError, match=r"deadline of 0\.4 s"):
                fetch(f"https://127.0.0.1:{listening.getsockname()[1]}", deadline=0.4)
            took = time.monotonic() - start
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(1)
                while connection.recv(65536):
                    pass
        assert took < 1.1

    def test_ends_a_name_lookup_that_hangs(self, fetch: Fetched, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(5) and [])
        start = time.monotonic()
        with pytest.raises(FetchError, match=r"deadline of 0\.4 s"):
            fetch("https://localhost:1", deadline=0.4)
        assert time.monotonic() - start < 1.1
        release.set()

    def test_an_error_body_that_drips_hides_no_status(self, fetch: Fetched, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtype, "_ERROR_BODY_SECONDS", 0.2)
        with serve(drip(b"HTTP/1.1 401 No\r\nContent-Length: 1000\r\n\r\n")) as server:
            assert "refused the token" in refusal(fetch, server)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no interval timers")
    def test_ctrl_c_does_not_wait_for_it(self, fetch: Fetched) -> None:
        start = time.monotonic()
        with serve(drip(CHUNKED, b"1\r\nx\r\n")) as server:
            before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            try:
                with pytest.raises(KeyboardInterrupt):
                    fetch(server.address)
            finally:
                signal.signal(signal.SIGALRM, before)
        assert time.monotonic() - start < 2


class TestBody:
    def test_may_be_compressed(self, fetch: Fetched) -> None:
        text = b"".join(b"%d," % n for n in range(500_000))
        with serve(reply(gzip.compress(text), Content_Encoding="gzip")) as server:
            assert text == fetch(server.address).body
        assert "gzip" == server.requests[0].headers["accept-encoding"]

    def test_may_be_as_long_as_the_limit(self, fetch: Fetched) -> None:
        with serve(reply(b"12345"), reply(gzip.compress(b"12345"), Content_Encoding="x-gzip")) as server:
            assert [b"12345"] * 2 == [fetch(server.address, max_body_bytes=5).body for _ in range(2)]

    def test_may_be_empty(self, fetch: Fetched) -> None:
        with serve(reply(b"", Content_Encoding="gzip")) as server:
            assert b"" == fetch(server.address).body

    @pytest.mark.parametrize(
        "long",
        [
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 200001\r\n\r\n"),
            pour(CHUNKED, b"10000\r\n" + b"x" * 0x10000 + b"\r\n"),
            pour(CHUNKED, b"10\r\n0123456789abcdef\r\n" * 1_000),
            pour(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
            reply(gzip.compress(b"x" * 200_001), Content_Encoding="gzip"),
        ],
        ids=["declared", "chunks", "tiny chunks", "endless", "gzip"],
    )
    def test_beyond_the_limit_is_refused(self, fetch: Fetched, long: Reply) -> None:
        with serve(long) as server:
            message = refusal(fetch, server, max_body_bytes=200_000)
        assert "larger than 200000 bytes" in message
        assert "max_body_mib" in message
        assert 1 == len(server.requests)

    def test_that_is_a_bomb_takes_no_memory(self, fetch: Fetched) -> None:
        compressor = zlib.compressobj(9, wbits=31)
        bomb = b"".join(compressor.compress(bytes(2**20)) for _ in range(64)) + compressor.flush()
        assert len(bomb) < 100_000
        with serve(reply(bomb, Content_Encoding="gzip")) as server:
            fetch(server.address)  # the imports that the first use brings along
            tracemalloc.start()
            try:
                assert "larger than" in refusal(fetch, server, max_body_bytes=2**20)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 8 * 2**20

    def test_is_held_once(self, fetch: Fetched) -> None:
        body = bytes(16 * 2**20)
        with serve(reply(body)) as server:
            tracemalloc.start()
            try:
                assert body == fetch(server.address).body
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 1.5 * len(body)

    def test_tells_how_much_has_come(self, fetch: Fetched) -> None:
        with serve(reply(bytes(33 * 2**20))) as server:
            fetch(server.address)
        assert ["16 MiB received.", "32 MiB received."] == fetch.progress

    @pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "compress", f"x{TOKEN}"])
    def test_in_another_encoding_is_refused(self, fetch: Fetched, encoding: str) -> None:
        with serve(reply(b"{}", Content_Encoding=encoding)) as server:
            assert "Content-Encoding that was not asked for" in refusal(fetch, server)
        assert 1 == len(server.requests)

    @pytest.mark.parametrize(
        "damaged",
        [
            b"no gzip",
            gzip.compress(b"x" * 1000)[:-4],
            gzip.compress(b"x" * 1000) + b"more",
            gzip.compress(b"x")[:-8] + bytes(8),
        ],
        ids=["no gzip", "cut short", "surplus", "checksum"],
    )
    def test_that_is_damaged_is_refused(self, fetch: Fetched, damaged: bytes) -> None:
        with serve(reply(damaged, Content_Encoding="gzip")) as server:
            assert "compressed answer" in refusal(fetch, server)
        assert 1 == len(server.requests)


class TestRefusal:
    def test_of_the_token_names_its_reference(self, fetch: Fetched) -> None:
        with serve(reply(b'{"error": "x"}', status=401)) as server:
            assert (
                f"{server.address} refused the token (HTTP 401). "
                "Check that env:RUNTYPE_API_KEY holds a valid Runtype API key, whole and alone."
            ) == refusal(fetch, server)

    def test_of_permission_names_what_may_be_missing(self, fetch: Fetched) -> None:
        with serve(reply(b'{"code": "TEST_KEY_PERMISSION_DENIED"}', status=403)) as server:
            message = refusal(fetch, server)
        assert f"does not let it read {ANALYTICS} (HTTP 403, TEST_KEY_PERMISSION_DENIED)" in message
        assert "may lack a permission to read API keys" in message

    def test_of_the_path_names_the_base_url(self, fetch: Fetched) -> None:
        with serve(reply(status=404)) as server:
            assert f"has no {ANALYTICS} (HTTP 404). Check base_url." in refusal(fetch, server)

    @pytest.mark.parametrize(("headers", "tries"), [({}, 1), ({"Retry_After": "3000"}, 1), ({"Retry_After": "0"}, 1)])
    def test_by_slow_mode_says_so(self, fetch: Fetched, headers: dict[str, str], tries: int) -> None:
        body = b'{"error": "slow", "code": "SLOW_MODE_HOURLY_LIMIT_EXCEEDED"}'
        with serve(reply(body, status=429, **headers)) as server:
            message = refusal(fetch, server)
        assert "10 requests an hour" in message
        assert "SLOW_MODE_HOURLY_LIMIT_EXCEEDED" in message
        assert ("Retry_After" in headers and headers["Retry_After"] == "3000") == ("asks to wait 3000 s" in message)
        assert tries == len(server.requests)

    @pytest.mark.parametrize(
        ("body", "shown"),
        [
            (b'{"code": "SOME_CODE_1", "message": "words"}', "(HTTP 400, SOME_CODE_1)."),
            (b'{"error": {"code": "INNER", "message": "words"}}', "(HTTP 400, INNER)."),
            (b'{"code": "has words"}', "(HTTP 400)."),
            (b'{"code": "A\\n"}', "(HTTP 400)."),
            (b'{"code": "' + b"A" * 65 + b'"}', "(HTTP 400)."),
            (b'{"code": 7, "error": "words"}', "(HTTP 400)."),
            (b'["words"]', "(HTTP 400)."),
            (b"null", "(HTTP 400)."),
        ],
    )
    def test_shows_a_code_and_no_words_of_the_servers(self, fetch: Fetched, body: bytes, shown: str) -> None:
        with serve(reply(body, status=400)) as server:
            assert f"{server.address} did not answer with what was asked for {shown}" == refusal(fetch, server)

    @pytest.mark.parametrize(
        ("content_type", "shown"),
        [
            ("text/html; charset=utf-8", "text/html"),
            ("Text/HTML", "text/html"),
            ("", "something of no known content type"),
            ("text/<script>", "something of no known content type"),
            ("text/" + "x" * 60, "something of no known content type"),
        ],
    )
    def test_that_is_not_runtypes_says_its_content_type(self, fetch: Fetched, content_type: str, shown: str) -> None:
        with serve(reply(b"<html>words</html>", status=400, Content_Type=content_type)) as server:
            message = refusal(fetch, server)
        assert message.endswith(f"(HTTP 400). It sent {shown}, no error of Runtype's: a proxy may stand in between.")

    @pytest.mark.parametrize(
        "body",
        [b"[" * 60_000, b"9" * 5000, b'"' + b"x" * 70_000 + b'"', b"\xff\xfe", b""],
        ids=["deep", "digits", "long", "bytes", "empty"],
    )
    def test_with_a_hostile_body_keeps_its_status(self, fetch: Fetched, body: bytes) -> None:
        with serve(reply(body, status=401)) as server:
            assert "refused the token (HTTP 401)." in refusal(fetch, server)


class TestTls:
    def test_trusts_the_given_authority(self, fetch: Fetched, authority: Authority) -> None:
        with serve(reply(b"safe"), tls=authority.server("127.0.0.1")) as server:
            assert b"safe" == fetch(server.address, ca_file=authority.file).body
            fetch.environ = {"SSL_CERT_FILE": str(authority.file)}
            assert b"safe" == fetch(server.address).body

    def test_trusts_a_folder_of_authorities(self, fetch: Fetched, authority: Authority, tmp_path: Path) -> None:
        # OpenSSL finds an authority by a hash of its name in lower case, without the outermost header.
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, authority.name.lower())]).public_bytes()[2:]
        hashed = int.from_bytes(hashlib.sha1(name, usedforsecurity=False).digest()[:4], "little")
        (tmp_path / f"{hashed:08x}.0").write_bytes(authority.file.read_bytes())
        fetch.environ = {"SSL_CERT_DIR": str(tmp_path)}
        with serve(reply(b"safe"), tls=authority.server("127.0.0.1")) as server:
            assert b"safe" == fetch(server.address).body

    def test_prefers_ca_file_to_the_environment(
        self, fetch: Fetched, authority: Authority, stranger: Authority
    ) -> None:
        fetch.environ = {"SSL_CERT_FILE": str(stranger.file), "SSL_CERT_DIR": str(stranger.folder)}
        with serve(reply(b"safe"), tls=authority.server("127.0.0.1")) as server:
            assert b"safe" == fetch(server.address, ca_file=authority.file).body

    @pytest.mark.parametrize(
        ("host", "days", "trusted", "reason"),
        [
            ("127.0.0.1", 1, "none", "certificate"),
            ("127.0.0.1", 1, "stranger", "certificate"),
            ("127.0.0.1", -1, "authority", "expired"),
            ("127.0.0.2", 1, "authority", "mismatch"),
            ("localhost", 1, "authority", "mismatch"),
        ],
    )
    def test_refuses_who_cannot_prove_who_they_are(
        self, fetch: Fetched, request: pytest.FixtureRequest, host: str, days: int, trusted: str, reason: str
    ) -> None:
        authority: Authority = request.getfixturevalue("authority")
        if trusted != "none":
            fetch.environ = {"SSL_CERT_FILE": str(request.getfixturevalue(trusted).file)}
        with serve(reply(b"stolen"), tls=authority.server(host, days=days)) as server:
            message = refusal(fetch, server)
        assert f"TLS verification of {server.address} failed: " in message
        assert reason in message
        assert "ca_file" in message
        assert [] == server.requests
        assert [] == fetch.progress

    def test_refuses_a_server_without_tls(self, fetch: Fetched) -> None:
        with (
            serve(raw(b"HTTP/1.1 400 No TLS here\r\n\r\n"), until=b"\x16") as server,
            pytest.raises(FetchError, match=r"No TLS connection to https://127\.0\.0\.1:\d+ came about"),
        ):
            fetch(f"https://127.0.0.1:{server.port}")
        assert [] == fetch.progress

    def test_that_stalls_in_the_handshake_is_tried_again(self, fetch: Fetched) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            pytest.raises(FetchError, match=r"No connection to .* within 0\.1 s\. Gave up after 4 tries"),
        ):
            fetch(f"https://127.0.0.1:{listening.getsockname()[1]}", connect_timeout=0.1)

    def test_that_ends_in_the_handshake_is_tried_again(self, fetch: Fetched) -> None:
        with (
            serve(slam, until=b"\x16") as server,
            pytest.raises(FetchError, match=r"No connection to .* Gave up after 4 tries"),
        ):
            fetch(f"https://127.0.0.1:{server.port}")

    @pytest.mark.parametrize("failure", [slam, raw(CHUNKED + b"5\r\nshort\r\n")], ids=["reset", "cut short"])
    def test_that_breaks_later_is_tried_again(self, fetch: Fetched, authority: Authority, failure: Reply) -> None:
        with serve(failure, tls=authority.server("127.0.0.1")) as server:
            assert "broke before the answer was complete. Gave up" in refusal(fetch, server, ca_file=authority.file)
        assert 4 == len(server.requests)

    def test_names_certificate_files_that_cannot_be_used(self, fetch: Fetched, tmp_path: Path) -> None:
        (tmp_path / "empty.pem").touch()
        with pytest.raises(ConfigError, match=r"\[runtype\] ca_file names cannot be used: No such file"):
            fetch("https://127.0.0.1", ca_file=tmp_path / "none.pem")
        with pytest.raises(ConfigError, match="ca_file names cannot be used: it holds no certificate in PEM form"):
            fetch("https://127.0.0.1", ca_file=tmp_path / "empty.pem")
        fetch.environ = {"SSL_CERT_FILE": str(tmp_path / "none.pem")}
        with pytest.raises(ConfigError, match="SSL_CERT_FILE or SSL_CERT_DIR names cannot be used: No such file"):
            fetch("https://127.0.0.1")


class TestProxy:
    HOST = "api.runtype.example"

    @pytest.fixture
    def behind(self, fetch: Fetched, authority: Authority) -> Iterator[tuple[Recorder, Recorder]]:
        """A TLS server that only a proxy can find under its name, and that proxy."""
        fetch.environ = {"SSL_CERT_FILE": str(authority.file)}
        with (
            serve(reply(b"safe"), tls=authority.server(self.HOST)) as server,
            serve(tunnel_to=server.port) as proxy,
        ):
            yield server, proxy

    @pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
    def test_tunnels_to_the_server(self, fetch: Fetched, behind: tuple[Recorder, Recorder], name: str) -> None:
        server, proxy = behind
        fetch.environ |= {name: proxy.address, "NO_PROXY": "other.example"}
        assert b"safe" == fetch(f"https://{self.HOST}").body
        (connect,) = proxy.requests
        assert ("CONNECT", f"{self.HOST}:443") == (connect.method, connect.target)
        assert "authorization" not in connect.headers
        assert f"Bearer {TOKEN}" == server.requests[0].headers["authorization"]
        assert "proxy-authorization" not in server.requests[0].headers

    def test_gets_its_own_credentials(self, fetch: Fetched, behind: tuple[Recorder, Recorder]) -> None:
        _, proxy = behind
        fetch.environ |= {"HTTPS_PROXY": f"someone:hunter2@127.0.0.1:{proxy.port}"}
        assert b"safe" == fetch(f"https://{self.HOST}").body
        assert "Basic c29tZW9uZTpodW50ZXIy" == proxy.requests[0].headers["proxy-authorization"]

    def test_may_speak_tls_itself(self, fetch: Fetched, authority: Authority) -> None:
        with (
            serve(reply(b"safe"), tls=authority.server(self.HOST)) as server,
            serve(tunnel_to=server.port, tls=authority.server("127.0.0.1")) as proxy,
        ):
            fetch.environ = {"SSL_CERT_FILE": str(authority.file), "HTTPS_PROXY": proxy.address}
            assert b"safe" == fetch(f"https://{self.HOST}").body
        assert ["CONNECT"] == [request.method for request in proxy.requests]

    @pytest.mark.parametrize(
        "exempt",
        ["*", HOST, "x.example, .runtype.example", "*.runtype.example", "example", f"{HOST}:443", HOST.upper()],
    )
    @pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
    def test_is_passed_by_for_an_exempt_host(
        self, fetch: Fetched, behind: tuple[Recorder, Recorder], name: str, exempt: str
    ) -> None:
        _, proxy = behind
        fetch.environ |= {"HTTPS_PROXY": proxy.address, name: exempt}
        with pytest.raises(FetchError, match=rf"No connection to https://{self.HOST}: the name could not be resolved"):
            fetch(f"https://{self.HOST}")
        assert [] == proxy.requests

    @pytest.mark.parametrize("exempt", ["", "runtype", "type.example", f"{HOST}:8443", ",", ".", "127.0.0.1"])
    def test_is_used_for_all_other_hosts(self, fetch: Fetched, behind: tuple[Recorder, Recorder], exempt: str) -> None:
        _, proxy = behind
        fetch.environ |= {"HTTPS_PROXY": proxy.address, "NO_PROXY": exempt}
        assert b"safe" == fetch(f"https://{self.HOST}").body
        assert 1 == len(proxy.requests)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_is_never_used_for_loopback(self, fetch: Fetched, host: str) -> None:
        with serve(reply(b"direct")) as server, serve(slam) as proxy:
            fetch.environ = {"HTTP_PROXY": proxy.address, "HTTPS_PROXY": proxy.address, "ALL_PROXY": proxy.address}
            assert b"direct" == fetch(f"http://{host}:{server.port}").body
        assert [] == proxy.requests

    @pytest.mark.parametrize(("status", "tries"), [(407, 1), (403, 1), (502, 4)])
    def test_that_refuses_is_named_without_its_credentials(self, fetch: Fetched, status: int, tries: int) -> None:
        with serve(reply(status=status)) as proxy:
            fetch.environ = {"HTTPS_PROXY": f"http://someone:hunter2@127.0.0.1:{proxy.port}"}
            with pytest.raises(FetchError) as refused:
                fetch(f"https://{self.HOST}")
        assert (
            f"No connection to https://{self.HOST} through the proxy 127.0.0.1:{proxy.port}: "
            f"the proxy refused it (HTTP {status})."
        ) in refused.value.message
        assert tries == len(proxy.requests)
        said = everything(refused.value)
        assert refused.value.__context__ is None
        assert "hunter2" not in said
        assert "c29tZW9uZTpodW50ZXIy" not in said

    @pytest.mark.parametrize(
        "address", ["socks5://hunter2:1", "http://", "http://hunter2:port", "ftp://hunter2", "http://[::hunter2"]
    )
    def test_that_cannot_be_used_is_refused_without_repeating_it(self, fetch: Fetched, address: str) -> None:
        fetch.environ = {"https_proxy": address}
        with pytest.raises(ConfigError, match="https_proxy is no proxy address that can be used") as refused:
            fetch(f"https://{self.HOST}")
        assert "hunter2" not in everything(refused.value)


def everything(error: BaseException) -> str:
    """All that is printed of an error, whoever prints it: texts, attributes, the chain and the traceback."""
    said = "".join(traceback.format_exception(error))
    link: BaseException | None = error
    while link is not None:
        said += f"{link!s} {link!r} {vars(link)}"
        link = link.__cause__ or link.__context__
    return said


ECHO = f"Bearer {TOKEN}"
FAILURES: dict[str, Reply] = {
    "401": reply(ECHO.encode(), status=401, X_Echo=ECHO),
    "403 code": reply(f'{{"code": "{TOKEN}"}}'.encode(), status=403, X_Echo=ECHO),
    "404 type": reply(ECHO.encode(), status=404, Content_Type=f"text/{TOKEN}"),
    "429": reply(ECHO.encode(), status=429, Retry_After="61", X_Echo=ECHO),
    "503": reply(ECHO.encode(), status=503, Retry_After=TOKEN, Date=TOKEN),
    "redirect": reply(status=302, Location=f"https://{TOKEN}.example/{TOKEN}"),
    "redirect to a user": reply(status=302, Location=f"https://{TOKEN}:{TOKEN}@127.0.0.1/"),
    "redirect to nowhere": reply(status=302, Location=f"https://a:{TOKEN}/"),
    "redirects": reply(status=302, Location=f"/{TOKEN}"),
    "encoding": reply(ECHO.encode(), Content_Encoding=TOKEN),
    "damaged gzip": reply(ECHO.encode(), Content_Encoding="gzip"),
    "bad status line": raw(f"{ECHO}\r\n\r\n".encode()),
    "bad header": raw(f"HTTP/1.1 200 OK\r\n{ECHO}\r\n\r\n".encode()),
    "bad chunk": raw(CHUNKED + ECHO.encode() + b"\r\n"),
    "bad length": raw(f"HTTP/1.1 200 OK\r\nContent-Length: {TOKEN}\r\n\r\n".encode()),
    "cut short": raw(f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{ECHO}".encode()),
    "reset": slam,
    "silence": silence,
    "drip": drip(b"HTTP/1.1 200 OK\r\nX-Echo: " + ECHO.encode()),
    "too large": pour(CHUNKED, b"400\r\n" + ECHO.ljust(1024).encode() + b"\r\n"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_the_token_is_nowhere_after_a_failure(
    fetch: Fetched, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    caplog.set_level(logging.DEBUG, logger="httpcore")
    with serve(FAILURES[name]) as server, pytest.raises(FetchError) as failed:
        fetch(server.address, deadline=0.5, read_timeout=0.1, max_body_bytes=100_000)
    printed = capfd.readouterr()
    said = "\n".join([everything(failed.value), caplog.text, *fetch.progress, printed.out, printed.err])
    assert TOKEN.lower() not in said.lower()
    assert failed.value.__context__ is None
    assert failed.value.__cause__ is None


def test_no_local_variable_of_ours_shows_the_token(fetch: Fetched) -> None:
    with serve(reply(status=401)) as server, pytest.raises(FetchError) as failed:
        fetch(server.address)
    frames = traceback.TracebackException.from_exception(failed.value, capture_locals=True).stack
    ours = [frame for frame in frames if frame.filename == runtype.__file__]
    assert len(ours) > 3
    assert TOKEN not in "".join(str(frame.locals) for frame in ours)


def test_the_token_is_redacted_where_a_server_echoes_it_as_a_code() -> None:
    token = "ABCDEF_123"
    with serve(reply(f'{{"code": "{token}"}}'.encode(), status=401)) as server:
        settings = RuntypeSettings(server.address, **QUICK)
        with pytest.raises(FetchError) as failed:
            fetch_lists(settings, Secret(token), environ={}, clock=lambda: NOW)
    assert "(HTTP 401, ***)" in failed.value.message
