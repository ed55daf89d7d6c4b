"""The queue before a served model: whose texts are embedded when, and what becomes of them when something fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conftest import wait_for
from docmill.domain.contracts import ModelInfo
from docmill.domain.params import EmbedParams
from docmill.embedders.hashing import PLUGIN, HashingSession
from docmill.serving.batching import EmbeddingQueue

if TYPE_CHECKING:
    from numpy.typing import NDArray

INFO = ModelInfo("m", "hashing", "f", 8, 256, special_tokens=0)


class Slow:
    """Embeds a batch when it is told to; ``batches`` are those that it has begun."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Semaphore(0)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        self.go.acquire()
        if "poison" in texts:
            raise RuntimeError("the model chokes")
        return HashingSession(8).embed_passages(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        raise AssertionError("texts are taken as they are")


@pytest.fixture
def session() -> Slow:
    return Slow()


@pytest.fixture
def queue(session: Slow) -> Iterator[EmbeddingQueue]:
    """One thread, two texts to a micro-batch."""
    made = EmbeddingQueue(
        session, PLUGIN.tokenizer(PLUGIN.params()), INFO, EmbedParams(batch_texts=2, batch_tokens=512), threads=1
    )
    yield made
    session.go.release(100)
    made.close()


@pytest.fixture
def pool(session: Slow) -> Iterator[ThreadPoolExecutor]:
    """At the end nothing is held back any more, whatever became of the test."""
    with ThreadPoolExecutor(4) as made:
        yield made
        session.go.release(100)


def embed(queue: EmbeddingQueue, texts: list[str]) -> Any:
    return queue.embed(texts, queue.count(texts))


def test_texts_are_sorted_by_length_and_come_back_in_their_order(queue: EmbeddingQueue, session: Slow) -> None:
    session.go.release(10)
    texts = ["one two three four", "one", "one two three", "one two"]
    vectors = embed(queue, texts)
    assert session.batches == [["one two three four", "one two three"], ["one two", "one"]]
    assert np.array_equal(vectors, HashingSession(8).embed_passages(texts))


def test_a_question_waits_for_one_micro_batch_and_not_for_a_library(
    queue: EmbeddingQueue, session: Slow, pool: ThreadPoolExecutor
) -> None:
    library = [f"text {number}" for number in range(20)]
    pool.submit(embed, queue, library)
    wait_for(lambda: session.batches)
    question = pool.submit(embed, queue, ["why"])
    wait_for(lambda: len(queue._tasks) == 10)
    session.go.release()
    wait_for(lambda: len(session.batches) == 2)
    assert session.batches[1] == ["why"]
    session.go.release()
    assert question.result(10).shape == (1, 8)
    wait_for(lambda: len(session.batches) == 3)
    assert len(queue._tasks) == 8


def test_many_questions_do_not_starve_a_library(queue: EmbeddingQueue, session: Slow, pool: ThreadPoolExecutor) -> None:
    pool.submit(embed, queue, ["a", "b", "c", "d"])
    wait_for(lambda: session.batches)
    for number in range(2):
        pool.submit(embed, queue, [f"question {number}"])
        wait_for(lambda number=number: len(queue._tasks) == number + 2)
    for done in range(3):
        session.go.release()
        wait_for(lambda done=done: len(session.batches) == done + 2)
    assert len(session.batches[3]) == 2, "the library's second batch came after what was asked before it"


def test_what_a_model_raises_ends_the_request_that_brought_it_and_no_other(
    queue: EmbeddingQueue, session: Slow, pool: ThreadPoolExecutor
) -> None:
    bad = pool.submit(embed, queue, ["poison", "x", "y", "z"])
    wait_for(lambda: session.batches)
    good = pool.submit(embed, queue, ["fine"])
    session.go.release(4)
    with pytest.raises(RuntimeError, match="chokes"):
        bad.result(10)
    assert good.result(10).shape == (1, 8)
    assert len(session.batches) <= 3


def test_who_waits_when_it_closes_is_told(queue: EmbeddingQueue, session: Slow, pool: ThreadPoolExecutor) -> None:
    waiting = pool.submit(embed, queue, ["a", "b", "c", "d"])
    wait_for(lambda: session.batches)
    closing = pool.submit(queue.close)
    wait_for(lambda: queue._closed)
    session.go.release()
    with pytest.raises(CancelledError):
        waiting.result(10)
    closing.result(10)
    with pytest.raises(CancelledError):
        embed(queue, ["too late"])
