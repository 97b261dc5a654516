"""Real servers on loopback that do as the test says: an API, and a proxy that tunnels to it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Reply = Callable[[socket.socket], None]
END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    at: float


@dataclass
class Recorder:
    """What a server saw, and the replies it gives in turn; the last one serves for all further requests."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    tunnel_to: int = 0
    until: bytes = END_OF_HEAD
    port: int = 0

    @property
    def address(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def waits(self) -> list[float]:
        times = [request.at for request in self.requests]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    def handle(self, connection: socket.socket) -> None:
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True)
        with connection:
            head = b""
            while self.until not in head:
                received = connection.recv(65536)
                if not received:
                    return
                head += received
            if self.until != END_OF_HEAD:
                self.replies[0](connection)
                return
            first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            self.requests.append(Request(method, target, headers, time.monotonic()))
            if method == "CONNECT" and self.tunnel_to:
                tunnel(connection, self.tunnel_to)
            else:
                self.replies[min(len(self.requests), len(self.replies)) - 1](connection)


@contextlib.contextmanager
def serve(
    *replies: Reply, tls: ssl.SSLContext | None = None, tunnel_to: int = 0, until: bytes = END_OF_HEAD
) -> Iterator[Recorder]:
    """A server on loopback; with *until* it speaks no HTTP but replies once it has received that."""
    recorder = Recorder(list(replies), tls=tls, tunnel_to=tunnel_to, until=until)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # A client that leaves early is what many tests are about.
            with contextlib.suppress(OSError):
                recorder.handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        recorder.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()


def tunnel(connection: socket.socket, port: int) -> None:
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port)) as target:
        back = threading.Thread(target=pump, args=(target, connection), daemon=True)
        back.start()
        pump(connection, target)
        back.join(5)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def reply(body: bytes = b"{}", status: int = 200, **headers: str) -> Reply:
    """A whole answer; in header names ``_`` stands for ``-``."""
    named = {"Content_Type": "application/json", "Content_Length": str(len(body)), "Connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    whole = f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1") + body
    return lambda connection: connection.sendall(whole)


def raw(data: bytes) -> Reply:
    return lambda connection: connection.sendall(data)


def drip(start: bytes, byte: bytes = b"x", every: float = 0.05) -> Reply:
    """*start*, then one byte now and then, for as long as the client stays."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(byte)
            time.sleep(every)

    return send


def pour(start: bytes, piece: bytes) -> Reply:
    """*start*, then *piece* again and again as fast as the client takes it."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)

    return send


def silence(connection: socket.socket) -> None:
    """No answer, until the client leaves."""
    connection.recv(1)


def slam(connection: socket.socket) -> None:
    """Reset the connection without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
