"""One worker process, from both sides: what the engine holds of it, and what runs in it.

The process answers on one pipe and prints on another. The engine reads either as it comes and never waits for the rest
of something, so nothing that a process does or leaves undone holds anybody up but its own task.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import struct
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context, spawn
from multiprocessing.connection import Connection, wait
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from docmill.engine import answers, processes
from docmill.engine.answers import AnswerTooLarge
from docmill.engine.printed import Printed

START_SECONDS = 300.0  # by then the largest model has been read from the slowest disk
BEGIN_SECONDS = 15.0  # it has nothing else to do; another that takes its place costs nothing
READY, _BEGUN = b"ready", b"begun"
NAME = "docmill-worker"
context = get_context("spawn")
living: set[WorkerProcess] = set()  # of all pools

_EXIT_SECONDS = 2.0
_LENGTH = struct.Struct("!Q")  # stands before each message of a worker
_READ_BYTES = 1024 * 1024
_RESIDENT_SHARE, _PEAK_SHARE = 0.5, 0.75


class WorkerDied(Exception):
    """A worker ended while it was at a task.

    exitcode: negative for a signal: -9 after SIGKILL; words: the last line that it printed;
    starved:  the kernel killed a process for want of memory meanwhile.
    """

    def __init__(self, exitcode: int, words: str = "", *, starved: bool = False) -> None:
        super().__init__(f"the worker died ({ending(exitcode)})")
        self.exitcode = exitcode
        self.words = words
        self.starved = starved


def ending(exitcode: int) -> str:
    """How a process ended, in words."""
    if exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"signal {-exitcode}"


class Gone(Exception):
    """A worker could not be started, or ended before it began a task: no task's fault."""


class _Inbox:
    """Takes a worker's messages off its pipe as their bytes come: one who stops halfway holds nobody up."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._bytes = bytearray()

    def next(self) -> bytes | None:
        """A whole message, if there is one. Raises AnswerTooLarge for one that is announced as that."""
        if len(self._bytes) < _LENGTH.size:
            return None
        length = _LENGTH.unpack_from(self._bytes)[0]
        if length > answers.MOST_BYTES:
            raise AnswerTooLarge
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        message = bytes(memoryview(self._bytes)[_LENGTH.size : end])
        del self._bytes[:end]
        return message

    def fill(self) -> None:
        """Read what is there, once. Raises EOFError at the end, ConnectionError after it."""
        data = os.read(self._connection.fileno(), _READ_BYTES)
        if not data:
            raise EOFError
        self._bytes += data


class WorkerProcess:
    """A process, our ends of its pipes, and what it is at."""

    def __init__(self, process: Any, connection: Connection, printed: Printed) -> None:
        self.process = process
        self.connection = connection
        self.printed = printed
        self.task: Any = None  # the pool's
        self.tasks = 0
        self._inbox = _Inbox(connection)
        self._killings = killings_for_memory()
        self._pidfd: int | None = None
        self._heard = DefaultSelector()

    def start(self) -> None:
        self.process.start()
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self.process.pid)
        for descriptor in (self.connection.fileno(), self.printed.fileno(), self._ended):
            self._heard.register(descriptor, EVENT_READ)
        living.add(self)

    def begin(self, message: bytes) -> None:
        try:
            self.connection.send_bytes(message)
        except OSError as error:
            raise Gone("it ended while it had nothing to do") from error
        self.expect(_BEGUN, BEGIN_SECONDS)

    def expect(self, word: bytes, within: float) -> None:
        try:
            heard = self.hear(within)
        except (EOFError, TimeoutError, AnswerTooLarge) as error:
            raise Gone("it ended before it began") from error
        if heard != word:
            raise Gone("it said what it was not asked")

    def hear(self, timeout: float | None) -> bytes:
        """What it says next, while what it prints is drained.

        Raises EOFError if it has ended, TimeoutError if nothing whole comes within so many seconds, AnswerTooLarge.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (message := self._inbox.next()) is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            ready = {key.fd for key, _events in self._heard.select(left)}
            if self.printed.fileno() in ready:
                self._drain()
            if self.connection.fileno() in ready:
                self._fill()
            elif self._ended in ready:
                raise EOFError
        return message

    def _drain(self) -> None:
        self.printed.drain()
        if not self.printed.open:
            self._heard.unregister(self.printed.fileno())

    def _fill(self) -> None:
        try:
            self._inbox.fill()
        except (EOFError, OSError) as error:
            wait([self._ended], _EXIT_SECONDS)  # its exit code is its own, where it ends by itself
            raise EOFError from error

    @property
    def _ended(self) -> int:
        """What becomes readable when the process ends. A child of it that lives on keeps the sentinel open."""
        sentinel: int = self.process.sentinel
        return sentinel if self._pidfd is None else self._pidfd

    def is_swollen(self, memory_bytes: int) -> bool:
        """Whether it holds, or has once needed, so much of its memory that the next task should not have it."""
        if not memory_bytes:
            return False
        found = processes.memory(self.process.pid)
        if found is None:
            return False  # a system that does not tell, or a process that has ended, which shows soon enough
        resident, peak = found
        return resident > _RESIDENT_SHARE * memory_bytes or peak > _PEAK_SHARE * memory_bytes

    def end(self) -> tuple[int, bool]:
        """Kill it and its group; its exit code, and whether the kernel killed for want of memory since it began."""
        self.process.kill()
        self.end_what_it_left(even_alive=True)
        self.process.join()
        living.discard(self)
        self._heard.close()
        exitcode: int = self.process.exitcode
        self.process.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        return exitcode, exitcode == -signal.SIGKILL and killings_for_memory() > self._killings

    def end_what_it_left(self, *, even_alive: bool = False) -> None:
        """Kill its children that outlive it, as far as they stayed in its group.

        As long as nobody has asked for its exit code, its number is nobody else's.
        """
        if not even_alive and not wait([self._ended], 0):
            return
        with contextlib.suppress(OSError):
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # raises once it was asked
            os.killpg(self.process.pid, signal.SIGKILL)


