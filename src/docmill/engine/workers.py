"""Worker processes. Each has pipes of its own and a thread that sees it through, so that its death is its own.

Pools whose workers share one pipe and its locks stand still, or break as a whole, when a worker is killed at the wrong
moment: between taking a task and saying so, in the middle of an answer, or while it has nothing to do. Here a death is
the end of one pipe, whatever had been written into it.
"""

from __future__ import annotations

import atexit
import contextlib
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from multiprocessing import resource_tracker
from queue import Empty, SimpleQueue
from typing import Any

from docmill.engine import answers, worker_process
from docmill.engine.printed import Printed, last_words
from docmill.engine.worker_process import READY, Gone, WorkerDied, WorkerProcess, context, ending, living, serve
from docmill.errors import StorageError

MOST_STARTS = 3
_STOP_SECONDS = 10.0

_processes = threading.Lock()  # multiprocessing starts, signals and reaps in one thread at a time


class Workers:
    """Up to ``most`` spawned processes that run tasks. One starts when no other is free, all do with :meth:`warm`.

    start:   is run in each process first, with ``args``.
    recycle: a process is replaced after so many tasks, 0 for never.
    memory_bytes: the address space that it may have, 0 for any: it is replaced after a task that took most of that.
    done:    is told of each future that has ended and of what its task was for, from any thread.
    printed: is told what a process printed and what for; None stands for its start.
    """

    def __init__(
        self,
        most: int,
        start: Callable[..., None],
        args: tuple[Any, ...],
        *,
        recycle: int = 0,
        memory_bytes: int = 0,
        done: Callable[[Any, Future[Any]], None],
        printed: Callable[[Any, str], None] = lambda _tag, _text: None,
    ) -> None:
        self._most = most
        self._start = (start, args)
        self._recycle = recycle
        self._memory_bytes = memory_bytes
        self._done = done
        self._printed = printed
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._hands = threading.Lock()
        self._free = 0  # threads that no task counts on, also those whose process is only starting
        self._behind = 0  # tasks that wait until a thread is done with another
        self._workers: set[WorkerProcess] = set()
        self._stopped = False
        atexit.register(self.stop)

    def warm(self, most: int | None = None) -> None:
        """Start all processes now, or so many of them."""
        with self._hands:
            while len(self._threads) < min(most or self._most, self._most):
                self._hire()
                self._free += 1

    def submit(self, tag: Any, function: Callable[..., Any], *args: Any, timeout: float | None = None) -> Future[Any]:
        """Run a task in the next process that is free; the future ends with what the function returns or raises.

        Or with TimeoutError when it took longer than ``timeout`` seconds, with :class:`WorkerDied` when its process
        ended: then this task is lost, and nothing else is. With :class:`StorageError` where no process would start.
        To cancel it takes the task back; if it has begun, by killing its process.
        """
        task = _Task(tag, function, args, timeout, self._kill)
        task.add_done_callback(lambda future: self._done(tag, future))
        self._tasks.put(task)
        with self._hands:
            if self._free:
                self._free -= 1
            elif len(self._threads) < self._most:
                self._hire()
            else:
                self._behind += 1
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
        # A process keeps what it is started with: so Ctrl-C is not for it from its first instant on. As the tracker of
        # multiprocessing begins, it would lift that again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker: WorkerProcess | None = None
        with contextlib.suppress(Exception):  # its first task meets the same, and can tell it
            worker = self._begin()
        for task in self._taken():
            if not task.set_running_or_notify_cancel():
                continue
            try:
                worker = self._hand_over(task, worker)
                answer = worker.hear(task.timeout)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is what became of the task
                died = self._bury(worker)
                worker = None
                task.set_exception(died if isinstance(error, EOFError) else error)
                continue
            self._hand_on_print(worker)
            worker.task = None
            understood = task.settle(answer)
            worker.tasks += 1
            if worker.tasks == self._recycle or worker.is_swollen(self._memory_bytes) or not understood:
                self._bury(worker)
                worker = None
        self._bury(worker)

    def _hand_on_print(self, worker: WorkerProcess) -> str:
        text = worker.printed.take()
        if text.strip():
            self._printed(worker.task.tag if worker.task else None, text)
        return text

    def _taken(self) -> Iterator[_Task]:
        while (task := self._tasks.get()) is not None:
            yield task
            with self._hands:
                if self._behind:
                    self._behind -= 1
                else:
                    self._free += 1

    def _begin(self) -> WorkerProcess:
        """Start a process and wait until it is ready."""
        ours, theirs = context.Pipe()
        hears, prints = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=(theirs, prints, *self._start), name=worker_process.NAME)
        worker = WorkerProcess(process, ours, Printed(hears))
        try:
            with theirs, prints, _processes:
                if self._stopped:
                    raise Gone
                for each in living:  # to start a process reaps those that have ended: their groups end before that
                    each.end_what_it_left()
                worker.start()
                self._workers.add(worker)
        except OSError as error:  # no memory, or too many processes
            ours.close()
            worker.printed.close()
            raise Gone(f"{error.strerror or error}") from error
        try:
            worker.expect(READY, worker_process.START_SECONDS)
        except Gone as gone:
            died = self._bury(worker)
            raise Gone(ending(died.exitcode) + (f": {died.words}" if died.words else "")) from gone
        self._hand_on_print(worker)
        return worker

    def _hand_over(self, task: _Task, worker: WorkerProcess | None) -> WorkerProcess:
        """Have a process begin a task. One that is gone before that has a successor."""
        message = pickle.dumps((task.function, task.arguments))
        reason: Gone | None = None
        for _ in range(MOST_STARTS):
            try:
                worker = worker or self._begin()
                worker.task = task
                if task.unwanted:
                    raise CancelledError
                worker.begin(message)
                return worker
            except Gone as gone:
                self._bury(worker)
                worker, reason = None, gone
            except BaseException:
                self._bury(worker)
                raise
        raise StorageError(
            f"no worker process would start: {reason}", hint="logs/workers.log in the home has their last words"
        )

    def _bury(self, worker: WorkerProcess | None) -> WorkerDied:
        """Make certain that a process is gone, and what it left behind; how it ended."""
        if worker is None or worker not in self._workers:
            return WorkerDied(0)
        with _processes:
            self._workers.discard(worker)
            exitcode, starved = worker.end()
        words = last_words(self._hand_on_print(worker))
        worker.connection.close()
        worker.printed.close()
        return WorkerDied(exitcode, words, starved=starved)


class _Task(Future[Any]):
    def __init__(
        self,
        tag: Any,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        timeout: float | None,
        kill: Callable[[_Task], None],
    ) -> None:
        super().__init__()
        self.tag, self.function, self.arguments, self.timeout = tag, function, arguments, timeout
        self.unwanted = False
        self._kill = kill

    def cancel(self) -> bool:
        if not super().cancel() and not self.done():
            self.unwanted = True
            self._kill(self)
        return self.cancelled() or self.unwanted

    def settle(self, answer: bytes) -> bool:
        """False for an answer that cannot be read: whoever gave it is not to be asked again."""
        understood = True
        try:
            good, value = answers.read(answer)
        except BaseException as error:  # noqa: BLE001 - an answer that cannot be read is what became of the task
            understood, good, value = False, False, error
        if good:
            self.set_result(value)
        else:
            self.set_exception(value)
        return understood
