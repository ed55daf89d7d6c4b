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

from docmill.engine import worker
from docmill.engine.pipelines import CompiledPipeline
from docmill.engine.worker import WorkerLimits
from docmill.settings import Settings

THREADS = 1  # of an embed worker: one thread a process and a process a core use the cores best
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


class Pools:
    """The pools of one engine, each begun when it is first asked for."""

    def __init__(self, home: Path, settings: Settings, results: queue.SimpleQueue[Done]) -> None:
        self._results = results
        self._settings = settings
        self._log = str(home / "logs" / "workers.log")
        self._pools: dict[str, ProcessExecutor] = {}

    def documents(self, waiting: int) -> ProcessExecutor:
        """Workers that parse and chunk; no more of them than documents wait at the time when they begin."""
        if "documents" not in self._pools:
            workers = max(1, min(self._settings.document_workers, waiting))
            self._pools["documents"] = self._document_pool(workers, recycle=LEGS_PER_WORKER)
        return self._pools["documents"]

    def solo(self) -> ProcessExecutor:
        """One such worker, and a fresh one for each document."""
        if "solo" not in self._pools:
            self._pools["solo"] = self._document_pool(1, recycle=1)
        return self._pools["solo"]

    def embedder(self, name: str, pipeline: CompiledPipeline, workers: int) -> ProcessExecutor:
        """Workers that hold the pipeline's model, loaded as they start."""
        if name not in self._pools:
            args = (os.getpid(), self._log, pipeline.embed.method, pipeline.embed_params, THREADS)
            start = worker.start_embed_worker
            self._pools[name] = ProcessExecutor(self._results, workers, recycle=0, start=start, args=args)
        return self._pools[name]

    def stop(self) -> None:
        """Kill every worker and return once they are gone."""
        for pool in self._pools.values():
            pool.stop()
        self._pools.clear()

    def _document_pool(self, workers: int, *, recycle: int) -> ProcessExecutor:
        limits = WorkerLimits(self._settings.worker_memory_bytes, self._settings.worker_cpu_s)
        args = (os.getpid(), self._log, limits)
        start = worker.start_document_worker
        return ProcessExecutor(self._results, workers, recycle=recycle, start=start, args=args)
