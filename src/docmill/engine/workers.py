"""Worker processes. Each has a pipe of its own and a thread that sees it through, so that its death is its own.

Pools whose workers share one pipe and its locks stand still, or break as a whole, when a worker is killed at the wrong
moment: between taking a task and saying so, in the middle of an answer, or while it has nothing to do. Here a death is
the end of one pipe, whatever had been written into it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from typing import Any

from docmill.errors import StorageError

START_SECONDS = 300.0  # by then the largest model has been read from the slowest disk
MOST_STARTS = 3
_STOP_SECONDS = 10.0
_EXIT_SECONDS = 2.0

_READY, _BEGUN = b"ready", b"begun"
_context = get_context("spawn")
_processes = threading.Lock()  # multiprocessing starts, signals and reaps in one thread at a time


class WorkerDied(Exception):
    """A worker ended while it was at a task. ``exitcode`` is negative for a signal: -9 after SIGKILL."""

    def __init__(self, exitcode: int) -> None:
        super().__init__(f"the worker died (exit code {exitcode})")
        self.exitcode = exitcode


class _Gone(Exception):
    """A worker could not be started, or ended before it began a task: no task's fault."""


class Workers:
    """Up to ``most`` spawned processes that run tasks. One starts when no other is free, all do with :meth:`warm`.

    start: is run in each process first, with ``args``; recycle: a process is replaced after so many tasks, 0 for never;
    done: is told of each future that has ended and of what its task was for, from any thread.
    """

    def __init__(
        self,
        most: int,
        start: Callable[..., None],
        args: tuple[Any, ...],
        *,
        recycle: int = 0,
        done: Callable[[Any, Future[Any]], None],
    ) -> None:
        self._most = most
        self._start = (start, args)
        self._recycle = recycle
        self._done = done
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._workers: set[_Worker] = set()
        self._stopped = False
        atexit.register(self.stop)

    def warm(self) -> None:
        """Start all processes now."""
        while len(self._threads) < self._most:
            self._hire()

    def submit(self, tag: Any, function: Callable[..., Any], *args: Any, timeout: float | None = None) -> Future[Any]:
        """Run a task in the next process that is free; the future ends with what the function returns or raises.

        Or with TimeoutError when it took longer than ``timeout`` seconds, with :class:`WorkerDied` when its process
        ended: then this task is lost, and nothing else is. With :class:`StorageError` where no process would start.
        To cancel it takes the task back; if it has begun, by killing its process.
        """
        task = _Task(function, args, timeout, self._kill)
        task.add_done_callback(lambda future: self._done(tag, future))
        self._tasks.put(task)
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            self._hire()
        return task

    def stop(self) -> None:
        """Kill every process and return once they are gone. What has not ended ends as cancelled or died."""
        atexit.unregister(self.stop)
        with _processes:
            self._stopped = True
            for worker in self._workers:
                worker.process.kill()
        with contextlib.suppress(Empty):
            while task := self._tasks.get_nowait():
                task.cancel()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def _kill(self, task: _Task) -> None:
        with _processes:
            for worker in self._workers:
                if worker.task is task:
                    worker.process.kill()

    # ---- what each thread does ---------------------------------------------------------------------------------------

    def _hire(self) -> None:
        thread = threading.Thread(target=self._see_through, name="docmill-worker", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _see_through(self) -> None:
        """Keep one process, or its successor, at work."""
        worker: _Worker | None = None
        with contextlib.suppress(Exception):  # its first task meets the same, and can tell it
            worker = self._begin()
        for task in self._taken():
            if not task.set_running_or_notify_cancel():
                continue
            try:
                worker = self._hand_over(task, worker)
                answer = worker.hear(task.timeout)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is what became of the task
                exitcode = self._bury(worker)
                worker = None
                task.set_exception(WorkerDied(exitcode) if isinstance(error, EOFError) else error)
                continue
            worker.task = None
            task.settle(answer)
            worker.tasks += 1
            if worker.tasks == self._recycle:
                self._bury(worker)
                worker = None
        self._bury(worker)

    def _taken(self) -> Iterator[_Task]:
        while True:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                self._idle.release()
                task = self._tasks.get()
            if task is None:
                return
            yield task

    def _begin(self) -> _Worker:
        """Start a process and wait until it is ready."""
        ours, theirs = _context.Pipe()
        worker = _Worker(_context.Process(target=_serve, args=(theirs, *self._start), name="docmill-worker"), ours)
        try:
            with theirs, _processes:
                if self._stopped:
                    raise _Gone
                worker.process.start()
                self._workers.add(worker)
        except OSError as error:  # no memory, or too many processes
            ours.close()
            raise _Gone(f"{error.strerror or error}") from error
        try:
            worker.expect(_READY)
        except _Gone as gone:
            raise _Gone(f"exit code {self._bury(worker)}") from gone
        return worker

    def _hand_over(self, task: _Task, worker: _Worker | None) -> _Worker:
        """Have a process begin a task. One that is gone before that has a successor."""
        message = pickle.dumps((task.function, task.arguments))
        reason: _Gone | None = None
        for _ in range(MOST_STARTS):
            try:
                worker = worker or self._begin()
                worker.task = task
                if task.unwanted:
                    raise CancelledError
                worker.begin(message)
                return worker
            except _Gone as gone:
                self._bury(worker)
                worker, reason = None, gone
            except BaseException:
                self._bury(worker)
                raise
        raise StorageError(
            f"no worker process would start: {reason}", hint="logs/workers.log in the home has their last words"
        )

    def _bury(self, worker: _Worker | None) -> int:
        """Make certain that a process is gone; its exit code."""
        if worker is None or worker not in self._workers:
            return 0
        worker.connection.close()
        with _processes:
            self._workers.discard(worker)
            return worker.end()


class _Task(Future[Any]):
    def __init__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        timeout: float | None,
        kill: Callable[[_Task], None],
    ) -> None:
        super().__init__()
        self.function, self.arguments, self.timeout = function, arguments, timeout
        self.unwanted = False
        self._kill = kill

    def cancel(self) -> bool:
        if not super().cancel() and not self.done():
            self.unwanted = True
            self._kill(self)
        return self.cancelled() or self.unwanted

    def settle(self, answer: bytes) -> None:
        try:
            good, value = pickle.loads(answer)  # noqa: S301 - a process of ours wrote it
        except BaseException as error:  # noqa: BLE001 - an answer that cannot be read is what became of the task
            good, value = False, error
        if good:
            self.set_result(value)
        else:
            self.set_exception(value)


