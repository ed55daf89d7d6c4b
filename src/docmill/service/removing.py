"""Takes the rows of deleted documents out of the databases, where no engine is at work that does so by itself."""

from __future__ import annotations

from pathlib import Path

from docmill import failpoints
from docmill.domain.contracts import ModelInfo
from docmill.errors import DatabaseNotFound
from docmill.service.controlling import writing
from docmill.service.engines import unless_running
from docmill.stores import downloads
from docmill.stores.queries import reading
from docmill.stores.reading import Database
from docmill.stores.state import State, settling
from docmill.stores.vectors import VectorStore

_WINDOW = 500  # documents


def remove_leaving(home: Path) -> list[str]:
    """Returns the databases that still hold such rows: an engine is at work, and its next window there takes them."""
    if _databases(home):
        unless_running(home, lambda: remove_here(home))
    return _databases(home)


def _databases(home: Path) -> list[str]:
    with reading(home) as queries:
        sql = "SELECT DISTINCT database FROM placement WHERE state = 'leaving' ORDER BY 1"
        return [row[0] for row in queries.rows(sql)]


def remove_here(home: Path) -> None:
    """To be called by whoever holds the engine's lock."""
    with writing(home) as state:
        for database in _databases(home):
            _remove_from(home, state, database)


def _remove_from(home: Path, state: State, database: str) -> None:
    try:
        store = open_store(home, database)
    except DatabaseNotFound:  # its folder has gone, and the rows with it
        store = None
    while gone := _leaving(state, database):
        if store is not None:
            store.replace([], gone)
        with failpoints.around("placement.forget"), state.transaction() as tx:
            settling.forget_placements(tx, database, gone)
        with state.transaction() as tx:
            downloads.discard_members(home, tx, gone)
    if store is not None:
        store.finish(vector_rows=None)


def _leaving(state: State, database: str) -> list[str]:
    with state.transaction() as tx:
        return settling.leaving(tx, database, _WINDOW)


def open_store(home: Path, database: str) -> VectorStore:
    """As it was made, whatever the definitions say by now. Raises DatabaseNotFound."""
    stored = Database(home, database).settings()
    model = ModelInfo(
        stored["model"], stored["provider"], stored["fingerprint"], int(stored["vector_dim"]), max_tokens=0
    )
    return VectorStore(home / "lancedb" / database, model, stored["embedder"])
