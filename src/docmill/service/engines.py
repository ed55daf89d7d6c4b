"""Becomes the home's engine, or follows the one that there is. Also the way in for whatever else needs the lock."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from docmill.domain.events import MessageEvent, ProgressEvent, Reporter, StageProgress
from docmill.engine.lock import EngineLock, holder
from docmill.engine.runner import Runner, StopFlag
from docmill.errors import EngineBusy, Interrupted, StoppedError
from docmill.settings import Settings
from docmill.stores.queries import Queries, reading

POLL_SECONDS = 0.25
RUNNING = "running"


def work_until_done(home: Path, settings: Settings, reporter: Reporter, group_ids: Sequence[int]) -> None:
    """Return once none of the groups is running any more, whoever runs them.

    Raises Interrupted or StoppedError after a drain on SIGINT or SIGTERM, EngineBusy where another engine is at it for
    longer than ``settings.lock_timeout``.
    """
    with EngineLock(home) as lock, stop_on_signals() as stop:
        started = time.monotonic()
        told = False
        while _any_running(home, group_ids):
            if stop.reason:
                raise interrupted(stop.reason)
            if lock.acquire():
                Runner(home, settings, reporter, stop).run()
                if stop.reason:
                    raise interrupted(stop.reason)
                lock.release()
                continue
            if not told:
                _tell(home, reporter)
                told = True
            if settings.lock_timeout is not None and time.monotonic() - started > settings.lock_timeout:
                raise busy(home)
            _follow(home, reporter, group_ids)
            time.sleep(POLL_SECONDS)


@contextmanager
def exclusively(home: Path, settings: Settings) -> Iterator[None]:
    """Hold the engine's lock. Raises EngineBusy after ``settings.lock_timeout`` (without one: waits for good)."""
    started = time.monotonic()
    with EngineLock(home) as lock:
        while not lock.acquire():
            if settings.lock_timeout is not None and time.monotonic() - started > settings.lock_timeout:
                raise busy(home)
            time.sleep(POLL_SECONDS)
        yield


def unless_running(home: Path, act: Callable[[], None]) -> bool:
    """Call ``act`` while holding the lock, where no engine holds it. False where one does."""
    with EngineLock(home) as lock:
        if not lock.acquire():
            return False
        act()
        return True


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """SIGINT and SIGTERM set the flag; a second one ends the process at once. Handlers are put back afterwards."""
    flag = StopFlag()

    def handle(number: int, _frame: FrameType | None) -> None:
        if flag.reason:
            os._exit(130 if number == signal.SIGINT else 143)
        flag.reason = signal.Signals(number).name

    if threading.current_thread() is not threading.main_thread():  # used as a library: signals are the caller's
        yield flag
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def interrupted(reason: str) -> StoppedError:
    """Ctrl-C exits with 130, any other signal as every stop before the end does."""
    kind = Interrupted if reason == "SIGINT" else StoppedError
    return kind(f"stopped by {reason}; what was done is kept", hint="run the same command again to go on")


def busy(home: Path) -> EngineBusy:
    found = holder(home)
    who = f"process {found.pid} ({found.command}), since {found.started_at}" if found else "another engine"
    return EngineBusy(
        f"this home is being worked on by {who}",
        hint="wait for it, or raise --lock-timeout",
        holder=found.model_dump() if found else None,
    )


def _any_running(home: Path, group_ids: Sequence[int]) -> bool:
    with reading(home) as queries:
        return any(_status(queries, group_id) == RUNNING for group_id in group_ids)


def _status(queries: Queries, group_id: int) -> str | None:
    row = queries.group(group_id)
    return row["status"] if row else None


def _tell(home: Path, reporter: Reporter) -> None:
    found = holder(home)
    if found:
        reporter.emit(MessageEvent("info", f"process {found.pid} ({found.command}) is at work here; following it"))


def _follow(home: Path, reporter: Reporter, group_ids: Sequence[int]) -> None:
    with reading(home) as queries:
        for group_id in group_ids:
            group = queries.group(group_id)
            if group is None or group["status"] != RUNNING:
                continue
            counts = queries.run_counts(group_id)
            counts.pop("degraded")
            total, failed = sum(counts.values()), counts.get("failed", 0)
            stages = tuple(
                StageProgress(row["name"], row["done"], row["failed"], total) for row in queries.stages(group_id)
            )
            reporter.emit(
                ProgressEvent(
                    group["batch_id"],
                    group_id,
                    total,
                    counts.get("completed", 0) + failed,
                    failed,
                    stages,
                    group["chunks_total"],
                    group["chunks_embedded"],
                    max(group["chunks_total"] - group["chunks_embedded"], 0),
                )
            )
