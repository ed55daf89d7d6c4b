"""Gets stored passages out of a database, row by row, into a file that is whole or absent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from docmill import registry
from docmill.domain import filter_grammar
from docmill.domain.contracts import Exporter
from docmill.domain.results import ExportResult
from docmill.errors import StorageError, UsageError
from docmill.service import filtering
from docmill.settings import Settings, find_home
from docmill.stores import outputs, reading
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope

FIELDS = (
    "uri",
    "source",
    "title",
    "text",
    "char_start",
    "char_end",
    "page_start",
    "page_end",
    "headings",
    "chunk_id",
    "document_id",
)
_DOCUMENTS_AT_ONCE = 500


def export(
    settings: Settings,
    *,
    batch: str | None = None,
    database: str | None = None,
    filter: str | None = None,  # noqa: A002 - the option's name
    format: str = "jsonl",  # noqa: A002 - the option's name
    output: str | None = None,
    include_embeddings: bool = False,
    include_metadata: bool = False,
) -> ExportResult:
    """The passages of a batch's documents, or of a database; ``filter``: as in search. ``output``: a path, or ``-``.

    Raises UsageError, BatchNotFound, DatabaseNotFound.
    """
    if (batch is None) == (database is None):
        raise UsageError("name a batch or a database", hint="docmill export BATCH, or docmill export --database NAME")
    wanted = filter_grammar.parse(filter) if filter is not None else None
    home = find_home(settings)
    exporter: Exporter = registry.load("exporters", format)
    name, scopes, batch_id = _scopes(home, batch, database)
    opened = Database(home, name)
    if wanted is not None:
        narrowed = filtering.condition(opened, wanted)
        scopes = [replace(each, filter=narrowed) for each in scopes]
    fields = [*FIELDS, *(["embedding"] if include_embeddings else []), *(["metadata"] if include_metadata else [])]
    rows = _rows(opened, fields, scopes)
    if output is None or output == "-":
        count = exporter.write(rows, Path("/dev/stdout"), fields)
        return ExportResult(
            format=format, database=name, batch_id=batch_id, path=None, rows=count, size_bytes=None, fields=fields
        )
    path = Path(output).expanduser().absolute()
    count = _write_whole(exporter, rows, path, fields, home)
    return ExportResult(
        format=format,
        database=name,
        batch_id=batch_id,
        path=str(path),
        rows=count,
        size_bytes=path.stat().st_size,
        fields=fields,
    )


def _scopes(home: Path, batch: str | None, database: str | None) -> tuple[str, list[Scope], int | None]:
    """The database, and filters that together select the rows; the ids of a batch's documents go in portions."""
    if batch is None:
        assert database is not None
        return database, [Scope()], None
    with reading_state(home) as queries:
        row = queries.batch(batch)
        group = queries.newest_group(row["id"])
        ids = [each[0] for each in queries.rows("SELECT id FROM document WHERE batch_id = ? ORDER BY uri", [row["id"]])]
    parts = [tuple(ids[start : start + _DOCUMENTS_AT_ONCE]) for start in range(0, len(ids), _DOCUMENTS_AT_ONCE)]
    return group["database"] if group else "default", [Scope(document_ids=part) for part in parts], row["id"]


def _rows(opened: Database, fields: list[str], scopes: list[Scope]) -> Iterator[dict[str, Any]]:
    chunks = opened.table(CHUNKS)
    if chunks is None:
        return
    metadata = _metadata(opened) if "metadata" in fields else {}
    stored = {"embedding": "vector"}
    columns = [stored.get(field, field) for field in fields if field != "metadata"]
    for scope in scopes:
        for row in reading.rows_of(chunks, columns, scope):
            if "embedding" in fields:
                row["embedding"] = row.pop("vector")
            if "metadata" in fields:
                row["metadata"] = metadata.get(row["document_id"], {})
            yield {field: row[field] for field in fields}


def _metadata(opened: Database) -> dict[str, Any]:
    table = opened.table(DOCUMENTS)
    if table is None:
        return {}
    rows = reading.rows_of(table, ["document_id", "metadata"], Scope())
    return {row["document_id"]: json.loads(row["metadata"]) for row in rows}


def _write_whole(exporter: Exporter, rows: Iterator[dict[str, Any]], path: Path, fields: list[str], home: Path) -> int:
    try:
        with outputs.whole(path, home) as unfinished:
            return exporter.write(rows, unfinished, fields)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", hint="choose another file with -o") from error
