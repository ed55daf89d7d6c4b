"""``watch``: follows folders for good. What changes in one is synced as soon as it stands still.

Each look is a ``sync``, which holds all of the folder against what is known: nothing depends on an event that may be
lost. Between two looks neither the engine's lock nor any process is held. Nothing but a signal, the time limit, the
loss of the home or a wrong call ends it; whatever else a sync raises is told once, and tried again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.domain.events import Event, MessageEvent, ProgressEvent, Reporter
from docmill.domain.results import ChunkCounts, DocumentCounts, SourceSync, SyncResult, WatchResult
from docmill.engine.stopping import TIME_LIMIT, StopFlag
from docmill.errors import (
    DefinitionError,
    DocmillError,
    HomeNotFound,
    ModelMissing,
    ModelRefused,
    StoppedError,
    UsageError,
)
from docmill.service import shapes, syncing
from docmill.service.signals import OutlivesTerminal, stop_on_signals
from docmill.service.watched_folder import Rhythm, WatchedFolder
from docmill.service.working import identity
from docmill.settings import Settings, find_home
from docmill.sources.events import FolderEvents

DEBOUNCE_SECONDS = 0.3
MAX_WAIT_SECONDS = 2.0  # with one of them for the sync, a change is found in three, whatever else moves in the folder
RESCAN_SECONDS = 600.0
_LOOK_SECONDS = 1.0
_TICK_SECONDS = 0.05
_PATIENCE_SECONDS = 10.0  # a sync that takes longer shows how far it is
_WRONG_CALL = (UsageError, DefinitionError, ModelMissing, ModelRefused)  # where a folder's first sync meets it


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What the syncs are told. Definitions and patterns are told once, as the source remembers them from then on."""

    source: str | None = None
    workflow: str | None = None
    params: str | None = None
    overrides: list[str] | None = None
    password_file: str | None = None
    include: list[str] | None = None
    exclude: list[str] | None = None
    allow_mass_delete: bool = False
    prune: bool = True

    def named(self) -> dict[str, Any]:
        names = ("workflow", "params", "overrides", "password_file", "include", "exclude")
        return {name: getattr(self, name) for name in names}


def watch(
    settings: Settings,
    reporter: Reporter,
    paths: Sequence[Path],
    options: SyncOptions | None = None,
    *,
    debounce: float = DEBOUNCE_SECONDS,
    max_wait: float = MAX_WAIT_SECONDS,
    rescan: float = RESCAN_SECONDS,
    poll: float | None = None,
) -> WatchResult:
    """Keep the index like the folders, or like those of all sources, until a signal or the time limit says stop.

    In seconds: a folder is synced ``debounce`` after its last event, ``max_wait`` after the first one at the latest,
    and every ``rescan`` without any; with ``poll``, every so many without regard to events.

    Raises UsageError for folders that overlap, HomeNotFound where the home goes away, and what is wrong with the call.
    """
    options = options or SyncOptions()
    if options.source is not None and len(paths) > 1:
        raise UsageError("--source names one source, so it takes one folder")
    folders = _distinct(paths)
    home = syncing.find_or_make_home(settings, reporter) if folders else find_home(settings)
    settings = settings.model_copy(update={"home": home})  # wherever this process is later on
    calm = _Calm(OutlivesTerminal(reporter))
    rhythm = Rhythm(debounce, max(max_wait, debounce), rescan, poll)
    with (
        stop_on_signals(calm, seconds=settings.seconds_left) as stop,
        closing(FolderEvents(home)) as events,
    ):
        watcher = _Watcher(home, settings, calm, stop, events, rhythm, options)
        named = [(path, options.source) for path in folders] or syncing.followed(home, options.source)
        watcher.follow(named, all_=not folders and options.source is None)
        watcher.run()
        return watcher.result()


