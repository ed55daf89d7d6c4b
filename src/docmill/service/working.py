"""``worker``: the foreground service. Starts what is due, runs what is running or resumable, and waits for more.

It holds the engine's lock only while there is work, so that other commands are not locked out by a worker that idles;
and it imports what is heavy only then.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from docmill.domain.events import CompletedEvent, Event, MessageEvent, Reporter, now
from docmill.domain.results import DocumentCounts, WorkerResult
from docmill.engine.background import ServiceLock
from docmill.engine.stopping import TIME_LIMIT, StopFlag
from docmill.errors import HomeNotFound, ModelUnreachable, StoppedError
from docmill.service import due, shapes
from docmill.service.contending import Contender
from docmill.service.detached import NAME
from docmill.service.following import Follower
from docmill.service.signals import OutlivesTerminal, stop_on_signals
from docmill.settings import Settings, find_home
from docmill.stores.queries import Queries, Row, reading

POLL_SECONDS = 1.0
DUE_SECONDS = 1.0  # how often an engine at work looks for batches that are due
_TICK_SECONDS = 0.1
DELIVER_SECONDS = 5.0
SILENT_SECONDS = 30.0  # until a server that embeds and did not answer is asked again
_UNDELIVERED = "SELECT 1 FROM delivery WHERE status = 'pending' AND next_at <= ? LIMIT 1"


def work(settings: Settings, reporter: Reporter, *, once: bool = False, poll: float = POLL_SECONDS) -> WorkerResult:
    """Work until a signal or the time limit says stop; with ``once``, until nothing is running or due any more.

    ``poll``: seconds between two looks while there is nothing to do. Raises EngineBusy where another process is at work
    for longer than ``settings.lock_timeout``, HomeNotFound where the home goes away, ModelUnreachable with ``once``
    where a server that is to embed does not answer; else that is asked again after a while.
    """
    home = find_home(settings)
    journal = _Journal(OutlivesTerminal(reporter))
    lock = ServiceLock(home, NAME)
    with stop_on_signals(journal, seconds=settings.seconds_left) as stop, reading(home) as queries:
        worker = _Worker(home, settings, journal, stop, queries)
        try:
            while True:
                lock.acquire()  # where another worker has it, that one sees to what is left to the background
                worker.run(once=once, poll=poll)
                lock.release()
                if stop.reason or not worker.running():
                    return worker.result()
        finally:
            lock.release()


class _Journal:
    """Says in a line how each run group ended: a service has no report at its end that anybody waits for."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def emit(self, event: Event) -> None:
        self._reporter.emit(event)
        if isinstance(event, CompletedEvent):
            how = event.message if event.message.startswith(event.status) else f"{event.status}, {event.message}"
            text = f"batch {event.batch_id}, run group {event.run_group_id}: {how}"
            self._reporter.emit(MessageEvent("info", text))

    def close(self) -> None:
        self._reporter.close()


