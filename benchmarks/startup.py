"""What is felt of start-up: each command from its start to its exit, against the imports that it cannot do without.

    python benchmarks/startup.py [--quick] [--json FILE] [--folder DIR] [--rounds N]

Commands run as people run them, in interleaved rounds; a figure is the median of the rounds' ratios. ``status`` looks
at a home of 100,000 documents (with --quick, 10,000), made by a sync where ``--folder`` has none yet. ``search`` and
the sync of one changed file run on 1,000 documents with the default model. The baselines are single processes that
import the same packages as they are, and load the same model file, with as little else as can be.
"""

from __future__ import annotations

import compileall
import itertools
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import docmill
import homes
from docmill.models import store
from measuring import Figure, Report, arguments, hand_in, interleaved, progress, ratio, run

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
QUERY = "harbour in the seventh state"
CHANGED_DOCUMENTS = 1_000
QUICK_DOCUMENTS = 200  # of one passage each: embedding them is not what is measured
PACKAGES = ("typer", "pydantic", "lancedb", "onnxruntime", "fastembed")

IMPORT_TYPER = "import typer"
LOAD_ONCE = """
import lancedb, onnxruntime, tokenizers
tokenizers.Tokenizer.from_file({folder!r} + "/tokenizer.json")
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
onnxruntime.InferenceSession({folder!r} + "/model.onnx", options, providers=["CPUExecutionProvider"])
"""
SEARCH_ONCE = """
import lancedb
from fastembed import TextEmbedding
model = TextEmbedding({model!r}, specific_model_path={folder!r}, threads=1)
[vector] = model.embed([{query!r}])
table = lancedb.connect({database!r}).open_table("chunks")
assert table.search(vector).select(["text"]).limit(10).to_list()
"""

# A row: what it is, what it is held against, the goal, the names of both in the rounds.
ROWS = (
    ("`--help`", "`import typer`", 2.5, "help", "typer"),
    ("`status`, {many:,} documents", "`import typer`", 4.0, "status", "typer"),
    ("`search` from the shell", "importing lancedb and fastembed, loading the model, one query", 0.8, "search", "once"),
    ("one file of {few:,} changed", "importing lancedb, loading the model once", 1.5, "changed", "load"),
)


def python(program: str) -> Callable[[], float]:
    return lambda: run([sys.executable, "-c", program]).seconds


def shell(home: Path, *words: str) -> Callable[[], float]:
    return lambda: run(homes.command(home, *words)).seconds


def changing(home: Path, folder: Path) -> Callable[[], float]:
    """A sync after one file was written anew, each time another one."""
    numbers = itertools.count(1)

    def change() -> float:
        number = next(numbers)
        homes.write(folder, range(number, number + 1), sections=1, state=number)
        ran = homes.sync(home, folder)
        if ran.json["scan"]["changed"] != 1 or ran.json["chunks"]["embedded"] != 1:
            raise SystemExit(f"one file was changed, and this was done: {ran.stdout}")
        return ran.seconds

    return change


def with_model(scratch: Path, count: int) -> tuple[Path, Path]:
    """A home of so many documents of one passage, embedded by the default model."""
    home, folder = scratch / "home-model", scratch / f"files-model-{count}"
    if not homes.settled(home, folder, count):
        progress(f"embedding {count:,} documents")
        homes.write(folder, range(count), sections=1)
        homes.make(home)
        homes.sync(home, folder)
    return home, folder


def measure(scratch: Path, rounds: int, *, many: int, few: int) -> Report:
    model = os.fspath(store.ensure(MODEL, store.default_cache()).folder)
    large, _files = homes.home_of(scratch, many)
    small, folder = with_model(scratch, few)
    compileall.compile_dir(os.path.dirname(docmill.__file__), quiet=1)  # noqa: PTH120 - as an installation does
    database = os.fspath(small / "lancedb" / "default")
    calls = {
        "typer": python(IMPORT_TYPER),
        "help": lambda: run([*homes.DOCMILL, "--help"]).seconds,
        "status": shell(large, "status"),
        "load": python(LOAD_ONCE.format(folder=model)),
        "changed": changing(small, folder),
        "once": python(SEARCH_ONCE.format(model=MODEL, folder=model, query=QUERY, database=database)),
        "search": shell(small, "search", QUERY),
    }
    interleaved(calls, 1)  # files into the system's memory, for both sides
    progress(f"{rounds} rounds")
    found = interleaved(calls, rounds)
    report = Report("Start-up", "python benchmarks/startup.py", versions={name: version(name) for name in PACKAGES})
    lines = ["| command | median | baseline | median | ratio | goal |", "|---|---|---|---|---|---|"]
    for what, against, most, ours, theirs in ROWS:
        name, value = what.format(many=many, few=few), ratio(found[ours], found[theirs])
        mine, base = median(found[ours]), median(found[theirs])
        shown = f"{value:.2f}× ({mine * 1e3:.0f} ms)"
        report.figures.append(Figure(name, against, value, shown, f"≤ {most:g}×", value <= most))
        cells = (name, f"{mine * 1e3:.0f} ms", against, f"{base * 1e3:.0f} ms", f"{value:.2f}", f"≤ {most:g}")
        lines.append(f"| {' | '.join(cells)} |")
    report.page = (
        "\n".join(lines) + f"\n\nMedians of {rounds} interleaved rounds, from a command's start to its exit.\n"
    )
    return report


def main() -> int:
    parser = arguments(__doc__)
    homes.add_folder(parser)
    parser.add_argument("--rounds", type=int, help="else 15, with --quick 5")
    options = parser.parse_args()
    rounds = options.rounds or (5 if options.quick else 15)
    many = 10_000 if options.quick else 100_000
    few = QUICK_DOCUMENTS if options.quick else CHANGED_DOCUMENTS
    with homes.scratch_of(options.folder) as scratch:
        return hand_in(measure(scratch, rounds, many=many, few=few), options.json)


if __name__ == "__main__":
    raise SystemExit(main())
