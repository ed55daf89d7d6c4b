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
from docmill.engine.stopping import TIME_LIMIT, StopFlag
from docmill.errors import HomeNotFound, StoppedError
from docmill.service import due
from docmill.service.detached import WorkerLock
from docmill.service.signals import OutlivesTerminal, stop_on_signals
from docmill.settings import Settings, find_home
from docmill.stores.queries import Queries, Row, reading

POLL_SECONDS = 1.0
DUE_SECONDS = 1.0  # how often an engine at work looks for batches that are due
_TICK_SECONDS = 0.1
_WAITING = "SELECT 1 FROM delivery WHERE status = 'pending' AND next_at <= ? LIMIT 1"


def work(settings: Settings, reporter: Reporter, *, once: bool = False, poll: float = POLL_SECONDS) -> WorkerResult:
    """Work until a signal or the time limit says stop; with ``once``, until nothing is running or due any more.

    ``poll``: seconds between two looks while there is nothing to do. Raises EngineBusy where another process is at work
    for longer than ``settings.lock_timeout``, HomeNotFound where the home goes away.
    """
    home = find_home(settings)
    journal = _Journal(OutlivesTerminal(reporter))
    lock = WorkerLock(home)
    with stop_on_signals(journal, seconds=settings.seconds_left) as stop, reading(home) as queries:
        worker = _Worker(home, settings, journal, stop, queries)
        try:
            while lock.acquire() or not stop.reason:
                worker.run(once=once, poll=poll)
                lock.release()
                if stop.reason or not worker.left():
                    break  # else somebody left work here, and relied on the lock, after the last look
        finally:
            lock.release()
        return worker.result()


class _Journal:
    """Says in a line how each run group ended, as there is no report at the end of each."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def emit(self, event: Event) -> None:
        self._reporter.emit(event)
        if isinstance(event, CompletedEvent):
            what = f"batch {event.batch_id}, run group {event.run_group_id}: {event.status}"
            self._reporter.emit(MessageEvent("info", f"{what}, {event.message}"))

    def close(self) -> None:
        self._reporter.close()


class _Worker:
    def __init__(self, home: Path, settings: Settings, reporter: Reporter, stop: StopFlag, queries: Queries) -> None:
        self.home = home
        self.settings = settings
        self.reporter = reporter
        self.stop = stop
        self.queries = queries
        self._file = (home / "state.db").stat().st_ino
        self._groups: set[int] = set()
