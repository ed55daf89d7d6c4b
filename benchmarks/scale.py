"""What docmill itself costs, beside the model, from a thousand to a hundred thousand documents.

    python benchmarks/scale.py [--quick | --full] [--json FILE] [--folder DIR] [--files 1000,10000,100000] [--rounds N]

The embedder is ``hashing``, which stands in for a model where the model is not what is measured.

Overhead: 10,000 files of one short passage, synced from nothing, against a plain loop that reads, splits and hashes
them and writes them by one commit of LanceDB. Growth: files of five passages, synced from nothing, all sizes in each of
two rounds, with --full three; the slope is that of the steepest step from one size to the next, each step's the median
of the rounds. Start-up, as syncs of one file in the same round show it, is taken off, so that it does not flatter the
small sizes. Memory: the most that the engine's own process had resident in these syncs, by the kernel's own count, and
again when files are replaced: all of them, but of 100,000 a fifth. No change: a sync that finds nothing to do, beyond
one of a single file, in one process, against a loop of scandir and stat over the same tree (the least that any tool
must do), and against ``git status`` there.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import median

import homes
from measuring import MIB, Figure, Report, arguments, hand_in, interleaved, progress, ratio, run
from plots import line_chart
from sizes import SHORTS, Size, Watched, from_nothing, size_of, start_up

OVERHEAD_FILES, MOST_OVERHEAD_MS = 10_000, 1.0
MOST_UNCHANGED, MOST_SLOPE, MOST_MEMORY, MOST_MEMORY_GROWTH = 4.0, 1.05, 500 * MIB, 1.2
PACKAGES = ("lancedb", "pyarrow", "sqlmodel")
PLAIN_LOOP = Path(__file__).with_name("plain_loop.py")


# ---- overhead --------------------------------------------------------------------------------------------------------


def overhead(scratch: Path, count: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of a first sync, and of the plain loop, round by round; start-up is in both."""
    progress(f"overhead: {count:,} files of one passage")
    folder = scratch / f"files-tiny-{count}"
    if not folder.is_dir():
        homes.write(folder, range(count), sections=1)

    def sync() -> float:
        ran = homes.sync(homes.another(scratch), folder, *homes.HASHING)
        if ran.json["documents"]["completed"] != count or ran.json["chunks"]["embedded"] != count:
            raise SystemExit(f"not each of {count} documents was done: {ran.stdout}")
        return ran.seconds

    def loop() -> float:
        with tempfile.TemporaryDirectory(dir=scratch) as database:
            return run([sys.executable, PLAIN_LOOP, folder, database]).seconds

    found = interleaved({"sync": sync, "loop": loop}, rounds)
    return found["sync"], found["loop"]


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


# ---- the report ------------------------------------------------------------------------------------------------------


def figures(sizes: list[Size], starts: list[float], tiny: tuple[list[float], list[float]]) -> list[Figure]:
    large = sizes[-1]
    each, factor = median(tiny[0]) / OVERHEAD_FILES * 1e3, ratio(*tiny)
    quiet = ratio(large.unchanged, large.walk)
    micro = median(large.unchanged) / large.count * 1e6
    most = max(size.peak_bytes for size in sizes)
    small = next((size for size in sizes if size.count >= OVERHEAD_FILES), sizes[0])
    flat = large.peak_bytes / small.peak_bytes
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
            flat,
            f"{flat:.2f}×",
            f"flat: ≤ {MOST_MEMORY_GROWTH:g}×",
            flat <= MOST_MEMORY_GROWTH if small is not large else None,
        ),
        *growth(sizes, starts),
    ]


def growth(sizes: list[Size], starts: list[float]) -> list[Figure]:
    """None where there is one size."""
    steps = slopes(sizes, starts).values()
    if not steps:
        return []
    steepest = max(map(median, steps))
    what = f"growth from {sizes[0].count:,} to {sizes[-1].count:,} documents"
    goal = f"slope of log time over log size ≤ {MOST_SLOPE:g}"
    return [Figure(what, "", steepest, f"slope {steepest:.2f}", goal, steepest <= MOST_SLOPE)]


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
            *([f"Slopes of the rounds: {steps}.", ""] if steps else []),
        ]
    )


def measure(scratch: Path, counts: list[int], rounds: int, *, times: int) -> Report:
    """``times``: rounds of growth."""
    tiny = overhead(scratch, OVERHEAD_FILES, SHORTS if times > 1 else 1)
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
    parser.add_argument("--full", action="store_true", help="first syncs of each size in a round more")
    parser.add_argument("--rounds", type=int, help="of the syncs without a change; else 7, with --quick 3")
    options = parser.parse_args()
    counts = [int(each) for each in (options.files or "1000,10000,100000").split(",")]
    counts = counts[:2] if options.quick and not options.files else counts
    rounds = options.rounds or (3 if options.quick else 7)
    with homes.scratch_of(options.folder) as scratch:
        report = measure(scratch, counts, rounds, times=1 if options.quick else 3 if options.full else 2)
    report.command += " --full" if options.full else ""
    return hand_in(report, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
