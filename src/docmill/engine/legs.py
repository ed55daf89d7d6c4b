"""The document leg: from file to chunks, in a worker. What has the same bytes and pipeline is done once for all."""

from __future__ import annotations

import json
import signal
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from docmill.domain.documents import ChunkedDocument
from docmill.domain.events import now
from docmill.domain.failures import tells_of_memory
from docmill.domain.jobs import ArtifactRef, Failure, LegJob, LegOutcome, StepJob, StepOutcome
from docmill.engine import worker
from docmill.engine.answers import AnswerTooLarge
from docmill.engine.ledger import Ledger
from docmill.engine.pools import Done, Executor
from docmill.engine.sound import is_sound
from docmill.engine.work import StepRow, Work
from docmill.engine.worker_process import WorkerDied, ending
from docmill.errors import (
    DamagedArtifact,
    DefinitionError,
    DocumentError,
    DocumentTimeout,
    FileTooLarge,
    MissingError,
    OutOfMemory,
    ProcessingError,
    WorkerCrashed,
)
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.downloads import DownloadStore
from docmill.stores.state import settling
from docmill.stores.state.database import Transaction

MOST_CRASHES = 3


class LegStage:
    """Holds documents until they are chunks. ``chunked`` and ``failed`` are told of each that is through.

    A document that took a worker down is a suspect: it waits until the others are through, and then has a fresh worker
    and the machine to itself, so that neither it nor its neighbours are blamed for the other's appetite.
    """

    def __init__(
        self,
        home: str,
        ledger: Ledger,
        artifacts: ArtifactStore,
        executor: Callable[[], Executor],
        alone: Callable[[], Executor],
        *,
        at_once: int,
        chunked: Callable[[Work], None],
        failed: Callable[[Work, StepRow, Failure, str], None],
    ) -> None:
        self._home = home
        self._copies = DownloadStore(Path(home))
        self._ledger = ledger
        self._artifacts = artifacts
        self._executor = executor
        self._alone = alone
        self._at_once = at_once
        self._chunked = chunked
        self._failed = failed
        self._queue: deque[tuple[Work, dict[str, ArtifactRef]]] = deque()
        self._suspects: deque[tuple[Work, dict[str, ArtifactRef]]] = deque()
        self._same: dict[str, list[Work]] = {}
        self._unpacked: Counter[tuple[int, str]] = Counter()  # bytes, by group and outermost container
        self.running: dict[int, Work] = {}
        self.hold = False  # begin no further leg: the stages behind have enough to do

    def __len__(self) -> int:
        waiting = len(self._queue) + len(self._suspects)
        return waiting + sum(len(same) for same in self._same.values()) + len(self.running)

    def add(self, works: list[Work]) -> None:
        """Take documents in. One whose chunks are an artifact already passes without a worker."""
        if not works:
            return
        keys = sorted({key for work in works for name, key in work.keys.items() if name in work.pipeline.stored})
        refs: dict[str, ArtifactRef] = {}
        with self._ledger.state.transaction() as tx:
            for start in range(0, len(keys), 500):
                refs.update(settling.find_artifacts(tx, keys[start : start + 500]))
        for work in works:
            chunk_key = work.keys[work.pipeline.chunk_name]
            content = self._read(_usable(work, "chunk", refs.get(chunk_key)))
            if content is not None and not self._has_copies(content):
                content = None
                refs = {key: ref for key, ref in refs.items() if key not in work.keys.values()}
            if content is not None:
                self._reuse(work, content)
            elif chunk_key in self._same:
                self._same[chunk_key].append(work)
            else:
                self._same[chunk_key] = []
                (self._suspects if work.crashes else self._queue).append((work, refs))
        self.dispatch()

    def dispatch(self) -> None:
        """Keep as many legs running as pay."""
        if any(work.crashes for work in self.running.values()):
            return
        while self._queue and len(self.running) < self._at_once and not self.hold:
            self._begin(*self._queue.popleft(), self._executor())
        if self._suspects and not self._queue and not self.running:
            self._begin(*self._suspects.popleft(), self._alone())

    def _begin(self, work: Work, refs: dict[str, ArtifactRef], executor: Executor) -> None:
        leg = [work.steps[step.name] for step in work.pipeline.leg]
        for row in work.steps.values():
            if row.status == "completed":  # by an earlier engine or attempt: it is gone through again
                self._ledger.reopen_step(work, row)
        if leg[0].status != "running":
            self._ledger.start_step(work, leg[0])
        job = self._job(work, refs)
        work.future = executor.submit(work, worker.run_leg, job, timeout=work.pipeline.leg_timeout_s)
        self.running[work.run_id] = work

    def drop(self, group_id: int) -> list[Work]:
        """Take a group's documents that wait out again. Those that run are left to end, or to :meth:`kill`."""
        dropped = self._recall([work for work in self.running.values() if work.group.id == group_id and not work.begun])
        for key, same in self._same.items():
            dropped += [work for work in same if work.group.id == group_id]
            self._same[key] = [work for work in same if work.group.id != group_id]
        queued = [*self._queue, *self._suspects]
        self._queue.clear()
        self._suspects.clear()
        for work, refs in queued:
            if work.group.id == group_id:
                dropped.append(work)
                self._promote(work, refs)
            else:
                (self._suspects if work.crashes else self._queue).append((work, refs))
        return dropped

    def kill(self, group_id: int) -> list[Work]:
        """Kill the workers of a group's running documents. To be called after :meth:`drop`."""
        return self._recall([work for work in self.running.values() if work.group.id == group_id])

    def _recall(self, works: list[Work]) -> list[Work]:
        for work in works:
            del self.running[work.run_id]
            self._promote(work, {})
            if work.future is not None:
                work.future.cancel()
        return works

    def _promote(self, work: Work, refs: dict[str, ArtifactRef]) -> None:
        """Another group's document of the same bytes takes the place of one that is dropped."""
        key = work.keys[work.pipeline.chunk_name]
        same = self._same.pop(key, [])
        if same:
            self._same[key] = same[1:]
            self._queue.append((same[0], refs))

    def done(self, done: Done) -> None:
        work: Work = done.tag
        if work.future is not done.future or self.running.get(work.run_id) is not work:
            return  # taken back: whatever became of it is not wanted any more
        del self.running[work.run_id]
        same = self._same.pop(work.keys[work.pipeline.chunk_name], [])
        outcome = self._outcome(work, done)
        if outcome is None:
            self._again(work, same)
            return
        self._record_steps(work, outcome)
        if outcome.content is not None:
            work.content = outcome.content
            if work.nesting.depth:
                size = sum(member.size_bytes for member in outcome.content.members)
                self._unpacked[work.group.id, work.nesting.outermost] += size
            self._chunked(work)
            for other in same:
                self._reuse(other, outcome.content)
        else:
            assert outcome.failure is not None
            self._failed(work, work.steps[outcome.failure.stage], outcome.failure, outcome.failed_at or now())
            self.add(same)  # the same bytes at another path may fare better
        self.dispatch()

    def _outcome(self, work: Work, done: Done) -> LegOutcome | None:
        """The worker's answer, or what stands for it; None where the worker died and the document has tries left."""
        try:
            outcome: LegOutcome = done.future.result()
            if not is_sound(outcome, work):
                raise TypeError("it is no answer about this document")
            return outcome
        except TimeoutError:
            failure: DocumentError = DocumentTimeout(
                f"it took longer than {work.pipeline.leg_timeout_s:.0f} s", hint="raise timeout_s in the workflow"
            )
        except (MissingError, DefinitionError):
            raise  # the disk, the model or a plug-in is gone: no document's fault
        except WorkerDied as error:
            if error.exitcode == -signal.SIGXCPU:
                failure = DocumentTimeout(
                    "it used up the processor time of a document", hint="raise DOCMILL_WORKER_CPU_S"
                )
                return self._ended(work, failure)
            work.crashes += 1
            crashes, run = work.crashes, work.run_id
            self._ledger.after(lambda tx: _count_crashes(tx, run, crashes))
            died = f"{work.uri}: its worker died"
            words = error.words or None
            self._ledger.log(
                work,
                "warning",
                died,
                exit_code=error.exitcode,
                last_words=words,
                starved=error.starved,
                crashes=crashes,
            )
            if crashes < MOST_CRASHES:
                return None
            failure = _of_deaths(error, crashes)
        except AnswerTooLarge as error:
            failure = FileTooLarge(f"its passages are too many: {error}", hint="lower parse.max_characters")
        except Exception as error:  # noqa: BLE001 - an answer that could not be sent is this document's outcome
            failure = ProcessingError(f"its worker could not answer: {type(error).__name__}: {str(error)[:300]}")
        return self._ended(work, failure)

    def _ended(self, work: Work, error: DocumentError) -> LegOutcome:
        """What stands for an answer that never came. The step is the one that was begun: more is not known."""
        return LegOutcome("", (), failure=Failure.of(work.pipeline.leg[0].name, error), failed_at=now())

    def _again(self, work: Work, same: list[Work]) -> None:
        """Once more, from the start. A crash burns no attempt."""
        for row in work.steps.values():
            if row.status == "running":
                self._ledger.release_step(work, row)
        self._ledger.flush()
        self.add([work, *same])

    def _record_steps(self, work: Work, outcome: LegOutcome) -> None:
        done = {step.name: step for step in outcome.steps}
        for step in work.pipeline.leg:
            row = work.steps[step.name]
            result = done.get(step.name)
            if result is None:
                failed = outcome.failure is not None and outcome.failure.stage == step.name
                if failed and row.status != "running":
                    self._ledger.start_step(work, row, at=outcome.failed_at)
                return
            if row.status != "running" and not result.reused:
                self._ledger.start_step(work, row, at=result.started_at)
            meta = json.dumps(result.meta, ensure_ascii=False)
            self._ledger.finish_step(work, row, result, worker=outcome.worker_id, meta=meta)

    def _reuse(self, work: Work, content: ChunkedDocument) -> None:
        at = now()
        for step in work.pipeline.leg:
            row = work.steps[step.name]
            if row.status != "completed":
                self._ledger.finish_step(work, row, StepOutcome(step.name, at, at, 0.0, reused=True))
        work.content = content
        self._chunked(work)

    def _has_copies(self, content: ChunkedDocument) -> bool:
        """What lies in a document is kept only while documents are made of it; reading it anew unpacks it again."""
        return all(self._copies.has((member.content_hash, member.suffix)) for member in content.members)

    def _read(self, ref: ArtifactRef | None) -> ChunkedDocument | None:
        if ref is None:
            return None
        try:
            return ChunkedDocument.from_json(self._artifacts.read(ref))
        except (DamagedArtifact, ValueError, KeyError, TypeError):
            return None  # it is computed again, and the artifact with it

    def _unpacked_so_far(self, work: Work) -> int:
        """Bytes of the outermost container that this document lies in: the limit is on all of it."""
        if not work.nesting.depth:
            return 0
        key = work.group.id, work.nesting.outermost
        if key not in self._unpacked:
            self._unpacked[key] = work.nesting.expanded_bytes
        return self._unpacked[key]

    def _job(self, work: Work, refs: dict[str, ArtifactRef]) -> LegJob:
        pipeline = work.pipeline
        steps = tuple(
            StepJob(
                step.name,
                step.type,
                step.method,
                step.params,
                work.keys[step.name],
                _usable(work, step.type, refs.get(work.keys[step.name]))
                if step.name in pipeline.stored and step.name != pipeline.chunk_name
                else None,
            )
            for step in pipeline.leg
        )
        return LegJob(
            self._home,
            work.uri,
            work.path,
            work.suffix,
            work.content_hash,
            work.size_bytes,
            work.nesting.depth,
            self._unpacked_so_far(work),
            work.meta,
            steps,
            pipeline.embed.method,
            pipeline.embed_params,
        )


def _of_deaths(last: WorkerDied, deaths: int) -> DocumentError:
    """Of a document that takes workers down, also alone: why, as far as it shows."""
    said = f": {last.words}" if last.words else ""
    if last.starved:
        return OutOfMemory(
            f"the machine ran out of memory and ended its worker, {deaths} times", hint="give the machine more memory"
        )
    if last.exitcode < 0 and tells_of_memory(last.words):
        return OutOfMemory(f"its worker ran out of memory and ended{said}", hint="raise DOCMILL_WORKER_MEMORY_BYTES")
    return WorkerCrashed(f"it took {deaths} workers down ({ending(last.exitcode)}){said}")


def _usable(work: Work, step_type: str, ref: ArtifactRef | None) -> ArtifactRef | None:
    """An artifact, unless its group asked for new ones and it is older than that."""
    group = work.group
    return None if ref and step_type in group.no_cache and ref.created_at < group.created_at else ref


def _count_crashes(tx: Transaction, run_id: int, crashes: int) -> None:
    tx.run("UPDATE run SET crashes = ? WHERE id = ?", [crashes, run_id])
