"""Ends the engine that is at work in a home, for certain, so that another can begin.

Whom it ends is known by pid, time of start, host, boot and world of pids. Anything else is refused with its reason: no
process is ended that was not seen to be that engine, or one of its workers. The lock is not taken here.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from docmill.engine import lock, processes
from docmill.engine.processes import Grip, Process
from docmill.errors import EngineBusy

DRAIN_SECONDS = 10.0  # a healthy engine has so long to put away what it is at
KILL_SECONDS = 10.0  # SIGKILL takes no time, unless the kernel waits for a disk
WORKER_SECONDS = 2.0  # the kernel ends workers with their engine; a task of that engine's own ends by itself
_LOOK_SECONDS = 0.1


def take_over(home: Path, tell: Callable[[str], None]) -> bool:
    """End the home's engine and its workers; return once nothing of them is left. False where there was none.

    A healthy one is asked to end first (SIGTERM), a stopped one cannot hear that. Raises EngineBusy with the reason
    where it is not to be ended from here, or does not end.
    """
    found = lock.holding(home)
    if found is None:
        return False
    process = found.record.process()
    if process is None:
        raise _refused(home, found)
    if process.pid == os.getpid():
        raise EngineBusy("this very process is the engine; it cannot take over from itself")
    name = f"process {process.pid} ({found.record.command})"
    with Grip(process) as engine, processes.grips(lambda: _workers(process)) as workers:
        try:
            _end(engine, workers, name, tell, stopped=found.state == lock.STOPPED)
        except PermissionError:
            raise EngineBusy(
                f"{name} belongs to another user", hint="take over as that user, or as root", pid=process.pid
            ) from None
        _end_workers(workers, name, tell)
    return True


def _end(engine: Grip, workers: dict[int, Grip], name: str, tell: Callable[[str], None], *, stopped: bool) -> None:
    if not stopped and engine.signal(signal.SIGTERM):
        tell(f"taking over: {name} is asked to end, and has {DRAIN_SECONDS:.0f} s for it")
        if _drained(engine, workers):
            return
    tell(f"taking over: {name} is ended at once")
    # Held still, it can start no further worker between the look at its workers and its end.
    if engine.signal(signal.SIGSTOP):
        processes.hold(workers, _workers(engine.process))
        engine.signal(signal.SIGKILL)
    if not engine.wait(KILL_SECONDS):
        raise EngineBusy(
            f"{name} does not end: the kernel waits for a disk or a network on its behalf",
            hint="see to the disk that it works on, or restart the machine",
            pid=engine.process.pid,
        )


def _workers(engine: Process) -> list[Process]:
    """Its descendants, but for those that were begun as services of their own, such as what delivers webhooks."""
    return [each for each in processes.descendants(engine.pid) if each.session == engine.session]


def _drained(engine: Grip, workers: dict[int, Grip]) -> bool:
    """Whether it has ended by itself in time. One that is stopped meanwhile never will."""
    for _look in range(round(DRAIN_SECONDS / _LOOK_SECONDS)):
        if engine.wait(_LOOK_SECONDS):
            return True
        now = processes.find(engine.process.pid)
        if now is not None and now.stopped:
            return False
        processes.hold(workers, _workers(engine.process))
    return False


def _end_workers(workers: dict[int, Grip], name: str, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + WORKER_SECONDS
    left = [worker for worker in workers.values() if not worker.wait(max(deadline - time.monotonic(), 0))]
    if left:
        tell(f"taking over: {len(left)} processes of {name} are ended too")
    for worker in left:
        worker.signal(signal.SIGKILL)
    for worker in left:
        if not worker.wait(KILL_SECONDS):
            raise EngineBusy(f"process {worker.process.pid}, a worker of {name}, does not end", pid=worker.process.pid)


def _refused(home: Path, found: lock.Holding) -> EngineBusy:
    record = found.record
    if found.state != lock.GONE:
        here = record.host == os.uname().nodename
        where = f"in another container or boot of host {record.host}" if here else f"on host {record.host}"
        return EngineBusy(
            f"process {record.pid} ({record.command}) runs {where}: from here it cannot be ended for certain",
            hint="end it there, or take over there",
            pid=record.pid,
            host=record.host,
        )
    kept = lock.keepers(home)
    who = ", ".join(f"process {pid} ({command})" for pid, command in kept) or "a process that cannot be seen from here"
    return EngineBusy(
        f"the engine is gone, but its lock is still held by {who}, which is no engine",
        hint=f"end it: kill {' '.join(str(pid) for pid, _command in kept)}" if kept else "end it, then try again",
        keepers=[{"pid": pid, "command": command} for pid, command in kept],
    )
