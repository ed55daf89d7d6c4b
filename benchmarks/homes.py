"""Folders of generated files and the homes that follow them, for benchmarks of scale: made once, and shared by those.

Files are of five sections, each a passage of its own, and no two sections are alike. They are stored with the embedder
``hashing`` in as many dimensions as the default model has: this is about everything but the model.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import Ran, progress, run

DOCMILL = [sys.executable, "-c", "from docmill.__main__ import main; main()"]  # as the installed command does
HASHING = ["--set", "embed.method=hashing", "--set", "embed.model=hashing-384"]
SECTIONS = 5
FIVE_CHUNKS = [*HASHING, "--set", "chunk.size=32"]  # tokens: one section
PER_FOLDER = 500
_NUMBERS = itertools.count(1)


def section(number: int, state: int) -> str:
    return (
        f"## Part {number}\n\nParagraph {number} in state {state} tells of a ferry, {number * 7 + state} waves and a"
        " harbour.\n"
    )


def path_of(folder: Path, number: int) -> Path:
    return folder / f"part-{number // PER_FOLDER:04d}" / f"note-{number:06d}.md"


def write(folder: Path, numbers: range, *, sections: int = SECTIONS, state: int = 0) -> None:
    """Files of so many sections. ``state``: another one changes every section of a file."""
    for number in numbers:
        path = path_of(folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = (section(number * sections + each, state) for each in range(sections))
        path.write_text(f"# Note {number}\n\n" + "\n".join(parts))


def command(home: Path, *words: str) -> list[str]:
    return [*DOCMILL, *words, "--home", os.fspath(home)]


def make(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    run(command(home, "init", "-q"))


def another(scratch: Path) -> Path:
    """One more new home. None of them is removed: where thousands of files have just been deleted, ext4 takes ten times
    as long to make new ones.
    """
    home = scratch / f"home-another-{next(_NUMBERS)}"
    make(home)
    return home


def sync(home: Path, folder: Path, *options: str) -> Ran:
    """A sync as people call it; its result as JSON."""
    return run(command(home, "sync", os.fspath(folder), "-q", "--json", *options))


def settled(home: Path, folder: Path, count: int) -> bool:
    """Whether there is a home of so many documents of a folder, with nothing left to do."""
    if not (home / "state.db").is_file() or not folder.is_dir():
        return False
    status = json.loads(run(command(home, "status", "--json")).stdout)
    batches = [each for each in status["batches"] if each["source"] == folder.name]
    return bool(status["documents"] >= count and batches and batches[0]["status"] == "completed")


def home_of(scratch: Path, count: int) -> tuple[Path, Path]:
    """A home with so many documents, and their folder; made where ``scratch`` has none yet."""
    home, folder = scratch / f"home-{count}", scratch / f"files-{count}"
    if not settled(home, folder, count):
        progress(f"making a home of {count:,} documents")
        shutil.rmtree(folder, ignore_errors=True)
        write(folder, range(count))
        make(home)
        sync(home, folder, *FIVE_CHUNKS)
    return home, folder


def add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where files and homes go and stay, for other benchmarks of scale"
    )


@contextmanager
def scratch_of(named: Path | None) -> Iterator[Path]:
    """The folder that was named, which stays, or a temporary one."""
    if named is not None:
        named.mkdir(parents=True, exist_ok=True)
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="docmill-bench-") as temporary:
        yield Path(temporary)
