"""Texts of many requests through one model, a micro-batch at a time.

Each request is cut as an embed step's window is: sorted by length, by a budget of padded tokens. Requests take turns,
so that a question never waits for the end of somebody's library.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docmill.domain.contracts import EmbeddingSession, ModelInfo, Tokenizer
from docmill.domain.params import EmbedParams
from docmill.steps.embed import Text, micro_batches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(order=True, slots=True)
class _Task:
    """``turn``: when it is due, counted in micro-batches; ``serial`` decides between equals."""

    turn: int
    serial: int
    texts: list[str] = field(compare=False)
    future: Future[NDArray[np.float32]] = field(compare=False, default_factory=Future)


class EmbeddingQueue:
    """A model and the threads that run it. ``session`` must be one that several threads may use.

    embedded: how many texts have got their vectors.
    """

    embedded = 0

    def __init__(
        self, session: EmbeddingSession, tokenizer: Tokenizer, info: ModelInfo, params: EmbedParams, *, threads: int
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._info = info
        self._params = params
        self._tasks: list[_Task] = []
        self._turn = 0  # of the task that was taken last
        self._serial = 0
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"embed-{each}", daemon=True) for each in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model would read it, special ones included, were there no limit."""
        return [count + self._info.special_tokens for count in self._tokenizer.counts(texts)]

    def embed(self, texts: Sequence[str], counts: Sequence[int]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1, in the order of ``texts``.

        ``counts``: from :meth:`count`.
        """
        import numpy as np

        most = self._info.max_tokens
        numbered = [
            Text(place.to_bytes(8, "big"), text, min(tokens, most))
            for place, (text, tokens) in enumerate(zip(texts, counts, strict=True))
        ]
        batches = micro_batches(numbered, self._params.batch_tokens, self._params.batch_texts)
        tasks = self._submit([[each.text for each in batch] for batch in batches])
        vectors = np.empty((len(texts), self._info.dimension), np.float32)
        try:
            for batch, task in zip(batches, tasks, strict=True):
                vectors[[int.from_bytes(each.key, "big") for each in batch]] = task.future.result()
        finally:
            for task in tasks:  # where one failed, nobody wants the others
                task.future.cancel()
        with self._changed:
            self.embedded += len(texts)
        return vectors

    def close(self) -> None:
        """End the threads after what they are at. Whoever still waits gets CancelledError."""
        with self._changed:
            self._closed = True
            for task in self._tasks:
                task.future.cancel()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _submit(self, batches: list[list[str]]) -> list[_Task]:
        """Start-time fair queueing (Goyal et al., 1996), with requests as flows: a request's first micro-batch is due
        now, and each further one a turn later.
        """
        with self._changed:
            tasks = [_Task(self._turn + place, self._serial + place, texts) for place, texts in enumerate(batches)]
            self._serial += len(tasks)
            for task in tasks:
                if self._closed:
                    task.future.cancel()
                else:
                    heapq.heappush(self._tasks, task)
            self._changed.notify_all()
        return tasks

    def _work(self) -> None:
        while (task := self._take()) is not None:
            if not task.future.set_running_or_notify_cancel():
                continue
            try:
                task.future.set_result(self._session.embed_passages(task.texts))
            except BaseException as error:  # noqa: BLE001 - whatever a model raises is the answer to whoever asked
                task.future.set_exception(error)

    def _take(self) -> _Task | None:
        with self._changed:
            while not self._tasks and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            task = heapq.heappop(self._tasks)
            self._turn = task.turn
            return task
