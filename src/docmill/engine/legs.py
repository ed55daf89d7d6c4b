"""The document leg: from file to chunks, in a worker. What has the same bytes and pipeline is done once for all."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.domain.documents import ChunkedDocument
from docmill.domain.events import now
from docmill.domain.jobs import ArtifactRef, Failure, LegJob, LegOutcome, StepOutcome
from docmill.engine import worker
from docmill.engine.ledger import Ledger
from docmill.engine.pools import Done, Executor
from docmill.engine.sound import is_sound
from docmill.engine.verdicts import outcome_of
from docmill.engine.work import StepRow, Work
from docmill.errors import DamagedArtifact, DefinitionError, MissingError
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.downloads import DownloadStore
from docmill.stores.state import settling

if TYPE_CHECKING:
    from concurrent.futures import Future

# To hand a document to a worker and to hear of it takes longer than to read a small one. So where many wait, small ones
# go together, as long as there are so many bundles for each worker. What becomes of a bundle's worker is nobody's
# fault: each is done again, alone.
BUNDLED = 32
BUNDLES = 4
BUNDLING_FROM = 64  # documents that wait
SMALL_BYTES = 32 * 1024
AHEAD = 256  # small documents handed out for each worker: none stands still while results are gathered and written
LARGE_AHEAD = 2
BUNDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """Documents of one pipeline that a worker has been given, to answer with an outcome for each; most often one."""

    works: list[Work]

    @property
    def uri(self) -> str:
        """For the log: what is printed may be about any of them."""
        return ", ".join(work.uri for work in self.works)


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
        workers: int,
        chunked: Callable[[Work], None],
        failed: Callable[[Work, StepRow, Failure, str], None],
    ) -> None:
        self._home = home
        self._copies = DownloadStore(Path(home))
        self._ledger = ledger
        self._artifacts = artifacts
        self._executor = executor
        self._alone = alone
        self._workers = workers
        self._chunked = chunked
        self._failed = failed
        self._queue: deque[tuple[Work, dict[str, ArtifactRef]]] = deque()
        self._suspects: deque[tuple[Work, dict[str, ArtifactRef]]] = deque()
        self._keys: set[str] = set()  # of the chunks that are under way
        self._same: dict[str, list[Work]] = {}  # documents that wait for those
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
            refs.update(settling.find_artifacts(tx, keys))
        for work in works:
            chunk_key = work.keys[work.pipeline.chunk_name]
            content = self._read(_usable(work, "chunk", refs.get(chunk_key)))
            if content is not None and not self._has_copies(content):
                content = None
                refs = {key: ref for key, ref in refs.items() if key not in work.keys.values()}
            if content is not None:
                self._reuse(work, content)
            elif chunk_key in self._keys:
                self._same.setdefault(chunk_key, []).append(work)
            else:
                self._keys.add(chunk_key)
                (self._suspects if work.crashes else self._queue).append((work, refs))
        self.dispatch()

    def dispatch(self) -> None:
        """Keep as many legs running as pay."""
        if any(work.crashes for work in self.running.values()):
            return
        while self._queue and self._has_room() and not self.hold:
            self._submit(self._next(), self._executor())
        if self._suspects and not self._queue and not self.running:
            self._submit([self._suspects.popleft()], self._alone())

    def _has_room(self) -> bool:
        """Small documents are handed out well ahead. Others wait here: what has a higher priority may overtake them,
        and what lies in a container is told how much of that has been unpacked before it begins.
        """
        if _is_small(self._queue[0][0]):
            return len(self.running) < AHEAD * self._workers
        return sum(not _is_small(work) for work in self.running.values()) < LARGE_AHEAD * self._workers

    def _next(self) -> list[tuple[Work, dict[str, ArtifactRef]]]:
        waiting = len(self._queue)
        most = min(BUNDLED, waiting // (BUNDLES * self._workers)) if waiting >= BUNDLING_FROM else 1
        taken = [self._queue.popleft()]
        first = taken[0][0]
        if _is_small(first):
            while len(taken) < most and _is_small(self._queue[0][0]) and _go_together(first, self._queue[0][0]):
                taken.append(self._queue.popleft())
        return taken

    def _submit(self, taken: list[tuple[Work, dict[str, ArtifactRef]]], executor: Executor) -> None:
        works = [work for work, _refs in taken]
        jobs = [self._begun(work, refs) for work, refs in taken]
        pipeline = works[0].pipeline
        limit = pipeline.leg_timeout_s if len(works) == 1 else min(pipeline.leg_timeout_s, BUNDLE_SECONDS)
        future = executor.submit(Bundle(works), worker.run_legs, pipeline.leg_plan, jobs, timeout=limit)
        for work in works:
            work.future = future
            self.running[work.run_id] = work

    def _begun(self, work: Work, refs: dict[str, ArtifactRef]) -> LegJob:
        leg = [work.steps[step.name] for step in work.pipeline.leg]
        for row in work.steps.values():
            if row.status == "completed":  # by an earlier engine or attempt: it is gone through again
                self._ledger.reopen_step(work, row)
        if leg[0].status != "running":
            self._ledger.start_step(work, leg[0])
        return self._job(work, refs)

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
        self._keys.discard(key)
        same = self._same.pop(key, [])
        if same:
            self._keys.add(key)
            self._same[key] = same[1:]
            self._queue.append((same[0], refs))

    def done(self, done: Done) -> None:
        """What was taken back meanwhile is passed over: whatever became of it is not wanted any more."""
        bundle: Bundle = done.tag
        outcomes = _outcomes(bundle, done.future) if len(bundle.works) > 1 else []
        for number, work in enumerate(bundle.works):
            if work.future is done.future and self.running.get(work.run_id) is work:
                if len(bundle.works) == 1:
                    outcome = outcome_of(work, done, self._ledger)
                else:
                    outcome = outcomes[number] if number < len(outcomes) else None
                    work.alone = outcome is None
                self._settle(work, outcome)
        self.dispatch()

    def _settle(self, work: Work, outcome: LegOutcome | None) -> None:
        del self.running[work.run_id]
        chunk_key = work.keys[work.pipeline.chunk_name]
        self._keys.discard(chunk_key)
        same = self._same.pop(chunk_key, [])
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
        there = pipeline.stored - {pipeline.chunk_name}
        parts = [
            _usable(work, step.type, refs.get(work.keys[step.name])) if step.name in there else None
            for step in pipeline.leg
        ]
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
            tuple(work.keys[step.name] for step in pipeline.leg),
            tuple(parts),
        )


def _outcomes(bundle: Bundle, future: Future[list[LegOutcome]]) -> list[LegOutcome]:
    """Those that can be believed, from the front. Raises what is no document's fault."""
    sound: list[LegOutcome] = []
    try:
        for outcome, work in zip(future.result(), bundle.works, strict=False):
            if not is_sound(outcome, work):
                break
            sound.append(outcome)
    except (MissingError, DefinitionError):
        raise
    except Exception:  # noqa: BLE001 - the death or the silence of a worker: whose fault it was, each alone will show
        return sound
    return sound


def _is_small(work: Work) -> bool:
    """Whether it may go together with others."""
    return work.size_bytes <= SMALL_BYTES and not work.alone and not work.nesting.depth


def _go_together(one: Work, other: Work) -> bool:
    return one.group is other.group and one.profile == other.profile


def _usable(work: Work, step_type: str, ref: ArtifactRef | None) -> ArtifactRef | None:
    """An artifact, unless its group asked for new ones and it is older than that."""
    group = work.group
    return None if ref and step_type in group.no_cache and ref.created_at < group.created_at else ref