def killings_for_memory() -> int:
    """How many processes of this machine, or of this container, the kernel has killed for want of memory."""
    try:
        found = re.search(rb"^oom_kill (\d+)", Path("/proc/vmstat").read_bytes(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _without_main() -> None:
    """Have a worker not run the main module of the program again, as spawned processes do.

    It needs nothing of it; and where a program calls ``sync`` on its top level, the worker would call it as well.
    """
    prepared = spawn.get_preparation_data

    def data(name: str) -> dict[str, Any]:
        return {key: value for key, value in prepared(name).items() if name != NAME or not key.startswith("init_main")}

    spawn.get_preparation_data = data


_without_main()


# ---- the other side: what runs in the process ------------------------------------------------------------------------


def serve(pipe: Connection, prints: Connection, start: Callable[..., None], args: tuple[Any, ...]) -> None:
    for descriptor in (1, 2):
        os.dup2(prints.fileno(), descriptor)
    prints.close()
    start(*args)
    with contextlib.suppress(EOFError, ConnectionError):  # nobody is there any more
        _say(pipe, READY)
        while True:
            message = pipe.recv_bytes()
            _say(pipe, _BEGUN)
            _say(pipe, _run(message))


def _say(pipe: Connection, message: bytes) -> None:
    length = _LENGTH.pack(len(message))
    for part in (length + message,) if len(message) < _READ_BYTES else (length, message):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(pipe.fileno(), rest) :]


def _run(message: bytes) -> bytes:
    try:
        function, args = pickle.loads(message)  # noqa: S301 - the engine wrote it
        return answers.of_value(function(*args))
    except BaseException as error:  # noqa: BLE001 - a library that calls exit() has not answered either
        return answers.of_error(error)
    finally:
        for stream in (sys.stdout, sys.stderr):  # what was printed belongs to this task
            with contextlib.suppress(Exception):
                stream.flush()
