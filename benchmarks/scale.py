"""What docmill itself costs, beside the model, from a thousand to a hundred thousand documents.

    python benchmarks/scale.py [--quick] [--json FILE] [--folder DIR] [--files 1000,10000,100000] [--rounds N]

The embedder is ``hashing``, which stands in for a model where the model is not what is measured.

Overhead: 10,000 files of one short passage, synced from nothing, against a plain loop that reads, splits and hashes
them and writes them by one commit of LanceDB. Growth: files of five passages, synced from nothing, all sizes in each of
three rounds; the slope is that of the steepest step from one size to the next, each step's the median of the rounds.
Start-up, as syncs of one file in the same round show it, is taken off, so that it does not flatter the small sizes.
Memory: the most that the engine's own process had resident in these syncs, by the kernel's own count, and again when
files are replaced: all of them, but of 100,000 a fifth. No change: a sync that finds nothing to do, beyond one of a
single file, in one process, against a loop of scandir and stat over the same tree (the least that any tool must do),
and against ``git status`` there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import count as count_from
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import median

import homes
from docmill import settings
from docmill.domain.events import SilentReporter
from docmill.domain.results import SyncResult
from docmill.service import syncing
from measuring import MIB, Figure, Report, arguments, hand_in, interleaved, progress, ratio, run
from plots import line_chart
from walking import commit_all, git_status, walk

OVERHEAD_FILES, MOST_OVERHEAD_MS = 10_000, 1.0
MOST_UNCHANGED, MOST_SLOPE, MOST_MEMORY, MOST_MEMORY_GROWTH = 4.0, 1.05, 500 * MIB, 1.2
REPLACED_AT_MOST = 20_000
SHORT, SHORTS = 1_000, 3  # a sync of so few files takes seconds: so often in a round, as one of them tells little
LOOK_SECONDS = 0.25
PACKAGES = ("lancedb", "pyarrow", "sqlmodel")
NUMBERS = count_from(1)
PLAIN_LOOP = Path(__file__).with_name("plain_loop.py")


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


# ---- overhead --------------------------------------------------------------------------------------------------------


def overhead(scratch: Path, count: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of a first sync, and of the plain loop, round by round; start-up is in both."""
    progress(f"overhead: {count:,} files of one passage")
    folder = scratch / f"files-tiny-{count}"
    if not folder.is_dir():
        homes.write(folder, range(count), sections=1)

    def sync() -> float:
        # A new home each time, and none removed meanwhile: where thousands of files have just been deleted, ext4 takes
        # ten times as long to make new ones.
        home = scratch / f"home-tiny-{next(NUMBERS)}"
        homes.make(home)
        ran = homes.sync(home, folder, *homes.HASHING)
        if ran.json["documents"]["completed"] != count or ran.json["chunks"]["embedded"] != count:
            raise SystemExit(f"not each of {count} documents was done: {ran.stdout}")
        return ran.seconds

    def loop() -> float:
        with tempfile.TemporaryDirectory(dir=scratch) as database:
            return run([sys.executable, PLAIN_LOOP, folder, database]).seconds

    found = interleaved({"sync": sync, "loop": loop}, rounds)
    return found["sync"], found["loop"]


# ---- growth and memory -----------------------------------------------------------------------------------------------


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
    home, folder = scratch / f"home-again-{next(NUMBERS)}", scratch / f"files-{size.count}"
    homes.make(home)
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


def slopes(sizes: list[Size], starts: list[float]) -> dict[str, list[float]]:
    """Of log time over log size, from each size to the next, round by round."""
    return {
        f"{small.count:,} to {large.count:,}": [
            log(beyond(more, start) / beyond(less, start)) / log(large.count / small.count)
            for start, less, more in zip(starts, small.seconds, large.seconds, strict=True)
        ]
        for small, large in pairwise(sizes)
    }


def beyond(seconds: float, start: float) -> float:
    """Without start-up."""
    return max(seconds - start, 1e-9)


# ---- no change -------------------------------------------------------------------------------------------------------


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


# ---- the report ------------------------------------------------------------------------------------------------------


def figures(sizes: list[Size], starts: list[float], tiny: tuple[list[float], list[float]]) -> list[Figure]:
    large = sizes[-1]
    each, factor = median(tiny[0]) / OVERHEAD_FILES * 1e3, ratio(*tiny)
    quiet = ratio(large.unchanged, large.walk)
    micro = median(large.unchanged) / large.count * 1e6
    most = max(max(size.cold.peak_bytes, size.replacing.peak_bytes) for size in sizes)
    small = next((size for size in sizes if size.count >= OVERHEAD_FILES), sizes[0])
    before = max(small.cold.peak_bytes, small.replacing.peak_bytes)
    after = max(large.cold.peak_bytes, large.replacing.peak_bytes)
    steepness = max(median(each) for each in slopes(sizes, starts).values())
    span = f"{sizes[0].count:,} to {large.count:,} documents"
    tiny_files = f"engine overhead, {OVERHEAD_FILES:,} tiny files"
    return [
        Figure(
            tiny_files,
            "a plain loop that reads, splits, hashes and writes them in one LanceDB commit",
            each,
            f"{each:.2f} ms a document, {factor:.1f}× the loop",
            f"≤ {MOST_OVERHEAD_MS:g} ms a document",
            each <= MOST_OVERHEAD_MS,
        ),
        Figure(
            f"no-change `sync`, {large.count:,} files, beyond start-up",
            "scandir + stat loop",
            quiet,
            f"{quiet:.1f}× ({micro:.1f} µs a file)",
            f"≤ {MOST_UNCHANGED:g}×",
            quiet <= MOST_UNCHANGED,
        ),
        Figure(
            f"memory of the engine's process, {large.count:,} documents of {homes.SECTIONS} chunks",
            "",
            most / MIB,
            f"{most / MIB:.0f} MB at most",
            f"≤ {MOST_MEMORY // MIB} MB",
            most <= MOST_MEMORY,
        ),
        Figure(
            f"the same, over that at {small.count:,}",
            "",
            after / before,
            f"{after / before:.2f}×",
            f"flat: ≤ {MOST_MEMORY_GROWTH:g}×",
            after <= before * MOST_MEMORY_GROWTH if small is not large else None,
        ),
        Figure(
            f"growth from {span}",
            "",
            steepness,
            f"slope {steepness:.2f}",
            f"slope of log time over log size ≤ {MOST_SLOPE:g}",
            steepness <= MOST_SLOPE,
        ),
    ]


