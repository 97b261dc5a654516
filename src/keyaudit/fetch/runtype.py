"""The Runtype API over HTTPS; the only module that knows httpx.

Only GET is ever sent, and the token goes to the origin of ``base_url`` and nowhere else.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import importlib.metadata
import io
import json
import logging
import random
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from keyaudit.errors import ConfigError, FetchError
from keyaudit.fetch.settings import BaseUrl, RuntypeSettings, parse_base_url
from keyaudit.model import Answer
from keyaudit.secret import Secret, redact

ANALYTICS = "/v1/api-keys/analytics"
DETAILS = "/v1/api-keys"

TRIES = 4
LONGEST_WAIT = 60.0
"""Seconds: who asks for a longer wait is not waited for."""

_MAX_REDIRECTS = 5
_RETRIED = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SLOW_MODE = "SLOW_MODE_HOURLY_LIMIT_EXCEEDED"
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

_PIECE = 2**20
_PATIENCE_SECONDS = 3.0
_PROGRESS_BYTES = 16 * 2**20
_ERROR_BODY_BYTES = 64 * 2**10
_ERROR_BODY_SECONDS = 5.0

Clock = Callable[[], datetime]
Progress = Callable[[str], None]


def fetch_lists(
    settings: RuntypeSettings,
    token: Secret,
    *,
    environ: Mapping[str, str],
    clock: Clock,
    on_progress: Progress | None = None,
) -> tuple[Answer, Answer | FetchError | None]:
    """GET the analytics of all keys of the token's account, then their details, both within the one deadline.

    What *settings* say of the details decides: ``off`` gives ``None`` in their place, ``auto`` the error where they
    cannot be had. Raises :class:`FetchError` where the analytics cannot be had, or, when they are ``on``, the
    details; and :class:`ConfigError` as :class:`Client` does.
    """
    with Client(settings, token, environ=environ, clock=clock, on_progress=on_progress) as client:
        analytics = client.get(ANALYTICS)
        if settings.details == "off":
            return analytics, None
        try:
            return analytics, client.get(DETAILS)
        except FetchError as error:
            if settings.details == "on":
                raise
            return analytics, error


class Client:
    """A connection to one Runtype account, to be used in a ``with`` block; all requests share one deadline.

    *environ* is searched for ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY`` (lower case first), ``SSL_CERT_FILE``
    and ``SSL_CERT_DIR``. *clock* gives the present as an aware time in UTC. *on_progress* gets a short
    sentence now and then. A client may be used in any thread that runs no event loop of its own.

    Raises :class:`ConfigError` for a certificate file or a proxy that cannot be used.
    """

    def __init__(
        self,
        settings: RuntypeSettings,
        token: Secret,
        *,
        environ: Mapping[str, str],
        clock: Clock,
        on_progress: Progress | None = None,
    ) -> None:
        self._settings = settings
        self._token = token
        self._clock = clock
        self._report = on_progress or (lambda _: None)
        self._passing: _PassingError | None = None
        self._base = parse_base_url(settings.base_url)
        self._trust = _trust(settings, environ)
        self._proxy = _proxy(self._base, environ, self._trust)
        self._peer = self._base.origin
        if self._proxy:
            self._peer += f" through the proxy {self._proxy.url.host}:{self._proxy.url.port or 'default port'}"

    def __enter__(self) -> Self:
        # At INFO httpx logs addresses and at DEBUG httpcore logs response headers, in which a server may
        # echo anything. Done here, since a logging configuration may have reset it since the import.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._http = httpx.AsyncClient(
            verify=self._trust,
            proxy=self._proxy,
            # The environment that counts is the one passed in; and ~/.netrc must never replace our Authorization.
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._settings.read_timeout, connect=self._settings.connect_timeout),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Authorization": f"Bearer {self._token.reveal()}",
                "User-Agent": f"keyaudit/{importlib.metadata.version('keyaudit')}",
            },
        )
        # httpx's own timeouts are for each read, so a server that drips bytes outlasts them all. An event loop
        # can end any wait at the deadline, in whatever thread it runs.
        self._loop = _Loop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._deadline = self._loop.time() + self._settings.deadline
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._runner:
            self._runner.run(self._close())

    async def _close(self) -> None:
        await self._http.aclose()
        # httpcore forgets the socket of a TLS handshake that was cancelled.
        for transport in self._loop.opened:
            transport.close()

    def get(self, path: str) -> Answer:
        """GET *path* below the base address, with retries, and return the body of the 200 that came.

        Raises :class:`FetchError` for every other end: refused, unreachable, too large, too late.
        """
        self._passing = None
        return self._runner.run(self._within_deadline(path))

    async def _within_deadline(self, path: str) -> Answer:
        word = asyncio.get_running_loop().call_later(
            _PATIENCE_SECONDS, self._report, f"Waiting for {self._peer}, for {self._settings.deadline:g} s at most"
        )
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._with_retries(path)
        except TimeoutError:
            pass
        finally:
            word.cancel()
        # Raised outside the handler here and below: an exception in the context of ours might quote a header.
        raise self._error(
            f"{self._peer} had not answered in full when the deadline of {self._settings.deadline:g} s passed.",
            f"Before that: {self._passing.message}" if self._passing else "",
        )

    async def _with_retries(self, path: str) -> Answer:
        # Not stamina: it announces retries through hooks that are global to the process (bare lines on stderr,
        # or structlog's on stdout), and cannot give up early on a pause that would outlast the deadline.
        tries = 0
        while True:
            tries += 1
            try:
                return await self._try(path)
            except _PassingError as error:
                self._passing = passing = error
            backoff = self._settings.backoff * 2 ** (tries - 1)
            pause = passing.asked + random.uniform(backoff / 2, backoff)  # noqa: S311 - spreads load, guards nothing
            left = self._deadline - asyncio.get_running_loop().time()
            if passing.asked > LONGEST_WAIT:
                end = f"It asks to wait {passing.asked:.0f} s; {LONGEST_WAIT:.0f} s is the most keyaudit waits."
            elif tries == TRIES:
                end = f"Gave up after {TRIES} tries."
            elif pause > left:
                wish = f"It asks to wait {passing.asked:.0f} s, but" if passing.asked else "No further try:"
                end = f"{wish} {max(left, 0):.1f} s are left of the deadline of {self._settings.deadline:g} s."
            else:
                self._report(f"{passing.message} Try {tries + 1} of {TRIES} follows in {pause:.1f} s.")
                await asyncio.sleep(pause)
                continue
            raise self._error(passing.message, end, details=passing.details)

    async def _try(self, path: str) -> Answer:
        try:
            return await self._exchange(path)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = self._explain(error)
        raise problem

    async def _exchange(self, path: str) -> Answer:
        url = httpx.URL(self._base.origin + self._base.path + path)
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._http.stream("GET", url) as response:
                if response.status_code in _REDIRECTS:
                    url = self._redirected(response)
                    continue
                if response.status_code != httpx.codes.OK:
                    raise await self._refusal(response, path)
                received_at = self._clock()
                body = await self._read_body(response, self._settings.max_body_bytes, self._report)
                return Answer(body, self._base.origin, _http_date(response.headers.get("date", "")), received_at)
        raise self._error(f"{self._peer} redirected more than {_MAX_REDIRECTS} times. Check base_url.")

    def _redirected(self, response: httpx.Response) -> httpx.URL:
        """Where a redirect leads within the origin. Its words are not repeated: they could hold the token."""
        if "location" not in response.headers:
            msg = "a redirect without a Location"
            raise httpx.InvalidURL(msg)
        here = response.url
        there = here.join(response.headers["location"])
        if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port):
            raise self._error(
                f"{self._peer} redirected to another origin, which was not followed; the token was not sent there.",
                "Check base_url.",
            )
        # Path and query alone: httpx would turn user:password@ into an Authorization in place of ours.
        return here.copy_with(raw_path=there.raw_path)

    async def _read_body(self, response: httpx.Response, limit: int, report: Progress) -> bytes:
        """The decoded body, refused once it is longer than *limit* bytes.

        httpx would inflate a piece of 64 KiB to as much as 64 MiB at once, brotli and zstd without any bound;
        so gzip alone is asked for and accepted, and inflated here by the megabyte.
        """
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip", "x-gzip"}:
            raise self._error(f"{self._peer} sent its answer in a Content-Encoding that was not asked for.")
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding.endswith("gzip") else None
        too_large = self._error(
            f"The answer of {self._peer} is larger than {limit} bytes and was not read further.",
            "If that is right, raise [runtype] max_body_mib.",
        )
        if inflater is None and int(response.headers.get("content-length", 0)) > limit:
            raise too_large
        # BytesIO gives its buffer away without a copy; join or bytes() would hold 150 MB twice.
        body = io.BytesIO()
        reported = 0
        async for raw in response.aiter_raw():
            try:
                for piece in _inflated(inflater, raw) if inflater else (raw,):
                    body.write(piece)
                    if body.tell() > limit:
                        raise too_large
            except zlib.error:
                break
            if body.tell() - reported >= _PROGRESS_BYTES:
                reported = body.tell()
                report(f"{reported // 2**20} MiB received.")
        else:
            if inflater is None or inflater.eof or not body.tell():
                return body.getvalue()
        raise self._error(f"The compressed answer of {self._peer} is damaged. Something in between may have cut it.")

    async def _refusal(self, response: httpx.Response, path: str) -> FetchError:
        """The error for an answer other than 200, in our words; of its own only a code is shown."""
        status = response.status_code
        code = await self._error_code(response)
        shown = f"HTTP {status}, {code}" if code else f"HTTP {status}"
        asked = self._asked_to_wait(response)
        match status:
            case 401:
                return self._error(
                    f"{self._peer} refused the token ({shown}). Check that {self._token.reference or 'its source'} "
                    "holds a valid Runtype API key, whole and alone."
                )
            case 403:
                return self._error(
                    f"{self._peer} knows the token but does not let it read {self._base.path}{path} ({shown}). The key "
                    "may lack a permission to read API keys, be a test key, or be limited to other IP addresses: "
                    "see Settings → API in the dashboard."
                )
            case 404:
                return self._error(f"{self._peer} has no {self._base.path}{path} ({shown}). Check base_url.")
            case 429 if code == _SLOW_MODE:
                message = (
                    f"{self._peer} has slowed this account down to 10 requests an hour, which are used up ({shown}). "
                    "Try again in an hour, or audit less often."
                )
                # Without a wait named, each further try could only meet the same hourly limit.
                return _PassingError(self._clean(message), asked) if asked else self._error(message)
            case 429:
                message = f"{self._peer} received too many requests from this account ({shown})."
            case _:
                message = f"{self._peer} did not answer with what was asked for ({shown})."
        if code is None:
            message += f" It sent {_content_type(response)}, no error of Runtype's: a proxy may stand in between."
        return _PassingError(self._clean(message), asked) if status in _RETRIED else self._error(message)

    async def _error_code(self, response: httpx.Response) -> str | None:
        """The ``code`` of a JSON error body, empty where it has none that can be shown; ``None`` for other bodies."""
        try:
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                body = await self._read_body(response, _ERROR_BODY_BYTES, lambda _: None)
            document = json.loads(body)
        except (httpx.HTTPError, FetchError, TimeoutError, ValueError, RecursionError):
            return None
        inner = document.get("error") if isinstance(document, dict) else None
        for holder in (document, inner):
            code = holder.get("code") if isinstance(holder, dict) else None
            if isinstance(code, str) and re.fullmatch(r"[A-Z0-9_]{1,64}", code):
                return code
        return ""

    def _asked_to_wait(self, response: httpx.Response) -> float:
        """Seconds that ``Retry-After`` asks for; 0 where it asks for none that can be read."""
        text = response.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), 1e9)
        until = _http_date(text)
        # By the server's clock, where it tells: ours may be wrong.
        present = _http_date(response.headers.get("date", "")) or self._clock()
        return max((until - present).total_seconds(), 0.0) if until else 0.0

    def _explain(self, error: httpx.HTTPError | httpx.InvalidURL) -> FetchError:
        """Our error for one of httpx's, whose own words may quote what was sent or received."""
        chain = list(_causes(error))
        details = " ← ".join(_name(link) for link in chain)
        for link in chain:
            if isinstance(link, httpx.InvalidURL):
                return self._error(f"{self._peer} redirected to no address that can be read. Check base_url.")
            if isinstance(link, ssl.SSLCertVerificationError):
                return self._error(
                    f"TLS verification of {self._base.origin} failed: {link.verify_message.rstrip('.')}. If a private "
                    "authority signs there, name its PEM file as [runtype] ca_file or in SSL_CERT_FILE.",
                    details=details,
                )
            # Its subclasses only say that a connection ended or that more is to be read: those pass.
            if type(link) is ssl.SSLError:
                return self._error(f"No TLS connection to {self._peer} came about. Check base_url.", details=details)
        if isinstance(error, httpx.ProxyError):
            # httpcore's words are the status and the proxy's own reason.
            status = int(str(error)[:3])
            message = f"No connection to {self._peer}: the proxy refused it (HTTP {status})."
            if status not in _RETRIED:
                return self._error(message, "Check the proxy's address and credentials.", details=details)
        elif isinstance(error, httpx.ConnectTimeout):
            message = f"No connection to {self._peer} within {self._settings.connect_timeout:g} s."
        elif isinstance(error, httpx.TimeoutException):
            message = f"{self._peer} was silent for {self._settings.read_timeout:g} s."
        elif any(isinstance(link, socket.gaierror) for link in chain):
            message = f"No connection to {self._peer}: the name could not be resolved. Check base_url and the network."
        elif isinstance(error, httpx.ConnectError):
            message = f"No connection to {self._peer}. Check base_url and the network."
        else:
            message = f"The connection to {self._peer} broke before the answer was complete."
        return _PassingError(self._clean(message), details=details)

    def _error(self, *sentences: str, details: str = "") -> FetchError:
        return FetchError(self._clean(" ".join(filter(None, sentences))), details=details)

    def _clean(self, message: str) -> str:
        return redact(message, [self._token])


