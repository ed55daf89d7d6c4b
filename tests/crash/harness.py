"""The real command on real files, killed and run again, held against a run that nobody disturbed.

A scene is prepared once: a folder, a home as it is before the work, and one after the work was done in peace. Each
round copies the first, disturbs it, looks at what a reader sees, runs the same command to its end, and compares.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conftest import children_of, is_alive
from crash import corpus, evidence, verdicts
from crash.command import DOCMILL, MILESTONES, POLL, Command
from crash.evidence import Book, Published

QUICK = (
    "embed.method=hashing",
    "embed.model=hashing-64",
    "embed.batch_tokens=128",
    "embed.window_chunks=16",
    "chunk.size=48",
    "store.window_documents=4",
)


@dataclass(frozen=True)
class Work:
    """What is done in a scene. ``change`` what has happened to the folder, ``spoil`` to the home, since it was synced.

    Without either there is nothing yet but an empty home. ``program`` does the work; others may stand in for it.
    """

    name: str
    change: Callable[[Path, corpus.Size], None] | None = None
    spoil: Callable[[Path], None] | None = None
    arguments: tuple[str, ...] = ()  # of another command than sync
    program: tuple[str, ...] = DOCMILL


@dataclass(frozen=True)
class Blow:
    """One disturbance. ``at`` is a milestone and the share of the stretch behind it, or the name of a failpoint."""

    at: tuple[str, float] | str
    victim: str = "engine"  # or worker
    signals: tuple[int, ...] = (signal.SIGKILL,)
    pause: float = 0.0  # between two signals

    def __str__(self) -> str:
        if isinstance(self.at, str):
            return self.at
        names = "+".join(signal.Signals(each).name for each in self.signals)
        return f"{names} to the {self.victim} at {self.at[0]} {self.at[1]:.3f}"


@dataclass
class Report:
    """What came of a round. ``hits``: what an engine was at when it, or its worker, was struck."""

    scene: str
    blows: Sequence[Blow]
    findings: list[str] = field(default_factory=list)
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)  # victim and moment
    missed: int = 0

    def __str__(self) -> str:
        return f"{self.scene}: {'; '.join(map(str, self.blows))}" + "".join(f"\n    {each}" for each in self.findings)


class Scene:
    """A piece of work, prepared: ``base`` is the home before it, ``peace`` the one that nobody disturbed."""

    def __init__(self, root: Path, work: Work, size: corpus.Size) -> None:
        self.work, self.root = work, root / work.name
        self.folder, self.base, self.peace = (self.root / part for part in ("docs", "base", "peace"))
        corpus.write(self.folder, size)
        sync = ["sync", str(self.folder)]
        for each in QUICK:
            sync += ["--set", each]
        self.arguments = list(work.arguments) or sync
        subprocess.run([*DOCMILL, "init", "--home", str(self.base), "--quiet"], check=True, stdout=subprocess.DEVNULL)
        if work.change or work.spoil:
            self._done(Command(self.base, sync))
        if work.change:
            work.change(self.folder, size)
            if work.arguments:
                self._done(Command(self.base, sync))
        if work.spoil:
            work.spoil(self.base)
        shutil.copytree(self.base, self.peace)
        self.stretches = self._undisturbed()
        self.old, self.new = Published.of(self.base), Published.of(self.peace)
        self.expected = Book.of(self.peace)
        self.texts = evidence.text_keys(self.peace, self.new)
        self.epoch = evidence.epoch_of(self.base)
        findings = verdicts.at_the_end(self.peace, self.expected, self.peace, self.new, self.expected)
        assert not findings, findings  # what does not pass in peace proves nothing when it is disturbed

    def _done(self, command: Command) -> None:
        assert not (problem := command.problem(command.wait())), problem

    def _undisturbed(self) -> dict[str, float]:
        """Do the work, and measure how long the stretch behind each milestone is. The last one ends with the work."""
        command, marks = Command(self.peace, self.arguments, program=self.work.program), []
        for milestone in (*MILESTONES, "end"):
            command.wait_for(milestone)
            marks.append(time.monotonic())
        self._done(command)
        return {name: end - mark for name, mark, end in zip(MILESTONES, marks, marks[1:], strict=False)}

    def copy(self) -> Path:
        home = self.root / "round"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.base, home)
        return home

    def disturb(self, blows: Sequence[Blow], dice: random.Random, *, program: Sequence[str] = ()) -> Report:
        """A round: the command once for each blow, and once to the end. ``program`` stands in for the work's own."""
        home, report = self.copy(), Report(self.work.name, blows)
        program = program or self.work.program
        before = Book.of(home)
        for blow in blows:
            point = blow.at if isinstance(blow.at, str) else ""
            Strike(self, Command(home, self.arguments, failpoint=point, program=program), blow, report).deal(dice)
            seen = Published.of(home)
            report.findings += [f"after {blow}: {each}" for each in verdicts.in_between(seen, self.old, self.new)]
            before = Book.of(home)
        last = Command(home, self.arguments, program=program)
        report.findings += last.problem(last.wait())
        book = Book.of(home)
        report.findings += verdicts.at_the_end(home, book, self.peace, self.new, self.expected)
        report.findings += verdicts.embedded_once(before, book, self.texts)
        return report

    def moment(self, home: Path) -> str:
        """What the engine is, or was, at."""
        return self.work.arguments[-1] if self.work.arguments else evidence.moment(home, self.epoch)


@dataclass
class Strike:
    """Lets a command come to a blow and waits until it is over. An engine whose worker was struck goes on by itself."""

    scene: Scene
    command: Command
    blow: Blow
    report: Report

    def deal(self, dice: random.Random) -> None:
        if isinstance(self.blow.at, str):
            self._failpoint(self.blow.at)
            return
        milestone, share = self.blow.at
        if self.command.wait_for(milestone):
            time.sleep(share * self.scene.stretches[milestone])
        process = self.command.process
        victims = [process.pid] if self.blow.victim == "engine" else self.command.workers()
        children = children_of(process.pid)
        if process.poll() is not None or not victims or not self._signal(dice.choice(victims)):
            self.report.missed += 1
            self._succeed(self.command.wait())
        elif self.blow.victim == "engine" and signal.SIGKILL in self.blow.signals:
            self.command.wait()
            self.report.findings += _outlived(children)
            self._hit("engine")
        else:
            self._hit(self.blow.victim)
            self._succeed(self.command.wait())

    def _signal(self, target: int) -> bool:
        for position, number in enumerate(self.blow.signals):
            if position:
                time.sleep(self.blow.pause)
            try:
                os.kill(target, number)
            except ProcessLookupError:  # a worker that has just ended by itself
                return position > 0
        return True

    def _failpoint(self, point: str) -> None:
        code = self.command.wait()
        if not self.command.fired.exists():
            self.report.missed += 1
            self._succeed(code)
        elif code == -signal.SIGKILL:
            self._hit("engine")
        else:  # it was a worker that came by
            self._hit("worker")
            self._succeed(code)

    def _hit(self, victim: str) -> None:
        point = self.blow.at
        moment = point.partition("=")[0] if isinstance(point, str) else self.scene.moment(self.command.home)
        self.report.hits[victim, moment] += 1

    def _succeed(self, code: int) -> None:
        self.report.findings += self.command.problem(code)


def _outlived(children: Sequence[int]) -> list[str]:
    """Workers must die with their engine; the kernel needs a moment for it."""
    deadline = time.monotonic() + 10
    while any(map(is_alive, children)):
        if time.monotonic() > deadline:
            return ["a worker outlived its engine"]
        time.sleep(POLL)
    return []
