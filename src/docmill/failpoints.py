"""Named points around each durable write, at which a test has a process die, stop or find the disk full.

``DOCMILL_FAILPOINTS="store.tag.before=kill"`` arms them; several are separated by commas. ``kill`` is SIGKILL to the
process itself, ``stop`` SIGSTOP, ``full`` an OSError that says that the disk is full. ``kill@3`` waits for the third
time that this process comes by. With ``DOCMILL_FAILPOINTS_FIRED=FILE`` only the first process that can make that file
acts, so that what follows goes on undisturbed. Without the first variable, nothing here does anything.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

# Every one has two ends: ``NAME.before`` and ``NAME.after``.
POINTS = frozenset(
    {
        "artifact.replace",  # a whole temporary file becomes one that is there already
        "artifact.write",
        "backup.snapshot",  # the home at one instant, as links and copies
        "backup.verify",
        "backup.write",
        "cache.add",  # computed vectors go into cache.db
        "cache.renew",  # a damaged cache.db is set aside
        "delivery.settle",  # what a handler answered is written down
        "drop.forget",  # the state lets go of a database
        "drop.remove",
        "epoch.raise",  # a new engine begins
        "gc.forget",
        "gc.remove",
        "group.finish",
        "home.create",
        "index.build",
        "migrate.backup",
        "migrate.commit",
        "placement.forget",  # a deleted document's rows are gone
        "restore.aside",  # the home that was there is set aside
        "restore.place",  # what was unpacked becomes the home
        "restore.unpack",
        "state.commit",  # any transaction of state.db
        "store.add",
        "store.create",  # a table that is not there yet, or its settings
        "store.delete",
        "store.fsync",
        "store.mark",
        "store.rewind",  # rows that a dead engine did not get to publish are taken back
        "store.settle",
        "store.tag",
        "vacuum.clean",
        "vacuum.merge",
    }
)

_ENDS = ("before", "after")
_ACTIONS = ("kill", "stop", "full")


def _parse(text: str) -> dict[str, tuple[str, int]]:
    """``{"store.add.before": ("kill", 1)}``. Raises ValueError for what it cannot make out."""
    armed: dict[str, tuple[str, int]] = {}
    for item in text.split(","):
        point, _, action = item.strip().partition("=")
        action, counted, count = action.partition("@")
        name, _, end = point.rpartition(".")
        known = name in POINTS and end in _ENDS and action in _ACTIONS
        if not known or point in armed or (counted and not re.fullmatch("[1-9][0-9]{0,8}", count)):
            raise ValueError(f"not a failpoint: {item!r}")
        armed[point] = (action, int(count or 1))
    return armed


class _Armed:
    def __init__(self, text: str, fired: str | None) -> None:
        self._points = _parse(text)
        self._fired = Path(fired) if fired else None
        self._seen: Counter[str] = Counter()

    @contextlib.contextmanager
    def around(self, name: str) -> Iterator[None]:
        if name not in POINTS:
            raise ValueError(f"not a failpoint: {name!r}")
        self._reach(f"{name}.before")
        yield
        self._reach(f"{name}.after")

    def _reach(self, point: str) -> None:
        if point not in self._points:
            return
        action, count = self._points[point]
        self._seen[point] += 1
        if self._seen[point] != count or not self._first():
            return
        if action == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), point)
        os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)

    def _first(self) -> bool:
        if self._fired is None:
            return True
        try:
            self._fired.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


_NOTHING = contextlib.nullcontext()


def _around_nothing(_name: str) -> AbstractContextManager[None]:
    return _NOTHING


_setting = os.environ.get("DOCMILL_FAILPOINTS")
around = _Armed(_setting, os.environ.get("DOCMILL_FAILPOINTS_FIRED")).around if _setting else _around_nothing