class _PassingError(FetchError):
    """A failure that another try may mend; ``asked`` is the wait in seconds that the server asked for."""

    def __init__(self, message: str, asked: float = 0.0, *, details: str = "") -> None:
        super().__init__(message, details=details)
        self.asked = asked


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that can be left at any moment, without waiting and without an open socket behind."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[asyncio.BaseTransport] = []

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        transport, protocol = await super().create_connection(*args, **options)
        self.opened.append(transport)
        return transport, protocol

    async def getaddrinfo(  # type: ignore[override]
        self, host: str | None, port: str | int | None, **hints: int
    ) -> list[tuple[Any, ...]]:
        # asyncio would look the name up in an executor and join its threads in the end, however long they take.
        answer: concurrent.futures.Future[list[tuple[Any, ...]]] = concurrent.futures.Future()
        # A running future can no longer be cancelled, so the thread may always deliver.
        answer.set_running_or_notify_cancel()

        def look_up() -> None:
            try:
                answer.set_result(socket.getaddrinfo(host, port, **hints))
            except (OSError, UnicodeError) as error:
                answer.set_exception(error)

        threading.Thread(target=look_up, name="keyaudit-resolver", daemon=True).start()
        return await asyncio.wrap_future(answer, loop=self)


def _trust(settings: RuntypeSettings, environ: Mapping[str, str]) -> ssl.SSLContext:
    """A verifying TLS context: by ``ca_file``, else ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else certifi's."""
    file = str(settings.ca_file or "") or environ.get("SSL_CERT_FILE") or None
    folder = None if settings.ca_file else environ.get("SSL_CERT_DIR") or None
    if not file and not folder:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        source = "[runtype] ca_file" if settings.ca_file else "SSL_CERT_FILE or SSL_CERT_DIR"
        msg = f"The certificate authorities that {source} names cannot be used: {reason}."
        raise ConfigError(msg) from None


