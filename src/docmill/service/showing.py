"""A passage with what stands around it, or a document's text with the borders of its passages. Reads only."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.domain.rejoining import lies_in, rejoined
from docmill.domain.results import DocumentText, Neighbour, PassageShown, PassageSpan, VectorShown
from docmill.errors import DatabaseNotFound, DocumentNotFound, NotFoundError, UsageError
from docmill.settings import Settings, find_home
from docmill.stores import database_folders, document_queries, reading
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.queries import Queries
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope

SHORTEST = 6  # digits of an id
_ID = re.compile(rf"[0-9a-f]{{{SHORTEST},32}}")
_MOST_CANDIDATES = 10
_SPAN = [
    "chunk_id",
    "document_id",
    "position",
    "char_start",
    "char_end",
    "tokens",
    "page_start",
    "page_end",
    "headings",
]

Row = dict[str, Any]


def show(
    settings: Settings,
    named: str,
    *,
    source: str | None = None,
    database: str | None = None,
    context: int = 1,
    chunks: bool = False,
    vector: bool = False,
) -> PassageShown | DocumentText:
    """A passage by its id, or a document by its URI or its id; of ids the first six digits may do.

    database: else the one that has it. context: passages before and after. Raises NotFoundError, DatabaseNotFound, and
    UsageError where several passages or documents begin so, or several sources have the URI.
    """
    home = find_home(settings)
    if database is not None and database not in database_folders.databases(home):
        raise DatabaseNotFound(f"no database {database!r} in this home", database=database)
    with reading_state(home) as queries, queries.snapshot():
        row = _document(queries, named, source)
        if row is not None:
            return _text(home, queries, row, database, chunks=chunks)
        wanted = named.lower()
        if not _ID.fullmatch(wanted):
            raise _nothing(named)
        documents = _documents_beginning(queries, wanted, source)
        places = [database] if database is not None else _in_order(database_folders.databases(home))
        passages = _passages_beginning(home, places, wanted, source) if len(documents) < 2 else []
        if len(documents) + len({each.chunk_id for each in passages}) > 1:
            raise _several(named, documents, passages)
        if documents:
            return _text(home, queries, document_queries.document(queries, documents[0], None), database, chunks=chunks)
    if not passages:
        raise _nothing(named)
    return _passage(passages[0], context, vector=vector)


def _nothing(named: str) -> NotFoundError:
    hint = f"`docmill search --json` gives ids of passages ({SHORTEST} digits may do), `docmill documents list` URIs"
    return NotFoundError(f"no passage and no document {named!r}", hint=hint)


def _several(named: str, documents: list[str], passages: list[_Found]) -> UsageError:
    candidates = [*documents, *dict.fromkeys(each.chunk_id for each in passages)]
    shown = ", ".join(candidates[:_MOST_CANDIDATES])
    return UsageError(
        f"several ids begin with {named!r}: {shown}{' …' if len(candidates) > _MOST_CANDIDATES else ''}",
        hint="give more of its digits",
        candidates=candidates[:_MOST_CANDIDATES],
    )


def _in_order(databases: list[str]) -> list[str]:
    """The one that commands use unless told otherwise first."""
    return sorted(databases, key=lambda name: (name != "default", name))


# ---- passages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    database: Database
    chunk_id: str


def _passages_beginning(home: Path, databases: list[str], start: str, source: str | None) -> list[_Found]:
    """Of the first database that has any."""
    for name in databases:
        opened = Database(home, name)
        table = opened.table(CHUNKS)
        if table is None:
            continue
        scope = Scope(sources=(source,) if source is not None else (), chunk_id_prefix=start)
        query = table.search().where(scope.condition()).select(["chunk_id"]).limit(_MOST_CANDIDATES + 1)
        if found := [_Found(opened, row["chunk_id"]) for row in query.to_list()]:
            return found
    return []


def _passage(found: _Found, reach: int, *, vector: bool) -> PassageShown:
    table = found.database.table(CHUNKS)
    [row] = table.search().where(Scope(chunk_id_prefix=found.chunk_id).condition()).limit(1).to_list()
    documents = found.database.table(DOCUMENTS)
    [document] = documents.search().where(Scope(document_ids=(row["document_id"],)).condition()).limit(1).to_list()
    around = reading.neighbours(table, row, reach) if reach else []
    beside = [(each["position"], Neighbour(**{n: each[n] for n in Neighbour.model_fields})) for each in around]
    own = {name: row[name] for name in PassageShown.model_fields if name in row and name not in ("vector", "headings")}
    return PassageShown(
        **own,
        database=found.database.name,
        version=document["version"],
        chunk_count=document["chunk_count"],
        headings=list(row["headings"] or []),
        context=row["search_text"].removesuffix(row["text"]).rstrip("\n"),
        before=[each for position, each in beside if position < row["position"]],
        after=[each for position, each in beside if position > row["position"]],
        metadata=json.loads(document["metadata"]),
        vector=_vector(found.database, row["vector"]) if vector else None,
    )


def _vector(database: Database, values: list[float]) -> VectorShown:
    import numpy as np

    norm = float(np.linalg.norm(np.asarray(values, np.float32)))
    return VectorShown(
        model=database.settings()["model"],
        dimension=len(values),
        norm=round(norm, 6),
        values=[float(v) for v in values],
    )


# ---- documents -------------------------------------------------------------------------------------------------------


def _document(queries: Queries, named: str, source: str | None) -> Any:
    """The row of a document of that URI or id, or None. Raises UsageError where several sources have the URI."""
    try:
        return document_queries.document(queries, named, source)
    except DocumentNotFound:
        return None


def _documents_beginning(queries: Queries, start: str, source: str | None) -> list[str]:
    sql = (
        "SELECT id FROM document WHERE id >= ?1 AND id < ?1 || 'g' AND state = 'active' AND (?2 IS NULL OR source = ?2)"
        " ORDER BY id LIMIT ?3"
    )
    return [row["id"] for row in queries.rows(sql, [start, source, _MOST_CANDIDATES + 1])]


def _text(home: Path, queries: Queries, row: Any, database: str | None, *, chunks: bool) -> DocumentText:
    """From what its parser gave, where that is kept and is what was stored; else from its passages."""
    name = database or _database_of(queries, row["id"])
    rows = _rows(home, name, row["id"], text=True) if name is not None else []
    ref = document_queries.parsed(queries, row).document
    parsed = ArtifactStore(home).parsed(ref) if ref is not None else None
    if parsed is not None and all(lies_in(parsed.text, each) for each in rows):
        text, origin = parsed.text, "parsed"
    elif rows:
        text, origin = rejoined(rows)[0], "passages"
    else:
        raise NotFoundError(
            f"there is no text of {row['uri']}", hint="`docmill documents show` tells how it stands", uri=row["uri"]
        )
    return DocumentText(
        database=name if rows else None,
        document_id=row["id"],
        uri=row["uri"],
        source=row["source"],
        title=rows[0]["title"] if rows else None,
        type=row["type"],
        version=row["version"],
        status=row["status"],
        characters=len(text),
        chunk_count=len(rows),
        origin=origin,
        text=text,
        chunks=[_span(each) for each in rows] if chunks else None,
    )


def _span(row: Row) -> PassageSpan:
    fields = {name: row[name] for name in PassageSpan.model_fields}
    return PassageSpan(**{**fields, "headings": list(row["headings"] or [])})


def _database_of(queries: Queries, document_id: str) -> str | None:
    """Where its passages lie; of several databases the one that commands use unless told otherwise."""
    stored = [each["database"] for each in document_queries.placements(queries, document_id)]
    return _in_order(stored)[0] if stored else None


def _rows(home: Path, database: str, document_id: str, *, text: bool) -> list[Row]:
    """A document's passages in order; none where the database has none of it, or is not there."""
    try:
        table = Database(home, database).table(CHUNKS)
    except DatabaseNotFound:
        return []
    if table is None:
        return []
    columns = [*_SPAN, "title", *(["text"] if text else [])]
    found = reading.rows_of(table, columns, Scope(document_ids=(document_id,)))
    return sorted(found, key=lambda row: row["position"])