class _Worker:
    def __init__(self, home: Path, settings: Settings, reporter: Reporter, stop: StopFlag, queries: Queries) -> None:
        self.home = home
        self.settings = settings
        self.reporter = reporter
        self.stop = stop
        self.queries = queries
        self._state = identity(home)
        self._groups: set[int] = set()
        self._follower = Follower(home, reporter)
        self._contender: Contender | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._starting: Future[list[int]] | None = None
        self._looked = self._delivered = 0.0
        self._told: str | None = ""

    def run(self, *, once: bool, poll: float) -> None:
        while not self.stop.reason:
            self._require_home()
            if due.anything_due(self.queries):
                self._count_begun(self._start_due())
            if self.running():
                try:
                    if self._work():
                        continue
                except ModelUnreachable:
                    if once:
                        raise
                    self._sleep(SILENT_SECONDS)
                    continue
            elif once:
                self._deliver()
                return
            self._deliver()
            self._tell_next()
            self._sleep(poll)

    def running(self) -> list[Row]:
        return self.queries.rows("SELECT id, batch_id FROM run_group WHERE status = 'running' ORDER BY id")

    def result(self) -> WorkerResult:
        counts: Counter[str] = Counter()
        broken = []
        for group_id in sorted(self._groups):
            counts.update(self.queries.run_counts(group_id))
            group = self.queries.group(group_id)
            if group is not None and group["status"] == "failed" and group["status_message"]:
                broken.append(f"batch {group['batch_id']}: {group['status_message']}")
        reasons = broken if len(broken) < 2 else [f"{len(broken)} run groups failed, the last: {broken[-1]}"]
        failed = shapes.failed_words(counts["failed"])
        reasons += [failed] if failed else []
        stopped = self.stop.reason
        if stopped == TIME_LIMIT and not self.running():
            stopped = None  # it only waited for more
        return WorkerResult(
            status="stopped" if stopped else "completed",
            message=f"stopped by {stopped}; what was done is kept" if stopped else "nothing is left to do",
            run_groups=len(self._groups),
            documents=DocumentCounts(
                completed=counts["completed"], failed=counts["failed"], degraded=counts["degraded"]
            ),
            stopped_by=stopped,
            reason=", ".join(reasons) or None,
        )

    # ---- starting what is due ----------------------------------------------------------------------------------------

    def _start_due(self) -> list[int]:
        from docmill.service import scheduling

        return scheduling.start_due(self.home, self.settings, self.reporter, meanwhile=self._obey)

    def _obey(self) -> None:
        if self.stop.reason:
            raise StoppedError(f"stopped by {self.stop.reason}")

    def _on_look(self) -> None:
        """While this is the engine: a large folder is looked through beside it, so that it goes on and obeys."""
        if self._starting is not None and self._starting.done():
            self._await_start()
        if self._starting is None and time.monotonic() - self._looked >= DUE_SECONDS:
            self._looked = time.monotonic()
            if due.anything_due(self.queries):
                self._thread = self._thread or ThreadPoolExecutor(1, "due")
                self._starting = self._thread.submit(self._start_due)
        self._notice_running()

    def _await_start(self) -> None:
        """Raises what starting has raised."""
        if self._starting is not None:
            starting, self._starting = self._starting, None
            self._count_begun(starting.result())

    def _count_begun(self, group_ids: list[int]) -> None:
        """Those that could not begin; the others are noticed as they run."""
        running = {group["id"] for group in self.running()}
        self._groups.update(each for each in group_ids if each not in running)

    # ---- working -----------------------------------------------------------------------------------------------------

    def _work(self) -> bool:
        """Be the engine until nothing runs any more. False where another process is; True where that has been ended.

        Raises EngineBusy where another process is for longer than ``settings.lock_timeout``.
        """
        from docmill.engine.lock import EngineLock
        from docmill.engine.runner import Runner

        with EngineLock(self.home) as lock:
            if not lock.acquire():
                self._contender = self._contender or Contender(self.home, self.settings, self.reporter)
                self._follower.look_at_holder()
                return self._contender.has_taken_over()
            self._contender = None
            self._notice_running()
            beat, on_look, beating = lock.beat, self._on_look, lock.beating
            try:
                Runner(
                    self.home, self.settings, self.reporter, self.stop, beat=beat, on_look=on_look, beating=beating
                ).run()
            finally:
                self._await_start()
            self._told = ""
            return True

    def _notice_running(self) -> None:
        for group in self.running():
            if group["id"] not in self._groups:
                self._groups.add(group["id"])
                counts = self.queries.run_counts(group["id"])
                left = counts.get("pending", 0) + counts.get("running", 0)
                text = f"batch {group['batch_id']}, run group {group['id']}: {left} documents to do"
                self.reporter.emit(MessageEvent("info", text))

    # ---- waiting -----------------------------------------------------------------------------------------------------

    def _require_home(self) -> None:
        """A home that was moved or made anew must not leave its worker behind, at a file that nobody sees."""
        if identity(self.home) != self._state:
            raise HomeNotFound(f"the home {self.home} has been moved or replaced", hint="start the worker again")

    def _deliver(self) -> None:
        """What could not be delivered is tried again while there is nothing else to do."""
        if time.monotonic() - self._delivered < DELIVER_SECONDS or not self.queries.value(_UNDELIVERED, [now()]):
            return
        from docmill.engine.notices import wake

        self._delivered = time.monotonic()
        wake(self.home, self.settings)

    def _tell_next(self) -> None:
        """Say once what is waited for."""
        when = due.next_due(self.queries)
        if when != self._told and not self.running():
            self._told = when
            text = f"nothing to do until {when}" if when else "nothing to do; waiting for work"
            self.reporter.emit(MessageEvent("info", text))

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stop.reason and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _TICK_SECONDS))


def identity(home: Path) -> tuple[int, int] | None:
    """Which state.db a home has; None where it has none."""
    try:
        found = (home / "state.db").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