def _proxy(base: BaseUrl, environ: Mapping[str, str], trust: ssl.SSLContext) -> httpx.Proxy | None:
    """The proxy that the environment prescribes, unless ``NO_PROXY`` exempts the host.

    A loopback address is this machine's own and never goes through a proxy; and nothing but loopback is plain
    http, so that ``HTTP_PROXY`` has nothing left to apply to.
    """
    exempt = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    name = next((name for name in _PROXY_VARIABLES if environ.get(name)), None)
    if name is None or base.loopback or any(_matches(base, entry) for entry in exempt.split(",")):
        return None
    text = environ[name]
    try:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
        usable = proxy.url.scheme in {"http", "https"} and proxy.url.host != ""
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        msg = f"{name} is no proxy address that can be used; it should look like http://proxy.example:3128."
        raise ConfigError(msg)
    if proxy.url.scheme == "https":
        proxy.ssl_context = trust
    return proxy


def _matches(base: BaseUrl, entry: str) -> bool:
    """Whether an entry of ``NO_PROXY`` covers the host: ``*``, an address, or a domain; with the port or without."""
    name = entry.strip().lower().removeprefix("*").removeprefix(".").removesuffix(f":{base.port}").strip("[]")
    return entry.strip() == "*" or (name != "" and f".{base.host}".endswith(f".{name}"))


def _inflated(inflater: zlib._Decompress, raw: bytes) -> Iterator[bytes]:
    """*raw* inflated, in pieces of at most a megabyte. Raises :class:`zlib.error` for damaged or surplus data."""
    while raw:
        yield inflater.decompress(raw, _PIECE)
        if inflater.unused_data:
            msg = "data after the end"
            raise zlib.error(msg)
        raw = inflater.unconsumed_tail


def _http_date(text: str) -> datetime | None:
    """An HTTP date as an aware time in UTC; ``None`` for anything else."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _content_type(response: httpx.Response) -> str:
    known = re.match(r"[a-z]{1,20}/[a-z0-9.+-]{1,50}(?=\s*(?:;|$))", response.headers.get("content-type", "").lower())
    return known[0] if known else "something of no known content type"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _name(error: BaseException) -> str:
    name = type(error).__name__
    code = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
    return f"{name} [{code}]" if code else name
