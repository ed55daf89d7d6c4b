"""Kills where everything begins: while a home is made, and inside the first commit of a LanceDB table."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from crash import evidence, verdicts
from crash.command import Command
from crash.harness import Report, Scene

TABLES = ("settings", "documents", "chunks")


def killed_in_init(root: Path, failpoint: str = "", seconds: float = 0.0) -> Report:
    """``docmill init`` dies at a failpoint, or so long after its start, and is called again."""
    home, report = root / "begun" / "home", Report("init", [])
    shutil.rmtree(home.parent, ignore_errors=True)
    home.parent.mkdir(parents=True)
    command = Command(home, ["init"], failpoint=failpoint)
    if not failpoint:
        time.sleep(seconds)
        command.process.kill()
    if (code := command.wait()) == -signal.SIGKILL:
        report.hits["engine", failpoint.partition("=")[0] or "init"] += 1
    else:
        report.missed += 1
        report.findings += [f"init ended with {code}"] if code else []
    again = Command(home, ["init"])
    report.findings += [f"init ended with {code} the second time"] if (code := again.wait()) else []
    # A state.db.new-PID of the dead process may stay: nobody opens it, and it may as well be a living one's.
    report.findings += [f"left behind: {name}" for name in evidence.leftovers(home) if "state.db.new-" not in name]
    with closing(sqlite3.connect(home / "state.db")) as state:
        if state.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            report.findings.append("state.db is not whole")
    if evidence.epoch_of(home) != 0:
        report.findings.append("a new home does not begin at epoch 0")
    return report


def killed_in_a_first_commit(scene: Scene) -> Report:
    """The engine is stopped as soon as a table's folder appears, and killed there if it holds no manifest yet."""
    home, report = scene.copy(), Report("first commit", [])
    command = Command(home, scene.arguments)
    folder, seen = home / "lancedb" / "default", set[str]()
    command.wait_for("work")
    while command.process.poll() is None and len(seen) < len(TABLES):
        if fresh := _tables(folder) - seen:
            command.process.send_signal(signal.SIGSTOP)
            if any(not list((folder / name).glob("_versions/*.manifest")) for name in fresh):
                command.process.kill()
                break
            seen |= fresh
            command.process.send_signal(signal.SIGCONT)
    if command.wait() == -signal.SIGKILL:
        report.hits["engine", "first commit"] += 1
    else:
        report.missed += 1
    _finish(scene, home, report)
    return report


def with_a_table_half_made(scene: Scene, table: str) -> Report:
    """What a first commit leaves that got no further: the table's folder, and no manifest in it."""
    home, report = scene.copy(), Report(f"half-made {table}", [])
    command = Command(home, scene.arguments, failpoint="store.add.before=kill")
    command.wait()
    folder = home / "lancedb" / "default"
    for name in TABLES[TABLES.index(table) + 1 :]:
        shutil.rmtree(folder / f"{name}.lance")
    shutil.rmtree(folder / f"{table}.lance" / "_versions")
    _finish(scene, home, report)
    return report


def _finish(scene: Scene, home: Path, report: Report) -> None:
    before = evidence.Book.of(home)
    last = Command(home, scene.arguments)
    report.findings += last.problem(last.wait())
    book = evidence.Book.of(home)
    report.findings += verdicts.at_the_end(home, book, scene.peace, scene.new, scene.expected)
    report.findings += verdicts.embedded_once(before, book, scene.texts)


def _tables(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 - called in a tight loop
    except FileNotFoundError:
        return set()


def random_seconds(dice: random.Random) -> float:
    """Somewhere in the half second that ``init`` takes."""
    return dice.uniform(0.1, 0.6)
