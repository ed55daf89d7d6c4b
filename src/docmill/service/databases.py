"""The LanceDB databases of a home: which there are, what is in them, and giving space back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docmill import __version__
from docmill.domain.results import (
    DatabaseInfo,
    DatabaseList,
    DatabaseSummary,
    EmbeddingsInfo,
    IndexInfo,
    IndexResult,
    StoredDocument,
    StoredDocumentList,
    TableInfo,
    VacuumResult,
    VersionInfo,
)
from docmill.domain.sizes import human_size
from docmill.settings import Settings, find_home
from docmill.stores import indexing, reading
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, size_and_files, size_bytes

if TYPE_CHECKING:
    from docmill.stores.vectors import VectorStore


def list_databases(settings: Settings, *, limit: int, offset: int) -> DatabaseList:
    home = find_home(settings)
    names = reading.databases(home)
    summaries = []
    for name in names[offset : offset + limit]:
        size = size_bytes(home / "lancedb" / name)
        summaries.append(DatabaseSummary(name=name, path=name, size_bytes=size, size_human=human_size(size)))
    return DatabaseList(
        lancedb_dir=str(home / "lancedb"),
        database_count=len(names),
        databases=summaries,
        total=len(names),
        limit=limit,
        offset=offset,
    )


def info(settings: Settings, database: str) -> DatabaseInfo:
    """Raises DatabaseNotFound."""
    from importlib.metadata import version

    home = find_home(settings)
    opened = Database(home, database)
    stored = opened.settings()
    chunks = opened.table(CHUNKS)
    size, files = size_and_files(opened.folder)
    return DatabaseInfo(
        name=database,
        path=database,
        size_bytes=size,
        size_human=human_size(size),
        files=files,
        documents=_table_info(opened, DOCUMENTS),
        chunks=_table_info(opened, CHUNKS),
        embeddings=EmbeddingsInfo(
            provider=stored.get("provider", ""),
            model=stored.get("model", ""),
            vector_dim=int(stored.get("vector_dim", 0)),
            fingerprint=stored.get("fingerprint", ""),
        ),
        vector_index=_index_info(chunks, text=False),
        full_text_index=_index_info(chunks, text=True),
        tables=[DOCUMENTS, CHUNKS, reading.SETTINGS],
        versions=VersionInfo(
            docmill=__version__, lancedb=version("lancedb"), stored_version=stored.get("stored_version", "")
        ),
    )


def documents(settings: Settings, database: str, *, limit: int, offset: int) -> StoredDocumentList:
    """The stored documents in the order of their URIs."""
    opened = Database(find_home(settings), database)
    table = opened.table(DOCUMENTS)
    total = table.count_rows() if table is not None else 0
    rows = table.search().select(["uri", "source", "document_id"]).limit(max(total, 1)).to_list() if total else []
    order = sorted(rows, key=lambda row: (row["source"], row["uri"]))[offset : offset + limit]
    wanted = [row["document_id"] for row in order]
    found: dict[str, dict[str, Any]] = {}
    if wanted:
        condition = reading.Scope(document_ids=tuple(wanted)).condition()
        found = {row["document_id"]: row for row in table.search().where(condition).limit(len(wanted)).to_list()}
    return StoredDocumentList(
        database=database,
        document_count=total,
        documents=[_stored_document(found[each]) for each in wanted if each in found],
        total=total,
        limit=limit,
        offset=offset,
    )


def index(settings: Settings, database: str, *, rebuild: bool = False) -> IndexResult:
    """Make the indexes cover every passage. Takes the engine's lock; readers go on as they are.

    rebuild: from the passages as they are now, where they have become others than those an index was made of.
    """
    home, started = find_home(settings), time.perf_counter()
    with _held(home, settings, database) as store:
        store.index(vector_rows=settings.vector_index_rows, rebuild=rebuild)
    chunks = Database(home, database).table(CHUNKS)
    return IndexResult(
        database=database,
        status="ok",
        rows=chunks.count_rows() if chunks is not None else 0,
        vector_index=_index_info(chunks, text=False),
        full_text_index=_index_info(chunks, text=True),
        vector_index_rows=settings.vector_index_rows,
        seconds=round(time.perf_counter() - started, 3),
    )


def vacuum(settings: Settings, database: str) -> VacuumResult:
    """Merge files, drop deleted rows and old versions. Takes the engine's lock; readers go on as they are."""
    home, started = find_home(settings), time.perf_counter()
    with _held(home, settings, database) as store:
        before = size_bytes(store.folder)
        removed = store.vacuum(vector_rows=settings.vector_index_rows)
        after = size_bytes(store.folder)
    return VacuumResult(
        database=database,
        status="ok",
        size_before_bytes=before,
        size_after_bytes=after,
        space_freed_bytes=max(before - after, 0),
        versions_removed=removed,
        seconds=round(time.perf_counter() - started, 3),
    )


@contextmanager
def _held(home: Path, settings: Settings, database: str) -> Iterator[VectorStore]:
    """A database to write to, with the engine's lock. Raises DatabaseNotFound, before it waits for anybody."""
    Database(home, database)
    from docmill.service.engines import exclusively  # with the engine comes what lists do without
    from docmill.service.removing import open_store

    with exclusively(home, settings):
        yield open_store(home, database)


def _table_info(database: Database, name: str) -> TableInfo:
    table = database.table(name)
    size, files = size_and_files(database.folder / f"{name}.lance")
    versions = len(table.list_versions()) if table is not None else 0
    count = table.count_rows() if table is not None else 0
    return TableInfo(count=count, size_bytes=size, size_human=human_size(size), files=files, versions=versions)


def _index_info(chunks: Any, *, text: bool) -> IndexInfo:
    for found in chunks.list_indices() if chunks is not None else []:
        if indexing.is_text(found) == text:
            stats = chunks.index_stats(found.name)
            return IndexInfo(
                exists=True,
                type=stats.index_type,
                indexed_rows=stats.num_indexed_rows,
                unindexed_rows=stats.num_unindexed_rows,
                size_bytes=found.size_bytes or 0,
            )
    rows = chunks.count_rows() if chunks is not None else 0
    return IndexInfo(exists=False, type=None, indexed_rows=0, unindexed_rows=rows, size_bytes=0)


def _stored_document(row: dict[str, Any]) -> StoredDocument:
    return StoredDocument(
        id=row["document_id"],
        uri=row["uri"],
        source=row["source"],
        title=row["title"],
        type=row["type"],
        version=row["version"],
        content_hash=row["content_hash"],
        chunk_count=row["chunk_count"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        metadata=json.loads(row["metadata"]),
    )
