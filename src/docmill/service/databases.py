"""The LanceDB databases of a home: which there are, what is in them, and giving space back."""

from __future__ import annotations

import json
import time
from typing import Any

from docmill import __version__
from docmill.domain.contracts import ModelInfo
from docmill.domain.results import (
    DatabaseInfo,
    DatabaseList,
    DatabaseSummary,
    EmbeddingsInfo,
    IndexInfo,
    StoredDocument,
    StoredDocumentList,
    TableInfo,
    VacuumResult,
    VersionInfo,
)
from docmill.domain.sizes import human_size
from docmill.settings import Settings, find_home
from docmill.stores import reading
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, size_bytes


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
    size = size_bytes(opened.folder)
    return DatabaseInfo(
        name=database,
        path=database,
        size_bytes=size,
        size_human=human_size(size),
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


def vacuum(settings: Settings, database: str) -> VacuumResult:
    """Merge files, drop deleted rows and old versions. Takes the engine's lock; readers go on as they are."""
    home = find_home(settings)
    stored = Database(home, database).settings()
    folder = home / "lancedb" / database
    before, started = size_bytes(folder), time.perf_counter()
    from docmill.service.engines import exclusively  # with the engine comes what lists do without
    from docmill.stores.vectors import VectorStore

    model = ModelInfo(
        stored["model"], stored["provider"], stored["fingerprint"], int(stored["vector_dim"]), max_tokens=0
    )
    with exclusively(home, settings):
        removed = VectorStore(folder, model, stored["embedder"]).vacuum()
    after = size_bytes(folder)
    return VacuumResult(
        database=database,
        status="ok",
        size_before_bytes=before,
        size_after_bytes=after,
        space_freed_bytes=max(before - after, 0),
        versions_removed=removed,
        seconds=round(time.perf_counter() - started, 3),
    )


def _table_info(database: Database, name: str) -> TableInfo:
    table = database.table(name)
    size = size_bytes(database.folder / f"{name}.lance")
    versions = len(table.list_versions()) if table is not None else 0
    count = table.count_rows() if table is not None else 0
    return TableInfo(count=count, size_bytes=size, size_human=human_size(size), versions=versions)


def _index_info(chunks: Any, *, text: bool) -> IndexInfo:
    indices = chunks.list_indices() if chunks is not None else []
    for index in indices:
        if (index.index_type == "FTS") == text:
            stats = chunks.index_stats(index.name)
            return IndexInfo(exists=True, indexed_rows=stats.num_indexed_rows, unindexed_rows=stats.num_unindexed_rows)
    return IndexInfo(exists=False, indexed_rows=0, unindexed_rows=chunks.count_rows() if chunks is not None else 0)


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
