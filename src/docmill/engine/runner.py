"""The heart: claim -> submit -> settle, until nothing is left to do or somebody says stop.

One thread, one loop. Processes compute; this loop alone writes SQLite and LanceDB. Each pass looks at what other shells
want, brings new work in, keeps the workers fed, stores what is ready, writes down what happened, and waits for results.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from docmill import failpoints
from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.status import Status
from docmill.engine import intake, recovery
from docmill.engine.embedding import EmbedStage
from docmill.engine.endings import Endings
from docmill.engine.ledger import Ledger
from docmill.engine.legs import Bundle, LegStage
from docmill.engine.notices import Notices
from docmill.engine.pools import Done, Executor, Pools
from docmill.engine.stopping import StopFlag
from docmill.engine.storing import StoreStage
from docmill.engine.telemetry import Telemetry
from docmill.engine.work import GroupWork, Work
from docmill.errors import DefinitionError, MissingError, ModelRefused, ModelUnreachable, StorageError
from docmill.settings import Settings
from docmill.stores import feed, lance
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.embedding_cache import EmbeddingCache
from docmill.stores.queries import Queries
from docmill.stores.state import State, groups, settling
from docmill.stores.state.database import Transaction

LOOK_SECONDS = 0.25  # how often the engine looks for what other shells want
WAIT_SECONDS = 0.1
GATHER_SECONDS = 0.005
MANY = 32  # documents
MOST_ACTIVE = 3072  # documents in memory at once
MOST_BACKLOG = 8192  # texts that wait to be embedded; beyond this no further document is parsed
CLAIM_BELOW = CLAIMED = 1024  # documents that wait for a worker or are at one; so many are claimed together
LEAST_ROOM = 64
PROGRESS_SECONDS = 0.1
KILLING = ("cancel", "time")  # what of a group ends, and does not only wait
FAIR_SHARE = 8  # of so many helpings of work, one goes to the group that has waited longest


class Runner:
    """Runs every running group of a home. Holds the engine's lock for as long as it lives (the caller sees to that)."""

    def __init__(
        self,
        home: Path,
        settings: Settings,
        reporter: Reporter,
        stop: StopFlag,
        beat: Callable[[], None] = lambda: None,
        on_look: Callable[[], None] = lambda: None,
        beating: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        pools: Pools | None = None,
    ) -> None:
        """``beat`` is called a few times a second; whatever it raises ends the engine. So is ``on_look``, which may
        make further groups run, and is not called any more once the engine is to stop. ``beating`` is entered for one
        long call, during which nobody can call ``beat``. ``pools``: whose workers may have been started already.
        """
        self.home = home
        self.settings = settings
        self.reporter = reporter
        self.stop = stop
        self.beat = beat
        self.on_look = on_look
        self.beating = beating
        self.state = State(home)
        self.ledger = Ledger(self.state, recovery.begin(self.state, home))
        self.queries = Queries(home)
        self.cache = EmbeddingCache(home)
        self.groups: dict[int, GroupWork] = {}
        self.done_before: dict[int, int] = {}
        self.endings = Endings(self.ledger, reporter)
        self.active = self.endings.active
        self.embeds: dict[str, EmbedStage] = {}
        self._silent: dict[EmbedStage, MissingError] = {}
        self.stores: dict[str, StoreStage] = {}
        self.pools = pools or Pools(home, settings)
        self.results = self.pools.results
        self.notices = Notices(home, settings)
        self.telemetry = Telemetry(home, reporter)
        self._importing = threading.Thread(target=lance.import_lancedb, daemon=True)  # meanwhile documents are parsed
        self._looked = self._reported = 0.0
        self._claims = 0
        self._chunked: list[Work] = []
        self.legs = LegStage(
            str(home),
            self.ledger,
            ArtifactStore(home),
            self.pools.documents,
            self.pools.solo,
            workers=settings.document_workers,
            chunked=self._chunked.append,
            failed=self.endings.failed,
        )

    def run(self) -> None:
        """Work until no running group has anything left, or until the stop flag is set and all is put away.

        Raises ModelUnreachable or ModelRefused once only groups are left that need a server which does not answer.
        """
        try:
            while self._look() or self.active or self._draining:
                self._claim()
                self._feed()
                self._store()
                self._finish_groups()
                if self.ledger.due:
                    self.ledger.flush()
                self._report()
                self._collect()
            self.ledger.flush()
            for error in self._silent.values():
                raise error
        finally:
            self._close()

    @property
    def _draining(self) -> bool:
        """Stopped, and embed workers are still at texts whose documents have been put back: the cache takes them."""
        return bool(self.stop.reason) and any(stage.running for stage in self.embeds.values())

    # ---- claim -------------------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """See which groups run and what is wanted of them. False once there is nothing to be handed out any more."""
        if time.monotonic() - self._looked >= LOOK_SECONDS or not self.groups:
            self.beat()
            if not self.stop.reason:
                self.on_look()
            self.groups = intake.running_groups(self.queries, self.groups, self._unusable)
            self._looked = time.monotonic()
            self.stop.tell(self.reporter, [work.uri for work in self.legs.running.values() if work.begun])
            for group in list(self.groups.values()):
                self.done_before.setdefault(group.id, group.runs["completed"] + group.runs["failed"])
                if not group.halt and (self.stop.reason or self._is_silent(group)):
                    group.halt = "stop"
                if group.halt:
                    self._halt(group)
            self.notices.look(self.queries, self.ledger, self.groups.values())
            self.telemetry.look(self.queries, self.groups)
        return any(group.halt != "stop" for group in self.groups.values())

    def _unusable(self, group_id: int, error: DefinitionError) -> None:
        """A group of a plug-in that has gone must not keep the others from being worked on."""
        reason = f"its definitions cannot be used any more: {error.message}"
        self.ledger.flush(lambda tx: groups.cancel_group(tx, group_id, reason))
        self.reporter.emit(MessageEvent("warning", f"run group {group_id} is cancelled, {reason}"))

    def _claim(self) -> None:
        backlog = self._backlog()
        for group in self._in_turn():
            if not self._may_claim(group) or len(self.legs) > CLAIM_BELOW:
                continue
            if backlog > 2 * group.pipeline.embed_params.window_chunks:
                break
            room = MOST_ACTIVE - len(self.active)
            works = intake.claim(self.ledger, group, self.active.keys(), min(room, CLAIMED))
            group.claimed = time.monotonic()
            self._claims += 1
            self.active.update((work.run_id, work) for work in works)
            group.active += len(works)
            if not works:  # what is left waits for its next try
                group.claim_after = time.monotonic() + LOOK_SECONDS
            self.legs.add(works)
            if len(self.legs):  # where every document has its chunks already, there is seldom anything to embed
                self._embed_stage(group).warm()
            if works and self._importing.ident is None:
                import numpy  # noqa: F401 - two threads that first import it at once may see half of it

                self._importing.start()
            if works and group.remaining > group.active:
                break  # there is more of it: what has a lower priority, or came later, waits

    def _may_claim(self, group: GroupWork) -> bool:
        """Whether there is more of a group that can be begun now, and room for it."""
        waits = group.remaining <= group.active or time.monotonic() < group.claim_after
        return not group.halt and not waits and MOST_ACTIVE - len(self.active) >= LEAST_ROOM

    def _in_turn(self) -> list[GroupWork]:
        """By priority, then age; but now and then whoever has waited longest goes first, so that none starves."""
        groups_ = list(self.groups.values())
        return (
            sorted(groups_, key=lambda each: each.claimed) if self._claims % FAIR_SHARE == FAIR_SHARE - 1 else groups_
        )

    def _backlog(self) -> int:
        return sum(stage.backlog for stage in self.embeds.values())

    # ---- submit ------------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        self.endings.release([work for work in self._chunked if work.group.halt])
        chunked, self._chunked[:] = [work for work in self._chunked if not work.group.halt], []
        by_stage: dict[EmbedStage, list[Work]] = defaultdict(list)
        for work in chunked:
            assert work.content is not None
            work.group.chunks_total += len(work.content.chunks)
            by_stage[self._embed_stage(work.group)].append(work)
        for stage, works in by_stage.items():
            stage.add(works)
        for stage in self.embeds.values():
            stage.dispatch(more_to_come=len(self.legs) > 0)
        self.legs.hold = self._backlog() > MOST_BACKLOG
        self.legs.dispatch()

    def _store(self) -> None:
        busy = len(self.legs) or any(stage.backlog or stage.running for stage in self.embeds.values())
        quiet = not busy and not any(map(self._may_claim, self.groups.values()))
        for stage in self.stores.values():
            while stage.due():
                stage.store_window()
            if quiet:
                stage.flush()

    def _collect(self) -> None:
        """Wait a moment for results, then take all that are there.

        Where many documents are under way, a little longer: what comes together is looked up and written together.
        """
        if not self.active and not self.groups:
            return
        try:
            done = self.results.get(timeout=WAIT_SECONDS)
            if len(self.active) > MANY:
                time.sleep(GATHER_SECONDS)
            while True:
                self._take(done)
                done = self.results.get_nowait()
        except queue.Empty:
            return

    def _take(self, done: Done) -> None:
        if isinstance(done.tag, Bundle):
            self.legs.done(done)
            return
        try:
            done.tag.done(done)
        except (ModelUnreachable, ModelRefused) as error:  # groups of other models go on
            if done.tag not in self._silent:
                self._silent[done.tag] = error
                self.reporter.emit(MessageEvent("warning", error.message))
            self._looked = 0.0

    def _is_silent(self, group: GroupWork) -> bool:
        """Whether the server that embeds for a group has stopped to answer."""
        return bool(self._silent) and self._embed_stage(group) in self._silent

    # ---- settle ------------------------------------------------------------------------------------------------------

    def _finish_groups(self) -> None:
        for group in list(self.groups.values()):
            if group.halt or group.remaining or group.active:
                continue
            store = self._store_stage(group)
            store.remove_leaving()
            with self.beating():  # indexes of a large database take their time
                store.finish()
            self._write_seconds(group)
            if self._finish(group) is Status.RUNNING:  # runs were put back or renewed
                group.runs = Counter(self.queries.run_counts(group.id))
                continue
            self._report_end(group)
            del self.groups[group.id]
            self._looked = 0.0

    def _finish(self, group: GroupWork) -> Status:
        """End a group, unless there is more to do in it: in one transaction, as other shells may put runs back."""
        self.ledger.flush()
        planned = group.pipeline.planned_group(group.batch_id)
        came_due = self.queries.came_due(group.id, planned.rows_keys)
        ended: list[Status] = []

        def finish(tx: Transaction) -> None:
            groups.renew_runs(tx, group.id, planned, came_due)
            ended.append(groups.finish_group(tx, group.id))

        with failpoints.around("group.finish"):
            self.ledger.flush(finish)
        return ended[0]

    def _report_end(self, group: GroupWork) -> None:
        group.runs = Counter(self.queries.run_counts(group.id))
        self._report(group)
        for event in feed.ending(self.queries, group.id):
            self.reporter.emit(event)

    # ---- stopping ----------------------------------------------------------------------------------------------------

    def _halt(self, group: GroupWork) -> None:
        """Pause, cancel or stop a group: nothing more is handed out, and what waits goes back."""
        store = self._store_stage(group)
        embed = self._embed_stage(group)
        released = self.legs.drop(group.id)
        if group.halt in KILLING:
            released += [*self.legs.kill(group.id), *store.drop(group.id)]
        self._feed()
        released += embed.drop(group.id)
        if group.halt in KILLING:
            embed.kill()
        in_flight = any(work.group is group for work in self.legs.running.values()) or embed.computes_for(group)
        if in_flight and group.halt not in KILLING:
            self.endings.release(released)
            return  # it ends within a moment; this comes again
        store.flush()
        embed.save()
        self.endings.release([*released, *(work for work in self.active.values() if work.group.id == group.id)])
        self._end_halted(group)

    def _end_halted(self, group: GroupWork) -> None:
        self._write_seconds(group)
        if group.halt == "pause":
            self.ledger.flush(lambda tx: groups.pause_group(tx, group.id))
        elif group.halt in KILLING:
            end: Callable[[Transaction, int, str | None], None]
            end = groups.cancel_group if group.halt == "cancel" else groups.fail_group
            self.ledger.flush(lambda tx: end(tx, group.id, group.reason))
            with self.beating():
                self._store_stage(group).finish()
            self._report_end(group)
        else:
            self.ledger.flush()
            return
        del self.groups[group.id]
        self._looked = 0.0

    # ---- stages and processes ----------------------------------------------------------------------------------------

    def _embed_stage(self, group: GroupWork) -> EmbedStage:
        pipeline = group.pipeline
        name = pipeline.embedder_key
        if name not in self.embeds:
            workers = self.settings.embed_workers if group.remaining > 2 else 1

            def pool() -> Executor:
                return self.pools.embedder(name, pipeline, workers)

            self.embeds[name] = EmbedStage(
                pipeline, self.ledger, self.cache, pool, workers=workers, ready=self._ready, failed=self.endings.failed
            )
        return self.embeds[name]

    def _save(self) -> None:
        for stage in self.embeds.values():
            stage.save()

    def _ready(self, work: Work) -> None:
        self._store_stage(work.group).add(work)

    def _store_stage(self, group: GroupWork) -> StoreStage:
        database = group.pipeline.database
        if database not in self.stores:
            self.stores[database] = StoreStage(
                self.home,
                group.pipeline,
                self.ledger,
                vector_rows=self.settings.vector_index_rows,
                printed=self.pools.printed,
                warn=lambda text: self.reporter.emit(MessageEvent("warning", text)),
                save=self._save,
                stored=self.endings.stored,
                outdated=self.endings.outdated,
            )
        return self.stores[database]

    def _write_seconds(self, group: GroupWork) -> None:
        seconds, group.counted = time.monotonic() - group.counted, time.monotonic()
        self.ledger.after(lambda tx: settling.count_seconds(tx, group.id, seconds))

    def _report(self, group: GroupWork | None = None) -> None:
        if group is None and time.monotonic() - self._reported < PROGRESS_SECONDS:
            return
        for each in [group] if group else self.groups.values():
            self.reporter.emit(each.progress(self.done_before.get(each.id, 0)))
        self._reported = time.monotonic()

    def _close(self) -> None:
        with contextlib.suppress(StorageError):  # what was computed is kept, however the run ends
            self._save()
        self.pools.stop()
        recovery.sweep(self.home)  # what a worker that died, or was killed, had begun to write
        if self._importing.ident is not None:
            self._importing.join()  # a process that ends in the middle of it aborts
        self.notices.close(self.queries)
        self.telemetry.close(self.queries)
        self.queries.close()
        self.cache.close()
        self.state.close()
