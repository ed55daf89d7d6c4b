"""What the file system tells of changes: hints that a folder is worth a look, and nothing more.

Events say *when* to scan, never *what* has changed: a lost one costs time, not documents. Each folder has one
:class:`Unrest`, two numbers however many events come; what is not read in time, the kernel drops, and says so.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD


class Unrest:
    """Since when something has been moving in a folder, and when it moved last. Any thread may mark it.

    Times are those of ``time.monotonic``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: float | None = None
        self._last = 0.0

    def mark(self, at: float) -> None:
        """Something has moved."""
        with self._lock:
            self._last = at
            if self._first is None:
                self._first = at

    def demand(self) -> None:
        """The folder is to be looked at whatever moves in it."""
        with self._lock:
            self._first = float("-inf")

    def due_at(self, quiet: float, most: float) -> float | None:
        """When to look: ``quiet`` seconds after the last move, but at most ``most`` after the first. None: never."""
        with self._lock:
            return None if self._first is None else min(self._last + quiet, self._first + most)

    def take(self) -> None:
        """Forget what has moved so far, as somebody is about to look."""
        with self._lock:
            self._first = None


class EventsUnavailable(Exception):
    """No events can be had for a folder; the message says why."""


class Following(Protocol):
    """One folder's events. ``fault``: why some of it is not followed; ``overrun``: events have been dropped."""

    fault: str | None
    overrun: bool

    @property
    def alive(self) -> bool: ...

    def stop(self) -> None: ...


class FolderEvents:
    """The events of several folders. What happens in docmill's home and under hidden names is nobody's concern."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._reader: InotifyFD | None = None
        self._followings: dict[Unrest, Following] = {}
        logging.getLogger("watchdog").addHandler(logging.NullHandler())  # what it warns of is seen to here

    def follow(self, folder: Path, unrest: Unrest) -> None:
        """Mark ``unrest`` whenever something moves in the folder or below it, also if that was followed before.

        Raises EventsUnavailable.
        """
        before = self._followings.pop(unrest, None)
        try:
            self._followings[unrest] = self._begin(os.fspath(folder.resolve()), lambda: unrest.mark(time.monotonic()))
        except OSError as error:
            raise EventsUnavailable(error.strerror or str(error)) from error
        finally:
            if before is not None:
                before.stop()

    def forget(self, unrest: Unrest) -> None:
        if (following := self._followings.pop(unrest, None)) is not None:
            following.stop()

    def is_followed(self, unrest: Unrest) -> bool:
        """Whether events still come, and none have been dropped."""
        following = self._followings.get(unrest)
        return following is not None and following.alive and not following.overrun

    def fault(self, unrest: Unrest) -> str | None:
        """Why a part of the folder is not followed, if one is not."""
        following = self._followings.get(unrest)
        return following.fault if following is not None else None

    def close(self) -> None:
        for unrest in list(self._followings):
            self.forget(unrest)
        if self._reader is not None:
            self._reader.stop()
            self._reader.join()
            self._reader = None

    def _begin(self, root: str, heard: Callable[[], None]) -> Following:
        if sys.platform != "linux":
            from docmill.sources.observing import Observed

            return Observed(root, os.fspath(self._home.resolve()), heard)
        from watchdog.observers.inotify_c import InotifyFD

        from docmill.sources.inotify import Tree

        if self._reader is None or not self._reader.is_alive():
            self._reader = InotifyFD()
            self._reader.start()
        home = self._home.stat()
        return Tree(self._reader, root, (home.st_dev, home.st_ino), heard)
