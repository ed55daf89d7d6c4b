"""How fast a first sync embeds, against the model alone and against other pipelines; and what a change costs each.

    python benchmarks/throughput.py [--quick | --full] [--json FILE] [--rounds N] [--folder DIR]

DOCMILL_BENCH_DOCUMENTS names folders of real documents. Two sets are taken from them, each holding a document once:
*mixed*, all formats taking turns, on which docmill is held against the model alone with the very texts that docmill
embedded (limit.py); and *markdown*, which every pipeline can read, on which docmill is held against others (peers/).
Everything is a command of its own, timed from start to exit; only the limit starts counting when its processes have
loaded the model. Rounds are interleaved; figures are medians of each round's own ratio. Peak memory is of all processes
together, looked at in the first round. Peers run in their best form. With --full there is a round more, and those that
are not far behind (comparing.py) run once as their documentation has it, too. With --quick a sixth of the files is
taken, once: it shows that all works.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

import measuring
import plots
import real_documents
from measuring import MIB, Figure, Report
from peers import running
from peers.comparing import Measured, changes, compare, first_runs
from peers.running import Run

HERE = Path(__file__).parent
LEAST_OF_LIMIT, AIM_OF_LIMIT = 0.90, 0.95
LEAST_OF_SCRIPT, LEAST_OF_PEERS = 1.0, 1.15
MOST_OF_COCOINDEX_UNCHANGED, MOST_EMBEDDED, MOST_BYTES = 0.3, 3, 800 * MIB
SECOND = 1.0


# ---- against the model alone -----------------------------------------------------------------------------------------


@dataclass
class AgainstTheLimit:
    documents: int
    texts: int
    limit: list[float]
    syncs: list[Run]
    over_time: list[tuple[float, float]]

    @property
    def share(self) -> float:
        return measuring.ratio(self.limit, [run.seconds for run in self.syncs])


def against_the_limit(work: Path, rounds: int, every: int) -> AgainstTheLimit:
    """The first sync of all, which gives the limit its texts, is the first round's."""
    folder, texts = work / "mixed", work / "texts.json"
    documents = real_documents.mixed(folder, every=every)
    mill = running.docmill(work / "mixed-docmill")
    syncs, limits, over_time = [], [], []
    for number in range(rounds):
        measuring.progress(f"mixed files, round {number + 1} of {rounds}")
        if number % 2:
            limits.append(limit(texts))
        mill.begin()
        with watched(mill.work / ".docmill" / "cache.db") as grown:
            syncs.append(mill.run(folder, memory=not number))
        over_time = grown
        texts.write_text(json.dumps(sorted(set(mill.embedded_texts()))))
        if not number % 2:
            limits.append(limit(texts))
    count = len(json.loads(texts.read_text()))
    if {run.embedded for run in syncs} != {count}:
        raise SystemExit(
            f"docmill says to have embedded {[run.embedded for run in syncs]} texts; its index holds {count}"
        )
    return AgainstTheLimit(documents, count, limits, syncs, over_time)


def limit(texts: Path) -> float:
    """Seconds of the model alone."""
    ran = measuring.run([sys.executable, HERE / "limit.py", "--texts", texts])
    return float(ran.json["seconds"])


