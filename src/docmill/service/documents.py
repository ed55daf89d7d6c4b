"""Documents looked up: lists, one of them, and its history."""

from __future__ import annotations

import json

from docmill.domain.places import document_path
from docmill.domain.results import (
    DocumentHistory,
    DocumentList,
    DocumentPlacement,
    DocumentRecord,
    DocumentShown,
    DocumentVersionEvent,
)
from docmill.filetypes import type_by_name
from docmill.service import shapes
from docmill.settings import Settings, find_home
from docmill.stores import document_queries
from docmill.stores.document_queries import ChosenDocuments
from docmill.stores.queries import Row, reading

EVERY_STATE = ("active", "deleted", "removed")


def list_documents(
    settings: Settings,
    *,
    limit: int,
    offset: int,
    source: str | None = None,
    batch: str | None = None,
    status: str | None = None,
    state: str | None = "active",
    prefix: str | None = None,
) -> DocumentList:
    """Documents of the home, by source and URI. ``state`` None: also those that are gone. Raises BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        batch_id = queries.batch(batch)["id"] if batch is not None else None
        chosen = ChosenDocuments(source, batch_id, state, status, prefix, limit, offset)
        total, rows = document_queries.list_documents(queries, chosen)
    return DocumentList(documents=[record(row) for row in rows], total=total, limit=limit, offset=offset)


def show_document(settings: Settings, named: str, *, source: str | None = None) -> DocumentShown:
    """One document, by URI or id. Raises DocumentNotFound, UsageError where several sources have the URI."""
    home = find_home(settings)
    with reading(home) as queries, queries.snapshot():
        row = document_queries.document(queries, named, source, EVERY_STATE)
        places = document_queries.placements(queries, row["id"])
    return DocumentShown(
        document=record(row),
        path=str(document_path(home, row["folder"], row["uri"], row["content_hash"], row["suffix"], row["parent_id"])),
        origin=json.loads(row["origin"]) or None,
        metadata=json.loads(row["meta"]),
        databases=[
            DocumentPlacement(
                database=place["database"],
                state=place["state"],
                current=place["state"] == "stored" and place["settled_key"] is not None,
                chunk_count=place["chunk_count"],
                updated_at=place["updated_at"],
            )
            for place in places
        ],
        error=shapes.problem(row) if row["error_code"] else None,
    )


def history(
    settings: Settings, named: str, *, source: str | None = None, limit: int = 50, offset: int = 0
) -> DocumentHistory:
    """What happened to a document, oldest first, under whichever URI it had then. Raises as :func:`show_document`."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = document_queries.document(queries, named, source, EVERY_STATE)
        total, events = document_queries.versions(queries, row["id"], limit=limit, offset=offset)
    return DocumentHistory(
        document_id=row["id"],
        uri=row["uri"],
        source=row["source"],
        events=[
            DocumentVersionEvent(**{name: each[name] for name in DocumentVersionEvent.model_fields}) for each in events
        ],
        total=total,
        limit=limit,
        offset=offset,
    )


def record(row: Row) -> DocumentRecord:
    """Of a row that :mod:`docmill.stores.document_queries` selected."""
    return DocumentRecord(
        document_id=row["id"],
        uri=row["uri"],
        source=row["source"],
        batch_id=row["batch_id"],
        type=row["type"] or type_by_name(f"x{row['suffix']}"),
        state=row["state"],
        status=row["status"],
        degraded=bool(row["degraded"]),
        version=row["version"],
        content_hash=row["content_hash"],
        size_bytes=row["size_bytes"],
        chunk_count=row["chunk_count"],
        error_code=row["error_code"],
        first_seen_at=row["first_seen_at"],
        updated_at=row["updated_at"],
    )
