"""The embed stage: distinct texts of many documents, through the cache and the embed workers, back to their documents.

A text that several documents hold is embedded once, also when all of them are new. Vectors go into the cache as they
come, so that nothing computed is computed again, whatever happens next.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from docmill.domain import identity
from docmill.domain.events import now, seconds_between
from docmill.domain.jobs import Failure, StepOutcome
from docmill.engine import worker
from docmill.engine.ledger import Ledger
from docmill.engine.pipelines import CompiledPipeline
from docmill.engine.pools import THREADS, Done, Executor
from docmill.engine.work import GroupWork, StepRow, Work
from docmill.engine.worker_process import WorkerDied, ending
from docmill.errors import DefinitionError, DocumentError, DocumentTimeout, MissingError, ProcessingError, WorkerCrashed
from docmill.steps.embed import Text, estimate_tokens, micro_batches
from docmill.stores.embedding_cache import EmbeddingCache

MOST_TRIES = 3
AHEAD = 64  # micro-batches handed out for each worker: none stands still while a window is stored
_CACHE_SECONDS = 1.0  # vectors wait no longer than that to be saved,
_MANY = 1000  # but where so many come, for the window that has them: it costs less to save them at once
_MANY_SECONDS = 2.0
_MOST_UNSAVED = 10_000  # they are held in memory


class EmbedStage:
    """One model's texts. ``ready`` is told of each document that has all its vectors, ``failed`` of the others."""

    def __init__(
        self,
        pipeline: CompiledPipeline,
        ledger: Ledger,
        cache: EmbeddingCache,
        executor: Callable[[], Executor],
        *,
        workers: int,
        ready: Callable[[Work], None],
        failed: Callable[[Work, StepRow, Failure, str], None],
    ) -> None:
        self._pipeline = pipeline
        self._ledger = ledger
        self._cache = cache
        self._executor = executor
        self._workers = workers
        self._ready = ready
        self._failed = failed
        self._waiting: dict[bytes, list[Work]] = defaultdict(list)
        self._window: dict[bytes, Text] = {}
        self._owners: dict[bytes, GroupWork] = {}
        self._batches: deque[tuple[list[Text], int]] = deque()
        self._fresh: dict[bytes, bytes] = {}  # not in the cache yet
        self._computed: dict[int, set[bytes]] = defaultdict(set)  # of groups that do not use the cache
        self._saved = time.monotonic()
        self._warmed = False
        self._in_flight: dict[Future[bytes], tuple[list[Text], int]] = {}

    @property
    def running(self) -> int:
        """Micro-batches that workers have."""
        return len(self._in_flight)

    def computes_for(self, group: GroupWork) -> bool:
        """Whether a worker is at a text that this group asked for."""
        return any(self._owners.get(text.key) is group for batch, _tries in self._in_flight.values() for text in batch)

    @property
    def backlog(self) -> int:
        """Texts that no worker has yet."""
        return len(self._window) + sum(len(batch) for batch, _tries in self._batches)

    def add(self, works: list[Work]) -> None:
        """Take documents in; those whose every text is known are ready at once."""
        model = self._pipeline.model
        for work in works:
            assert work.content is not None
            texts = [chunk.embedded_text for chunk in work.content.chunks]
            work.text_keys = [identity.text_key(model.fingerprint, text) for text in texts]
            work.embed_started = now()
        asked = {key for work in works for key in work.text_keys} - self._waiting.keys()
        known = self._cache.find(list(asked - self._fresh.keys()))
        for work in works:
            assert work.content is not None
            computed = self._computed[work.group.id] if "embed" in work.group.no_cache else None
            for key, chunk in zip(work.text_keys, work.content.chunks, strict=True):
                usable = computed is None or key in computed
                vector = (self._fresh.get(key) or known.get(key)) if usable else None
                if vector is not None and len(vector) == model.dimension * 4:  # whatever lies in the cache
                    work.vectors[key] = vector
                elif key not in work.missing:
                    work.missing.add(key)
                    if key not in self._waiting:
                        tokens = estimate_tokens(chunk.context, chunk.tokens, model.special_tokens)
                        self._window[key] = Text(key, chunk.embedded_text, tokens)
                        self._owners[key] = work.group
                    self._waiting[key].append(work)
            self._begin(work)
            if not work.missing:
                self._finish(work)

    def warm(self) -> None:
        """Start the workers, as there will be texts; loading the model takes as long as the first parsing."""
        if not self._warmed:
            self._warmed = True
            self._executor().warm()

    def dispatch(self, *, more_to_come: bool) -> None:
        """Keep the workers fed. A window is sorted when it is full, or when a worker would stand idle."""
        params = self._pipeline.embed_params
        idle = self.running + len(self._batches) < self._workers
        if self._window and (len(self._window) >= params.window_chunks or idle or not more_to_come):
            batches = micro_batches(list(self._window.values()), params.batch_tokens, params.batch_texts)
            self._batches.extend((batch, 0) for batch in batches)
            self._window.clear()
        while self._batches and self.running < self._workers * AHEAD:
            batch, tries = self._batches.popleft()
            texts = [text.text for text in batch]
            method = self._pipeline.embed.method
            limit = self._pipeline.embed.timeout_s
            future = self._executor().submit(self, worker.run_embed, method, params, THREADS, texts, timeout=limit)
            self._in_flight[future] = batch, tries
        if self._fresh and self._save_is_due():
            self.save()

    def save(self) -> None:
        """Write the new vectors into the cache."""
        if not self._fresh:
            return
        self._cache.add(self._fresh.items())
        self._fresh = {}
        self._saved = time.monotonic()

    def _save_is_due(self) -> bool:
        long = _CACHE_SECONDS if len(self._fresh) < _MANY else _MANY_SECONDS
        return time.monotonic() - self._saved >= long or len(self._fresh) >= _MOST_UNSAVED

    def drop(self, group_id: int) -> list[Work]:
        """Take a group's unfinished documents out. Texts that nobody else waits for are not embedded, unless a worker
        is at them.
        """
        for future in [future for future in self._in_flight if not future.running() and not future.done()]:
            future.cancel()
            self._batches.appendleft(self._in_flight.pop(future))
        dropped: dict[int, Work] = {}
        for key in list(self._waiting):
            kept = []
            for work in self._waiting[key]:
                if work.group.id == group_id:
                    dropped[work.run_id] = work
                else:
                    kept.append(work)
            self._waiting[key] = kept
        self._window = {key: text for key, text in self._window.items() if self._wanted(key)}
        batches = (([text for text in batch if self._wanted(text.key)], tries) for batch, tries in self._batches)
        self._batches = deque((batch, tries) for batch, tries in batches if batch)
        return list(dropped.values())

    def kill(self) -> None:
        """Kill the workers that are at nothing but texts that nobody wants. To be called after :meth:`drop`."""
        for future, (batch, _tries) in list(self._in_flight.items()):
            if not any(self._waiting.get(text.key) for text in batch):
                for text in batch:
                    self._wanted(text.key)
                del self._in_flight[future]
                future.cancel()

    def done(self, done: Done) -> None:
        """A micro-batch is back, or its worker is not."""
        if done.future not in self._in_flight:
            return  # taken back: whatever became of it is not wanted any more
        batch, tries = self._in_flight.pop(done.future)
        try:
            data: bytes = done.future.result()
        except (MissingError, DefinitionError):
            raise  # the model, the disk or a plug-in is gone: no document's fault
        except TimeoutError:
            self._again(batch, tries, DocumentTimeout("the embedding model took too long"))
            return
        except DocumentError as error:  # an embedder that knows what is wrong says so
            self._again(batch, tries, error)
            return
        except WorkerDied as error:
            self._again(batch, tries, WorkerCrashed(f"the embedding worker died ({ending(error.exitcode)})"))
            return
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the outcome of the texts it was given
            self._again(batch, tries, ProcessingError(f"embedding failed: {type(error).__name__}: {str(error)[:300]}"))
            return
        width = self._pipeline.model.dimension * 4
        for position, text in enumerate(batch):
            vector = data[position * width : (position + 1) * width]
            self._fresh[text.key] = vector
            self._count(self._owners.pop(text.key))
            for place, work in enumerate(self._waiting.pop(text.key, [])):
                if "embed" in work.group.no_cache:
                    self._computed[work.group.id].add(text.key)
                self._fill(work, text.key, vector, computed=place == 0)

    def _count(self, group: GroupWork) -> None:
        """Told of the group that asked first, also where it has been paused meanwhile: computed is computed."""
        group.chunks_embedded += 1
        self._ledger.count_chunks(group.id, embedded=1)

    def _fill(self, work: Work, key: bytes, vector: bytes, *, computed: bool) -> None:
        work.embedded += computed
        if work.failure is not None:
            return
        work.vectors[key] = vector
        work.missing.discard(key)
        if not work.missing:
            self._finish(work)

    def _begin(self, work: Work) -> None:
        row = work.step("embed")
        if row.status == "completed" and work.missing:  # by an engine that died before it stored, its vectors lost
            self._ledger.reopen_step(work, row)
        if row.status in ("pending", "error"):
            self._ledger.start_step(work, row, at=work.embed_started)

    def _finish(self, work: Work) -> None:
        at = now()
        work.reused = len(work.text_keys) - work.embedded
        work.group.chunks_reused += work.reused
        meta = json.dumps({"embedded": work.embedded, "reused": work.reused})
        row = work.step("embed")
        if row.status != "completed":
            seconds = seconds_between(work.embed_started, at)
            outcome = StepOutcome(row.name, work.embed_started, at, seconds, reused=work.embedded == 0)
            self._ledger.finish_step(work, row, outcome, meta=meta)
        self._ready(work)

    def _again(self, batch: list[Text], tries: int, error: DocumentError) -> None:
        """Halve the batch, so that one text that is too much ends alone; then fail the documents that hold it.

        Not for good: what fails here is more often the machine than the text, and the next sync will tell.
        """
        if tries + 1 < MOST_TRIES or len(batch) > 1:
            middle = (len(batch) + 1) // 2
            self._batches.extendleft((part, tries + 1) for part in (batch[:middle], batch[middle:]) if part)
            return
        self._owners.pop(batch[0].key, None)
        for work in self._waiting.pop(batch[0].key, []):
            if work.failure is None:
                row = work.step("embed")
                work.failure = replace(Failure.of(row.name, error), permanent=False)
                self._failed(work, row, work.failure, now())

    def _wanted(self, key: bytes) -> bool:
        if not self._waiting.get(key):
            self._waiting.pop(key, None)
            self._owners.pop(key, None)
            return False
        return True
