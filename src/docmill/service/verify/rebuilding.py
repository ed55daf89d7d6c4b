"""Makes a state.db that is gone or damaged anew, from what is kept by content: with as little work as can be.

Outputs are taken up again as they lie there, as each is named by what it was made of; vectors are in the cache, and
what it lacks is taken from the rows of the old databases. Then the folders are synced: files are hashed and rows are
stored, and nothing is parsed or embedded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import sqlite3
import zipfile
import zlib
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.jobs import ArtifactRef
from docmill.errors import StorageError
from docmill.service import sources
from docmill.service.home import begin_anew, free_name
from docmill.service.verify.refilling import refill
from docmill.stores import database_folders
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.embedding_cache import EmbeddingCache
from docmill.stores.state import State, settling, sources_copy

_PART = 500


def mend_indexes(home: Path) -> bool:
    """Have SQLite build its indexes anew, in case only they are damaged. Whether it could."""
    try:
        with contextlib.closing(sqlite3.connect(home / "state.db", timeout=30.0)) as connection:
            connection.execute("REINDEX")
    except sqlite3.DatabaseError:
        return False
    return True


def rebuild(home: Path, reporter: Reporter) -> tuple[list[Path], dict[str, Path]]:
    """To be called by whoever holds the engine's lock. Returns what was moved out of the way, and the folders of the
    sources that are known again, to be synced.
    """
    aside = _set_state_aside(home)
    _keep_vectors(home, reporter)
    if (databases := begin_anew(home)) is not None:
        aside.append(databases)
    state = State(home)
    try:
        _take_up(home, state)
        with state.transaction() as tx:
            folders, others = sources_copy.restore(tx, home)
    finally:
        state.close()
    if not folders:
        reporter.emit(
            MessageEvent("warning", "no folder is known any more: `docmill sync FOLDER` makes each known again")
        )
    for name in others:
        said = f"documents of source {name} were named one by one: ingest them again; nothing of them is embedded again"
        reporter.emit(MessageEvent("warning", said))
    return aside, {name: path for name, text in folders.items() if (path := sources.folder_path(text)) is not None}


def _set_state_aside(home: Path) -> list[Path]:
    if not (home / "state.db").exists():
        return []
    aside = free_name(home / "state.db.damaged")
    (home / "state.db").rename(aside)
    for log in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            (home / f"state.db{log}").rename(aside.with_name(aside.name + log))
    return [aside]


def _keep_vectors(home: Path, reporter: Reporter) -> None:
    cache = EmbeddingCache(home)
    try:
        for name in database_folders.databases(home):
            try:
                refill(home, cache, name)
            except StorageError as error:
                reporter.emit(MessageEvent("debug", error.message))
    finally:
        cache.close()


def _take_up(home: Path, state: State) -> None:
    """Make every output known that is there and whole, and remove the others."""
    store = ArtifactStore(home)
    known: list[tuple[str, ArtifactRef]] = []
    for path in store.files():
        data = path.read_bytes()
        kind = _kind(data)
        if kind is None or len(path.name) != 64:
            path.unlink()
        else:
            known.append((kind, ArtifactRef(path.name, hashlib.sha256(data).hexdigest(), len(data))))
    for start in range(0, len(known), _PART):
        with state.transaction() as tx:
            settling.record_artifacts(tx, known[start : start + _PART])


def _kind(data: bytes) -> str | None:
    """Of which step it is the output. None where it is torn: zlib and zip have checksums of their own."""
    try:
        if data.startswith(b"PK"):
            return "assets" if zipfile.ZipFile(io.BytesIO(data)).testzip() is None else None
        return "chunk" if "chunks" in json.loads(zlib.decompress(data)) else "parse"
    except (zlib.error, zipfile.BadZipFile, ValueError, TypeError, NotImplementedError):
        return None
