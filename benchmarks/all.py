"""Runs the benchmarks of the table of goals, one after the other, and writes docs/benchmarks.md.

    python benchmarks/all.py [--quick | --full] [--only NAME ...] [--rounds N]

Each part is a command of its own. What it found is kept in benchmarks/results/NAME.json as soon as it is there, with
the machine and the day, and the page is made of what is kept: so one part can be measured again alone. The part
``embedders`` runs only where it is named, or with --full: what it measures seldom changes. --full also has more rounds
of ``throughput`` and ``scale``. With --quick, which takes some minutes, the table is printed and nothing is written:
its figures are rough. The exit status is 1 where a goal was missed, 2 where a part could not be measured.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measuring import Figure, Report, arguments, progress

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCS = HERE.parent / "docs"
PARTS = ("throughput", "startup", "scale", "embedders")
# The first two share homes that take minutes to make. They come before others that delete many files at their end: for
# minutes after that ext4 takes several times as long to make new ones.
SHARING = ("scale", "startup")
ORDER = (*SHARING, "throughput", "embedders")
UNASKED = ORDER[:3]
ROUNDED = ("throughput", "startup", "scale")
FULLER = ("throughput", "scale")
PACKAGES = ("docmill", "lancedb", "onnxruntime", "tokenizers", "pyarrow")
MARKS = {None: "", True: "yes", False: "**no**"}


def measure(name: str, folder: Path, *, quick: bool, full: bool, rounds: int | None) -> dict[str, Any] | None:
    """One part, as benchmarks/results keeps it; None where it could not be measured."""
    out = folder / f"{name}.json"
    command = [sys.executable, os.fspath(HERE / f"{name}.py"), "--json", os.fspath(out)]
    command += ["--quick"] if quick else []
    command += ["--full"] if full and name in FULLER else []
    command += ["--folder", os.fspath(folder)] if name in SHARING else []
    command += ["--rounds", str(rounds)] if rounds and name in ROUNDED else []
    progress(f"== {name}")
    code = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
    if code not in (0, 1) or not out.is_file():
        progress(f"{name} could not be measured (exit code {code})")
        return None
    return {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": {package: version(package) for package in PACKAGES},
        "report": json.loads(out.read_text()),
    }


def machine() -> str:
    """Processor, cores that this process may use, memory, system and Python."""
    model = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = (
        f"{model or platform.processor()}, {cores} cores",
        f"{memory / 1024**2:.0f} GiB of memory" if memory else "",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
    )
    return ", ".join(part for part in parts if part)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


def kept() -> dict[str, dict[str, Any]]:
    """What is known of each part."""
    files = {name: RESULTS / f"{name}.json" for name in PARTS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}


def goals(found: dict[str, dict[str, Any]]) -> str:
    """The table of goals."""
    lines = ["| what | against, in the same run | measured | goal | met |", "|---|---|---|---|---|"]
    reports = [Report.from_json(record["report"]) for record in found.values()]
    return "\n".join(lines + [_row(figure) for report in reports for figure in report.figures])


def _row(figure: Figure) -> str:
    cells = (figure.what, figure.against, figure.shown, figure.goal or "—", MARKS[figure.met])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(found: dict[str, dict[str, Any]]) -> str:
    parts = [
        "# Benchmarks",
        "Written by `make bench` from benchmarks/results; benchmarks/README.md tells what each part needs. Every figure"
        " is a ratio to a baseline of the same run, the median of interleaved rounds, as machines are noisy: seconds"
        " move from machine to machine, and by half within an hour; ratios hardly do.",
        "## Goals",
        goals(found),
    ]
    missing = [name for name in PARTS if name not in found]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.")
    for name, record in found.items():
        report = Report.from_json(record["report"])
        versions = ", ".join(f"{package} {each}" for package, each in {**record["versions"], **report.versions}.items())
        parts += [
            f"## {report.title}",
            f"    {report.command}",
            f"Measured on {record['measured_at']}: {record['machine']}; {versions}.",
            report.page.strip(),
        ]
        parts += [f"![{plot}](benchmarks/{name}-{plot}.svg)" for plot in report.plots]
    return "\n\n".join(parts) + "\n"


def keep(name: str, record: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    write(kept())


def write(found: dict[str, dict[str, Any]]) -> None:
    (DOCS / "benchmarks").mkdir(exist_ok=True)
    for name, record in found.items():
        for plot, svg in record["report"]["plots"].items():
            (DOCS / "benchmarks" / f"{name}-{plot}.svg").write_text(svg)
    (DOCS / "benchmarks.md").write_text(page(found))


def main() -> int:
    parser = arguments(__doc__)
    names = f"of {', '.join(PARTS)}; else {', '.join(UNASKED)}"
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=names)
    parser.add_argument("--full", action="store_true", help="all parts, with more rounds, and peers also as documented")
    parser.add_argument("--rounds", type=int, help="of what is compared; else what each part thinks best")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page from what is kept")
    given = parser.parse_args()
    asked = () if given.page else tuple(given.only or (ORDER if given.full else UNASKED))
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, dict[str, Any]] = {}
        for name in sorted(asked, key=ORDER.index):
            record = measure(name, Path(folder), quick=given.quick, full=given.full, rounds=given.rounds)
            if record is None:
                continue
            found[name] = record
            if not given.quick:
                keep(name, record)
        if given.page:
            write(kept())
        sys.stdout.write(goals(kept() if given.page else found) + "\n")
        sys.stdout.flush()  # to remove what the folder holds takes minutes
    if len(found) < len(asked):
        return 2
    return int(any(figure["met"] is False for record in found.values() for figure in record["report"]["figures"]))


if __name__ == "__main__":
    sys.exit(main())
