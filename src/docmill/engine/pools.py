"""The processes. Pools hand out ``concurrent.futures.Future``s; what is done comes back through one queue.

A task that dies or runs out of time costs itself alone: Pebble puts a fresh worker in the dead one's place.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from docmill.domain.params import EmbedParams
from docmill.engine import worker
from docmill.engine.worker import WorkerLimits

LEGS_PER_WORKER = 500  # a worker is replaced then: libraries leak


@dataclass(frozen=True, slots=True)
class Done:
    """A finished future, and what it was for."""

    tag: Any
    future: Future[Any]


class Executor(Protocol):
    """Where tasks run. Another implementation may stand in, as long as it gives futures."""

    def warm(self) -> None:
        """Have the workers start before there is a task for them."""
        ...

    def submit(
        self, tag: Any, function: Callable[..., Any], *args: Any, timeout: float | None = None
    ) -> Future[Any]: ...

    def stop(self) -> None:
        """Kill what is running and return once it is gone."""
        ...


class ProcessExecutor:
    """A Pebble pool of spawned processes; it starts with its first task, or with ``warm``."""

    def __init__(self, results: queue.SimpleQueue[Done], workers: int, *, recycle: int, start: Any, args: Any) -> None:
        from pebble import ProcessPool

        self._results = results
        self._pool = ProcessPool(
            max_workers=workers, max_tasks=recycle, initializer=start, initargs=args, context=get_context("spawn")
        )

    def warm(self) -> None:
        """Start the processes now."""
        _ = self._pool.active

    def submit(self, tag: Any, function: Callable[..., Any], *args: Any, timeout: float | None = None) -> Future[Any]:
        future: Future[Any] = self._pool.schedule(function, args=args, timeout=timeout)
        future.add_done_callback(lambda done: self._results.put(Done(tag, done)))
        return future

    def stop(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call] # pebble leaves it without types
        self._pool.join()


def document_pool(
    home: Path,
    results: queue.SimpleQueue[Done],
    *,
    workers: int,
    limits: WorkerLimits,
    recycle: int = LEGS_PER_WORKER,
) -> ProcessExecutor:
    """Workers that parse and chunk, each within its limits and replaced after ``recycle`` documents."""
    args = (os.getpid(), str(home / "logs" / "workers.log"), limits)
    return ProcessExecutor(results, workers, recycle=recycle, start=worker.start_document_worker, args=args)


def embed_pool(
    home: Path, results: queue.SimpleQueue[Done], *, workers: int, method: str, params: EmbedParams, threads: int
) -> ProcessExecutor:
    """Workers that hold the model, loaded as they start."""
    args = (os.getpid(), str(home / "logs" / "workers.log"), method, params, threads)
    return ProcessExecutor(results, workers, recycle=0, start=worker.start_embed_worker, args=args)
