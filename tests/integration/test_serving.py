"""``models serve`` as a process of its own with the real model, asked by docmill's own client and by hand."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Working, wait_for
from docmill.domain.results import ModelServed
from docmill.errors import AddressTaken, ModelMissing, UsageError
from docmill.models import store
from docmill.models.endpoint import EmbeddingClient, Endpoint
from docmill.models.known import MINILM
from docmill.models.session import OnnxSession
from docmill.service import serving
from docmill.serving.asking import MOST_TEXTS
from docmill.serving.server import MOST_BYTES
from docmill.settings import build

TEXTS = ["a cat", "The river rose in spring. " * 30, "", "\N{GREEK SMALL LETTER ALPHA} \ud800", "word " * 900]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "model-cache"


@pytest.fixture(scope="module")
def local(cache: Path) -> OnnxSession:
    """The model in this process, installed."""
    return OnnxSession(store.ensure(MINILM, cache), threads=1)


def started(cache: Path, *options: str) -> tuple[subprocess.Popen[str], ModelServed]:
    process = subprocess.Popen(
        [sys.executable, "-m", "docmill", "models", "serve", "--port", "0", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DOCMILL_MODEL_CACHE": str(cache), "DOCMILL_EMBED_WORKERS": "2"},
        start_new_session=True,
    )
    assert process.stdout is not None
    told = ""
    while not told.endswith("}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        told += line
    return process, ModelServed.model_validate_json(told)


@pytest.fixture(scope="module")
def server(local: OnnxSession, cache: Path) -> Iterator[ModelServed]:
    process, served = started(cache)
    yield served
    process.kill()
    process.communicate()


def ask(
    server: ModelServed, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body)
        connection.request(method, path, content, headers or {})
        answer = connection.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if answer.headers.get_content_type() == "application/json" else said
    finally:
        connection.close()


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_docmills_own_client_gets_the_vectors_of_the_local_model(
    server: ModelServed, local: OnnxSession, encoding: str
) -> None:
    endpoint = Endpoint(url=server.openai_url, model=server.model, encoding=encoding, request_texts=2)
    found = EmbeddingClient(endpoint, server.dimension).embed(TEXTS)
    alone = np.concatenate([local.embed_passages([text]) for text in TEXTS])
    assert np.abs(found - alone).max() < 1e-5


def test_openai_tells_tokens_and_knows_the_model_by_its_short_name(server: ModelServed) -> None:
    asked = {"model": "all-MiniLM-L6-v2", "input": "one two three", "dimensions": 384, "user": "somebody"}
    status, said = ask(server, "POST", "/v1/embeddings", asked)
    assert (status, said["object"], said["model"]) == (200, "list", "all-MiniLM-L6-v2")
    assert said["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert [(each["index"], len(each["embedding"])) for each in said["data"]] == [(0, 384)]
    _, said = ask(server, "POST", "/v1/embeddings", {**asked, "input": ["word " * 900], "encoding_format": "base64"})
    assert said["usage"]["prompt_tokens"] == 256
    assert len(base64.b64decode(said["data"][0]["embedding"])) == 384 * 4
    _, listed = ask(server, "GET", "/v1/models")
    assert [each["id"] for each in listed["data"]] == [MINILM]
    assert ask(server, "GET", f"/v1/models/{MINILM}")[1] == listed["data"][0]


def test_ollama_gives_the_same_vectors(server: ModelServed, local: OnnxSession) -> None:
    alone = local.embed_passages(["a cat"])[0]
    status, said = ask(server, "POST", "/api/embed", {"model": "all-minilm-l6-v2:latest", "input": ["a cat", "b"]})
    assert (status, len(said["embeddings"]), said["prompt_eval_count"]) == (200, 2, 7)
    assert np.abs(np.array(said["embeddings"][0]) - alone).max() < 1e-5
    _, said = ask(server, "POST", "/api/embeddings", {"model": MINILM, "prompt": "a cat"})
    assert np.abs(np.array(said["embedding"]) - alone).max() < 1e-5
    assert ask(server, "POST", "/api/embed", {"model": MINILM, "input": []})[1]["embeddings"] == []
    _, tags = ask(server, "GET", "/api/tags")
    assert [(each["name"], each["digest"]) for each in tags["models"]] == [(MINILM, server.fingerprint)]
    assert ask(server, "GET", "/api/version")[0] == 200
    assert ask(server, "GET", "/")[0] == ask(server, "HEAD", "/")[0] == 200


@pytest.mark.parametrize(
    ("status", "said", "path", "body"),
    [
        (400, "model is required", "/v1/embeddings", {"input": "a"}),
        (404, "'x' is not served here", "/v1/embeddings", {"model": "x", "input": "a"}),
        (400, "input is required", "/v1/embeddings", {"model": MINILM}),
        (400, "must not be empty", "/v1/embeddings", {"model": MINILM, "input": []}),
        (400, "token ids", "/v1/embeddings", {"model": MINILM, "input": [1, 2]}),
        (400, "token ids", "/v1/embeddings", {"model": MINILM, "input": [[1], [2]]}),
        (400, "a list of strings", "/v1/embeddings", {"model": MINILM, "input": ["a", None]}),
        (400, "a list of strings", "/v1/embeddings", {"model": MINILM, "input": True}),
        (400, f"may have {MOST_TEXTS}", "/v1/embeddings", {"model": MINILM, "input": ["a"] * (MOST_TEXTS + 1)}),
        (400, "384 dimensions only", "/v1/embeddings", {"model": MINILM, "input": "a", "dimensions": 256}),
        (400, "float or base64", "/v1/embeddings", {"model": MINILM, "input": "a", "encoding_format": "hex"}),
        (400, "query or passage", "/v1/embeddings", {"model": MINILM, "input": "a", "input_type": "poem"}),
        (400, "a JSON object", "/v1/embeddings", b"[1"),
        (400, "a JSON object", "/v1/embeddings", b"[" * 100_000),
        (413, f"larger than {MOST_BYTES} bytes", "/v1/embeddings", b" " * (MOST_BYTES + 1)),
        (404, "no POST /v1/chat/completions", "/v1/chat/completions", {}),
        (405, "no POST /v1/models", "/v1/models", {}),
        (404, "'x' is not served here", "/api/embed", {"model": "x", "input": "a"}),
        (400, "exceeds the context", "/api/embed", {"model": MINILM, "input": "word " * 900, "truncate": False}),
        (400, "prompt must be a string", "/api/embeddings", {"model": MINILM, "prompt": ["a"]}),
    ],
)
def test_what_cannot_be_answered_is_refused_in_the_words_of_its_api(
    server: ModelServed, status: int, said: str, path: str, body: Any
) -> None:
    found, answer = ask(server, "POST", path, body)
    message = answer["error"]["message"] if path.startswith("/v1") else answer["error"]
    assert found == status
    assert said in message


def test_pages_of_other_machines_do_not_get_through_a_browser(server: ModelServed) -> None:
    for host, status in [("evil.example:80", 403), ("localhost:1", 200), ("[::1]:80", 200), ("127.0.0.9", 200)]:
        assert ask(server, "GET", "/v1/models", headers={"Host": host})[0] == status
    assert ask(server, "POST", "/v1/embeddings", headers={"Content-Length": "many"})[0] == 411


def test_a_client_that_hangs_up_leaves_the_others_alone(server: ModelServed) -> None:
    for sent in (b"POST /v1/embeddings HTTP/1.1\r\nContent-Length: 99\r\n\r\n{", b"nonsense\r\n\r\n", b""):
        with socket.create_connection((server.host, server.port)) as connection:
            connection.sendall(sent)
    assert ask(server, "GET", "/")[0] == 200


def processor_s(pid: int) -> float:
    """Processor seconds of a process, all threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_signal_lets_requests_end_and_exits_with_0(local: OnnxSession, cache: Path) -> None:
    process, served = started(cache, "--host", "localhost")
    before = processor_s(process.pid)
    many = {"model": MINILM, "input": ["The river rose in spring. " * 40] * 60}
    answer = Working(lambda: ask(served, "POST", "/v1/embeddings", many))
    wait_for(lambda: processor_s(process.pid) > before + 0.2)
    assert answer.is_alive()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    status, said = answer.result()
    assert (process.returncode, status, len(said["data"])) == (0, 200, 60)
    assert told == "texts embedded: 60; requests: 1, 0 of them refused\n"


def test_addresses_and_models_that_cannot_be(server: ModelServed, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", str(cache))

    def serve(**options: Any) -> None:
        serving.serve(build(), None, serving.Options(**options), lambda _served: None)  # type: ignore[arg-type] # it ends before it reports

    with pytest.raises(UsageError, match="other machines can reach"):
        serve(model=MINILM, host="0.0.0.0")
    with pytest.raises(UsageError, match="is no address"):
        serve(model=MINILM, host="nowhere.invalid")
    with pytest.raises(UsageError, match="cannot be listened on"):
        serve(model=MINILM, host="192.0.2.1", allow_remote=True)
    with pytest.raises(ModelMissing, match="no/such is not installed"):
        serve(model="no/such", port=0)
    with pytest.raises(AddressTaken):
        serve(model=MINILM, port=server.port)
