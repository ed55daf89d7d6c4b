"""The watcher: what it notices, what it waits for, what it puts up with, and what ends it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import DirDeletedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent
from watchdog.observers.inotify_c import InotifyFD

from conftest import Mill, Working, children_of, is_alive, wait_for
from docmill.cli import output
from docmill.domain.events import MessageEvent
from docmill.domain.results import WatchResult
from docmill.engine.lock import holder
from docmill.engine.stopping import TIME_LIMIT, StopFlag
from docmill.errors import (
    DefinitionError,
    EngineBusy,
    HomeNotFound,
    NotFoundError,
    StorageError,
    UsageError,
)
from docmill.service import engines, looking, resuming, stopping, syncing, watched_folder, watching
from docmill.service.watching import SyncOptions
from docmill.sources import inotify
from docmill.sources.events import EventsUnavailable, FolderEvents, Unrest
from docmill.sources.observing import Hearer, Observed

WATCHER = watching._Watcher


class Watch:
    """A watcher in a thread, which hears no signals: ``stop`` sets the flag that they would set."""

    def __init__(self, mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mill = mill
        self.flag = StopFlag()
        self.work: Working | None = None
        self.watcher: watching._Watcher | None = None
        monkeypatch.setattr(watching, "_Watcher", self._make)
        monkeypatch.setattr(watching, "stop_on_signals", self._hear)
        monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.1)

    @contextlib.contextmanager
    def _hear(self, *_args: Any, **_more: Any) -> Iterator[StopFlag]:
        yield self.flag

    def _make(self, *args: Any) -> watching._Watcher:
        self.watcher = WATCHER(*args)
        return self.watcher

    def start(self, *folders: Path, bare: bool = False, **rhythm: Any) -> Watch:
        options = rhythm.pop("options", None) or SyncOptions(overrides=None if bare else list(self.mill.overrides))
        named = [] if bare else [*folders] or [self.mill.folder]
        call = {"debounce": 0.1, **rhythm}
        self.work = Working(lambda: watching.watch(self.mill.settings, self.mill.reporter, named, options, **call))
        return self

    def at_rest(self) -> Watch:
        wait_for(lambda: any(text.startswith("watching ") for text in self.said()))
        return self

    def stop(self, reason: str = "SIGTERM") -> WatchResult:
        """Once what was found is reported too; or at once, where it is being stopped already."""
        assert self.work is not None and self.watcher is not None
        watcher = self.watcher
        wait_for(lambda: watcher._at_rest or self.flag.reason)
        self.flag.reason = self.flag.reason or reason
        result: WatchResult = self.work.result()
        return result

    def said(self, level: str = "info") -> list[str]:
        told = [event for event in self.mill.reporter.events if isinstance(event, MessageEvent)]
        return [event.message for event in told if event.level == level]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it matters only what is noticed, nothing is parsed: documents become known, and wait."""
    monkeypatch.setattr(engines, "work_until_done", lambda *_args: None)