@contextlib.contextmanager
def watched(cache: Path) -> Iterator[list[tuple[float, float]]]:
    """Seconds since the start, and vectors in docmill's cache by then; docmill writes them there every second or so."""
    found: list[tuple[float, float]] = [(0.0, 0.0)]
    over, started = threading.Event(), time.monotonic()

    def look() -> None:
        while not over.wait(SECOND):
            with contextlib.suppress(sqlite3.Error):  # it is not there yet, or is just being made
                connection = sqlite3.connect(f"file:{cache}?mode=ro", uri=True)
                try:
                    count = connection.execute("SELECT COUNT(*) FROM embedding").fetchone()[0]
                finally:
                    connection.close()
                found.append((time.monotonic() - started, float(count)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def chart(found: AgainstTheLimit) -> str:
    """Texts embedded by each second: where docmill's line is flatter than the limit's, it did something else."""
    whole = found.syncs[-1].seconds
    alone = median(found.limit)
    return plots.line_chart(
        "A first sync of mixed files: texts embedded by then",
        "seconds since the command began",
        "texts",
        {
            "docmill, whole process": [*found.over_time, (whole, float(found.texts))],
            "the model alone, loaded": [(0.0, 0.0), (alone, float(found.texts))],
        },
    )


# ---- the report ------------------------------------------------------------------------------------------------------


def figures_of_limit(found: AgainstTheLimit) -> list[Figure]:
    rate = found.texts / median(run.seconds for run in found.syncs)
    shown = f"{found.share:.0%} of the limit; {rate:.1f} of {found.texts / median(found.limit):.1f} texts a second"
    goal = f"≥ {LEAST_OF_LIMIT:.0%}, aim {AIM_OF_LIMIT:.0%}"
    what = "first sync of mixed real files, whole process"
    against = "the model alone on the same texts, sorted, 2 processes x 1 thread, batches of 8"
    return [Figure(what, against, found.share, shown, goal, found.share >= LEAST_OF_LIMIT)]


def figures_of_script(mill: Measured, script: Measured) -> list[Figure]:
    share = compare(mill, script)
    return [
        Figure(
            "first sync of markdown files, whole process",
            f"the plain script, {script.pipeline.form}",
            share.work,
            share.shown,
            f"≥ {LEAST_OF_SCRIPT:.2f}x of its tokens a second",
            share.work >= LEAST_OF_SCRIPT,
        )
    ]


def figures_of_peers(mill: Measured, peers: Sequence[Measured]) -> list[Figure]:
    """Against the best of them: the one that docmill is least ahead of, by either measure."""
    shares = {one.pipeline.title: compare(mill, one) for one in peers}
    title = min(shares, key=lambda each: shares[each].least)
    share = shares[title]
    met = share.least >= LEAST_OF_PEERS
    goal = f"≥ {LEAST_OF_PEERS:.2f}x, in seconds and in tokens a second"
    what = "first sync of markdown files, whole process"
    found = [Figure(what, f"the best of other pipelines: {title}", share.least, share.shown, goal, met)]
    rival = next((one for one in peers if one.pipeline.name == "CocoIndex"), None)
    if rival is not None:
        found += figures_of_changes(mill, rival)
    return found


def figures_of_changes(mill: Measured, rival: Measured) -> list[Figure]:
    quiet = measuring.ratio([run.seconds for run in mill.unchanged], [run.seconds for run in rival.unchanged])
    edit = measuring.ratio([run.seconds for run in mill.edited], [run.seconds for run in rival.edited])
    most = max(run.embedded for run in mill.edited)

    def shown(mine: Sequence[Run], other: Sequence[Run]) -> str:
        return f"{median(run.seconds for run in mine):.2f} s of {median(run.seconds for run in other):.2f} s"

    return [
        Figure(
            "sync of markdown files, nothing changed, start to exit",
            rival.pipeline.title,
            quiet,
            f"{quiet:.2f}x: {shown(mill.unchanged, rival.unchanged)}",
            f"≤ {MOST_OF_COCOINDEX_UNCHANGED}x",
            quiet <= MOST_OF_COCOINDEX_UNCHANGED,
        ),
        Figure(
            "one markdown file edited, start to exit",
            rival.pipeline.title,
            edit,
            f"{edit:.2f}x: {shown(mill.edited, rival.edited)}; {most} embedded at most",
            f"≤ 1x, and ≤ {MOST_EMBEDDED} embedded",
            edit <= 1 and most <= MOST_EMBEDDED,
        ),
    ]


def figure_of_memory(found: AgainstTheLimit, measured: Sequence[Measured]) -> Figure:
    most = max(run.peak_bytes for run in [*found.syncs, *measured[0].first])
    others = ", ".join(f"{one.pipeline.title} {one.peak_bytes / MIB:,.0f}" for one in measured[1:])
    shown = f"{most / MIB:,.0f} MiB ({others})"
    return Figure("peak memory of a first sync, all processes", "—", most / MIB, shown, "≤ 800 MiB", most <= MOST_BYTES)


def page(found: AgainstTheLimit, measured: Sequence[Measured], missing: Sequence[str], files: int) -> str:
    lines = [
        f"Mixed: {found.documents} documents, each in one of its formats, {found.texts:,} distinct texts. Seconds of "
        f"each round: docmill {_seconds(run.seconds for run in found.syncs)}; the model alone {_seconds(found.limit)}.",
        "",
        f"Markdown: {files} files. A first run of each, whole process; tokens are what the model read of what lies in "
        "the index, however it was cut.",
        "",
        "| pipeline | seconds | chunks | tokens | chunks a second | tokens a second | peak memory | rounds |",
        "|---|---|---|---|---|---|---|---|",
        *map(_first_row, measured),
        "",
        "| pipeline | nothing changed | one file edited | embedded then |",
        "|---|---|---|---|",
        *(_change_row(one) for one in measured if one.unchanged),
        "",
        *(f"{each}." for each in missing),
        "haiku-ingester has no embedder of its own: it asks `docmill models serve`, whose start, time and memory are "
        "in its figures.",
    ]
    return "\n".join(lines)


def _first_row(one: Measured) -> str:
    rates = f"{one.chunks / one.seconds:.1f} | {one.tokens / one.seconds:,.0f}"
    return (
        f"| {one.pipeline.title} | {one.seconds:.1f} | {one.chunks:,} | {one.tokens:,} | {rates}"
        f" | {one.peak_bytes / MIB:,.0f} MiB | {len(one.first)} |"
    )


def _change_row(one: Measured) -> str:
    unchanged, edited = (median(run.seconds for run in runs) for runs in (one.unchanged, one.edited))
    embedded = median(run.embedded for run in one.edited)
    return f"| {one.pipeline.title} | {unchanged:.2f} s | {edited:.2f} s | {embedded:.0f} |"


def _seconds(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def main() -> int:
    parser = measuring.arguments(__doc__)
    parser.add_argument("--full", action="store_true", help="a round more, and peers as their documentation has it")
    parser.add_argument("--rounds", type=int, help="2; with --full 3, with --quick 1")
    parser.add_argument("--folder", type=Path, help="where the scratch files go; else a temporary folder")
    given = parser.parse_args()
    rounds, every = given.rounds or (1 if given.quick else 3 if given.full else 2), 6 if given.quick else 1
    real_documents.folders()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        work = Path(scratch)
        alone = against_the_limit(work, rounds, every)
        folder = work / "markdown"
        files = real_documents.markdown(folder, every=every)
        pairs, missing = running.peers(work, install=not given.quick)
        best = [running.docmill(work), running.plain_script(work, batched=True), *(best for _, best in pairs)]
        measured = first_runs(folder, best, rounds)
        if given.full:
            near = {one.pipeline.name for one in measured if len(one.first) == rounds}
            documented = [running.plain_script(work), *(documented for documented, _ in pairs)]
            measured += first_runs(folder, [each for each in documented if each.name in near], 1)
        changes(folder, [one for one in measured[: len(best)] if one.pipeline.name != "plain script"], rounds)
    mill, script, *peers = measured[: len(best)]
    figures = [*figures_of_limit(alone), *figures_of_script(mill, script)]
    figures += figures_of_peers(mill, peers) if peers else []
    figures.append(figure_of_memory(alone, measured))
    if given.quick:  # of so few files the start takes as long as the work
        figures = [replace(each, met=None, goal=f"{each.goal}, on all files") for each in figures]
    versions = {name: version(name) for name in ("docmill", "fastembed", "lancedb", "onnxruntime")}
    command = "python benchmarks/throughput.py" + (" --full" if given.full else "")
    report = Report("Throughput", command, figures, page(alone, measured, missing, files))
    report.plots = {"throughput": chart(alone)}
    report.versions = versions
    return measuring.hand_in(report, given.json)


if __name__ == "__main__":
    raise SystemExit(main())
