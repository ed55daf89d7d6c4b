"""A LanceDB database, read: always at the tag ``published``, so that nothing half done is ever seen.

Never writes, never takes the engine's lock. Filters are built here from checked values; no caller's text becomes SQL.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docmill.domain.filters import Condition, quoted
from docmill.errors import DatabaseNotFound, NotAllowedError, StorageError
from docmill.stores import indexing, lance
from docmill.stores.database_folders import PUBLISHED
from docmill.stores.schemas import CHUNKS, DOCUMENTS, SETTINGS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RRF_K = 60  # Cormack, Clarke and Büttcher, 2009: reciprocal rank fusion, with the constant of the paper
POOL = 60  # candidates that each side gives to the fusion

HIT_COLUMNS = [
    "chunk_id",
    "document_id",
    "text",
    "uri",
    "source",
    "title",
    "position",
    "char_start",
    "char_end",
    "page_start",
    "page_end",
    "headings",
]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows count. A URI prefix is taken literally; ``filter`` is what a person asked for, checked."""

    sources: tuple[str, ...] = ()
    uri_prefix: str | None = None
    document_ids: tuple[str, ...] = ()
    filter: Condition | None = None
    chunk_id_prefix: str | None = None

    def condition(self) -> str | None:
        parts = []
        if self.sources:
            parts.append(f"source IN ({', '.join(map(quoted, self.sources))})")
        if self.uri_prefix:
            parts.append(f"starts_with(uri, {quoted(self.uri_prefix)})")
        if self.document_ids:
            parts.append(f"document_id IN ({', '.join(map(quoted, self.document_ids))})")
        if self.chunk_id_prefix:
            parts.append(f"starts_with(chunk_id, {quoted(self.chunk_id_prefix)})")
        if self.filter:
            parts.append(self.filter)
        return " AND ".join(parts) or None


class Database:
    """One database at its published version. Raises DatabaseNotFound where there is none."""

    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.folder = home / "lancedb" / name
        if os.sep in name or name.startswith(".") or not (self.folder / f"{SETTINGS}.lance").is_dir():
            raise DatabaseNotFound(f"no database {name!r} in this home", database=name)
        self._database = lance.connect(self.folder)

    def settings(self) -> dict[str, str]:
        return {row["key"]: row["value"] for row in self._open(SETTINGS).to_arrow().to_pylist()}

    def table(self, name: str) -> Any:
        """A table at its published version; None where nothing has been published yet."""
        if not any((self.folder / f"{each}.lance" / "_refs").is_dir() for each in (DOCUMENTS, CHUNKS)):
            return None  # LanceDB keeps tags there: the first window is on its way, and its tables may not be whole
        table = self._open(name)
        try:
            table.checkout(PUBLISHED)
        except (RuntimeError, ValueError, OSError) as error:
            if PUBLISHED in table.tags.list():
                raise StorageError(f"database {self.name} cannot be read: {str(error)[:200]}") from error
            return None
        return table

    def _open(self, name: str) -> Any:
        try:
            return self._database.open_table(name)
        except (RuntimeError, ValueError, OSError) as error:
            raise StorageError(
                f"database {self.name} cannot be opened: {str(error)[:200]}", hint="run `docmill sync` to mend it"
            ) from error


def vector_hits(
    table: Any, vector: NDArray[np.float32], limit: int, scope: Scope, *, exact: bool = False
) -> list[dict[str, Any]]:
    """Nearest rows by cosine. ``score`` is the cosine itself, 1 for the same direction.

    Rows that an index does not cover are searched as well. ``exact``: no index is used where there is one.
    """
    query = table.search(vector, vector_column_name="vector", query_type="vector").distance_type("cosine")
    condition = scope.condition()
    if condition:
        query = query.where(condition, prefilter=True)
    if exact:
        query = query.bypass_vector_index()
    elif indexing.has_vector_index(table):
        query = query.nprobes(indexing.probes(table, limit, filtered=bool(condition))).refine_factor(indexing.REFINE)
    rows: list[dict[str, Any]] = query.select([*HIT_COLUMNS, "_distance"]).limit(limit).to_list()
    return [{**row, "score": 1.0 - row.pop("_distance")} for row in rows]