def page(sizes: list[Size], starts: list[float]) -> str:
    rows = [
        "| documents | from nothing | a document, beyond start-up | memory | replaced | a document | memory |"
        " no change | a file | ÷ scandir + stat | ÷ git status |",
        f"{'|---' * 11}|",
    ]
    start = median(starts)
    for size in sizes:
        each = beyond(median(size.seconds), start) / size.count * 1e3
        again = beyond(size.replacing.seconds, start) / size.replaced * 1e3
        quiet = median(size.unchanged)
        git = f"{ratio(size.unchanged, size.git):.1f}" if size.git else "—"
        cells = (
            f"{size.count:,}",
            f"{median(size.seconds):.1f} s",
            f"{each:.2f} ms",
            f"{size.cold.peak_bytes / MIB:.0f} MB",
            f"{size.replaced:,} in {size.replacing.seconds:.1f} s",
            f"{again:.2f} ms",
            f"{size.replacing.peak_bytes / MIB:.0f} MB",
            f"{quiet:.3f} s",
            f"{quiet / size.count * 1e6:.1f} µs",
            f"{ratio(size.unchanged, size.walk):.1f}",
            git,
        )
        rows.append(f"| {' | '.join(cells)} |")
    steps = "; ".join(
        f"from {name} {', '.join(f'{each:.2f}' for each in found)}" for name, found in slopes(sizes, starts).items()
    )
    return "\n".join(
        [
            *rows,
            "",
            f"Documents of {homes.SECTIONS} passages, embedder `hashing` in 384 dimensions. Start-up is a sync of one"
            f" file, {start:.1f} s. Memory is the most that the engine's process had resident; workers are not in it.",
            "",
            f"Slopes of the rounds: {steps}.",
            "",
        ]
    )


def measure(scratch: Path, counts: list[int], rounds: int, *, times: int) -> Report:
    """``times``: first syncs of each."""
    tiny = overhead(scratch, OVERHEAD_FILES, times)
    starts: list[float] = []
    start_up(scratch, starts)
    sizes = []
    for count in counts:
        sizes.append(size_of(scratch, count, rounds))
        from_nothing(scratch, sizes[-1], [sizes[-1].cold.seconds])
    for number in range(1, times):
        up: list[Callable[[], None]] = [partial(start_up, scratch, starts)]
        up += [partial(from_nothing, scratch, size, []) for size in sizes]
        for call in up[::-1] if number % 2 else up:
            call()
    start = median(starts)
    report = Report("Scale", "python benchmarks/scale.py", versions={name: version(name) for name in PACKAGES})
    report.figures = figures(sizes, starts, tiny)
    report.page = page(sizes, starts)
    milliseconds = [(float(each.count), beyond(median(each.seconds), start) / each.count * 1e3) for each in sizes]
    report.plots["growth"] = line_chart(
        "Time a document", "documents", "ms a document", {"from nothing": milliseconds}, log=True
    )
    curves = {f"{size.count:,} from nothing": _shares(size.cold) for size in sizes}
    curves |= {f"{size.replaced:,} of {size.count:,} replaced": _shares(size.replacing) for size in sizes[-1:]}
    report.plots["memory"] = line_chart("Memory of the engine's process", "% of the run", "MB", curves)
    return report


def _shares(ran: Watched) -> list[tuple[float, float]]:
    return [(100 * at / ran.seconds, megabytes) for at, megabytes in ran.curve]


def main() -> int:
    parser = arguments(__doc__)
    homes.add_folder(parser)
    parser.add_argument("--files", help="sizes, by commas; else 1000,10000,100000, with --quick the first two")
    parser.add_argument("--rounds", type=int, help="of the syncs without a change; else 7, with --quick 3")
    options = parser.parse_args()
    counts = [int(each) for each in (options.files or "1000,10000,100000").split(",")]
    counts = counts[:2] if options.quick and not options.files else counts
    rounds = options.rounds or (3 if options.quick else 7)
    with homes.scratch_of(options.folder) as scratch:
        report = measure(scratch, counts, rounds, times=1 if options.quick else 3)
    return hand_in(report, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
