"""One folder that is watched: whether it is there, how its changes are heard of, and when it is due to be synced.

Syncs nothing itself. Times are those of ``time.monotonic``.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import FolderWatched, SourceSync
from docmill.errors import FileChanged
from docmill.sources.events import EventsUnavailable, FolderEvents, Unrest
from docmill.stores.filesystem import MOUNTINFO, find_mount

FALLBACK_POLL_SECONDS = 10.0  # where there are no events, and nobody has said how often to look
MOST_PAUSE_SECONDS = 30.0
_MOST_TOLD = 5
_MOVING_POLL_SECONDS = 2.0  # until a polled file that moves is looked at again
_SHARED = {"virtiofs", "vboxsf", "prl_fs", "vmhgfs", "fuse.vmhgfs-fuse", "fuse.grpcfuse", "drvfs"}  # with a host

Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often folders are looked at, in seconds.

    debounce: without any event, before a look. max_wait: after the first event, where more and more come. rescan:
    between two looks that need no event. poll: the same, where events are not to be used; None: they are.
    """

    debounce: float
    max_wait: float
    rescan: float
    poll: float | None


class WatchedFolder:
    def __init__(
        self, path: Path, source: str | None, events: FolderEvents, rhythm: Rhythm, reporter: Reporter
    ) -> None:
        self.path = path
        self.source = source
        self.synced = False  # at least once
        self.counts: Counter[str] = Counter()
        self._events = events
        self._rhythm = rhythm
        self._reporter = reporter
        self._unrest = Unrest()
        self._identity: Identity | None = None
        self._poll = rhythm.poll
        self._told_poll = False
        self._looked_at = self._rescanned_at = float("-inf")
        self._not_before = float("-inf")
        self._failures = 0
        self._told: tuple[str, str] | None = None
        self._problems: set[tuple[str, str]] = set()

    @property
    def name(self) -> str:
        return self.source or self.path.name or str(self.path)

    # ---- being there -------------------------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Notice that it has gone, come back or been replaced, and that events have ended. To be called each second."""
        found = _identity(self.path)
        if found is None:
            self._miss()
        elif found != self._identity:
            if self._told is not None and self._told[0] == _GONE:
                self._say("info", f"{self.path} is back")
                self._told = None
            self._identity, self._failures, self._not_before = found, 0, float("-inf")
            self._poll = self._rhythm.poll
            self._listen()
        elif self._poll is None:
            if (fault := self._events.fault(self._unrest)) is not None:
                self._events.forget(self._unrest)
                self._fall_back(fault)
            elif not self._events.is_followed(self._unrest):
                self._listen()

    def _miss(self) -> None:
        if self._identity is not None:
            self._events.forget(self._unrest)
            self._identity = None
        self._complain(_GONE, f"there is no folder {self.path}; its documents stay, and it is waited for")

    def _listen(self) -> None:
        """Have events mark it, or see to it that it is polled. A look is due after either."""
        self._unrest.demand()  # for what has moved until now
        if self._rhythm.poll is not None:
            return
        if (shared := _shared_type(self.path)) is not None:
            self._fall_back(f"it lies on {shared}, which does not tell of what others change")
            return
        try:
            self._events.follow(self.path, self._unrest)
            if self._poll is not None:
                self._poll = None
                self._say("info", f"{self.name}: events come again; no longer polled")
        except EventsUnavailable as error:
            self._fall_back(str(error))

    def _fall_back(self, why: str) -> None:
        self._poll = FALLBACK_POLL_SECONDS
        if not self._told_poll:
            self._told_poll = True
            self._say("warning", f"{self.name}: no events ({why}); looking every {self._poll:g} s instead")

    def forget(self) -> None:
        self._events.forget(self._unrest)

    # ---- being due ---------------------------------------------------------------------------------------------------

    def is_due(self, now: float) -> bool:
        if self._identity is None or now < self._not_before:
            return False
        if now >= self._looked_at + (self._rhythm.rescan if self._poll is None else self._poll):
            return True
        at = self._unrest.due_at(self._rhythm.debounce, self._rhythm.max_wait)
        return at is not None and now >= at

    @property
    def is_moving(self) -> bool:
        """Whether a look is to come as soon as the folder stands still."""
        return self._identity is not None and not self._failures and self._unrest.due_at(0, 0) is not None

    def begin(self, now: float) -> float:
        """A look begins. Returns how long a file must have stood still to be read.

        The look that comes by itself takes every file as it is: a log that is written to without end comes in then.
        """
        anyhow = self.synced and now >= self._rescanned_at + self._rhythm.rescan
        if anyhow or not self.synced:
            self._rescanned_at = now
        if anyhow and self._rhythm.poll is None:
            self._listen()  # there may be room for it by now, or folders behind links that are new
        self._unrest.take()
        self._looked_at = now
        return 0.0 if anyhow else self._rhythm.debounce

    def failed(self, code: str, message: str) -> None:
        """A look has failed. The next one comes after a delay that grows; each new reason is told once."""
        self._unrest.demand()
        self._not_before = time.monotonic() + min(2.0**self._failures, MOST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 10)
        self._complain(code, f"{message}; it is tried again")

    def done(self, result: SourceSync) -> bool:
        """A look has ended well. Returns whether it brought anything."""
        now = time.monotonic()
        self.synced, self.source, self._failures = True, result.source, 0
        if self._told is not None:
            self._say("info", f"{self.name}: going on")
            self._told = None
        counts = {name: getattr(result.scan, name) for name in ("new", "changed", "renamed", "deleted")}
        self.counts.update(counts, syncs=1)
        changed = any(counts.values()) or result.run_group_id is not None
        if not changed:  # what moves without end and comes to nothing takes half of the time at most
            self._not_before = now + min(result.seconds, MOST_PAUSE_SECONDS)
        if result.status == "paused":
            self._unrest.demand()  # the next look is refused, and says so until it is resumed
        if any(each.error_code == FileChanged.code for each in result.errors):
            self._unrest.mark(now if self._poll is None else now + min(self._poll, _MOVING_POLL_SECONDS))
        self._tell_problems(result)
        return changed

    def result(self) -> FolderWatched:
        return FolderWatched(
            folder=str(self.path), source=self.source, polled=self._poll is not None, **_figures(self.counts)
        )

    # ---- telling -----------------------------------------------------------------------------------------------------

    def _tell_problems(self, result: SourceSync) -> None:
        """Documents that have failed, each once for the same reason. A file that moves is none."""
        found = {
            (each.uri, each.error_code): each.error_message
            for each in result.errors
            if each.error_code != FileChanged.code
        }
        fresh = sorted(key for key in found if key not in self._problems)
        for uri, code in fresh[:_MOST_TOLD]:
            self._say("warning", f"{self.name}: {uri}: {code}: {found[uri, code]}")
        if len(fresh) > _MOST_TOLD:
            self._say("warning", f"{self.name}: {len(fresh) - _MOST_TOLD} more documents have failed")
        self._problems = set(found)

    def _complain(self, code: str, message: str) -> None:
        if self._told != (code, message):
            self._told = (code, message)
            self._say("warning", f"{self.name}: {message}")

    def _say(self, level: str, text: str) -> None:
        self._reporter.emit(MessageEvent(level, text))


_GONE = "GONE"


def _figures(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in ("syncs", "new", "changed", "renamed", "deleted")}


def _identity(folder: Path) -> Identity | None:
    try:
        if not folder.is_dir():
            return None
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _shared_type(folder: Path) -> str | None:
    """The type of the file system, where others change its files too without the kernel here hearing of it."""
    try:
        mount = find_mount(folder.resolve(), MOUNTINFO.read_text("latin-1"))
    except OSError:
        return None
    return mount.type if mount is not None and (mount.is_network or mount.type in _SHARED) else None