@pytest.fixture
def watch(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch(mill, monkeypatch)
    yield watch
    watch.flag.reason = "the test's end"
    if watch.work is not None:
        watch.work.join(30)


def noticed(mill: Mill) -> set[str]:
    return {uri for (uri,) in mill.state("SELECT uri FROM document WHERE state = 'active'")}


def uris(mill: Mill) -> set[str]:
    return set(mill.texts())


def found(mill: Mill, query: str) -> list[str]:
    """As ``Mill.found``; nothing where nothing has been stored yet, or the first window is just being stored."""
    try:
        return mill.found(query)
    except (NotFoundError, StorageError):
        return []


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event is heard."""
    monkeypatch.setattr(inotify.Tree, "on_event", lambda _tree, _event: None)


# ---- what it notices -------------------------------------------------------------------------------------------------


def test_what_changes_is_searchable(watch: Watch) -> None:
    mill = watch.mill
    mill.write("first.md", "# First\n\nA walnut.\n")
    watch.start().at_rest()
    assert found(mill, "walnut") == ["first.md"]
    assert holder(mill.home) is None, "a watcher at rest holds the engine's lock"
    mill.write("below/second.md", "# Second\n\nA hazel.\n")
    wait_for(lambda: found(mill, "hazel"))
    mill.write("first.md", "# First\n\nA chestnut.\n")
    wait_for(lambda: found(mill, "chestnut"))
    assert found(mill, "walnut") == []
    (mill.folder / "below").rename(mill.folder / "beside")
    wait_for(lambda: found(mill, "hazel") == ["beside/second.md"])
    mill.write("beside/third.md", "# Third\n\nAn acorn.\n")  # a folder that has moved is followed still
    wait_for(lambda: found(mill, "acorn"))
    (mill.folder / "first.md").unlink()
    wait_for(lambda: any(text.startswith("docs: 1 deleted; ") for text in watch.said()))
    assert uris(mill) == {"beside/second.md", "beside/third.md"}
    result = watch.stop()
    [folder] = result.folders
    assert (folder.new, folder.changed, folder.renamed, folder.deleted) == (3, 1, 1, 1)
    assert (folder.source, folder.polled, result.documents.failed) == ("docs", False, 0)
    assert (result.status, result.stopped_by, output.exit_code(result)) == ("stopped", "SIGTERM", 0)
    assert any(text.startswith("docs: 1 changed; 1 chunk embedded, ") for text in watch.said())


def test_several_folders_and_what_is_wrong_with_a_file_is_told_once(watch: Watch) -> None:
    mill, other = watch.mill, watch.mill.root / "other"
    other.mkdir()
    watch.start(mill.folder, other).at_rest()
    mill.write("here.md", "# Here\n\nA walnut.\n")
    (other / "there.md").write_text("# There\n\nA walnut.\n")
    (other / "broken.pdf").write_text("this is no PDF")
    wait_for(lambda: found(mill, "walnut") == ["here.md", "there.md"])
    wait_for(lambda: watch.said("warning"))
    (other / "more.md").write_text("# More\n\nA hazel.\n")
    wait_for(lambda: watch.said()[-1].startswith("other: 1 new; 1 chunk embedded, "))
    assert found(mill, "hazel") == ["more.md"]
    result = watch.stop()
    assert [text.split(": ")[:3] for text in watch.said("warning")] == [["other", "broken.pdf", "CORRUPTED_FILE"]]
    assert (result.documents.completed, result.documents.failed) == (3, 1)


def test_all_sources_and_those_that_come(watch: Watch) -> None:
    mill, other = watch.mill, watch.mill.root / "other"
    mill.write("first.md", "# First\n\nA walnut.\n")
    mill.sync()
    watch.start(bare=True).at_rest()
    mill.write("second.md", "# Second\n\nA hazel.\n")
    wait_for(lambda: found(mill, "hazel"))
    other.mkdir()
    (other / "there.md").write_text("# There\n\nAn acorn.\n")
    mill.sync(other)
    wait_for(lambda: "watching other too" in watch.said())
    (other / "there.md").write_text("# There\n\nA chestnut.\n")
    wait_for(lambda: found(mill, "chestnut"))
    assert [folder.source for folder in watch.stop().folders] == ["docs", "other"]


def test_a_file_that_is_written_slowly_comes_in_whole(watch: Watch) -> None:
    mill = watch.mill
    mill.write("other.md", "# Other\n\nAn acorn.\n")
    watch.start(debounce=0.6, max_wait=0.6).at_rest()
    with (mill.folder / "slow.md").open("w") as stream:
        for number in range(30):  # it is looked at more than once meanwhile
            stream.write(f"Piece {number} of a walnut.\n\n")
            stream.flush()
            time.sleep(0.05)
    wait_for(lambda: found(mill, "walnut"))
    assert mill.state("SELECT version FROM document WHERE uri = 'slow.md'") == [(1,)]
    assert "Piece 29" in mill.texts()["slow.md"][-1]
    watch.stop()
    assert watch.said("warning") == []


def test_a_file_that_moves_is_left_and_what_it_was_called_before_is_no_deletion(mill: Mill) -> None:
    mill.write("other.md", "# Other\n\nAn acorn.\n")
    old = mill.write("old.md", "# Old\n\nA walnut.\n")
    mill.sync()
    [(document,)] = mill.state("SELECT id FROM document WHERE uri = 'old.md'")
    old.rename(mill.folder / "new.md")
    mill.write("other.md", "# Other\n\nA chestnut.\n")
    left = mill.sync(still=600.0)
    assert (left.scan.deleted, left.scan.unchanged, left.run_group_id) == (0, 2, None)
    assert {each.error_code for each in left.errors} == {"FILE_CHANGED"}
    assert uris(mill) == {"old.md", "other.md"}
    done = mill.sync()
    assert (done.scan.renamed, done.scan.changed, done.scan.deleted) == (1, 1, 0)
    assert mill.state("SELECT id FROM document WHERE uri = 'new.md'") == [(document,)]


def test_times_to_come_do_not_keep_a_file_out(mill: Mill) -> None:
    path = mill.write("future.md", "# Future\n\nA walnut.\n")
    os.utime(path, (time.time() + 86_400,) * 2)
    time.sleep(0.05)
    assert mill.sync(still=0.02).documents.completed == 1


# ---- events that do not come -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_engine")
def test_polling_needs_no_events(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderEvents, "follow", lambda *_args: pytest.fail("events were asked for"))
    mill = watch.mill
    watch.start(poll=0.1).at_rest()
    mill.write("first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: "first.md" in noticed(mill))
    assert watch.stop().folders[0].polled


@pytest.mark.usefixtures("no_engine")
def test_where_there_are_no_events_it_polls_and_says_so_once(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(*_args: object) -> None:
        raise EventsUnavailable("inotify watch limit reached")

    monkeypatch.setattr(FolderEvents, "follow", follow)
    monkeypatch.setattr(watched_folder, "FALLBACK_POLL_SECONDS", 0.1)
    mill = watch.mill
    watch.start(rescan=0.5).at_rest()
    mill.write("first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: "first.md" in noticed(mill))
    mill.folder.rename(mill.root / "away")
    wait_for(lambda: any("there is no folder" in text for text in watch.said("warning")))
    (mill.root / "away").rename(mill.folder)
    mill.write("second.md", "# Second\n\nA hazel.\n")
    wait_for(lambda: "second.md" in noticed(mill))
    assert watch.stop().folders[0].polled
    assert watch.said("warning")[0] == "docs: no events (inotify watch limit reached); looking every 0.1 s instead"
    assert len(watch.said("warning")) == 2


@pytest.mark.usefixtures("no_engine")
def test_no_watch_left_for_a_new_folder_is_noticed(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_folder, "FALLBACK_POLL_SECONDS", 0.1)
    full, add_callback = ["full"], InotifyFD.add_callback

    def room(*args: Any) -> Any:
        if full:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        return add_callback(*args)

    mill = watch.mill
    watch.start(rescan=0.5).at_rest()
    monkeypatch.setattr(InotifyFD, "add_callback", room)
    mill.write("below/first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: any("watch limit" in text for text in watch.said("warning")))
    full.clear()
    wait_for(lambda: "docs: events come again; no longer polled" in watch.said())
    assert not watch.stop().folders[0].polled
    assert len(watch.said("warning")) == 1


def test_a_shared_disk_is_polled(watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("1 1 0:1 / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(watched_folder, "MOUNTINFO", mountinfo)
    watch.start().at_rest()
    assert watch.stop().folders[0].polled
    assert "nfs4" in watch.said("warning")[0]


@pytest.mark.usefixtures("no_engine")
def test_the_kernel_s_queue_may_run_over(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event of the storm is heard in time, and the last ones not at all."""
    mill, most = watch.mill, int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    hold = StopFlag(reason="hold")
    read = InotifyFD.read_events

    def read_slowly(descriptor: Any, **more: Any) -> Any:
        while hold.reason:
            time.sleep(0.01)
        return read(descriptor, **more)

    watch.start().at_rest()
    monkeypatch.setattr(InotifyFD, "read_events", read_slowly)
    mill.write("begun.md", "# Begun\n\nAn acorn.\n")
    storm = mill.folder / "storm.tmp"
    for _ in range(most):
        storm.touch()
        storm.unlink()
    mill.write("last/deep.md", "# Last\n\nA walnut.\n")
    hold.reason = None
    wait_for(lambda: "last/deep.md" in noticed(mill))
    mill.write("last/later.md", "# Later\n\nA hazel.\n")  # of its folder no event had come
    wait_for(lambda: "last/later.md" in noticed(mill))
    watch.stop()


@pytest.mark.usefixtures("no_engine")
def test_a_rescan_finds_what_no_event_told_of(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf(monkeypatch)
    watch.start(rescan=0.3).at_rest()
    watch.mill.write("first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: "first.md" in noticed(watch.mill))
    assert not watch.stop().folders[0].polled


def test_unrest_is_due_when_it_is_over_or_has_lasted_long() -> None:
    unrest = Unrest()
    assert unrest.due_at(0.3, 2.0) is None
    for tenth in range(100):
        unrest.mark(10 + tenth / 10)
    assert unrest.due_at(0.3, 2.0) == 12.0
    assert unrest.due_at(0.3, 60.0) == pytest.approx(20.2)
    unrest.take()
    assert unrest.due_at(0.3, 2.0) is None
    unrest.mark(30)
    assert unrest.due_at(0.3, 2.0) == 30.3
    unrest.demand()
    assert unrest.due_at(0.3, 2.0) == float("-inf")


def test_what_no_scan_sees_is_not_heard_of_by_an_observer() -> None:
    heard: list[int] = []
    hearer = Hearer("/docs", "/docs/.docmill", lambda: heard.append(1))

    def hears(event: Any) -> bool:
        heard.clear()
        hearer.dispatch(event)
        return bool(heard)

    nothing = [".docmill/state.db", ".git/index", "a/.hidden/b.md", "a/.x.swp", "a/b.pdf.part", ".docmill"]
    assert not any(hears(FileCreatedEvent(f"/docs/{uri}")) for uri in nothing)
    assert not hears(FileMovedEvent("/docs/.a", "/docs/.b"))
    for uri in ("a.md", "a/b.md", ".docmillignore", "a/.docmillignore", "a..b/c.md"):
        assert hears(FileModifiedEvent(f"/docs/{uri}")), uri
    assert hears(FileMovedEvent("/docs/.a.md.tmp", "/docs/a.md"))
    assert hears(FileMovedEvent("/docs/a.md", "/docs/.trash/a.md"))
    assert hears(DirDeletedEvent("/docs/a.tmp"))
    assert hears(DirDeletedEvent("/docs"))


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[tuple[Path, list[float]]]:
    """A folder whose events are heard, with a home in it, and when each was heard."""
    root, heard = tmp_path / "root", []
    (root / "home").mkdir(parents=True)
    followed = FolderEvents(root / "home")
    unrest = Unrest()
    unrest.mark = heard.append  # type: ignore[method-assign] # each of them, instead of the first and the last
    followed.follow(root, unrest)
    yield root, heard
    assert followed.is_followed(unrest)
    followed.close()


def test_what_no_scan_sees_is_not_heard_of(tree: tuple[Path, list[float]]) -> None:
    root, heard = tree
    for uri in ("home/log", ".git/index", "draft.pdf.part", ".x.swp", "home/lancedb/x/data.lance"):
        (root / uri).parent.mkdir(parents=True, exist_ok=True)
        (root / uri).write_text("noise")
    (root / ".git" / "objects").mkdir()
    (root / ".docmillignore").write_text("drafts/\n")
    wait_for(lambda: heard)
    assert len(heard) <= 3, "created, written, closed"


def test_folders_behind_links_are_heard_of(tree: tuple[Path, list[float]], tmp_path: Path) -> None:
    root, heard = tree
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    for name in ("circle", "another"):
        (outside / "deep" / name).symlink_to(outside)
    (root / "below").mkdir()
    (root / "below" / "link").symlink_to(outside)
    (root / "below").rename(root / "beside")  # folders that come are read through
    wait_for(lambda: len(heard) >= 3)
    heard.clear()
    (outside / "deep" / "first.md").write_text("A walnut.")
    wait_for(lambda: heard)


def test_a_folder_that_was_moved_away_is_not_heard_of(tree: tuple[Path, list[float]], tmp_path: Path) -> None:
    root, heard = tree
    (root / "below" / "deep").mkdir(parents=True)
    wait_for(lambda: heard)
    (root / "below").rename(tmp_path / "away")
    (root / "last.md").touch()
    wait_for(lambda: heard and time.monotonic() - heard[-1] > 0.2)
    heard.clear()
    (tmp_path / "away" / "deep" / "first.md").touch()
    (root / "next.md").touch()
    wait_for(lambda: heard)
    assert len(heard) <= 3, "created, its times set, closed"


def test_folders_that_come_go_and_move_in_quick_succession_are_heard_of(tree: tuple[Path, list[float]]) -> None:
    root, heard = tree
    chance = random.Random(3)

    def some() -> Path:
        return root.joinpath(*(f"d{chance.randrange(5)}" for _ in range(chance.randint(1, 3))))

    for _ in range(3000):
        what = chance.random()
        with contextlib.suppress(OSError):
            if what < 0.5:
                some().mkdir(parents=True, exist_ok=True)
            elif what < 0.8:
                some().rename(some())
            else:
                shutil.rmtree(some())
    (root / "last.md").write_text("x")
    wait_for(lambda: heard and time.monotonic() - heard[-1] > 0.2)
    for folder in [each for each in root.rglob("d*") if each.is_dir()]:
        heard.clear()
        (folder / "first.md").touch()
        wait_for(lambda: heard)


def test_an_observer_hears_too(tmp_path: Path) -> None:
    heard: list[int] = []
    root = tmp_path / "root"
    root.mkdir()
    observed = Observed(str(root), str(tmp_path / "home"), lambda: heard.append(1))
    (root / "first.md").write_text("A walnut.")
    wait_for(lambda: heard)
    assert observed.alive
    observed.stop()
    assert not observed.alive


def test_a_reader_that_died_is_replaced(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InotifyFD, "is_alive", lambda _reader: not dead)
    dead: list[int] = []
    watch.start().at_rest()
    assert watch.watcher is not None
    before = watch.watcher.events._reader
    dead.append(1)
    wait_for(lambda: watch.watcher is not None and watch.watcher.events._reader is not before)
    dead.clear()
    before.stop()  # type: ignore[union-attr] # a watcher of events has one
    watch.mill.write("first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: found(watch.mill, "walnut"))
    watch.stop()


def test_a_home_in_the_folder_makes_no_loop(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = watch.mill
    monkeypatch.setattr(type(mill), "folder", property(lambda mill: mill.root))  # and the home in it is not even hidden
    watch.start().at_rest()
    mill.write("first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: found(mill, "walnut"))
    wait_for(lambda: holder(mill.home) is None)
    mill.write("home/logs/noise.log", "A line.")
    time.sleep(1.0)
    [folder] = watch.stop().folders
    assert folder.new == 1
    assert folder.syncs <= 3, "what docmill writes makes it look again"


# ---- what it puts up with --------------------------------------------------------------------------------------------


def test_a_folder_that_goes_and_comes_back_keeps_its_documents(watch: Watch) -> None:
    mill, away = watch.mill, watch.mill.root / "away"
    mill.write("first.md", "# First\n\nA walnut.\n")
    watch.start().at_rest()
    mill.folder.rename(away)
    wait_for(lambda: watch.said("warning"))
    assert found(mill, "walnut") == ["first.md"]
    (away / "second.md").write_text("# Second\n\nA hazel.\n")
    away.rename(mill.folder)
    wait_for(lambda: found(mill, "hazel"))
    mill.write("third.md", "# Third\n\nAn acorn.\n")
    wait_for(lambda: found(mill, "acorn"))
    [folder] = watch.stop().folders
    assert (folder.new, folder.deleted) == (3, 0)
    assert watch.said("warning") == [
        f"docs: there is no folder {mill.folder}; its documents stay, and it is waited for"
    ]
    assert f"{mill.folder} is back" in watch.said()


@pytest.mark.usefixtures("no_engine")
def test_another_folder_in_its_place_is_followed(watch: Watch) -> None:
    mill = watch.mill
    watch.start().at_rest()
    mill.folder.rmdir()
    mill.folder.mkdir()
    time.sleep(0.3)
    mill.write("first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: "first.md" in noticed(mill))
    watch.stop()


@pytest.mark.usefixtures("no_engine")
def test_a_folder_that_is_not_there_yet_is_waited_for(watch: Watch) -> None:
    mill, late = watch.mill, watch.mill.root / "late"
    watch.start(late, mill.folder).at_rest()
    mill.write("here.md", "# Here\n\nA walnut.\n")
    wait_for(lambda: "here.md" in noticed(mill))
    late.mkdir()
    (late / "there.md").write_text("# There\n\nA hazel.\n")
    wait_for(lambda: "there.md" in noticed(mill))
    assert len(watch.said("warning")) == 1
    watch.stop()


@pytest.mark.usefixtures("no_engine")
def test_a_link_to_a_folder_is_followed_to_where_it_leads(watch: Watch) -> None:
    mill = watch.mill
    link = mill.root / "link"
    link.symlink_to(mill.folder)
    watch.start(link).at_rest()
    mill.write("first.md", "# First\n\nA walnut.\n")
    wait_for(lambda: "first.md" in noticed(mill))
    watch.stop()


@pytest.mark.usefixtures("no_engine")
def test_an_emptied_folder_is_refused_told_once_and_tried_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_folder, "MOST_PAUSE_SECONDS", 0.1)
    mill = watch.mill
    path = mill.write("first.md", "# First\n\nA walnut.\n")
    watch.start().at_rest()
    text = path.read_text()
    path.unlink()
    wait_for(lambda: watch.said("warning"))
    time.sleep(0.5)
    assert "first.md" in noticed(mill)
    path.write_text(text)
    wait_for(lambda: "docs: going on" in watch.said())
    assert len(watch.said("warning")) == 1
    assert watch.stop().folders[0].deleted == 0


@pytest.mark.usefixtures("no_engine")
def test_each_new_reason_is_told_once_and_none_ends_it(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_folder, "MOST_PAUSE_SECONDS", 0.05)
    mill = watch.mill
    full = StorageError("the disk is full")
    raised = [EngineBusy("busy"), full, full, StorageError("the disk is failing")]
    sync = syncing.sync

    def refuse(*args: Any, **more: Any) -> Any:
        if raised:
            raise raised.pop(0)
        return sync(*args, **more)

    monkeypatch.setattr(syncing, "sync", refuse)
    mill.write("first.md", "# First\n\nA walnut.\n")
    watch.start()
    wait_for(lambda: "first.md" in noticed(mill))
    watch.stop()
    assert [text.split("; ")[0] for text in watch.said("warning")] == [
        "docs: busy",
        "docs: the disk is full",
        "docs: the disk is failing",
    ]


def test_a_paused_batch_waits_until_it_is_resumed(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.1")
    monkeypatch.setattr(watched_folder, "MOST_PAUSE_SECONDS", 0.2)
    mill.overrides = (*mill.overrides, "embed.batch_tokens=64", "store.window_documents=2")
    mill.write_many(12, "Walnut")
    watch = Watch(mill, monkeypatch).start()
    wait_for(lambda: len(mill.noted("embed")) >= 2)
    stopping.pause(mill.settings, "docs")
    wait_for(lambda: any("is paused" in text for text in watch.said("warning")))
    resuming.resume(mill.settings, mill.reporter, "docs")
    mill.write("late.md", "# Late\n\nA hazel.\n")
    wait_for(lambda: found(mill, "hazel"))
    watch.stop()
    assert len(uris(mill)) == 13


# ---- what ends it ----------------------------------------------------------------------------------------------------


def test_folders_that_overlap_are_refused(mill: Mill) -> None:
    inner = mill.folder / "inner"
    inner.mkdir()
    link = mill.root / "link"
    link.symlink_to(mill.folder)
    for folders, said in (
        ([mill.folder, mill.folder], "is named twice"),
        ([mill.folder, link], "is named twice"),
        ([inner, mill.folder], "lies in"),
        ([mill.folder, inner], "lies in"),
    ):
        with pytest.raises(UsageError, match=said):
            watching.watch(mill.settings, mill.reporter, folders)
    with pytest.raises(UsageError, match="takes one folder"):
        watching.watch(mill.settings, mill.reporter, [mill.folder, mill.root / "b"], SyncOptions(source="one"))
    with pytest.raises(UsageError, match="no source yet"):
        watching.watch(mill.settings, mill.reporter, [])


def test_a_wrong_call_ends_it_at_once(watch: Watch) -> None:
    watch.start(options=SyncOptions(overrides=["chunk.size=many"]))
    with pytest.raises(DefinitionError):
        assert watch.work is not None
        watch.work.result()


def test_a_home_that_is_replaced_ends_it(watch: Watch) -> None:
    watch.start().at_rest()
    watch.mill.home.rename(watch.mill.root / "elsewhere")
    with pytest.raises(HomeNotFound, match="moved or replaced"):
        assert watch.work is not None
        watch.work.result()


def test_the_time_limit_of_one_that_only_waited_is_a_clean_end(watch: Watch) -> None:
    watch.start().at_rest()
    result = watch.stop(TIME_LIMIT)
    assert (result.status, result.stopped_by, output.exit_code(result)) == ("completed", None, 0)


def command(mill: Mill, *options: str) -> subprocess.Popen[str]:
    sets = [word for each in mill.overrides for word in ("--set", each)]
    words = ["--home", str(mill.home), "watch", str(mill.folder), "--events", *sets, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "docmill", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def drained(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """Its result; nothing of it is left."""
    family = children_of(process.pid)
    out, err = process.communicate(timeout=30)
    wait_for(lambda: not any(map(is_alive, family)))
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result, err


def test_a_signal_in_the_middle_of_a_sync_drains(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.1")
    mill.overrides = (*mill.overrides, "embed.batch_tokens=64", "store.window_documents=4")
    mill.write_many(20, "Walnut")
    process = command(mill)
    try:
        wait_for(lambda: len(mill.noted("embed")) >= 2)
        os.environ.pop("DOCMILL_TRAPS_EMBED_S")  # the monkeypatch puts it back
        process.send_signal(signal.SIGTERM)
        result, err = drained(process)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert (result["status"], result["stopped_by"]) == ("stopped", "SIGTERM")
    assert 0 < len(mill.noted("embed")) < 20, "it did not stop"
    mill.sync()
    assert len(uris(mill)) == 20
    assert len(mill.noted("embed")) == len(set(mill.noted("embed"))), "a text was embedded twice"


def test_a_signal_while_files_are_read_is_heard(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = watch.mill
    mill.write_many(3)
    hash_file: Callable[..., Any] = looking.folders.hash_file

    def stopping_hash(file: Any) -> Any:
        watch.flag.reason = "SIGTERM"
        return hash_file(file)

    monkeypatch.setattr(looking.folders, "hash_file", stopping_hash)
    watch.start()
    wait_for(lambda: watch.flag.reason)
    assert watch.stop().stopped_by == "SIGTERM"
    assert mill.state("SELECT * FROM document") == []


def test_at_rest_a_signal_ends_the_command_and_nothing_heavy_was_loaded(mill: Mill) -> None:
    mill.write("first.md", "# First\n\nA walnut.\n")
    mill.sync()
    process = command(mill)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["type"], said["message"]) == ("message", "watching docs")
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        process.send_signal(signal.SIGTERM)
        result, err = drained(process)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    assert result["message"] == "stopped by SIGTERM; what was done is kept"
    assert "lancedb" not in mapped
