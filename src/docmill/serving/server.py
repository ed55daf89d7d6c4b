"""The HTTP server: reads requests within bounds, finds who answers them, and words what goes wrong as each API does."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from typing import Any, ClassVar

from docmill.domain.terminal import json_text
from docmill.serving import ollama, openai
from docmill.serving.asking import Refused, Served

MOST_BYTES = 16 * 1024**2  # of one request
_AT_ONCE = 32  # requests that are worked on; others wait
_PATIENCE_S = 60.0  # of a request for its turn, and of a connection for its next request
_UNREAD_S = 2.0  # for the rest of a request that is refused, so that the answer is read and not a reset
_ROOT = "docmill serves an embedding model here, by OpenAI's API under /v1 and Ollama's under /api\n"

_Answer = Callable[[Served, dict[str, Any]], dict[str, Any]]
_POSTS: dict[str, _Answer] = {
    "/v1/embeddings": openai.embeddings,
    "/api/embed": ollama.embeddings,
    "/api/embeddings": ollama.embedding,
}
_GETS: dict[str, Callable[[Served], dict[str, Any]]] = {
    "/v1/models": openai.models,
    "/api/tags": ollama.tags,
    "/api/version": ollama.version,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One that was answered. ``path`` is what the client sent; ``seconds`` as it took here."""

    method: str
    path: str
    status: int
    seconds: float


class EmbeddingServer(ThreadingHTTPServer):
    """Listens as soon as it is made; ``serve_forever`` answers. ``told`` hears of each request, in its thread.

    ``address``: as :func:`socket.getaddrinfo` gives it. ``anybody``: answer whatever name the client calls it by.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        family: socket.AddressFamily,
        address: tuple[Any, ...],
        served: Served,
        *,
        anybody: bool,
        told: Callable[[Request], None],
    ) -> None:
        self.address_family = family
        self.served = served
        self.anybody = anybody
        self.told = told
        self.slots = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without looking up the machine's own name, which waits for a network where there is none."""
        TCPServer.server_bind(self)

    def drain(self, seconds: float) -> bool:
        """Take no more requests, and let those at work end. Whether they did within ``seconds``."""
        self.shutdown()
        until = time.monotonic() + seconds
        return all(self.slots.acquire(timeout=max(0.0, until - time.monotonic())) for _ in range(_AT_ONCE))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no error; the rest is a fault of ours, and told as Python does."""
        if not isinstance(sys.exception(), (OSError, ValueError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: EmbeddingServer
    protocol_version = "HTTP/1.1"
    server_version = "docmill"
    sys_version = ""
    timeout = _PATIENCE_S
    disable_nagle_algorithm: ClassVar[bool] = True
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        self._answer(self._got)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server asks for

    def do_POST(self) -> None:
        self._answer(self._posted)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature of what it replaces
        """Requests are told of by ``told``."""

    def _answer(self, answer: Callable[[str], dict[str, Any] | str]) -> None:
        """One at work until its answer is written: the server waits for these before it ends."""
        began = time.monotonic()
        has_slot = self.server.slots.acquire(timeout=_PATIENCE_S)
        self.close_connection |= not has_slot  # its body stays unread
        try:
            status, document = self._found(answer) if has_slot else self._refused(Refused(503, "too many requests"))
            self._send(status, document)
        finally:
            if has_slot:
                self.server.slots.release()
        self.server.told(Request(self.command, self.path, status, time.monotonic() - began))

    def _found(self, answer: Callable[[str], dict[str, Any] | str]) -> tuple[int, dict[str, Any] | str]:
        try:
            self._require_own_name()
            return 200, answer(self._place())
        except Refused as error:
            return self._refused(error)
        except CancelledError:
            return self._refused(Refused(503, "the server is ending"))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model raises; whoever asked is told, and others go on
            return self._refused(Refused(500, f"the model failed: {type(error).__name__}: {str(error)[:300]}"))

    def _refused(self, error: Refused) -> tuple[int, dict[str, Any]]:
        return error.status, (openai if self._place().startswith("/v1") else ollama).refusal(error)

    def _place(self) -> str:
        return self.path.partition("?")[0].rstrip("/")

    def _got(self, path: str) -> dict[str, Any] | str:
        served = self.server.served
        if not path:
            return _ROOT
        if path in _GETS:
            return _GETS[path](served)
        name = path.removeprefix("/v1/models/")
        if name != path and served.answers_to(name):
            return openai.model(served)
        raise Refused(405 if path in _POSTS else 404, f"there is no {self.command} {path[:200]} here")

    def _posted(self, path: str) -> dict[str, Any]:
        body = self._body()
        if path not in _POSTS:
            raise Refused(405 if path in _GETS else 404, f"there is no POST {path[:200]} here")
        return _POSTS[path](self.server.served, _object(body))

    def _body(self) -> bytes:
        """Raises Refused for one that is too large, or whose length is not told."""
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise Refused(411, "the request's Content-Length must be told")
        if len(length) > 18 or int(length) > MOST_BYTES:
            self.close_connection = True
            raise Refused(413, f"the request is larger than {MOST_BYTES} bytes; send fewer texts at once")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the client hung up")
        return body

    def _require_own_name(self) -> None:
        """A page in a browser may make a name of its own lead to this machine, and then ask what runs here."""
        host = self.headers.get("Host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if not (self.server.anybody or _is_this_machine(name.strip("[]"))):
            self.close_connection = True
            raise Refused(403, "this server answers to localhost only")

    def _send(self, status: int, document: dict[str, Any] | str) -> None:
        text = isinstance(document, str)
        body = (document if isinstance(document, str) else json_text(document) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if text else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        if self.close_connection:
            self._read_off()

    def _read_off(self) -> None:
        """What a refused client still sends: where it is not read, the kernel answers with a reset instead."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_UNREAD_S)
            until = time.monotonic() + _UNREAD_S
            while self.connection.recv(65_536) and time.monotonic() < until:
                pass


def _object(body: bytes) -> dict[str, Any]:
    asked: Any
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise Refused(400, "the request's body must be a JSON object")
    return asked


def _is_this_machine(name: str) -> bool:
    """Without a name at all it is no browser that asks."""
    if not name or name.lower() == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
