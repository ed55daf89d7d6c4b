"""``lancedb drop``: a database goes, and the state forgets that anything lay there.

The state goes first: killed after that, documents are due that still have rows, and a window that stores them deletes
those before. Then the folder leaves the databases at once, under another name, and its files follow.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path

from docmill import failpoints
from docmill.domain.results import DatabaseDropped
from docmill.domain.sizes import human_size
from docmill.errors import DatabaseNotFound, StorageError
from docmill.service.controlling import writing
from docmill.service.engines import exclusively
from docmill.settings import Settings, find_home
from docmill.stores import database_folders
from docmill.stores.database_folders import size_bytes
from docmill.stores.faults import storage_error
from docmill.stores.queries import Queries
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import CHUNKS, DOCUMENTS, SETTINGS
from docmill.stores.state import settling

_LEFTOVER = "dropped-"


def drop(settings: Settings, database: str, *, dry_run: bool = False) -> DatabaseDropped:
    """Takes the engine's lock, as vacuum does. Raises DatabaseNotFound."""
    started, home = time.perf_counter(), find_home(settings)
    _require(home, database)
    if dry_run:
        return _result(home, database, started, dry_run=True)
    with exclusively(home, settings):
        sweep(home)
        _require(home, database)  # another one may have dropped it meanwhile
        result = _result(home, database, started, dry_run=False)
        with writing(home) as state:
            with failpoints.around("drop.forget"), state.transaction() as tx:
                settling.forget_database(tx, database)
                message = f"database {database} was dropped"
                settling.log(tx, "info", message, documents=result.documents, chunks=result.chunks)
            with failpoints.around("drop.remove"):
                _remove(home, database)
            with state.transaction() as tx:
                settling.forget_rows(tx, database)
    return result.model_copy(update={"seconds": round(time.perf_counter() - started, 3)})


def sweep(home: Path) -> None:
    """What a drop that was killed has left to be removed. To be called by whoever holds the engine's lock."""
    for leftover in home.glob(f"{_LEFTOVER}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _remove(home: Path, database: str) -> None:
    folder, leaving = home / "lancedb" / database, home / f"{_LEFTOVER}{secrets.token_hex(6)}"
    try:
        if folder.is_symlink():  # it lies on another disk, and perhaps not alone
            for table in (SETTINGS, DOCUMENTS, CHUNKS):
                shutil.rmtree(folder / f"{table}.lance", ignore_errors=True)
            folder.unlink()
        elif folder.is_dir():
            folder.rename(leaving)
            shutil.rmtree(leaving)
    except OSError as error:
        doing = f"database {database} cannot be removed from {folder.parent}"
        hint = "remove the folder by hand: docmill has forgotten the database already"
        raise storage_error(error, doing) or StorageError(f"{doing}: {error.strerror}", hint=hint) from error


def _require(home: Path, database: str) -> None:
    """Docmill's own, by its looks or by the state: one may be half made, or its folder gone by other means."""
    if os.sep not in database and database in database_folders.databases(home):
        return
    with reading_state(home) as queries:
        known = "SELECT name FROM database UNION SELECT database FROM placement"
        if database in {row["name"] for row in queries.rows(known)}:
            return
    raise DatabaseNotFound(f"no database {database!r} in this home", database=database)


def _result(home: Path, database: str, started: float, *, dry_run: bool) -> DatabaseDropped:
    size = size_bytes(home / "lancedb" / database)
    with reading_state(home) as queries:
        stored = "FROM placement WHERE database = ? AND state = 'stored'"
        documents, chunks = queries.rows(f"SELECT COUNT(*), COALESCE(SUM(chunk_count), 0) {stored}", [database])[0]
        sources, batches = _refilling(queries, database)
    return DatabaseDropped(
        dry_run=dry_run,
        database=database,
        message=f"{'would drop' if dry_run else 'dropped'} {database}",
        documents=documents,
        chunks=chunks,
        space_freed_bytes=size,
        space_freed_human=human_size(size),
        sources=sources,
        batches=batches,
        seconds=round(time.perf_counter() - started, 3),
    )


def _refilling(queries: Queries, database: str) -> tuple[list[str], list[str]]:
    """Sources whose next sync fills it again, and other batches that would with their next start."""
    rows = queries.rows(
        "SELECT DISTINCT b.name, s.name AS source FROM run_group g JOIN batch b ON b.id = g.batch_id"
        " LEFT JOIN source s ON s.batch_id = b.id WHERE g.database = ? ORDER BY b.id",
        [database],
    )
    sources = [row["source"] for row in rows if row["source"] is not None]
    return sources, [row["name"] for row in rows if row["source"] is None]
