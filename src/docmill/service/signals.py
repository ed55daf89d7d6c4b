"""Signals: the first asks for a stop in good order, the second ends the process at once, whatever it is in.

A thread hears them, by the interpreter's wakeup descriptor: the main thread may be inside a long call of a library,
where Python runs no handler, and may hold locks that a handler must not wait for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from docmill.domain.events import Event, Reporter
from docmill.engine.stopping import TIME_LIMIT, StopFlag
from docmill.errors import Interrupted, StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HANGUP_SECONDS = 2.0  # the kernel and the shell both say that the terminal is gone: that is one signal
_CLOSE_SECONDS = 0.3


@contextmanager
def stop_on_signals(reporter: Reporter | None = None, *, seconds: float | None = None) -> Iterator[StopFlag]:
    """SIGINT, SIGTERM and SIGHUP set the flag, and so do ``seconds`` that have passed. Handlers are put back.

    A signal while the flag is set ends the process at once, the reporter closed before. One that was ignored when
    docmill was called, as by nohup, stays ignored.
    """
    flag = StopFlag()
    with _limited(flag, seconds):
        if threading.current_thread() is not threading.main_thread():  # used as a library: signals are the caller's
            yield flag
            return
        with _Listener(flag, reporter):
            yield flag


@contextmanager
def _limited(flag: StopFlag, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return

    def stop() -> None:
        flag.reason = flag.reason or TIME_LIMIT

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    if seconds > 0:
        timer.start()
    else:
        stop()
    try:
        yield
    finally:
        timer.cancel()


class OutlivesTerminal:
    """A reporter whose terminal may go away: the kernel refuses what is written to it before SIGHUP is heard."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def emit(self, event: Event) -> None:
        try:
            self._reporter.emit(event)
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    def close(self) -> None:
        self._reporter.close()


class _Listener:
    """Handles the signals for the length of a ``with``, in a thread of its own."""

    def __init__(self, flag: StopFlag, reporter: Reporter | None) -> None:
        self._flag = flag
        self._reporter = reporter
        self._terminals = [number for number in (1, 2) if os.isatty(number)]
        self._hung_up = 0.0
        ignored = (signal.SIG_IGN, None)  # None: somebody handles it who is not Python
        self._wanted = [number for number in SIGNALS if signal.getsignal(number) not in ignored]

    def __enter__(self) -> _Listener:
        self._ours, self._interpreters = socket.socketpair()
        self._interpreters.settimeout(0)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()
        self._wakeup_before = signal.set_wakeup_fd(self._interpreters.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _leave_it_to_the_thread) for number in self._wanted}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._interpreters.close()  # which ends the thread
        self._thread.join()
        self._ours.close()

    def _listen(self) -> None:
        while heard := self._ours.recv(1):
            if heard[0] in self._wanted:
                self._signalled(signal.Signals(heard[0]))

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP:
            repeated = self._hung_up and time.monotonic() - self._hung_up < _HANGUP_SECONDS
            self._hung_up = time.monotonic()
            self._leave_dead_terminals()
            if repeated:
                return
        if self._flag.reason is None:
            self._flag.reason = number.name
        else:
            self._end_at_once(number)

    def _leave_dead_terminals(self) -> None:
        """What is written to a terminal that is gone raises; a drain must not end by that."""
        for number in self._terminals:
            try:
                os.tcgetpgrp(number)
            except OSError:
                with contextlib.suppress(OSError):
                    nowhere = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(nowhere, number)
                    os.close(nowhere)

    def _end_at_once(self, number: signal.Signals) -> None:
        if self._reporter is not None:  # put the terminal back, unless whoever writes to it hangs
            closing = threading.Thread(target=self._reporter.close, daemon=True)
            closing.start()
            closing.join(_CLOSE_SECONDS)
        with contextlib.suppress(OSError):
            os.write(2, b"ended at once; what was settled is kept, and the same command goes on\n")
        if sys.platform != "linux":  # elsewhere the kernel does not end workers with their engine
            from docmill.engine import processes

            for child in processes.descendants(os.getpid()):
                with contextlib.suppress(OSError):
                    os.kill(child.pid, signal.SIGKILL)
        os._exit(Interrupted.exit_code if number == signal.SIGINT else StoppedError.exit_code)


def _leave_it_to_the_thread(_number: int, _frame: object) -> None:
    """Python wants a handler where the wakeup descriptor is to tell of a signal."""
