"""What a folder costs in which nothing changed, from a thousand to a hundred thousand files.

    python benchmarks/incremental.py [--files 1000,10000,100000] [--rounds 5] [--folder DIR]

Small text files are made, synced once (embedder ``hashing``: this is about everything but the model), and then synced
again without a change. What that takes beyond a sync of one file, divided by the files, is held against a plain loop of
scandir and stat over the same tree (the least that any tool must do) and against ``git status`` there. Rounds of the
three are interleaved; figures are medians. Exits 1 where a no-change sync needs more than 20 microseconds a file, or
grows faster than the files do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import median

from docmill import settings
from docmill.domain.events import SilentReporter
from docmill.domain.results import SyncResult
from docmill.service import home, syncing

MOST_MICROSECONDS = 20.0
MOST_SLOPE = 1.05
OVERRIDES = ["embed.method=hashing", "embed.model=hashing-64"]
PER_FOLDER = 500


def make_files(folder: Path, count: int) -> None:
    """Files of one short paragraph each, so many to a folder, no two alike."""
    for number in range(count):
        if number % PER_FOLDER == 0:
            (folder / f"part-{number // PER_FOLDER:04d}").mkdir(parents=True)
        path = folder / f"part-{number // PER_FOLDER:04d}" / f"note-{number:06d}.md"
        path.write_text(f"# Note {number}\n\nParagraph {number} tells of a ferry, {number * 7} waves and a harbour.\n")


def sync(root: Path, folder: Path) -> SyncResult:
    return syncing.sync(settings.build(home=root), SilentReporter(), [folder], overrides=OVERRIDES)


def walk(folder: Path) -> int:
    """The least that finding out takes: every entry seen, every file's stat read; not git's own folder, as for ours."""
    found, pending = 0, [os.fspath(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    if not entry.name.startswith("."):
                        pending.append(entry.path)
                else:
                    entry.stat()
                    found += 1
    return found


def git_status(folder: Path) -> None:
    subprocess.run(["git", "-C", os.fspath(folder), "status", "--porcelain"], check=True, stdout=subprocess.DEVNULL)


def commit_all(folder: Path) -> None:
    for arguments in (
        ["init", "-q"],
        ["config", "gc.auto", "0"],
        ["config", "maintenance.auto", "false"],
        ["add", "."],
        ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"],
    ):
        subprocess.run(["git", "-C", os.fspath(folder), *arguments], check=True, stdout=subprocess.DEVNULL)


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(count: int, rounds: int, scratch: Path) -> tuple[float, float]:
    """Prints one row. Returns microseconds a file and the seconds of a no-change sync beyond an empty one's."""
    folder, root, empty = scratch / f"files-{count}", scratch / f"home-{count}", scratch / f"empty-{count}"
    make_files(folder, count)
    empty.mkdir()
    (empty / "one.md").write_text("The only note.\n")
    home.init(settings.build(home=root))
    cold = seconds(lambda: sync(root, folder))
    sync(root, empty)
    has_git = shutil.which("git") is not None
    if has_git:
        commit_all(folder)
        git_status(folder)
    time.sleep(0.1)  # files hashed within the clock's granularity are looked at once more
    sync(root, folder)
    quiet: list[float] = []
    base: list[float] = []
    loop: list[float] = []
    git: list[float] = []
    for _round in range(rounds):
        quiet.append(seconds(lambda: _unchanged(root, folder, count)))
        base.append(seconds(lambda: sync(root, empty)))
        loop.append(seconds(lambda: walk(folder)))
        if has_git:
            git.append(seconds(lambda: git_status(folder)))
    beyond = max(median(quiet) - median(base), 1e-9)
    against_git = f"{median(quiet) / median(git):.1f}" if git else "—"
    sys.stdout.write(
        f"| {count:,} | {cold:.1f} s | {cold / count * 1e3:.2f} ms | {beyond:.3f} s | {beyond / count * 1e6:.1f} µs |"
        f" {beyond / median(loop):.1f} | {against_git} |\n"
    )
    sys.stdout.flush()
    return beyond / count * 1e6, beyond


def _unchanged(root: Path, folder: Path, count: int) -> None:
    result = sync(root, folder)
    if result.scan.unchanged != count or result.run_group_id is not None:
        raise SystemExit(f"a sync of {count} unchanged files found something to do: {result.scan}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; else a temporary folder")
    arguments = parser.parse_args()
    sizes = [int(each) for each in arguments.files.split(",")]
    sys.stdout.write("| files | cold | a file | no change | a file | ÷ scandir + stat | ÷ git status |\n")
    sys.stdout.write(f"{'|---' * 7}|\n")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        found = {count: measure(count, arguments.rounds, Path(scratch)) for count in sizes}
    worst = found[sizes[-1]][0]
    slope = 1.0
    if len(sizes) > 1:
        first, last = sizes[-2], sizes[-1]
        slope = log(found[last][1] / found[first][1]) / log(last / first)
        sys.stdout.write(f"\ngrowth from {first:,} to {last:,} files: slope {slope:.2f}\n")
    return int(worst > MOST_MICROSECONDS or slope > MOST_SLOPE)


if __name__ == "__main__":
    raise SystemExit(main())
