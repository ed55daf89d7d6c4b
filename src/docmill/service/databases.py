"""The LanceDB databases of a home: which there are, what is in them, and giving space back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docmill import __version__
from docmill.domain import filter_grammar, filters
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
from docmill.service import filtering
from docmill.settings import Settings, find_home
from docmill.stores import database_folders, indexing, reading
from docmill.stores.database_folders import size_and_files, size_bytes
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope

if TYPE_CHECKING:
    from docmill.stores.vectors import VectorStore

_KNOWN = (
    "SELECT d.name, d.model, COUNT(p.document_id) AS documents, COALESCE(SUM(p.chunk_count), 0) AS chunks"
    " FROM database d LEFT JOIN placement p ON p.database = d.name AND p.state = 'stored' GROUP BY d.name"
)


def list_databases(settings: Settings, *, limit: int, offset: int) -> DatabaseList:
    home = find_home(settings)
    names = database_folders.databases(home)
    with reading_state(home) as queries:
        known = {row["name"]: row for row in queries.rows(_KNOWN)}
    summaries = []
    for name in names[offset : offset + limit]:
        size, row = size_bytes(home / "lancedb" / name), known.get(name)
        summaries.append(
            DatabaseSummary(
                name=name,
                path=name,
                size_bytes=size,
                size_human=human_size(size),
                documents=row["documents"] if row else 0,
                chunks=row["chunks"] if row else 0,
                model=row["model"] if row else None,
            )
        )
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
        path=str(opened.folder),
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


def documents(
    settings: Settings,
    database: str,
    *,
    limit: int,
    offset: int,
    filter: str | None = None,  # noqa: A002 - the option's name
) -> StoredDocumentList:
    """The stored documents in the order of their URIs; ``filter``: over filters.DOCUMENT_FIELDS and metadata.

    Raises DatabaseNotFound, UsageError for an unusable filter.
    """
    wanted = filter_grammar.parse(filter, filters.DOCUMENT_FIELDS) if filter is not None else None
    opened = Database(find_home(settings), database)
    table = opened.table(DOCUMENTS)
    scope = Scope(filter=filtering.condition(opened, wanted, filters.DOCUMENT_FIELDS) if wanted else None)
    columns = ["uri", "source", "document_id"]
    rows = list(reading.rows_of(table, columns, scope)) if table is not None else []
    order = sorted(rows, key=lambda row: (row["source"], row["uri"]))[offset : offset + limit]
    shown = [row["document_id"] for row in order]
    found: dict[str, dict[str, Any]] = {}
    if shown:
        condition = Scope(document_ids=tuple(shown)).condition()
        found = {row["document_id"]: row for row in table.search().where(condition).limit(len(shown)).to_list()}
    return StoredDocumentList(
        database=database,
        path=str(opened.folder),
        document_count=table.count_rows() if table is not None else 0,
        filter=filter,
        documents=[_stored_document(found[each]) for each in shown if each in found],
        total=len(rows),
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
    freed = max(before - after, 0)
    return VacuumResult(
        database=database,
        status="ok",
        size_before_bytes=before,
        size_before_human=human_size(before),
        size_after_bytes=after,
        size_after_human=human_size(after),
        space_freed_bytes=freed,
        space_freed_human=human_size(freed),
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
    indexes = chunks.list_indices() if chunks is not None else []
    found = next((each for each in indexes if indexing.is_text(each) == text), None)
    stats = chunks.index_stats(found.name) if found else None
    size = (found.size_bytes or 0) if found else 0
    inside = stats.num_indexed_rows if stats else 0
    outside = stats.num_unindexed_rows if stats else chunks.count_rows() if chunks is not None else 0
    return IndexInfo(
        exists=found is not None,
        type=stats.index_type if stats else None,
        indexed_rows=inside,
        unindexed_rows=outside,
        coverage=round(inside / max(inside + outside, 1), 4),
        size_bytes=size,
        size_human=human_size(size),
    )


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
