"""The processes. Pools hand out ``concurrent.futures.Future``s; what is done comes back through one queue.

What runs in them is docmill.engine.worker, how they are kept docmill.engine.workers.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from docmill.engine import worker
from docmill.engine.pipelines import CompiledPipeline
from docmill.engine.printed import WorkerLog
from docmill.engine.sandbox import Sandbox
from docmill.engine.workers import Workers
from docmill.settings import Settings

THREADS = 1  # of an embed worker: one thread a process and a process a core use the cores best
LEGS_PER_WORKER = 5_000  # a worker is replaced then, or once its memory has grown: libraries leak


@dataclass(frozen=True, slots=True)
class Done:
    """A finished future, and what it was for."""

    tag: Any
    future: Future[Any]


class Executor(Protocol):
    """Where tasks run. Another implementation may stand in, as long as it gives futures; to cancel one that has begun
    ends it.
    """

    def warm(self, most: int | None = None) -> None:
        """Have the workers, or so many of them, start before there is a task for them."""
        ...

    def submit(
        self, tag: Any, function: Callable[..., Any], *args: Any, timeout: float | None = None
    ) -> Future[Any]: ...

    def stop(self) -> None:
        """Kill what is running and return once it is gone."""
        ...


class Pools:
    """The pools of one engine, each begun when it is first asked for. What is done comes into ``results``."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.results: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._settings = settings
        self._log = WorkerLog(home / "logs" / "workers.log")
        self._pools: dict[str, Executor] = {}

    def documents(self) -> Executor:
        """Workers that parse and chunk."""
        if "documents" not in self._pools:
            self._pools["documents"] = self._document_pool(self._settings.document_workers, recycle=LEGS_PER_WORKER)
        return self._pools["documents"]

    def solo(self) -> Executor:
        """One such worker, and a fresh one for each document."""
        if "solo" not in self._pools:
            self._pools["solo"] = self._document_pool(1, recycle=1)
        return self._pools["solo"]

    def embedder(self, name: str, pipeline: CompiledPipeline, workers: int) -> Executor:
        """Workers that hold the pipeline's model, loaded as they start."""
        if name not in self._pools:
            args = (os.getpid(), pipeline.embed.method, pipeline.embed_params, THREADS)
            self._pools[name] = Workers(workers, worker.start_embed_worker, args, done=self._done, printed=self.printed)
        return self._pools[name]

    def stop(self) -> None:
        """Kill every worker and return once they are gone."""
        for pool in self._pools.values():
            pool.stop()
        self._pools.clear()

    def _document_pool(self, workers: int, *, recycle: int) -> Executor:
        settings = self._settings
        sandbox = Sandbox(
            settings.worker_memory_bytes,
            settings.worker_cpu_s,
            settings.worker_file_bytes,
            settings.worker_env,
            settings.worker_network,
        )
        return Workers(
            workers,
            worker.start_document_worker,
            (os.getpid(), sandbox),
            recycle=recycle,
            memory_bytes=settings.worker_memory_bytes,
            done=self._done,
            printed=self.printed,
        )

    def printed(self, tag: Any, text: str) -> None:
        """Into the log, under the name of the document. What workers print as they start is the same for all."""
        if tag is None:
            self._log.add_once("a worker that starts", text)
        else:
            self._log.add(tag if isinstance(tag, str) else getattr(tag, "uri", "embedding"), text)

    def _done(self, tag: Any, future: Future[Any]) -> None:
        self.results.put(Done(tag, future))
