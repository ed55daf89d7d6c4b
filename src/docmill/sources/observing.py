"""Events of a folder and all below it where the system itself follows folders deeply, as macOS does: by watchdog."""

from __future__ import annotations

import os
from collections.abc import Callable

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


class Observed:
    """A folder and an observer of its own. ``heard`` is called in watchdog's thread."""

    fault: str | None = None
    overrun = False

    def __init__(self, root: str, home: str, heard: Callable[[], None]) -> None:
        """Raises OSError where it cannot be observed."""
        self._observer = Observer()
        self._observer.schedule(Hearer(root, home, heard), root, recursive=True, event_filter=_WANTED)
        self._observer.start()

    @property
    def alive(self) -> bool:
        """Whether events come: they end with the folder."""
        return self._observer.is_alive() and all(each.is_alive() for each in list(self._observer.emitters))

    def stop(self) -> None:
        self._observer.stop()
        self._observer.join()


class Hearer(FileSystemEventHandler):
    """Hears of what a scan could see: nothing of hidden names, nothing of docmill's home, no unfinished downloads."""

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
        """In doubt it does: a scan too many is cheap."""
        path = os.fsdecode(raw)
        if path.startswith(self._home) and path[len(self._home) :][:1] in ("", "/"):
            return False
        below = path[len(self._root) :]
        hidden = below.find("/.")
        if hidden >= 0:
            return below[hidden + 1 :] == ignoring.NAME
        return folder or not below.endswith(_PARTIAL)
