"""A server's answers: which are believed, which are asked for again, and whose fault the others are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from docmill.embedders.hashing import HashingSession
from docmill.errors import ModelRefused, ModelUnreachable, ProcessingError, TemporaryFailure
from docmill.models import endpoint
from docmill.models.endpoint import EmbeddingClient, Endpoint
from docmill.models.witness import TEXT, Witness
from embedding_server import Answer, EmbeddingServer, failure, ok

TEXTS = [f"walnut number {number}" for number in range(10)]
REAL_PAUSE = endpoint._pause
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    made = EmbeddingServer()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, all of them short."""
    made: list[float] = []

    def pause(tried: int) -> float:
        made.append(float(tried))
        return 0.001

    monkeypatch.setattr(endpoint, "_pause", pause)
    return made


def client(server: EmbeddingServer, dimension: int | None = 64, **options: Any) -> EmbeddingClient:
    return EmbeddingClient(Endpoint(server.url, "m", **{"retries": 2, "timeout_s": 5.0, **options}), dimension)


def expected(texts: list[str], dimension: int = 64) -> Any:
    return HashingSession(dimension).embed_passages(texts)


def only(answer: Answer) -> Any:
    """The witness's text is answered as it should be, and all others so."""
    return lambda asked, _number: None if asked["input"] == [TEXT] else answer


# ---- what is right ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_vectors_come_in_the_order_of_the_texts_and_of_length_1(server: EmbeddingServer, encoding: str) -> None:
    server.backwards = True
    vectors = client(server, encoding=encoding, request_texts=3).embed(TEXTS)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, expected(TEXTS), atol=1e-6)
    assert [len(asked["input"]) for asked in server.asked].count(3) == 3
    assert all(asked["model"] == "m" and asked["encoding_format"] == encoding for asked in server.asked)
    assert all("dimensions" not in asked for asked in server.asked)


def test_several_requests_are_in_flight_and_no_more_than_allowed(server: EmbeddingServer) -> None:
    server.slow_s = 0.2
    client(server, request_texts=1, concurrency=3).embed(TEXTS)
    assert 1 < server.most_at_once <= 3
    assert len(server.asked) == 10


def test_a_request_is_cut_by_tokens_too(server: EmbeddingServer) -> None:
    client(server, request_tokens=200).embed(["x" * 300] * 4)
    assert [len(asked["input"]) for asked in server.asked] == [1, 1, 1, 1]


def test_a_text_larger_than_a_request_still_goes(server: EmbeddingServer) -> None:
    client(server, request_tokens=64).embed(["short", "long " * 1000, "short again"])
    assert sorted(len(asked["input"]) for asked in server.asked) == [1, 1, 1]


def test_other_dimensions_are_asked_for(server: EmbeddingServer) -> None:
    assert client(server, 32, dimensions=32).embed(["a"]).shape == (1, 32)
    assert server.asked[0]["dimensions"] == 32


def test_no_proxy_is_taken_from_the_environment(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client(server).embed(TEXTS).shape == (10, 64)


# ---- what may pass ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        failure(429, "slow down", Retry_After="0"),
        failure(429, "slow down", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        failure(500),
        failure(503),
        (0, {}, b""),  # hangs up
        (200, {}, b"<html>one moment</html>"),
        (200, {}, b'{"data": "later"}'),
        (200, {}, b"[" * 100_000),
        (200, {"Content-Length": "1000"}, b'{"data": ['),  # and hangs up in the middle
    ],
    ids=lambda answer: f"{answer[0]} {answer[2][:20]!r}",
)
def test_what_may_pass_is_tried_again(server: EmbeddingServer, bad: Answer, pauses: list[float]) -> None:
    server.misbehave = lambda _asked, number: bad if number < 2 else None
    assert np.allclose(client(server, timeout_s=1.0).embed(TEXTS), expected(TEXTS), atol=1e-6)
    assert len(server.asked) == 3
    assert pauses == [0, 1]


def test_a_slow_answer_is_given_up_and_asked_for_again(server: EmbeddingServer) -> None:
    def slow_at_first(_asked: Any, number: int) -> None:
        if number == 0:
            threading.Event().wait(1.0)

    server.misbehave = slow_at_first
    assert client(server, timeout_s=0.5).embed(TEXTS).shape == (10, 64)
    assert len(server.asked) == 2


def test_a_server_that_asks_for_a_long_pause_is_away(server: EmbeddingServer) -> None:
    server.misbehave = lambda _asked, _number: failure(429, "quota", Retry_After="3600")
    with pytest.raises(ModelUnreachable, match="429 \\(quota\\)"):
        client(server).embed(TEXTS)
    assert len(server.asked) == 2  # the texts, and then the witness


def test_a_server_that_is_down_is_unreachable(server: EmbeddingServer, pauses: list[float]) -> None:
    server.stop()
    with pytest.raises(ModelUnreachable, match="cannot be reached"):
        client(server).embed(TEXTS)
    assert pauses == [0, 1, 2]


def test_whoever_cannot_wait_is_told_sooner(server: EmbeddingServer, pauses: list[float]) -> None:
    server.stop()
    with pytest.raises(ModelUnreachable):
        client(server, retries=4).embed(TEXTS, retries=1)
    assert pauses == [0, 1]


def test_a_server_that_fails_for_all_is_unreachable(server: EmbeddingServer) -> None:
    server.misbehave = lambda _asked, _number: failure(503, "loading")
    with pytest.raises(ModelUnreachable, match="loading"):
        client(server).embed(TEXTS)


def test_a_server_that_fails_for_these_texts_alone_is_only_busy(server: EmbeddingServer) -> None:
    server.misbehave = only(failure(500, "input too long"))
    with pytest.raises(TemporaryFailure, match="input too long"):
        client(server).embed(TEXTS)


