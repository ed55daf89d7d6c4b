"""``gc``: removes what was computed and what nothing leads to any more. Never a document, its history or its passages.

It has the engine's lock, so nobody computes meanwhile. What is known of a thing goes before the thing: killed in
between, a file is left that nothing knows, and the next ``gc`` finds it. All that goes could be computed again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from docmill import failpoints
from docmill.domain.results import Collected, GcResult
from docmill.service.controlling import writing
from docmill.service.engines import exclusively
from docmill.service.references import References
from docmill.service.removing import open_store, remove_here
from docmill.settings import Settings, find_home
from docmill.stores import reading
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.downloads import DownloadStore, unreferenced
from docmill.stores.embedding_cache import EmbeddingCache
from docmill.stores.queries import Queries
from docmill.stores.queries import reading as reading_state
from docmill.stores.state import State

_WINDOW = 500
_PACK_SHARE = 4  # a file is packed anew where a quarter of it is free


def gc(settings: Settings, *, dry_run: bool = False) -> GcResult:
    """Raises EngineBusy where an engine is at work for longer than ``settings.lock_timeout``."""
    started = time.perf_counter()
    home = find_home(settings)
    with exclusively(home, settings), reading_state(home) as queries, writing(home) as state:
        needed = References.of(home, queries)
        artifacts = _artifacts(home, state, queries, needed.keys, dry_run=dry_run)
        embeddings = Collected()
        if not needed.kept_for:  # else texts may be needed that are not known
            embeddings = _embeddings(home, needed, queries, dry_run=dry_run)
        downloads = _downloads(home, state, dry_run=dry_run)
        unfinished = _unfinished(home, dry_run=dry_run)
        placements = _placements(home, state, dry_run=dry_run)
        rows, unknown = _rows(home, queries, dry_run=dry_run)
        if not dry_run:
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
        kept_for=needed.kept_for,
        seconds=round(time.perf_counter() - started, 3),
    )


def _artifacts(home: Path, state: State, queries: Queries, needed: set[str], *, dry_run: bool) -> Collected:
    """Outputs that no document leads to: those that are known, and files that nobody knows."""
    store = ArtifactStore(home)
    known = {row["step_key"] for row in queries.rows("SELECT step_key FROM artifact")}
    files = {path.name: path for path in store.files()}
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


def _placements(home: Path, state: State, *, dry_run: bool) -> Collected:
    """Marks of documents that are not there any more: their rows leave the databases."""
    orphaned = "document_id NOT IN (SELECT id FROM document)"
    with state.transaction() as tx:
        count = int(tx.value(f"SELECT COUNT(*) FROM placement WHERE {orphaned} OR state = 'leaving'"))  # noqa: S608 - a constant
        if not dry_run:
            tx.run(f"UPDATE placement SET state = 'leaving', settled_key = NULL WHERE {orphaned}")  # noqa: S608 - a constant
    if not dry_run:
        remove_here(home)
    return Collected(count=count)


def _rows(home: Path, queries: Queries, *, dry_run: bool) -> tuple[Collected, list[str]]:
    """Rows of documents of which no mark says that they may lie there; and databases that nobody knows."""
    known = {row["name"] for row in queries.rows("SELECT name FROM database")}
    names = reading.databases(home)
    count = 0
    for name in sorted(known.intersection(names)):
        placed = {row[0] for row in queries.rows("SELECT document_id FROM placement WHERE database = ?", [name])}
        stray = _strays(home, name, placed)
        count += sum(stray.values())
        if stray and not dry_run:
            store, ids = open_store(home, name), sorted(stray)
            for start in range(0, len(ids), _WINDOW):
                store.replace([], ids[start : start + _WINDOW])
            store.finish(index=False)
    return Collected(count=count), sorted(set(names) - known)


def _strays(home: Path, name: str, placed: set[str]) -> dict[str, int]:
    """Number of rows by document id, of documents that are not placed there."""
    database = reading.Database(home, name)
    found: dict[str, int] = {}
    for table in (reading.CHUNKS, reading.DOCUMENTS):
        opened = database.table(table)
        batches: Iterable[object] = opened.search().select(["document_id"]).to_batches() if opened is not None else ()
        for batch in batches:
            for document_id in batch.column("document_id").to_pylist():  # type: ignore[attr-defined] # an Arrow batch
                if document_id not in placed:
                    found[document_id] = found.get(document_id, 0) + 1
    return found


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
    except sqlite3.OperationalError:
        return  # somebody reads or writes for long; the room is used again in any case
    finally:
        connection.close()