class _Worker:
    """A process, our end of its pipe, and what it is at."""

    def __init__(self, process: Any, connection: Connection) -> None:
        self.process = process
        self.connection = connection
        self.task: _Task | None = None
        self.tasks = 0

    def begin(self, message: bytes) -> None:
        try:
            self.connection.send_bytes(message)
        except OSError as error:
            raise _Gone("it ended while it had nothing to do") from error
        self.expect(_BEGUN)

    def expect(self, word: bytes) -> None:
        try:
            heard = self.hear(START_SECONDS)
        except (EOFError, TimeoutError) as error:
            raise _Gone("it ended before it began") from error
        assert heard == word, heard

    def hear(self, timeout: float | None) -> bytes:
        """What it says next. Raises EOFError if it has ended, TimeoutError if nothing comes within so many seconds."""
        ready = wait([self.connection, self.process.sentinel], timeout)
        if not ready:
            raise TimeoutError
        if self.connection not in ready:
            raise EOFError
        try:
            return self.connection.recv_bytes()
        except (EOFError, OSError) as error:
            wait([self.process.sentinel], _EXIT_SECONDS)  # its exit code is its own, where it ends by itself
            raise EOFError from error

    def end(self) -> int:
        self.process.kill()
        self.process.join()
        exitcode: int = self.process.exitcode
        self.process.close()
        return exitcode


# ---- the other side: what runs in the process ------------------------------------------------------------------------


def _serve(pipe: Connection, start: Callable[..., None], args: tuple[Any, ...]) -> None:
    start(*args)
    pipe.send_bytes(_READY)
    with contextlib.suppress(EOFError, ConnectionError):  # nobody is there any more
        while True:
            message = pipe.recv_bytes()
            pipe.send_bytes(_BEGUN)
            pipe.send_bytes(_run(message))


def _run(message: bytes) -> bytes:
    try:
        function, args = pickle.loads(message)  # noqa: S301 - our own process wrote it
        return pickle.dumps((True, function(*args)))
    except BaseException as error:  # noqa: BLE001 - a library that calls exit() has not answered either
        return _told(error)


def _told(error: BaseException) -> bytes:
    """An exception with its traceback as a note, or what can be sent of it."""
    if not isinstance(error, Exception):
        error = RuntimeError(f"it raised {type(error).__name__}: {error}")
    error.add_note(f"in worker {os.getpid()}:\n{''.join(traceback.format_exception(error))}")
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)  # noqa: S301 - just made; some exceptions cannot be made again from their arguments
    except Exception:  # noqa: BLE001 - whatever a foreign class raises here
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return answer
