"""What is disturbed, and how: scenes, the failpoints of each, and rounds by chance. Short or long, it is the same."""

from __future__ import annotations

import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crash import corpus
from crash.command import MILESTONES
from crash.harness import Blow, Report, Scene, Work

# With few versions young enough to be kept, cleaning really removes files.
VACUUM = (
    sys.executable,
    "-c",
    "from datetime import timedelta\n"
    "from docmill.stores import compacting\n"
    "compacting.KEEP_VERSIONS = timedelta(seconds=3)\n"
    "from docmill.__main__ import main\n"
    "main()",
)


def _damage_cache(home: Path) -> None:
    for path in home.glob("cache.db-*"):
        path.unlink()
    (home / "cache.db").write_bytes(random.Random(home.name).randbytes(20_000))


COLD = Work("cold")
HALF = Work("half", corpus.rewrite)
GONE = Work("gone", corpus.thin_out)
DAMAGED = Work("damaged", corpus.rewrite, _damage_cache)
TIDY = Work("tidy", corpus.rewrite, arguments=("lancedb", "vacuum"), program=VACUUM)
WORKS = {work.name: work for work in (COLD, HALF, GONE, DAMAGED, TIDY)}

# Which failpoints each piece of work comes by, and up to which time a test waits for it to come by.
_STORING = {"store.mark": 2, "store.add": 3, "store.fsync": 3, "store.tag": 3, "store.settle": 2}
POINTS: dict[str, dict[str, int]] = {
    "cold": {
        "artifact.write": 2,
        "cache.add": 1,
        "epoch.raise": 1,
        "group.finish": 1,
        "index.build": 2,  # of the text, and of the vectors
        "state.commit": 8,
        "store.create": 4,
        **_STORING,
    },
    "half": {"cache.add": 1, "group.finish": 1, "store.delete": 3, **_STORING},
    "gone": {"placement.forget": 1, "store.delete": 2, "store.tag": 2},
    "damaged": {"cache.renew": 1},
    "tidy": {"vacuum.merge": 2, "vacuum.clean": 2, "store.tag": 4},
}
# Only an engine that takes over from a dead one comes by these.
_AFTER_A_DEATH = {"store.rewind": 2, "epoch.raise": 1, "state.commit": 3}


def at_failpoints() -> Iterator[tuple[str, list[Blow]]]:
    """Scene and blows: each end of each failpoint, each time that it is waited for, in a round of its own."""
    for scene, points in POINTS.items():
        for point, times in points.items():
            yield from ((scene, [Blow(armed)]) for armed in _armed(point, times))
    for point, times in _AFTER_A_DEATH.items():
        for armed in _armed(point, times):
            yield "half", [Blow("store.add.after=kill@4"), Blow(armed)]


def _armed(point: str, times: int) -> Iterator[str]:
    for nth in range(1, times + 1):
        for end in ("before", "after"):
            yield f"{point}.{end}=kill@{nth}"


def at_random(seed: str, number: int) -> tuple[str, list[Blow]]:
    """Scene and blows of one round: the engine is killed up to three times in a row, or one of its workers is."""
    dice = random.Random(f"{seed}/{number}")
    scene = dice.choices(("cold", "half", "gone", "tidy"), weights=(9, 9, 1, 1))[0]
    if scene == "tidy":
        return scene, [random_blow(dice, ("start", "engine", "work", "store")) for _ in range(2)]
    if dice.random() < 0.3:
        return scene, [random_blow(dice, ("engine", "work"), victim="worker")]
    return scene, [random_blow(dice, MILESTONES) for _ in range(dice.choice((1, 2, 3)))]


def random_blow(dice: random.Random, stretches: Sequence[str], victim: str = "engine", *, reach: float = 1.0) -> Blow:
    """A kill at any instant; each stretch of the work has its share, so that quick ones are hit too.

    reach: up to which share of a stretch. A few blows that must not miss keep away from its end.
    """
    weights = {"start": 1, "engine": 2, "work": 4, "store": 5}
    return Blow((dice.choices(stretches, [weights[each] for each in stretches])[0], dice.uniform(0, reach)), victim)


def random_stop(dice: random.Random) -> Blow:
    """A worker stands still for a while, at any instant."""
    at = (dice.choice(("engine", "work")), dice.random())
    return Blow(at, "worker", (signal.SIGSTOP, signal.SIGCONT), pause=dice.uniform(0.05, 0.6))


@dataclass
class Stage:
    """The scenes that have been prepared; each is when it is first asked for."""

    root: Path
    size: corpus.Size
    scenes: dict[str, Scene] = field(default_factory=dict)

    def scene(self, name: str) -> Scene:
        if name not in self.scenes:
            self.scenes[name] = Scene(self.root, WORKS[name], self.size)
        return self.scenes[name]


@dataclass
class Tally:
    """Adds reports up."""

    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: int = 0
    failures: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.hits += report.hits
        self.missed += report.missed
        if report.findings:
            self.failures.append(report)

    @property
    def dealt(self) -> int:
        return self.hits.total() + self.missed

    @property
    def at_work(self) -> int:
        """Blows that met an engine, or a worker, in the middle of something."""
        return sum(number for (_victim, moment), number in self.hits.items() if moment not in ("scan", "after the end"))

    def table(self) -> str:
        lines = [f"{'moment':24} {'engine':>7} {'worker':>7}"]
        for moment in sorted({moment for _victim, moment in self.hits}):
            lines.append(f"{moment:24} {self.hits['engine', moment]:7} {self.hits['worker', moment]:7}")
        return "\n".join([*lines, f"{'missed':24} {self.missed:7}"])
