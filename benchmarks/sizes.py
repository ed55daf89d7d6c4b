"""A folder of so many documents: synced from nothing, without a change, and with files replaced."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import homes
from docmill import settings
from docmill.domain.events import SilentReporter
from docmill.domain.results import SyncResult
from docmill.service import syncing
from measuring import interleaved, progress
from walking import commit_all, git_status, walk

REPLACED_AT_MOST = 20_000
SHORT, SHORTS = 1_000, 3  # a sync of so few files takes seconds: so often in a round, as one of them tells little
LOOK_SECONDS = 0.25


@dataclass(slots=True)
class Watched:
    """A command that ended well, and its own process's memory: the most, and how it went (seconds, bytes)."""

    seconds: float
    peak_bytes: int
    curve: list[tuple[float, float]]
    result: dict[str, object]


@dataclass(slots=True)
class Size:
    """What was found at one number of documents. Seconds, bytes; the lists have a round each.

    cold: the first sync from nothing; seconds: of each round.
    """

    count: int
    cold: Watched
    replaced: int
    replacing: Watched
    seconds: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    walk: list[float] = field(default_factory=list)
    git: list[float] = field(default_factory=list)

    @property
    def peak_bytes(self) -> int:
        return max(self.cold.peak_bytes, self.replacing.peak_bytes)


def watched(command: list[str]) -> Watched:
    """Run a command and look at its own process's memory while it lives. The kernel keeps the most that there was."""
    curve: list[tuple[float, float]] = []
    peaks = [0]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            sizes = dict(re.findall(r"(VmHWM|VmRSS):\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text()))
            if sizes:
                peaks.append(int(sizes["VmHWM"]) * 1024)
                curve.append((time.perf_counter() - started, int(sizes["VmRSS"]) / 1024))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    assert process.stdout is not None
    output = process.stdout.read()
    ended.set()
    looking.join()
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Watched(time.perf_counter() - started, max(peaks), curve, json.loads(output))


def size_of(scratch: Path, count: int, rounds: int) -> Size:
    """A folder of so many files: synced from nothing, without a change, and with files replaced."""
    home, folder = scratch / f"home-{count}", scratch / f"files-{count}"
    progress(f"{count:,} documents: from nothing")
    shutil.rmtree(folder, ignore_errors=True)
    homes.write(folder, range(count))
    homes.make(home)
    command = homes.command(home, "sync", os.fspath(folder), "-q", "--json")
    cold = watched([*command, *homes.FIVE_CHUNKS])
    _require(cold, count, count * homes.SECTIONS)
    replaced = min(count, REPLACED_AT_MOST)
    size = Size(count, cold, replaced, cold)
    progress(f"{count:,} documents: no change")
    no_change(size, home, folder, rounds)
    progress(f"{count:,} documents: {replaced:,} replaced")
    homes.write(folder, range(replaced), state=1)
    size.replacing = watched(command)
    _require(size.replacing, replaced, replaced * homes.SECTIONS)
    return size


def from_nothing(scratch: Path, size: Size, known: list[float]) -> None:
    """Seconds of a round. ``known``: of syncs that were made in it."""
    while len(known) < (SHORTS if size.count <= SHORT else 1):
        known.append(again(scratch, size))
    size.seconds.append(median(known))


def again(scratch: Path, size: Size) -> float:
    """Seconds of a sync from nothing into one more home."""
    progress(f"{size.count:,} documents: from nothing again")
    home, folder = homes.another(scratch), scratch / f"files-{size.count}"
    ran = watched([*homes.command(home, "sync", os.fspath(folder), "-q", "--json"), *homes.FIVE_CHUNKS])
    _require(ran, size.count, size.count * homes.SECTIONS)
    return ran.seconds


def _require(ran: Watched, documents: int, embedded: int) -> None:
    done = ran.result["documents"]["completed"], ran.result["chunks"]["embedded"]  # type: ignore[index] # a sync's JSON
    if done != (documents, embedded):
        raise SystemExit(f"{documents} documents of {embedded} passages were to be done, and so many were: {done}")


def start_up(scratch: Path, known: list[float]) -> None:
    """Seconds of a first sync of one file, for one round more."""
    progress("start-up")
    folder = scratch / "files-one"
    homes.write(folder, range(1))

    def once() -> float:
        home = scratch / "home-one"
        homes.make(home)
        return homes.sync(home, folder, *homes.FIVE_CHUNKS).seconds

    known.append(median(once() for _ in range(SHORTS)))


def no_change(size: Size, home: Path, folder: Path, rounds: int) -> None:
    empty = home.parent / "files-single"
    homes.write(empty, range(1))
    _sync(home, empty)
    has_git = shutil.which("git") is not None
    if has_git:
        commit_all(folder)
        git_status(folder)
    time.sleep(0.1)  # files hashed within the clock's granularity are looked at once more
    _sync(home, folder)

    def unchanged() -> float:
        started = time.perf_counter()
        result = _sync(home, folder)
        seconds = time.perf_counter() - started
        if result.scan.unchanged != size.count or result.run_group_id is not None:
            raise SystemExit(f"a sync of {size.count} unchanged files found something to do: {result.scan}")
        return seconds

    calls = {
        "sync": unchanged,
        "empty": lambda: _timed(lambda: _sync(home, empty)),
        "walk": lambda: _timed(lambda: walk(folder)),
        **({"git": lambda: _timed(lambda: git_status(folder))} if has_git else {}),
    }
    found = interleaved(calls, rounds)
    base = median(found["empty"])
    size.unchanged = [each - base for each in found["sync"]]
    size.walk, size.git = found["walk"], found.get("git", [])


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _sync(home: Path, folder: Path) -> SyncResult:
    overrides = [each for each in homes.FIVE_CHUNKS if each != "--set"]
    return syncing.sync(settings.build(home=home), SilentReporter(), [folder], overrides=overrides)
