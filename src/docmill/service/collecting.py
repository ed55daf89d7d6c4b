"""``gc``: removes what was computed and what nothing leads to any more. Never a document, its history or its passages.

It has the engine's lock, so nobody computes meanwhile. What is known of a thing goes before the thing: killed in
between, a file is left that nothing knows, and the next ``gc`` finds it. All that goes could be computed again.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from docmill import failpoints
from docmill.domain.results import Collected, GcResult
from docmill.errors import StorageError
from docmill.service import dropping
from docmill.service.controlling import writing
from docmill.service.engines import exclusively
from docmill.service.references import References
from docmill.service.removing import open_store, remove_here
from docmill.service.strays import find_strays
from docmill.settings import Settings, find_home
from docmill.stores import database_folders
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.downloads import DownloadStore, unreferenced
from docmill.stores.embedding_cache import EmbeddingCache
from docmill.stores.queries import Queries
from docmill.stores.queries import reading as reading_state
from docmill.stores.state import State, strays

_WINDOW = 500
_KEY = re.compile(r"[0-9a-f]{64}\Z")
_PACK_SHARE = 4  # a file is packed anew where a quarter of it is free


def gc(settings: Settings, *, dry_run: bool = False) -> GcResult:
    """Raises EngineBusy where an engine is at work for longer than ``settings.lock_timeout``."""
    started = time.perf_counter()
    home = find_home(settings)
    with exclusively(home, settings), reading_state(home) as queries, writing(home) as state:
        needed = References.of(home, queries)
        kept_for = list(needed.kept_for)
        artifacts = _artifacts(home, state, queries, needed.keys, dry_run=dry_run)
        embeddings = Collected()
        if not needed.kept_for:  # else texts may be needed that are not known
            embeddings = _embeddings(home, needed, queries, dry_run=dry_run)
        downloads = _downloads(home, state, dry_run=dry_run)
        unfinished = _unfinished(home, dry_run=dry_run)
        rows, unknown = _rows(home, queries, kept_for, dry_run=dry_run)
        placements = _placements(home, state, kept_for, dry_run=dry_run)
        if not dry_run:
            dropping.sweep(home)
            _vacuum(home, queries, kept_for, settings.vector_index_rows)
            pack(home / "state.db")
            pack(home / "cache.db")
    freed = sum(each.bytes for each in (artifacts, embeddings, downloads, unfinished))
    return GcResult(
        dry_run=dry_run,
        message=f"{'would free' if dry_run else 'freed'} {freed:,} bytes",
        artifacts=artifacts,
        embeddings=embeddings,
        downloads=downloads,
        unfinished_files=unfinished,
        database_rows=rows,
        placements=placements,
        unknown_databases=unknown,
        bytes_freed=freed,
        kept_for=list(dict.fromkeys(kept_for)),
        seconds=round(time.perf_counter() - started, 3),
    )


def _artifacts(home: Path, state: State, queries: Queries, needed: set[str], *, dry_run: bool) -> Collected:
    """Outputs that no document leads to: those that are known, and files that nobody knows."""
    store = ArtifactStore(home)
    known = {row["step_key"] for row in queries.rows("SELECT step_key FROM artifact")}
    files = {path.name: path for path in store.files() if _KEY.match(path.name) and path.is_file()}
    gone = known - files.keys()  # known, and not there: they would be computed again in any case
    unwanted = sorted(((known | files.keys()) - needed - gone) | (files.keys() - known))
    size = sum(files[key].stat().st_size for key in unwanted)
    if not dry_run:
        with failpoints.around("gc.forget"), state.transaction() as tx:
            tx.many("DELETE FROM artifact WHERE step_key = ?", [(key,) for key in sorted({*unwanted, *gone} & known)])
        for key in unwanted:
            with failpoints.around("gc.remove"):
                files[key].unlink(missing_ok=True)
    return Collected(count=len(unwanted), bytes=size)


def _embeddings(home: Path, needed: References, queries: Queries, *, dry_run: bool) -> Collected:
    cache = EmbeddingCache(home)
    try:
        count, size = cache.collect(needed.text_keys(home, queries), dry_run=dry_run)
    finally:
        cache.close()
    return Collected(count=count, bytes=size)


def _downloads(home: Path, state: State, *, dry_run: bool) -> Collected:
    store = DownloadStore(home)
    if not store.folder.is_dir():
        return Collected()
    with state.transaction() as tx:
        copies = unreferenced(tx, store.copies())
        size = sum(store.path(copy).stat().st_size for copy in copies)
        if not dry_run:
            store.discard(tx, copies)
    return Collected(count=len(copies), bytes=size)


def _unfinished(home: Path, *, dry_run: bool) -> Collected:
    """What workers had begun to write when they died. Downloads may be under way: those that are of today stay."""
    yesterday = time.time() - 86_400
    paths = [*ArtifactStore(home).unfinished(), *DownloadStore(home).unfinished()]
    count = size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            found = path.stat()
            if path.parent.parent.name == "downloads" and found.st_mtime > yesterday:
                continue
            count, size = count + 1, size + found.st_size
            if not dry_run:
                path.unlink()
    return Collected(count=count, bytes=size)


def _rows(home: Path, queries: Queries, kept_for: list[str], *, dry_run: bool) -> tuple[Collected, list[str]]:
    """Rows of documents that do not belong there, by the marks; and databases that nobody knows."""
    known, names = _known(queries), database_folders.databases(home)
    folders = sorted(each.name for each in (home / "lancedb").glob("*") if each.is_dir())
    count = 0
    for name in sorted(known.intersection(names)):
        with _in_spite_of_faults(name, kept_for):
            stray = find_strays(home, queries, name)
            if stray and not dry_run:
                store, ids = open_store(home, name), sorted(stray)
                for start in range(0, len(ids), _WINDOW):
                    store.replace([], ids[start : start + _WINDOW])
            count += sum(each.rows for each in stray.values())
    return Collected(count=count), [name for name in folders if name not in known]


def _placements(home: Path, state: State, kept_for: list[str], *, dry_run: bool) -> Collected:
    """Marks of documents that are not there any more. They go last: while rows may lie there, the mark says so."""
    with state.transaction() as tx:
        count = strays.count_marks(tx)
        if not dry_run:
            strays.release_marks(tx)
    if count and not dry_run:
        with _in_spite_of_faults("", kept_for):
            remove_here(home)
    return Collected(count=count)


def _vacuum(home: Path, queries: Queries, kept_for: list[str], vector_rows: int) -> None:
    """Versions of the databases that no reader can still hold."""
    for name in sorted(_known(queries).intersection(database_folders.databases(home))):
        with _in_spite_of_faults(name, kept_for):
            open_store(home, name).vacuum(vector_rows=vector_rows)


def _known(queries: Queries) -> set[str]:
    return {row["name"] for row in queries.rows("SELECT name FROM database")}


@contextlib.contextmanager
def _in_spite_of_faults(database: str, kept_for: list[str]) -> Iterator[None]:
    """A database that cannot be used is left alone and told of; the rest of the home is none the worse for it."""
    try:
        yield
    except StorageError as error:
        kept_for.append(error.message)
    except KeyError:  # LanceDB was killed before its settings were written
        kept_for.append(f"database {database} is not whole; the next run that stores there makes it so")


def pack(path: Path, *, always: bool = False) -> None:
    """Give back the room of what was deleted in an SQLite file, where it is much, as others wait for that long."""
    if not path.is_file():
        return
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        pages, free = (connection.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count"))
        if free and (always or free * _PACK_SHARE >= pages):
            connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError:
        return  # in use for long, no room to pack it in, or damaged; the room is used again in any case
    finally:
        connection.close()