def text_hits(table: Any, text: str, limit: int, scope: Scope) -> list[dict[str, Any]]:
    """Best rows by BM25 over title, headings and text; rows that the index does not cover yet are searched as well."""
    from lancedb.query import MatchQuery

    if not any(map(indexing.is_text, table.list_indices())):
        return []  # nothing but rows of a run that is still going on
    # A query of its own kind: in a plain string, quotation marks would ask for a phrase search.
    match = MatchQuery(text, "search_text")  # type: ignore[call-arg] # its defaults are invisible to mypy
    query = table.search(match, query_type="fts")
    if condition := scope.condition():
        query = query.where(condition, prefilter=True)
    rows: list[dict[str, Any]] = query.select([*HIT_COLUMNS, "_score"]).limit(limit).to_list()
    return [{**row, "score": row.pop("_score")} for row in rows]


def fuse(rankings: Sequence[Sequence[dict[str, Any]]], k: int = RRF_K) -> list[dict[str, Any]]:
    """Reciprocal rank fusion: a row's score is the sum of 1 / (k + rank) over the rankings that hold it."""
    scores: dict[str, float] = {}
    rows: dict[str, dict[str, Any]] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row["chunk_id"]] = scores.get(row["chunk_id"], 0.0) + 1.0 / (k + rank)
            rows.setdefault(row["chunk_id"], row)
    order = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))
    return [{**rows[chunk_id], "score": scores[chunk_id]} for chunk_id in order]


def neighbours(table: Any, hit: dict[str, Any], reach: int) -> list[dict[str, Any]]:
    """The passages of the hit's document up to ``reach`` before and after it, the hit among them, in order."""
    first, last = hit["position"] - reach, hit["position"] + reach
    condition = f"document_id = {quoted(hit['document_id'])} AND position >= {first:d} AND position <= {last:d}"
    columns = ["chunk_id", "text", "position", "char_start", "char_end", "page_start", "page_end"]
    rows: list[dict[str, Any]] = table.search().where(condition).select(columns).limit(2 * reach + 1).to_list()
    return sorted(rows, key=lambda row: row["position"])


def rows_of(table: Any, columns: Sequence[str], scope: Scope) -> Iterator[dict[str, Any]]:
    """All rows within the scope, batch by batch, in bounded memory."""
    query = table.search().select(list(columns))
    if condition := scope.condition():
        query = query.where(condition)
    for batch in query.to_batches(batch_size=1024):
        yield from batch.to_pylist()


def metadata_values(table: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Each document's id and what its metadata says under ``key``, for those that say anything there."""
    written = json.dumps(key, ensure_ascii=False)
    query = table.search().where(f"contains(metadata, {quoted(written)})").select(["document_id", "metadata"])
    for batch in query.to_batches(batch_size=1024):
        for row in batch.to_pylist():
            metadata = json.loads(row["metadata"])
            if key in metadata:
                yield row["document_id"], metadata[key]


def require_model(stored: dict[str, str], fingerprint: str, database: str) -> None:
    """Raises where the database's vectors are of another model than the one that is to ask."""
    if stored.get("fingerprint") != fingerprint:
        raise NotAllowedError(
            f"database {database} was made with another state of {stored.get('model')}",
            hint="install the model that made it, or sync into another database",
        )


__all__ = [
    "CHUNKS",
    "DOCUMENTS",
    "POOL",
    "SETTINGS",
    "Database",
    "Scope",
    "fuse",
    "metadata_values",
    "neighbours",
    "require_model",
    "rows_of",
    "text_hits",
    "vector_hits",
]
