"""Pipelines over the same folder in turns: first runs, runs without a change, and runs after an edit of one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import measuring
from peers import running
from peers.running import Pipeline, Run

EDIT = "\n\nAn edit, number {number}: the ferry leaves from pier {pier} in the morning, whatever the weather.\n"
FAR_BEHIND = 3.0


@dataclass
class Measured:
    """One pipeline's runs. chunks, tokens: what it embedded in a first run."""

    pipeline: Pipeline
    first: list[Run]
    chunks: int
    tokens: int
    unchanged: list[Run] = field(default_factory=list)
    edited: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.first)

    @property
    def peak_bytes(self) -> int:
        return max(run.peak_bytes for run in self.first)


@dataclass(frozen=True)
class Share:
    """How often as fast the first of two is. files: by seconds for the same files; work: by tokens a second, as one
    must neither win by embedding less of the files nor lose by embedding more.
    """

    files: float
    work: float
    shown: str

    @property
    def least(self) -> float:
        return min(self.files, self.work)


def compare(one: Measured, other: Measured) -> Share:
    rounds = zip(other.first, one.first, strict=False)
    files = median(theirs.seconds / ours.seconds for theirs, ours in rounds)
    work = files * one.tokens / other.tokens
    chunks = files * one.chunks / other.chunks
    shown = (
        f"{files:.2f}x in seconds ({one.seconds:.1f} and {other.seconds:.1f}), {work:.2f}x in tokens a second, "
        f"{chunks:.2f}x in chunks a second"
    )
    return Share(files, work, shown)


def first_runs(folder: Path, pipelines: Sequence[Pipeline], rounds: int) -> list[Measured]:
    """Memory is looked at in the first round alone: looking costs time. So does a pipeline that takes more than
    FAR_BEHIND times as long as the first one does in that round: no further round would make it the best.
    """

    def run(pipeline: Pipeline, memory: bool) -> Run:  # noqa: FBT001 - bound by name below
        measuring.progress(f"a first run: {pipeline.title}")
        pipeline.begin()
        return pipeline.run(folder, memory=memory)

    found: dict[str, list[Run]] = {each.title: [] for each in pipelines}
    near = list(pipelines)
    for memory, times in ((True, 1), (False, rounds - 1)) if pipelines else ():
        calls: dict[str, Callable[[], Run]] = {each.title: partial(run, each, memory=memory) for each in near}
        for title, runs in measuring.interleaved(calls, times).items():
            found[title] += runs
        most = FAR_BEHIND * found[pipelines[0].title][0].seconds
        near = [each for each in pipelines if found[each.title][0].seconds <= most]
    measured = []
    for each in pipelines:
        texts = each.embedded_texts()
        measured.append(Measured(each, found[each.title], len(texts), running.tokens_of(texts)))
    return measured


def changes(folder: Path, measured: Sequence[Measured], rounds: int) -> None:
    """Runs over what first runs left: one after an edit of one file, and one after none, so many rounds."""
    files = sorted(folder.rglob("*.md"))
    for number in range(rounds):
        measuring.progress(f"changes, round {number + 1} of {rounds}")
        with files[(number + 1) * len(files) // (rounds + 2)].open("a", encoding="utf-8") as file:
            file.write(EDIT.format(number=number, pier=number * 7))
        calls = {one.pipeline.title: partial(one.pipeline.run, folder) for one in measured}
        edited = measuring.interleaved(calls, 1)
        unchanged = measuring.interleaved(calls, 1)
        for one in measured:
            one.edited += edited[one.pipeline.title]
            one.unchanged += unchanged[one.pipeline.title]
            if unchanged[one.pipeline.title][0].embedded or not edited[one.pipeline.title][0].embedded:
                raise SystemExit(f"{one.pipeline.title} did not follow the folder: {edited}, {unchanged}")
