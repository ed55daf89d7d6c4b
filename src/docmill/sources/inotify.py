"""Events of a folder and all below it, on Linux: one kernel watch for each folder that a scan would enter.

watchdog reads the kernel's queue; which folders are watched is decided here. Its own recursive observer watches hidden
folders too, passes over folders that get no watch without a word, and loses its reading thread where folders are moved
and deleted in quick succession. No event is kept: the one thing that is done with it is to call ``heard``.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from itertools import count

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from docmill.sources import ignoring
from docmill.sources.folder import PARTIAL_SUFFIXES

# Not that a file was opened or read: docmill does that itself.
_MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ONLYDIR
)
_PARTIAL = tuple(os.fsencode(suffix) for suffix in PARTIAL_SUFFIXES)
_IGNORING = os.fsencode(ignoring.NAME)
_NO_MORE = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_ids = count(1)

Identity = tuple[int, int]


class Tree:
    """Watches of one folder and those below it. Symbolic links are followed; a folder reached twice is watched once.

    ``heard`` is called in the reader's thread, for all that a scan could see. ``fault``: why folders that have come
    since are not watched, if any is not; ``overrun``: the kernel has dropped events.
    """

    def __init__(self, reader: InotifyFD, root: str, home: Identity | None, heard: Callable[[], None]) -> None:
        """Raises OSError where the kernel gives no watch for a folder."""
        self.fault: str | None = None
        self.overrun = False
        self._reader = reader
        self._home = home
        self._heard = heard
        self._lock = threading.RLock()  # the reader's thread finds new folders while another one stops it
        self._paths: dict[WatchDescriptor, bytes] = {}
        self._callbacks: dict[WatchDescriptor, CallbackId] = {}
        self._stopped = False
        try:
            with self._lock:
                self._root = self._enter(os.fsencode(root))
        except OSError:
            self.stop()
            raise
        if self._root is None:
            raise PermissionError(errno.EACCES, "it cannot be read")

    @property
    def alive(self) -> bool:
        """Whether events come: they end with the folder, also where there is another one by its name."""
        return self._reader.is_alive() and self._root in self._paths

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._leave(list(self._paths))

    # ---- what the reader calls ---------------------------------------------------------------------------------------

    def on_event(self, event: InotifyEvent) -> None:
        with self._lock:
            folder = self._paths.get(event.wd)
            if folder is None or self._stopped or not _matters(event):
                return
            path = os.path.join(folder, event.name)  # noqa: PTH118 - bytes, as the kernel names it
            if event.is_directory and event.is_moved_from:
                self._leave([each for each, at in self._paths.items() if at == path or at.startswith(path + b"/")])
            elif event.is_directory and (event.is_create or event.is_moved_to):
                try:
                    self._enter(path)
                except OSError as error:
                    self.fault = error.strerror or str(error)
        self._heard()

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        with self._lock:
            self._paths.pop(wd, None)
            self._callbacks.pop(wd, None)

    def on_queue_overflow(self) -> None:
        self.overrun = True

    # ---- which folders -----------------------------------------------------------------------------------------------

    def _enter(self, start: bytes) -> WatchDescriptor | None:
        """Watch a folder and those below it; give the first one's watch. What is gone by now, or cannot be read, is
        passed over, as a scan does, which says so.

        A folder is watched before it is read, so that what comes into it meanwhile is either found or told of.
        """
        first: WatchDescriptor | None = None
        entered: set[Identity] = set()
        pending = [start]
        while pending:
            path = pending.pop()
            try:
                found = os.stat(path)  # noqa: PTH116 - bytes
                if (found.st_dev, found.st_ino) in entered or (found.st_dev, found.st_ino) == self._home:
                    continue
                entered.add((found.st_dev, found.st_ino))
                wd = self._watch(path)
                if path == start:
                    first = wd
                with os.scandir(path) as entries:
                    pending += [each.path for each in entries if not each.name.startswith(b".") and _is_folder(each)]
            except OSError as error:
                if error.errno in _NO_MORE:
                    raise
        return first

    def _watch(self, path: bytes) -> WatchDescriptor:
        callback = CallbackId(next(_ids))
        wd = self._reader.add_callback(path, _MASK, self, callback)
        if wd < 0:  # watchdog's word for a folder that may not be read
            self._reader.remove_callbacks([(wd, callback)])
            raise PermissionError(errno.EACCES, "it cannot be read")
        before = self._callbacks.get(wd)
        self._paths[wd], self._callbacks[wd] = path, callback
        if before is not None:  # it was known by another path
            self._reader.remove_callbacks([(wd, before)])
        return wd

    def _leave(self, wds: list[WatchDescriptor]) -> None:
        for wd in wds:
            del self._paths[wd]
            self._reader.remove_callbacks([(wd, self._callbacks.pop(wd))])


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead in a circle
        return False


def _matters(event: InotifyEvent) -> bool:
    """Whether a scan could see it. In doubt it does: a scan too many is cheap."""
    if event.name.startswith(b"."):
        return event.name == _IGNORING
    return event.is_directory or not event.name.endswith(_PARTIAL)
