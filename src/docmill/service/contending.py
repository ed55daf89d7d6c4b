"""What whoever does not get the engine's lock may do about it: wait so long, or end the engine that has it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.engine.lock import RUNNING
from docmill.engine.taking_over import take_over
from docmill.errors import HomeNotFound
from docmill.service.holding import busy, find_holder
from docmill.settings import Settings, find_home


def make_way(settings: Settings, reporter: Reporter) -> None:
    """Where it is asked for, end an engine that is stopped or hangs, before anything else is done.

    It may have been stopped while it held SQLite's own lock, so that nobody could even write down what is wanted. One
    that is healthy is ended later, when its lock is needed.
    """
    if not settings.take_over:
        return
    with suppress(HomeNotFound):
        Contender(find_home(settings), settings, reporter).has_taken_over(spare_healthy=True)


class Contender:
    """One command's patience. To be asked each time that it did not get the lock."""

    def __init__(self, home: Path, settings: Settings, reporter: Reporter) -> None:
        self._home = home
        self._settings = settings
        self._reporter = reporter
        self._began = time.monotonic()
        self._took_over = False

    def has_taken_over(self, *, spare_healthy: bool = False) -> bool:
        """True: the engine that was there is ended, the lock can be had. Raises EngineBusy where the time is over.

        A healthy engine is ended once, and the next one, which somebody else has begun since then, is left alone.
        ``spare_healthy``: already the first one is.
        """
        found = find_holder(self._home)
        spared = found is not None and found.state == RUNNING and (spare_healthy or self._took_over)
        if self._settings.take_over and found is not None and not spared:
            self._took_over = True
            return take_over(self._home, lambda text: self._reporter.emit(MessageEvent("info", text)))
        limit = self._settings.lock_timeout
        if found is not None and limit is not None and time.monotonic() - self._began > limit:
            raise busy(self._home, found)
        return False