class _Calm:
    """A reporter for a log that is read afterwards: a sync says in a line what it did, and how far it is if it takes
    long.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._began = float("inf")

    def begin(self) -> None:
        self._began = time.monotonic()

    def emit(self, event: Event) -> None:
        if not isinstance(event, ProgressEvent) or time.monotonic() - self._began >= _PATIENCE_SECONDS:
            self._reporter.emit(event)

    def close(self) -> None:
        self._reporter.close()


class _Watcher:
    def __init__(
        self,
        home: Path,
        settings: Settings,
        reporter: _Calm,
        stop: StopFlag,
        events: FolderEvents,
        rhythm: Rhythm,
        options: SyncOptions,
    ) -> None:
        self.home = home
        self.settings = settings
        self.reporter = reporter
        self.stop = stop
        self.events = events
        self.rhythm = rhythm
        self.options = options
        self.folders: dict[syncing.Target, WatchedFolder] = {}
        self._all = False
        self._state = identity(home)
        self._began = self._looked = time.monotonic()
        self._documents: Counter[str] = Counter()
        self._chunks: Counter[str] = Counter()
        self._at_rest = self._told = False

    def follow(self, targets: Sequence[syncing.Target], *, all_: bool) -> None:
        """``all_``: sources that come are taken up, and those that go are left."""
        self._all = all_
        for target in targets:
            self.folders[target] = WatchedFolder(*target, self.events, self.rhythm, self.reporter)
        for folder in self.folders.values():
            folder.look_after()

    def run(self) -> None:
        while not self.stop.reason:
            if time.monotonic() - self._looked >= _LOOK_SECONDS:
                self._look()
            due = [each for each in self.folders.values() if each.is_due(time.monotonic())]
            self._at_rest = not due and not any(each.is_moving for each in self.folders.values())
            for folder in due:
                if not self.stop.reason:
                    self._sync(folder)
            if not due:
                self._rest()

    def result(self) -> WatchResult:
        stopped = self.stop.reason
        if stopped == TIME_LIMIT and self._at_rest:
            stopped = None  # it only waited for more
        return WatchResult(
            status="stopped" if stopped else "completed",
            message=f"stopped by {stopped}; what was done is kept" if stopped else "the time limit is reached",
            folders=[folder.result() for folder in self.folders.values()],
            documents=DocumentCounts(**{name: self._documents[name] for name in DocumentCounts.model_fields}),
            chunks=ChunkCounts(**{name: self._chunks[name] for name in ChunkCounts.model_fields}),
            seconds=round(time.monotonic() - self._began, 3),
            stopped_by=stopped,
            reason=shapes.failed_words(self._documents["failed"]),
        )

    # ---- looking after the folders -----------------------------------------------------------------------------------

    def _look(self) -> None:
        self._looked = time.monotonic()
        self._require_home()
        if self._all:
            self._adopt()
        for folder in self.folders.values():
            folder.look_after()

    def _require_home(self) -> None:
        """A home that was moved or made anew must not leave its watcher behind, at a file that nobody sees."""
        if identity(self.home) != self._state:
            raise HomeNotFound(f"the home {self.home} has been moved or replaced", hint="start the watcher again")

    def _adopt(self) -> None:
        """Where all sources are watched: those that have come since, and not those that have gone."""
        try:
            targets = syncing.followed(self.home)
        except UsageError:  # the last one has gone
            targets = []
        for gone in self.folders.keys() - set(targets):
            self.folders.pop(gone).forget()
        for target in targets:
            if target not in self.folders:
                self.folders[target] = WatchedFolder(*target, self.events, self.rhythm, self.reporter)
                self._say(f"watching {self.folders[target].name} too")

    def _rest(self) -> None:
        if self._at_rest and not self._told:
            self._told = True
            self._say(f"watching {_names(list(self.folders.values()))}")
        time.sleep(_TICK_SECONDS)

    # ---- syncing -----------------------------------------------------------------------------------------------------

    def _sync(self, folder: WatchedFolder) -> None:
        still = folder.begin(time.monotonic())
        self.reporter.begin()
        try:
            result = syncing.sync(
                self.settings,
                self.reporter,
                [folder.path],
                source=folder.source,
                allow_mass_delete=self.options.allow_mass_delete,
                prune=self.options.prune,
                still=still,
                stop=self.stop,
                **({} if folder.synced else self.options.named()),
            )
        except DocmillError as error:
            if isinstance(error, StoppedError) and self.stop.reason:
                return
            self._require_home()
            if isinstance(error, _WRONG_CALL) and not folder.synced:
                raise
            folder.failed(error.code, error.message)
        else:
            self.settings = self.settings.model_copy(update={"take_over": False})  # once, not each time
            self._count(result)
            if folder.done(result):
                self._say(f"{folder.name}: {_summary(result)}")

    def _count(self, result: SyncResult) -> None:
        self._documents.update(result.documents.model_dump())
        self._chunks.update(result.chunks.model_dump())

    def _say(self, text: str) -> None:
        self.reporter.emit(MessageEvent("info", text))


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """The folders, absolute. Raises UsageError where one is named twice, or lies in another."""
    folders = [path.expanduser().absolute() for path in paths]
    for number, one in enumerate(folders):
        for other in folders[:number]:
            inner, outer = sorted((one.resolve(), other.resolve()), key=lambda each: len(each.parts), reverse=True)
            if inner == outer:
                raise UsageError(f"{one} is named twice")
            if inner.is_relative_to(outer):
                raise UsageError(f"{inner} lies in {outer}", hint="watch the outer folder; it holds both")
    return folders


def _names(folders: Sequence[WatchedFolder], most: int = 3) -> str:
    named = ", ".join(folder.name for folder in folders[:most])
    return f"{named} and {len(folders) - most} more" if len(folders) > most else named or "for a first source"


def _summary(result: SourceSync) -> str:
    """``2 new, 1 deleted; 14 chunks embedded, 3 reused, 0.9 s``."""
    counts = {name: getattr(result.scan, name) for name in ("new", "changed", "renamed", "deleted")}
    found = [f"{count} {name}" for name, count in counts.items() if count] or ["what was left to do"]
    if result.documents.failed:
        found.append(f"{result.documents.failed} failed")
    embedded = result.chunks.embedded
    chunks = [f"{embedded} chunk{'' if embedded == 1 else 's'} embedded"] if result.chunks.total else []
    if result.chunks.reused:
        chunks.append(f"{result.chunks.reused} reused")
    return f"{', '.join(found)}; {', '.join([*chunks, f'{result.seconds:.1f} s'])}"
