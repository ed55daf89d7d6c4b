"""The soft clock of a document: when its parser is to stop, and keep what it has finished until then.

The hard clock is the engine's: it kills the worker, and nothing is kept.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

_AGAIN_SECONDS = 0.5  # a library that swallows even this is told again


class OutOfTime(BaseException):
    """Raised inside :meth:`Deadline.interrupting`. No Exception, because libraries swallow those."""


class Deadline:
    """``seconds`` from now; None for never. A parser looks at ``passed`` between pages, rows or blocks."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return self._at is not None and time.monotonic() >= self._at

    def interrupting(self) -> AbstractContextManager[None]:
        """Raise OutOfTime in what runs inside, once the time is up: for libraries that do not come back by themselves.

        It reaches Python code in the main thread; what is deep in C ends first. Keep out what must not end halfway.
        """
        if self._at is None or threading.current_thread() is not threading.main_thread():
            return nullcontext()
        return _Alarm(self._at)


class _Alarm:
    """The kernel's timer. Not made by ``contextmanager``, in whose code the alarm might go off."""

    def __init__(self, at: float) -> None:
        self._at = at

    def __enter__(self) -> None:
        left = self._at - time.monotonic()
        if left <= 0:
            raise OutOfTime
        self._before = signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, left, _AGAIN_SECONDS)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    if frame is None or frame.f_code.co_filename != __file__:  # in here it would leave the timer running
        raise OutOfTime
