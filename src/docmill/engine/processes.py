"""Looks at the processes of this machine, and signals one of them so that another with its old pid is never hit.

A pid is given to another process sooner or later; a pid with the time at which its process began is not. /proc tells
both; where there is none, ``ps`` does. The kernel's own handle on a process (pidfd) is used where it has one.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_LOOK_SECONDS = 0.02
_STATUS_BYTES = 8192  # more than /proc/PID/status has
_PS = ("ps", "-axo", "pid=,ppid=,state=,lstart=")


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was when it was looked at.

    ``began``: clock ticks from the boot to its start (field 22 of /proc/PID/stat), or seconds of the epoch from ``ps``.
    ``state``: the letter that both show: R, S, D, T (stopped), t (stopped by a debugger), Z (dead, nobody has asked).
    ``session``: of processes that belong together, until one calls setsid; 0 where only ``ps`` could tell.
    """

    pid: int
    parent: int
    began: int
    state: str
    session: int = 0

    @property
    def alive(self) -> bool:
        return self.state not in ("Z", "X")

    @property
    def stopped(self) -> bool:
        return self.state in ("T", "t")


def find(pid: int) -> Process | None:
    """The living process with this pid."""
    found = _of_proc(pid) if has_proc() else next((each for each in _by_ps() if each.pid == pid), None)
    return found if found is not None and found.alive else None


def descendants(pid: int) -> list[Process]:
    """The living children of a process, and theirs."""
    children: dict[int, list[Process]] = {}
    for each in _all():
        children.setdefault(each.parent, []).append(each)
    found = list(children.get(pid, ()))
    for each in found:
        found += children.get(each.pid, ())
    return [each for each in found if each.alive]


class Memory(NamedTuple):
    """resident_bytes: now; peak_bytes: the most address space that it has ever had."""

    resident_bytes: int
    peak_bytes: int


def memory(pid: int) -> Memory | None:
    """What a process has; None where the system does not tell, or there is no such process."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as stream:  # noqa: PTH123 - after each document
            status = stream.read(_STATUS_BYTES)
    except OSError:
        return None
    sizes = {name: int(size) * 1024 for name, size in re.findall(rb"(VmPeak|VmRSS):\s*(\d+) kB", status)}
    return Memory(sizes.get(b"VmRSS", 0), sizes.get(b"VmPeak", 0))


class Grip:
    """One process, held fast: a signal reaches it or nobody. Close it, or use it in a ``with``."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._descriptor = _open_pidfd(process.pid)
        # Held first, looked at then: what is held now is the process that was meant, or it has ended.
        self._ended = not self._is_there()

    def signal(self, number: int) -> bool:
        """False where the process has ended. Raises PermissionError where it is another user's."""
        if self.wait(0):
            return False
        try:
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self.process.pid, number)
        except ProcessLookupError:
            self._ended = True
            return False
        return True

    def wait(self, seconds: float) -> bool:
        """Whether the process has ended, at the latest after so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._ended:
            left = deadline - time.monotonic()
            if self._descriptor is not None:
                poll = select.poll()
                poll.register(self._descriptor, select.POLLIN)
                self._ended = bool(poll.poll(max(left, 0) * 1000))
                break
            self._ended = not self._is_there()
            if self._ended or left <= 0:
                break
            time.sleep(min(_LOOK_SECONDS, left))
        return self._ended

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Grip:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _is_there(self) -> bool:
        found = find(self.process.pid)
        return found is not None and found.began == self.process.began


@contextmanager
def grips(processes: Callable[[], Iterable[Process]]) -> Iterator[dict[int, Grip]]:
    """Grips on processes, by pid; all let go at the end."""
    held: dict[int, Grip] = {}
    try:
        hold(held, processes())
        yield held
    finally:
        for grip in held.values():
            grip.close()


def hold(held: dict[int, Grip], processes: Iterable[Process]) -> None:
    """Take hold of those that are not held yet."""
    for process in processes:
        known = held.get(process.pid)
        if known is None or known.process.began != process.began:
            if known is not None:
                known.close()
            held[process.pid] = Grip(process)


def has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _open_pidfd(pid: int) -> int | None:
    """None where this system has no such thing, or the process has ended."""
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # an old kernel, or a sandbox that does not allow it
        return None


def _all() -> Iterator[Process]:
    if not has_proc():
        yield from _by_ps()
        return
    for entry in os.scandir(_PROC):
        if entry.name.isdecimal():
            found = _of_proc(int(entry.name))
            if found is not None:
                yield found


def _of_proc(pid: int) -> Process | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
        fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets itself
        return Process(pid, int(fields[1]), int(fields[19]), fields[0], int(fields[3]))
    except (OSError, ValueError, IndexError):
        return None


def _by_ps() -> Iterator[Process]:
    import subprocess

    environment = {**os.environ, "LC_ALL": "C"}
    shown = subprocess.run(_PS, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - our own words
    for line in shown.stdout.splitlines():
        with contextlib.suppress(ValueError):
            pid, parent, state, began = line.split(maxsplit=3)
            at = int(time.mktime(time.strptime(" ".join(began.split()), "%a %b %d %H:%M:%S %Y")))
            yield Process(int(pid), int(parent), at, state[0])
