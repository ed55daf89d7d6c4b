"""What is computed again after a change, counted in the database rather than believed.

    python benchmarks/reuse.py [--files 10000] [--edits 10] [--folder DIR]

First a text of about 1,000 chunks, with headings and without, is edited so many times, one sentence at a time, with a
real ``sync`` (and the real model) after each: what the sync says to have embedded must be what the cache has grown by,
and the chunks that it counts those that the database holds. Then a folder of so many small files (embedder
``hashing``): one is renamed, the chunk size is changed, and all of them are copied into a second folder. Exits 1 where
anything was parsed or embedded that was there already, or where two counts differ.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import homes
from chunk_stability import MOST_NEW, Part, edited, headings, unbroken
from docmill import settings
from docmill.domain.events import SilentReporter
from docmill.domain.results import SyncResult
from docmill.service import home, searching, syncing
from docmill.stores.reading import CHUNKS, Database

QUICK = ["embed.method=hashing", "embed.model=hashing-64"]
SENTENCES = 9_000  # about 1,000 chunks


@dataclass
class Mill:
    """A home and what it holds."""

    root: Path
    overrides: Sequence[str] = ()

    def __post_init__(self) -> None:
        home.init(settings.build(home=self.root))

    def sync(self, folder: Path, *overrides: str) -> SyncResult:
        given = [*self.overrides, *overrides]
        return syncing.sync(settings.build(home=self.root), SilentReporter(), [folder], overrides=given)

    def value(self, database: str, sql: str) -> int:
        connection = sqlite3.connect(self.root / database)
        try:
            return int(connection.execute(sql).fetchone()[0])
        finally:
            connection.close()

    def cached(self) -> int:
        tables = self.value("cache.db", "SELECT COUNT(*) FROM sqlite_master WHERE name = 'embedding'")
        return self.value("cache.db", "SELECT COUNT(*) FROM embedding") if tables else 0

    def parsed(self) -> int:
        sql = "SELECT COUNT(*) FROM run_step WHERE type = 'parse' AND status = 'completed' AND reused = 0"
        return self.value("state.db", sql)

    def rows(self) -> int:
        table = Database(self.root, "default").table(CHUNKS)
        return int(table.count_rows()) if table is not None else 0


def markdown(parts: Sequence[Part]) -> str:
    blocks = []
    for part in parts:
        text = " ".join(part.lines)
        mark = f"{'#' * part.level} " if part.kind == "heading" else "- " if part.kind == "list_item" else ""
        blocks.append(mark + text)
    return "\n\n".join(blocks) + "\n"


def edit_and_sync(work: Path, name: str, make: object, edits: int) -> list[str]:
    """A long text, edited and synced again and again. Returns what is wrong."""
    dice = random.Random(f"reuse {name}")
    parts = make(dice, SENTENCES)  # type: ignore[operator] # one of the texts of chunk_stability
    folder, mill = work / name, Mill(work / f"{name}-home")
    folder.mkdir()
    (folder / "long.md").write_text(markdown(parts), "utf-8")
    first = mill.sync(folder)
    wrong, new = [], []
    for number in range(edits):
        parts = edited(parts, dice)
        (folder / "long.md").write_text(markdown(parts), "utf-8")
        cached = mill.cached()
        result = mill.sync(folder)
        grown, rows = mill.cached() - cached, mill.rows()
        new.append(result.chunks.embedded)
        if (result.chunks.embedded, result.chunks.total) != (grown, rows):
            wrong.append(
                f"{name}, edit {number}: {result.chunks.embedded} of {result.chunks.total} chunks embedded,"
                f" but the cache grew by {grown} and the database holds {rows}"
            )
    if max(new) > MOST_NEW:
        wrong.append(f"{name}: an edit embedded {max(new)} chunks")
    figures = f"{fmean(new):.1f} a sync, {max(new)} at most"
    print(
        f"{name:<10} {first.chunks.total:,} chunks, {edits} edits, each synced: {figures}, counters agree: {not wrong}"
    )
    return wrong


def small_files(work: Path, count: int) -> list[str]:
    """Returns what is wrong."""
    folder, second, mill = work / "files", work / "copies", Mill(work / "files-home", QUICK)
    homes.write(folder, range(count), sections=1)
    wrong: list[str] = []

    def step(what: str, expected: tuple[int, int, int], folder: Path, *overrides: str) -> None:
        parsed, cached, started = mill.parsed(), mill.cached(), time.perf_counter()
        result = mill.sync(folder, *overrides)
        found = result.documents.completed, mill.parsed() - parsed, mill.cached() - cached
        seconds = time.perf_counter() - started
        print(f"{what:<34} {found[0]:>8,} {found[1]:>8,} {found[2]:>9,} {seconds:>9.1f}")
        if found != expected:
            wrong.append(f"{what}: done, parsed, embedded are {found}, expected {expected}")

    print(f"\n{f'{count:,} files':<34} {'done':>8} {'parsed':>8} {'embedded':>9} {'seconds':>9}")
    step("first sync", (count, count, count), folder)
    some = next(folder.rglob("*.md"))
    some.rename(some.with_name("renamed.md"))
    step("one renamed", (1, 0, 0), folder)
    step("nothing", (0, 0, 0), folder)
    step("chunk size changed", (count, 0, 0), folder, "chunk.size=100")  # each file is one chunk, whatever its size
    shutil.copytree(folder, second)
    step("the same bytes in a second folder", (count, 0, 0), second, "chunk.size=100")
    hits = searching.search(settings.build(home=mill.root), "Note 77", mode="fts", limit=100).hits
    if {hit.source for hit in hits} != {"files", "copies"}:
        wrong.append("a search does not find both copies")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--edits", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where the files are made; else a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        work = Path(name)
        wrong = edit_and_sync(work, "headings", headings, arguments.edits)
        wrong += edit_and_sync(work, "unbroken", unbroken, arguments.edits)
        wrong += small_files(work, arguments.files)
    for each in wrong:
        print(f"WRONG: {each}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
