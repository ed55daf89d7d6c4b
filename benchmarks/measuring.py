"""How benchmarks measure and what they give: interleaved rounds, medians, memory of a process with all its children.

Machines are noisy and get faster and slower within minutes. So what is compared runs in turns, round after round, and a
figure is the median of the rounds' ratios, never of two runs made at different times.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

SAMPLE_SECONDS = 0.1
LOOKING_SHARE = 0.02
MIB = 1024**2

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """One line of the table of goals.

    what:     is measured; against: the baseline of the same run, in words.
    value:    what came out; shown: the same with its unit, and whatever makes it understood.
    goal:     in words; met: None where nothing was asked for.
    """

    what: str
    against: str
    value: float
    shown: str
    goal: str = ""
    met: bool | None = None


@dataclass
class Report:
    """What one benchmark found: figures for the table of goals, its own page in Markdown, plots as SVG by name."""

    title: str
    command: str
    figures: list[Figure] = field(default_factory=list)
    page: str = ""
    plots: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Report:
        return cls(**{**record, "figures": [Figure(**figure) for figure in record["figures"]]})


@dataclass(frozen=True)
class Ran:
    """A command that ended well: wall seconds, its output, and the most memory that it and its children had at once.

    peak_bytes: proportional set size, in which pages that several processes share count once. 0 where not asked for.
    """

    seconds: float
    stdout: str
    peak_bytes: int = 0

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def interleaved(calls: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Each call once a round, in an order that turns round by round, so that none is always the one after another."""
    found: dict[str, list[T]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(calls[name]())
    return found


def ratio(values: Sequence[float], baseline: Sequence[float]) -> float:
    """The median of each round's own ratio."""
    return median(value / base for value, base in zip(values, baseline, strict=True))


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    memory: bool = False,
    codes: Sequence[int] = (0,),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ran:
    """Run a command to its end. Exits with its last words where it ends with another code than one of ``codes``."""
    environment = {**os.environ, **(env or {})}
    started = time.perf_counter()
    process = subprocess.Popen(
        [os.fspath(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=cwd,
    )
    peak = _Peak(process.pid) if memory else None
    stdout, stderr = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode not in codes:
        raise SystemExit(
            f"{' '.join(os.fspath(part) for part in command)} ended with {process.returncode}:\n{stderr[-3000:]}"
        )
    return Ran(seconds, stdout, peak.end() if peak else 0)


class _Peak(threading.Thread):
    """Looks at a process and all its descendants, ten times a second at most.

    To look takes as long as they have memory, and holds them up meanwhile: it gets a fiftieth of the time.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._most = 0
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        pause = SAMPLE_SECONDS
        while not self._over.wait(pause):
            began = time.perf_counter()
            self._most = max(self._most, memory_of(self._pid))
            pause = max(SAMPLE_SECONDS, (time.perf_counter() - began) / LOOKING_SHARE)

    def end(self) -> int:
        self._over.set()
        self.join()
        return self._most


def memory_of(pid: int) -> int:
    """Bytes of proportional set size of a process and all its descendants, together."""
    total, pending = 0, [pid]
    while pending:
        each = pending.pop()
        with contextlib.suppress(OSError, ValueError):
            for task in Path(f"/proc/{each}/task").iterdir():
                pending += map(int, (task / "children").read_text().split())
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What all benchmarks of the table take: --quick and --json."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller and fewer; the figures are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, for benchmarks/all.py")
    return parser


def hand_in(report: Report, to: Path | None) -> int:
    """Print a report, and write it where it was asked for. The exit status: 1 where a goal was not met."""
    for figure in report.figures:
        mark = {None: " ", True: "✓", False: "✗"}[figure.met]
        sys.stdout.write(
            f"{mark} {figure.what}: {figure.shown} (against {figure.against}; goal {figure.goal or '—'})\n"
        )
    sys.stdout.write(f"\n{report.page}\n")
    if to:
        to.write_text(json.dumps(report.to_json(), indent=1))
    return int(any(figure.met is False for figure in report.figures))


def progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
