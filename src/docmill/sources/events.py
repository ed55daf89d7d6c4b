"""What the file system tells of changes: hints that a folder is worth a look, and nothing more.

Events say *when* to scan, never *what* has changed: a lost one costs time, not documents. Each folder has one
:class:`Unrest`, two numbers however many events come. watchdog's own queues stay short, as what reads them only writes
down the time; where they do not, the kernel drops events and says so.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from docmill.sources import ignoring
from docmill.sources.folder import PARTIAL_SUFFIXES

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

# Not that a file was opened or read, which docmill does itself; nor that a folder's list of names has changed, which is
# told of the names.
_WANTED: list[type[FileSystemEvent]] = [
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_PARTIAL = tuple(PARTIAL_SUFFIXES)


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


class FolderEvents:
    """The events of several folders. What happens in docmill's home and under hidden names is nobody's concern."""

    def __init__(self, home: Path) -> None:
        self._home = os.fspath(home.resolve())
        self._observer: BaseObserver | None = None
        self._watches: dict[Unrest, ObservedWatch] = {}
        self._complaints = _Complaints()

    def follow(self, folder: Path, unrest: Unrest) -> None:
        """Mark ``unrest`` whenever something moves in the folder or below it, also if that was followed before.

        Folders behind symbolic links are not followed. Raises EventsUnavailable.
        """
        self.forget(unrest)
        root = os.fspath(folder.resolve())  # a link itself never moves
        handler = _Hearer(root, self._home, lambda: unrest.mark(time.monotonic()))
        try:
            self._watches[unrest] = self._running().schedule(handler, root, recursive=True, event_filter=_WANTED)
            self.require_room()
        except OSError as error:
            self.forget(unrest)
            raise EventsUnavailable(error.strerror or str(error)) from error

    def forget(self, unrest: Unrest) -> None:
        watch = self._watches.pop(unrest, None)
        if watch is not None and self._observer is not None:
            self._observer.unschedule(watch)

    def is_followed(self, unrest: Unrest) -> bool:
        """Whether events still come: they end where the folder is deleted, also if there is another one by its name."""
        watch = self._watches.get(unrest)
        emitters = list(self._observer.emitters) if self._observer is not None else []
        return any(each.watch is watch and each.is_alive() for each in emitters)

    def require_room(self) -> None:
        """Raises OSError where the kernel gives no further watch.

        watchdog passes over folders below the first that get none, without a word; whether there is room for one more
        tells whether that may have happened.
        """
        try:
            place = tempfile.mkdtemp(prefix="docmill-")
        except OSError:  # that tells of the disk, not of watches
            return
        try:
            observer = self._running()
            observer.unschedule(observer.schedule(FileSystemEventHandler(), place))
        finally:
            Path(place).rmdir()

    def take_losses(self) -> bool:
        """Whether events have been lost since the last call."""
        return self._complaints.take()

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._watches.clear()
        self._complaints.close()

    def _running(self) -> BaseObserver:
        if self._observer is None:
            observer = Observer()
            observer.start()
            self._observer = observer
        return self._observer


class _Hearer(FileSystemEventHandler):
    """Takes one folder's events, in watchdog's thread."""

    def __init__(self, root: str, home: str, heard: Callable[[], None]) -> None:
        self._root = root
        self._home = home
        self._heard = heard

    def dispatch(self, event: FileSystemEvent) -> None:
        folder = event.is_directory
        if self._matters(event.src_path, folder=folder) or (
            event.dest_path and self._matters(event.dest_path, folder=folder)
        ):
            self._heard()

    def _matters(self, raw: bytes | str, *, folder: bool) -> bool:
        """Whether a scan could see it. In doubt it does: a scan too many is cheap."""
        path = os.fsdecode(raw)
        if path.startswith(self._home) and path[len(self._home) :][:1] in ("", "/"):
            return False
        below = path[len(self._root) :]
        hidden = below.find("/.")
        if hidden >= 0:
            return below[hidden + 1 :] == ignoring.NAME
        return folder or not below.endswith(_PARTIAL)


class _Complaints(logging.Handler):
    """Hears what watchdog logs, and keeps it off the terminal: that the kernel's queue ran over, most of all.

    Whatever it is, events may be missing since.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._heard = threading.Event()
        self._logger = logging.getLogger("watchdog")
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - its text is for nobody
        self._heard.set()

    def take(self) -> bool:
        heard = self._heard.is_set()
        self._heard.clear()
        return heard

    def close(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
        super().close()
