"""A home as it was at one instant, while an engine is at work in it: a folder of hard links and copies.

The instant is one at which nobody can write to state.db: then the tags of the databases are read, and a reader of
state.db is opened that goes on seeing it as it was. An engine that was storing a window has marked its documents by
then and has not settled them, so the snapshot is what it would have left if it had been killed right there; the first
engine of a restored home does that window again (see storing.py). State and databases read one after the other would
not do: documents would be "stored" whose rows came later, or have rows that no mark tells of, to be doubled.

What the tags lead to is linked after that. Files of LanceDB are never changed, and a version that somebody may read is
kept for an hour; manifests are linked before the files that they name, which were written first.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docmill import failpoints
from docmill.domain import places
from docmill.settings import FILE_NAME
from docmill.stores import checksums, unfinished
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.downloads import REFERENCES
from docmill.stores.state import sources_copy

KEPT = {"workflows": ("*.yaml", "*.yml"), "param-sets": ("*.yaml", "*.yml"), "reports": ("*.html", "*.json")}
STATE, CACHE, LANCEDB = "state.db", "cache.db", "lancedb"
_PREFIX = "snapshot-"
_BUSY_TIMEOUT_S = 30.0
_PAGES = 4096  # copied at once; in between, Ctrl-C is heard
_TAGS, _VERSIONS = "_refs", "_versions"
_MANIFEST = re.compile(r"(\d{1,20})\.manifest\Z")
_MOST_U64 = 2**64 - 1  # LanceDB counts manifests down from here, so that the newest is listed first
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)


@dataclass(slots=True)
class Snapshot:
    """``folder`` has the layout of a home. ``left_out``: what is in the home and not here, in words."""

    folder: Path
    left_out: list[str] = field(default_factory=list)


@contextmanager
def taken(home: Path, *, cache: bool = True) -> Iterator[Snapshot]:
    """A snapshot, which is gone afterwards. ``cache``: with the vectors of cache.db. Raises OSError, sqlite3's errors.

    It lies in the home, as links need the same file system. What a killed process has left of one is removed first.
    """
    for leftover in home.glob(f"{_PREFIX}*"):
        unfinished.discard(leftover)
    folder = home / f"{_PREFIX}{secrets.token_hex(6)}"
    with unfinished.made(folder, folder=True):
        snapshot = Snapshot(folder)
        with failpoints.around("backup.snapshot"):
            _fill(home, snapshot, cache=cache)
        yield snapshot


# ---- filling it ------------------------------------------------------------------------------------------------------


def _fill(home: Path, snapshot: Snapshot, *, cache: bool) -> None:
    folder = snapshot.folder
    with closing(_connect(home / STATE)) as reader:
        names = _hold_still(home, folder, reader)
        for name in names:
            for table in sorted((home / LANCEDB / name).glob("*.lance")):
                _link_table(table, folder / LANCEDB / name / table.name)
            _copy(home / LANCEDB / name / checksums.NAME, folder / LANCEDB / name)
        reader_copy(reader, folder / STATE)
    _link_referenced(home, snapshot)
    for kind, patterns in KEPT.items():
        for path in sorted(each for pattern in patterns for each in (home / kind).glob(pattern)):
            _copy(path, folder / kind)
    for name in (FILE_NAME, sources_copy.NAME):
        _copy(home / name, folder)
    if cache:
        _copy_cache(home, snapshot)
    unknown = [each.name for each in (home / LANCEDB).glob("*") if each.is_dir() and each.name not in names]
    snapshot.left_out += [f"lancedb/{name}: no database that docmill knows" for name in sorted(unknown)]


def _hold_still(home: Path, folder: Path, reader: sqlite3.Connection) -> list[str]:
    """Open a read transaction and copy the tags of that very instant. Returns the databases that there are."""
    with closing(_connect(home / STATE)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        try:
            reader.execute("BEGIN")
            known = [row[0] for row in reader.execute("SELECT name FROM database ORDER BY name")]
            for name in known:
                for table in (home / LANCEDB / name).glob("*.lance"):
                    _copy_tags(table, folder / LANCEDB / name / table.name)
        finally:
            writer.execute("ROLLBACK")
    return [name for name in known if (home / LANCEDB / name).is_dir()]


def _copy_tags(table: Path, to: Path) -> None:
    for path in sorted((table / _TAGS).rglob("*.json")):
        target = to / path.relative_to(table)
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # a temporary name, from which it has been moved meanwhile
            target.write_bytes(path.read_bytes())  # LanceDB replaces it as a whole


def _link_table(table: Path, to: Path) -> None:
    newest = _published(to)
    for path in sorted((table / _VERSIONS).glob("*.manifest")):
        version = _version(path.name)
        if version is not None and (newest is None or version <= newest):
            _link(path, to / _VERSIONS / path.name)
    for parent, folders, names in os.walk(table):
        folders[:] = [each for each in folders if Path(parent) != table or each not in (_TAGS, _VERSIONS)]
        for name in names:
            path = Path(parent, name)
            if name.startswith("."):
                continue  # LanceDB is still writing it, and gives it its name when it is whole
            _link(path, to / path.relative_to(table))


def _published(table: Path) -> int | None:
    """The version that readers are sent to; None where nothing has been published."""
    tag = table / _TAGS / "tags" / "published.json"
    return int(json.loads(tag.read_bytes())["version"]) if tag.is_file() else None


def _version(manifest: str) -> int | None:
    """Of a manifest's name: 20 digits count down, fewer are the number itself. None for what is no manifest yet."""
    found = _MANIFEST.match(manifest)
    if found is None:
        return None
    return _MOST_U64 - int(found[1]) if len(found[1]) == 20 else int(found[1])


