"""Documents looked up: lists, the files of a batch, one document, and its history."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from docmill.domain import outcomes
from docmill.domain.places import document_path
from docmill.domain.results import (
    DocumentHistory,
    DocumentList,
    DocumentPlacement,
    DocumentRecord,
    DocumentShown,
    DocumentVersionEvent,
    FileList,
    FileRecord,
    ReasonShown,
)
from docmill.filetypes import type_by_name
from docmill.service import shapes
from docmill.settings import Settings, find_home
from docmill.stores import document_queries, outcome_queries
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
    type: str | None = None,  # noqa: A002 - the field's name in the JSON contract
) -> DocumentList:
    """Documents of the home, by source and URI. ``state`` None: also those that are gone. Raises BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        batch_id = queries.batch(batch)["id"] if batch is not None else None
        chosen = ChosenDocuments(source, batch_id, state, status, prefix, type, limit=limit, offset=offset)
        total, rows = document_queries.list_documents(queries, chosen)
    return DocumentList(documents=[record(row) for row in rows], total=total, limit=limit, offset=offset)


def list_files(
    settings: Settings,
    batch: str,
    *,
    limit: int,
    offset: int,
    status: str | None = None,
    type: str | None = None,  # noqa: A002 - as above
    stage: str | None = None,
    has_errors: bool = False,
    reason: str | None = None,
) -> FileList:
    """The documents of a batch by source and URI, with what became of each. Raises BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        batch_id = queries.batch(batch)["id"]
        chosen = ChosenDocuments(
            batch_id=batch_id,
            status=status,
            type=type,
            stage=stage,
            has_errors=has_errors,
            reason=reason,
            limit=limit,
            offset=offset,
        )
        total, rows = document_queries.list_documents(queries, chosen)
        counts = outcome_queries.count_outcomes(queries, *chosen.where(queries))
    return FileList(
        batch_id=batch_id,
        has_errors=has_errors,
        outcomes=shapes.outcomes(counts),
        files=[file(row) for row in rows],
        total=total,
        limit=limit,
        offset=offset,
    )


def show_document(settings: Settings, named: str, *, source: str | None = None) -> DocumentShown:
    """One document, by URI or id. Raises DocumentNotFound, UsageError where several sources have the URI."""
    home = find_home(settings)
    with reading(home) as queries, queries.snapshot():
        row = document_queries.document(queries, named, source, EVERY_STATE)
        places = document_queries.placements(queries, row["id"])
        warnings = outcome_queries.warnings_of_parsing(queries, row["id"], row["version"])
    reasons = outcome_queries.reasons_of(row)
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
        error=shapes.problem(row) if row["outcome"] == "failed" else None,
        reasons=[_reason(code, warnings) for code in reasons],
        warnings=[each for each in warnings if each.partition(": ")[0] not in reasons],
        text_yield=shapes.text_yield(row),
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
    reasons = outcome_queries.reasons_of(row)
    return DocumentRecord(
        document_id=row["id"],
        uri=row["uri"],
        source=row["source"],
        batch_id=row["batch_id"],
        type=_type(row),
        state=row["state"],
        status=row["status"],
        degraded=bool(reasons),
        reasons=reasons,
        version=row["version"],
        content_hash=row["content_hash"],
        size_bytes=row["size_bytes"],
        chunk_count=row["chunk_count"],
        error_code=row["error_code"] if row["outcome"] == "failed" else None,
        first_seen_at=row["first_seen_at"],
        updated_at=row["updated_at"],
    )


def file(row: Row) -> FileRecord:
    """As :func:`record`, with what became of it."""
    reasons, found = outcome_queries.reasons_of(row), shapes.text_yield(row)
    problem = shapes.problem(row) if row["outcome"] == "failed" else None
    return FileRecord(
        document_id=row["id"],
        uri=row["uri"],
        filename=PurePosixPath(row["uri"]).name,
        type=_type(row),
        status=row["status"],
        degraded=bool(reasons),
        reasons=reasons,
        stage=row["stage"],
        pages=found.pages if found else None,
        size_bytes=row["size_bytes"],
        chunk_count=row["chunk_count"],
        text_yield=found,
        error_code=problem.error_code if problem else None,
        error_message=problem.error_message if problem else None,
        hint=problem.hint if problem else None,
        permanent=problem.permanent if problem else None,
        occurred_at=problem.occurred_at if problem else None,
        retry_count=row["retry_count"],
    )


def _reason(code: str, warnings: list[str]) -> ReasonShown:
    messages = [message for each in warnings for name, _, message in [each.partition(": ")] if name == code]
    return ReasonShown(
        code=code, meaning=outcomes.reason_meaning(code), hint=outcomes.reason_hint(code), messages=messages
    )


def _type(row: Row) -> str | None:
    return row["type"] or type_by_name(f"x{row['suffix']}")
