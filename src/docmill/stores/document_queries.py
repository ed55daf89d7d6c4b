"""Reads documents, their versions and their placements, as lists with filters and totals. Imports no toolkit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docmill.errors import DocumentNotFound, UsageError
from docmill.stores.queries import Queries, Row

# How the current content of a document stands: a run that is under way says more than how the last one ended.
_STATUS = (
    "CASE WHEN EXISTS (SELECT 1 FROM run r WHERE r.document_id = d.id AND r.status = 'running') THEN 'running'"
    " ELSE COALESCE(d.outcome, 'pending') END"
)
_SELECT = f"SELECT d.*, {_STATUS} AS status, s.folder FROM document d LEFT JOIN source s ON s.name = d.source"  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class ChosenDocuments:
    """Which documents, and which page of them. None: all."""

    source: str | None = None
    batch_id: int | None = None
    state: str | None = "active"
    status: str | None = None
    prefix: str | None = None
    limit: int = 50
    offset: int = 0

    def where(self) -> tuple[str, list[Any]]:
        given = {
            "d.source = ?": self.source,
            "d.batch_id = ?": self.batch_id,
            "d.state = ?": self.state,
            f"{_STATUS} = ?": self.status,
            "substr(d.uri, 1, length(?)) = ?": self.prefix,
        }
        terms, values = ["1"], list[Any]()
        for term, value in given.items():
            if value is not None:
                terms.append(term)
                values += [value] * term.count("?")
        return " AND ".join(terms), values


def list_documents(queries: Queries, chosen: ChosenDocuments) -> tuple[int, list[Row]]:
    """Total and one page, by source and URI."""
    where, values = chosen.where()
    total = int(queries.value(f"SELECT COUNT(*) FROM document d WHERE {where}", values))  # noqa: S608 - our own terms
    sql = f"{_SELECT} WHERE {where} ORDER BY d.source, d.uri, d.updated_at DESC LIMIT ? OFFSET ?"
    return total, queries.rows(sql, [*values, chosen.limit, chosen.offset])


def document(queries: Queries, named: str, source: str | None, states: Sequence[str] = ("active",)) -> Row:
    """By URI or by id; of several of one URI the one that is in use, else the one that went last.

    Raises DocumentNotFound, UsageError where several sources have the URI and none is named.
    """
    marks = ", ".join(f"?{number}" for number, _state in enumerate(states, 4))
    where = f"(d.uri = ?1 OR d.id = ?2) AND (?3 IS NULL OR d.source = ?3) AND d.state IN ({marks})"
    sql = f"{_SELECT} WHERE {where} ORDER BY d.state = 'active' DESC, d.updated_at DESC"
    found = queries.rows(sql, [named, named, source, *states])
    if not found:
        raise DocumentNotFound(f"no document {named!r}", hint="`docmill documents list` shows them", uri=named)
    sources = sorted({row["source"] for row in found})
    if len(sources) > 1:
        raise UsageError(f"{named!r} is in several sources: {', '.join(sources)}", hint="say which: --source NAME")
    return found[0]


def placements(queries: Queries, document_id: str) -> list[Row]:
    return queries.rows("SELECT * FROM placement WHERE document_id = ? ORDER BY database", [document_id])


def versions(queries: Queries, document_id: str, *, limit: int, offset: int) -> tuple[int, list[Row]]:
    """What happened to a document, oldest first."""
    total = int(queries.value("SELECT COUNT(*) FROM document_version WHERE document_id = ?", [document_id]))
    sql = "SELECT * FROM document_version WHERE document_id = ? ORDER BY id LIMIT ? OFFSET ?"
    return total, queries.rows(sql, [document_id, limit, offset])
