"""A server on loopback with OpenAI's embeddings API. It gives vectors by feature hashing, and misbehaves on demand."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from docmill.embedders.hashing import HashingSession

Answer = tuple[int, dict[str, str], bytes]
Misbehaving = Callable[[dict[str, Any], int], Answer | None]
"""From what was asked, and the how-manieth request it is, to an answer; None: as it should be."""


class EmbeddingServer:
    """``asked``: the body of each request; ``headers``: the headers of each. ``key``: wanted as a bearer token."""

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension
        self.key: str | None = None
        self.slow_s = 0.0
        self.backwards = False
        self.misbehave: Misbehaving = lambda _asked, _number: None
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[str]:
        return [text for asked in self.asked for text in asked["input"]]

    def start(self) -> None:
        """Listen, on the same port as before."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):  # whoever asked has hung up
                    super().handle_one_request()

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, *_args: Any) -> None:
                """Tests are quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Connections are refused from now on."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            number = len(self.asked)
            self.asked.append(asked)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            time.sleep(self.slow_s)
            answer = self.misbehave(asked, number)
            if answer is None:
                answer = self._refusal(handler) or ok(self.data(asked))
        finally:
            with self._lock:
                self._at_once -= 1
        status, headers, body = answer
        if status == 0:  # hang up
            return
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def _refusal(self, handler: BaseHTTPRequestHandler) -> Answer | None:
        if handler.path != "/v1/embeddings":
            return failure(404, f"no such page: {handler.path}")
        if self.key is not None and handler.headers.get("Authorization") != f"Bearer {self.key}":
            return failure(401, f"Incorrect API key provided: {handler.headers.get('Authorization', 'none')}")
        return None

    def data(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The right answer's. Vectors are not of length 1: servers differ in that."""
        vectors = HashingSession(asked.get("dimensions", self.dimension)).embed_passages(asked["input"]) * 3
        rows = []
        for index, vector in enumerate(vectors):
            as_text = asked.get("encoding_format") == "base64"
            given = base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_text else vector.tolist()
            rows.append({"object": "embedding", "index": index, "embedding": given})
        return rows[::-1] if self.backwards else rows


def ok(data: Any) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps({"object": "list", "data": data}).encode()


def failure(status: int, message: str = "no", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps({"error": {"message": message}}).encode()