def test_pauses_double_and_are_spread() -> None:
    assert [REAL_PAUSE(tried, lambda: 1.0) for tried in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert REAL_PAUSE(2, lambda: 0.0) == 1.0
    assert REAL_PAUSE(30, lambda: 1.0) == endpoint.LONGEST_PAUSE_S


# ---- what will not pass ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 418])
def test_what_will_not_pass_is_not_tried_again(server: EmbeddingServer, status: int) -> None:
    server.misbehave = lambda _asked, _number: failure(status, "never")
    with pytest.raises(ModelRefused, match=f"answers {status} \\(never\\)"):
        client(server).embed(TEXTS)
    assert len(server.asked) == 1


def test_a_key_that_is_refused_is_told_of_and_never_shown(server: EmbeddingServer) -> None:
    server.key = "another"
    with pytest.raises(ModelRefused) as caught:
        client(server, key=KEY).embed(TEXTS)
    told = f"{caught.value.message} {caught.value.hint} {caught.value.as_dict()}"
    assert "Incorrect API key provided: Bearer ***" in told
    assert "embed.api_key_env" in told
    assert KEY not in told
    assert KEY not in repr(Endpoint(server.url, "m", key=KEY))


def test_a_redirect_is_not_followed(server: EmbeddingServer) -> None:
    elsewhere = EmbeddingServer()
    try:
        server.misbehave = lambda _asked, _number: (307, {"Location": f"{elsewhere.url}/embeddings"}, b"")
        with pytest.raises(ModelRefused, match="answers 307"):
            client(server).embed(TEXTS)
        assert elsewhere.asked == []
    finally:
        elsewhere.stop()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "0 embeddings for 1 texts"),
        ([{"index": 0, "embedding": [1.0] * 64}] * 2, "2 embeddings for 1 texts"),
        ([{"index": 1, "embedding": [1.0] * 64}], "1 embeddings for 1 texts"),
        ([{"index": "0", "embedding": [1.0] * 64}], "without a number"),
        (["x"], "without a number"),
        ([{"index": 0, "embedding": [1.0] * 63}], "63 numbers, not 64"),
        ([{"index": 0, "embedding": [float("nan")] * 64}], "points nowhere"),
        ([{"index": 0, "embedding": [float("inf")] * 64}], "points nowhere"),
        ([{"index": 0, "embedding": [0.0] * 64}], "points nowhere"),
        ([{"index": 0, "embedding": None}], "no list of numbers"),
        ([{"index": 0, "embedding": []}], "no list of numbers"),
        ([{"index": 0, "embedding": ["a"] * 64}], "no list of numbers"),
        ([{"index": 0, "embedding": [[1.0]] * 64}], "no list of numbers"),
        ([{"index": 0, "embedding": "AAA"}], "no list of numbers"),
        ([{"index": 0, "embedding": "AAAA"}], "no list of numbers"),
        ([{"index": 0}], "no list of numbers"),
    ],
)
def test_a_wrong_answer_to_some_text_is_that_texts_fault(server: EmbeddingServer, data: Any, said: str) -> None:
    server.misbehave = only(ok(data))
    with pytest.raises(ProcessingError, match=said):
        client(server).embed(["a"])
    assert len(server.asked) == 2, "it is asked once, and the witness once"


def test_a_wrong_answer_to_every_text_is_the_servers_fault(server: EmbeddingServer) -> None:
    server.misbehave = lambda _asked, _number: ok([{"index": 0, "embedding": [float("nan")] * 64}])
    with pytest.raises(ModelRefused, match="points nowhere"):
        client(server).embed(["a"])


def test_vectors_of_several_lengths_are_not_believed(server: EmbeddingServer) -> None:
    server.misbehave = only(ok([{"index": 0, "embedding": [1.0] * 3}, {"index": 1, "embedding": [1.0] * 4}]))
    with pytest.raises(ProcessingError, match="several lengths"):
        client(server, None).embed(["a", "b"])


def test_a_server_of_another_dimension_is_refused(server: EmbeddingServer) -> None:
    with pytest.raises(ModelRefused, match="64 numbers, not 32"):
        client(server, 32).embed(["a"])


def test_a_text_that_the_server_refuses_is_told_of(server: EmbeddingServer) -> None:
    server.misbehave = only(failure(400, "the input length exceeds the context length"))
    with pytest.raises(ProcessingError, match="exceeds the context length"):
        client(server).embed(TEXTS)


def test_an_endless_answer_is_not_read_to_its_end(server: EmbeddingServer) -> None:
    server.misbehave = only((200, {}, b'{"data": [' + b" " * 3_000_000))
    with pytest.raises(TemporaryFailure, match="something else than embeddings"):
        client(server).embed(["a"])


# ---- the witness -----------------------------------------------------------------------------------------------------


def test_the_witness_gives_the_dimension(server: EmbeddingServer) -> None:
    vector = client(server, None).ask_witness()
    seen = Witness("m", server.url, tuple(map(float, vector)))
    assert seen.dimension == 64
    assert seen.likeness(vector) == pytest.approx(1.0)
    assert seen.likeness(expected(["something else"])[0]) < 0.5


@pytest.mark.parametrize(
    ("answer", "error"), [(failure(503), ModelUnreachable), (failure(400), ModelRefused), (failure(404), ModelRefused)]
)
def test_the_witness_has_nobody_else_to_blame(server: EmbeddingServer, answer: Answer, error: type[Exception]) -> None:
    server.misbehave = lambda _asked, _number: answer
    with pytest.raises(error):
        client(server).ask_witness()
