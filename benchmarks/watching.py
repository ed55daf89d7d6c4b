"""What a watcher takes: a storm of file events, after which the index must equal the folder, and one edit.

    python benchmarks/watching.py [--rate 10000] [--seconds 10] [--files 2000] [--edits 10] [--documents 300]

The storm: files of a folder are written, renamed and deleted, so many events a second as the kernel counts them (a file
that is written is three, a rename two, a deletion one), while ``docmill watch`` follows it with the embedder
``hashing``: this is about everything but the model. Once it is over, the index is read until each file's newest text
lies in it once and nothing else does. The edit: with the real model, the time from the moment a file is closed until
``search`` finds what was written. Exits 1 where the index does not become equal to the folder, or where the slowest
edit takes longer than ``--most-seconds``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from docmill import settings
from docmill.domain.results import WatchResult
from docmill.errors import DocmillError
from docmill.service import home, searching
from docmill.stores.reading import CHUNKS, Database

QUICK = ("--set", "embed.method=hashing", "--set", "embed.model=hashing-64")
WRITTEN, RENAMED, DELETED = 3, 2, 1  # events that the kernel tells of each
PER_FOLDER = 200
REST_SECONDS = 120.0


@contextmanager
def watching(root: Path, folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], list[WatchResult]]]:
    """A watcher at rest, and a list that holds its result once the block is left."""
    results: list[WatchResult] = []
    home.init(settings.build(home=root))
    words = [sys.executable, "-m", "docmill", "--home", os.fspath(root), "watch", os.fspath(folder), "--events"]
    with (
        (root.parent / f"{root.name}.events").open("wb") as log,
        subprocess.Popen([*words, *options], stdout=log) as process,
    ):
        try:
            while b'"watching ' not in Path(log.name).read_bytes():
                if process.poll() is not None:
                    raise SystemExit("the watcher has ended")
                time.sleep(0.05)
            yield process, results
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            last: dict[str, Any] = json.loads(Path(log.name).read_bytes().splitlines()[-1])
            results.append(WatchResult(**last))
        finally:
            process.kill()


# ---- the storm -------------------------------------------------------------------------------------------------------


def storm(folder: str, files: int, rate: int, seconds: float) -> tuple[int, int]:
    """Returns how many events and operations it made. Names come, change, move between folders, and go."""
    chance = random.Random(7)
    paths = [f"{folder}/part-{number // PER_FOLDER:03d}/note-{number:05d}.md" for number in range(files)]
    for path in paths:
        Path(path).parent.mkdir(exist_ok=True)
    there: set[str] = set()
    began, events, operations = time.monotonic(), 0, 0
    while (spent := time.monotonic() - began) < seconds:
        if events >= rate * spent:
            time.sleep(0.0005)
            continue
        operations += 1
        path, what = paths[int(chance.random() * files)], chance.random()
        if what < 0.1 and path in there:
            os.unlink(path)  # noqa: PTH108 - here and below, what is fastest: the storm must not be its own limit
            there.discard(path)
            events += DELETED
        elif what < 0.2 and path in there:
            other = paths[int(chance.random() * files)]
            os.replace(path, other)  # noqa: PTH105
            there.discard(path)
            there.add(other)
            events += RENAMED
        else:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.write(descriptor, b"# Note\n\nThe storm has written mark%dx here.\n" % operations)
            os.close(descriptor)
            there.add(path)
            events += WRITTEN
    return events, operations


def held(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text().split()[-2] for path in folder.rglob("*.md")}


def indexed(root: Path) -> dict[str, str] | None:
    """The mark of each passage by its URI; None where two passages lie there for one."""
    try:
        table = Database(root, "default").table(CHUNKS)
    except DocmillError:  # the first window is just being stored
        return {}
    rows = table.to_arrow().to_pylist() if table is not None else []
    found = {row["uri"]: row["text"].split()[-2] for row in rows}
    return found if len(found) == len(rows) else None


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def measure_storm(scratch: Path, files: int, rate: int, seconds: float) -> bool:
    folder, root = scratch / "storm", scratch / "storm-home"
    folder.mkdir()
    with watching(root, folder, *QUICK) as (process, results):
        before = peak_bytes(process.pid)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            events, operations = pool.apply(storm, (os.fspath(folder), files, rate, seconds))
        ended, wanted = time.monotonic(), held(folder)
        while (found := indexed(root)) != wanted and time.monotonic() - ended < REST_SECONDS:
            time.sleep(0.1)
        settled = time.monotonic() - ended
        peak = peak_bytes(process.pid)
    equal = found == wanted == held(folder)
    [watched] = results[0].folders
    print(f"storm: {events:,} events in {seconds:g} s ({events / seconds:,.0f} a second, {operations:,} operations)")
    print(
        f"  {len(wanted):,} files left; {watched.syncs} syncs, {results[0].documents.completed:,} documents processed"
    )
    print(f"  the index {'equals' if equal else 'DIFFERS FROM'} the folder {settled:.1f} s after the last event")
    print(f"  the watcher's memory: {before / 1e6:.0f} MB before, at most {peak / 1e6:.0f} MB")
    return equal


# ---- the edit --------------------------------------------------------------------------------------------------------


def write_note(path: Path, number: int, word: str) -> None:
    sentences = [
        f"Passage {line} of note {number} tells of a ferry, {line * 7} waves and a harbour." for line in range(30)
    ]
    path.write_text(f"# Note {number}\n\n" + "\n\n".join([*sentences, f"At last comes {word}."]) + "\n")


def seconds_until_found(root: Path, word: str) -> float:
    began = time.monotonic()
    while time.monotonic() - began < REST_SECONDS:
        hits = searching.search(settings.build(home=root), word, mode="fts", limit=5).hits
        if any(word in hit.text for hit in hits):
            return time.monotonic() - began
        time.sleep(0.01)
    raise SystemExit(f"{word} was not found within {REST_SECONDS:g} s")


def measure_edits(scratch: Path, documents: int, edits: int, most: float) -> bool:
    folder, root = scratch / "edit", scratch / "edit-home"
    folder.mkdir()
    for number in range(documents):
        write_note(folder / f"note-{number:04d}.md", number, "nothing")
    with watching(root, folder):
        seconds_until_found(root, "nothing")
        spent = []
        for number in range(edits):
            time.sleep(1.0)
            word = f"edit{number}x"
            write_note(folder / f"note-{number % documents:04d}.md", number, word)
            spent.append(seconds_until_found(root, word))
    print(f"one edit among {documents} documents until search finds it: median {median(spent):.2f} s,", end=" ")
    print(f"slowest {max(spent):.2f} s of {edits}")
    return max(spent) <= most


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=10_000, help="events a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--files", type=int, default=2000, help="names that the storm plays with")
    parser.add_argument("--edits", type=int, default=10)
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--most-seconds", type=float, default=3.0, help="that an edit may take")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; else a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        equal = measure_storm(Path(scratch), arguments.files, arguments.rate, arguments.seconds)
        quick = measure_edits(Path(scratch), arguments.documents, arguments.edits, arguments.most_seconds)
    return int(not (equal and quick))


if __name__ == "__main__":
    raise SystemExit(main())