def _link_referenced(home: Path, snapshot: Snapshot) -> None:
    """The outputs and copies that the state knows. One that is gone meanwhile is computed or fetched again."""
    folder, gone = snapshot.folder, 0
    with closing(sqlite3.connect(folder / STATE)) as state:
        keys = [row[0] for row in state.execute("SELECT step_key FROM artifact ORDER BY step_key")]
        copies = state.execute(f"SELECT DISTINCT content_hash, suffix {REFERENCES}").fetchall()
    here, there = ArtifactStore(home), ArtifactStore(folder)
    gone += sum(not _link(here.path(key), there.path(key)) for key in keys)
    gone += sum(not _link(places.copy_path(home, *copy), places.copy_path(folder, *copy)) for copy in copies)
    if gone:
        snapshot.left_out.append(f"{gone:,} outputs and copies that are gone from the home")


def _copy(path: Path, to: Path) -> None:
    """A file that is written to in place, so that a link would not do; nothing where it is not there."""
    if path.is_file():
        to.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            shutil.copy2(path, to / path.name)


def _copy_cache(home: Path, snapshot: Snapshot) -> None:
    if not (home / CACHE).is_file():
        return
    try:
        with closing(_connect(home / CACHE)) as reader:
            reader_copy(reader, snapshot.folder / CACHE)
    except sqlite3.DatabaseError as error:  # it only saves work, and its engine sets it aside
        (snapshot.folder / CACHE).unlink(missing_ok=True)
        snapshot.left_out.append(f"cache.db: {error}")


def reader_copy(reader: sqlite3.Connection, target: Path) -> None:
    """What a connection sees, by SQLite's own backup: of one transaction, whoever writes meanwhile."""
    if not reader.in_transaction:
        reader.execute("BEGIN")
    reader.execute("SELECT 1 FROM sqlite_master").fetchone()
    with closing(sqlite3.connect(target)) as copy:
        reader.backup(copy, pages=_PAGES)
    reader.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)


def _link(path: Path, to: Path) -> bool:
    """Link, or copy where a folder of the home lies on another disk. False where it is not there."""
    try:
        try:
            os.link(path, to, follow_symlinks=False)
        except FileNotFoundError:
            if not path.exists():
                return False
            to.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, to, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copy2(path, to)
    return True
