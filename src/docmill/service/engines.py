"""Becomes the home's engine, or follows the one that there is. Also the way in for whatever else needs the lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from docmill.domain.events import Reporter, SilentReporter
from docmill.engine.head_start import HeadStart
from docmill.engine.lock import EngineLock
from docmill.engine.runner import Runner
from docmill.engine.stopping import TIME_LIMIT, StopFlag
from docmill.errors import Interrupted, ModelRefused, ModelUnreachable, StoppedError, TimeLimit
from docmill.service.contending import Contender
from docmill.service.following import POLL_SECONDS, Follower
from docmill.service.holding import busy, find_holder
from docmill.service.signals import OutlivesTerminal, stop_on_signals
from docmill.settings import Settings
from docmill.stores.queries import reading

__all__ = [
    "POLL_SECONDS",
    "busy",
    "exclusively",
    "interrupted",
    "stop_on_signals",
    "unless_running",
    "work_until_done",
]


def work_until_done(
    home: Path,
    settings: Settings,
    reporter: Reporter,
    group_ids: Sequence[int],
    stop: StopFlag | None = None,
    head_start: HeadStart | None = None,
) -> None:
    """Return once none of the groups is running any more, whoever runs them. ``stop``: of a caller that hears signals;
    ``head_start``: has workers that an engine here takes.

    Raises Interrupted or StoppedError after a drain on a signal, TimeLimit after ``settings.max_minutes``, EngineBusy
    where another engine is at it for longer than ``settings.lock_timeout``, ModelUnreachable or ModelRefused where a
    server is to embed for them and does not.
    """
    reporter = OutlivesTerminal(reporter)
    hearing = nullcontext(stop) if stop is not None else stop_on_signals(reporter, seconds=settings.seconds_left)
    with EngineLock(home) as lock, hearing as stop:
        contender, follower = Contender(home, settings, reporter), Follower(home, reporter)
        while _any_running(home, group_ids):
            if stop.reason:
                raise interrupted(stop.reason, left=_left(home, group_ids), elsewhere=find_holder(home) is not None)
            if lock.acquire():
                try:
                    pools = head_start.take() if head_start is not None else None
                    Runner(home, settings, reporter, stop, beat=lock.beat, beating=lock.beating, pools=pools).run()
                except (ModelUnreachable, ModelRefused):
                    if _any_running(home, group_ids):
                        raise  # else it is others' groups that wait for their server
                lock.release()
                follower.skip()
                if stop.reason and stop.reason != TIME_LIMIT:
                    raise interrupted(stop.reason, left=_left(home, group_ids))
            elif not contender.has_taken_over():
                if head_start is not None:
                    head_start.stop()
                follower.look(group_ids)
                time.sleep(POLL_SECONDS)
        follower.finish()


@contextmanager
def exclusively(home: Path, settings: Settings) -> Iterator[None]:
    """Hold the engine's lock. Raises EngineBusy after ``settings.lock_timeout`` (without one: waits for good)."""
    contender = Contender(home, settings, SilentReporter())
    with EngineLock(home) as lock:
        while not lock.acquire():
            if not contender.has_taken_over():
                time.sleep(POLL_SECONDS)
        with lock.beating():
            yield


def unless_running(home: Path, act: Callable[[], None]) -> bool:
    """Call ``act`` while holding the lock, where no engine holds it. False where one does."""
    with EngineLock(home) as lock:
        if not lock.acquire():
            return False
        act()
        return True


def interrupted(reason: str, *, left: int | None = None, elsewhere: bool = False) -> StoppedError:
    """Ctrl-C exits with 130, any other signal and the time limit as every stop before the end does.

    ``left``: documents that are still to do. ``elsewhere``: another process's engine goes on with them.
    """
    limit = reason == TIME_LIMIT
    kind = TimeLimit if limit else Interrupted if reason == "SIGINT" else StoppedError
    why = f"stopped by the time limit ({TIME_LIMIT})" if limit else f"stopped by {reason}"
    if elsewhere:
        return kind(
            f"{why}; the engine that is at work here goes on", hint="run the same command again to follow it", left=left
        )
    todo = "" if left is None else f"; {left} document{'' if left == 1 else 's'} left"
    return kind(f"{why}; what was done is kept{todo}", hint="run the same command again to go on", left=left)


def _any_running(home: Path, group_ids: Sequence[int]) -> bool:
    with reading(home) as queries:
        found = (queries.group(group_id) for group_id in group_ids)
        return any(row is not None and row["status"] == "running" for row in found)


def _left(home: Path, group_ids: Sequence[int]) -> int:
    """Documents of these groups that are still to do."""
    with reading(home) as queries, queries.snapshot():
        counts = [queries.run_counts(group_id) for group_id in group_ids]
    return sum(each.get("pending", 0) + each.get("running", 0) for each in counts)
