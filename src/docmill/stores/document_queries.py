"""Reads documents, their versions and their placements, as lists with filters and totals. Imports no toolkit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docmill.domain import uris
from docmill.domain.identity import assets_key
from docmill.domain.jobs import ArtifactRef
from docmill.errors import DocumentNotFound, UsageError
from docmill.filetypes import type_by_name
from docmill.stores.outcome_queries import DEGRADED, FAILED, REASONS
from docmill.stores.queries import OF_BATCH, Queries, Row

# How the current content of a document stands: a run that is under way says more than how the last one ended.
_STATUS = (
    "CASE WHEN EXISTS (SELECT 1 FROM run r WHERE r.document_id = d.id AND r.status = 'running') THEN 'running'"
    " ELSE COALESCE(d.outcome, 'pending') END"
)
# Where it has failed, or is now.
_STAGE = (
    f"CASE {_STATUS} WHEN 'failed' THEN d.error_stage WHEN 'running' THEN (SELECT t.name FROM run r"  # noqa: S608 - a constant
    " JOIN run_step t ON t.run_id = r.id WHERE r.document_id = d.id AND r.status = 'running'"
    " AND t.status NOT IN ('completed', 'skipped') ORDER BY r.id DESC, t.number LIMIT 1) END"
)
_SELECT = (
    f"SELECT d.*, {_STATUS} AS status, {_STAGE} AS stage, s.folder FROM document d"  # noqa: S608 - a constant
    " LEFT JOIN source s ON s.name = d.source"
)

_OF_CODE = f"({FAILED} AND d.error_code = ? OR {DEGRADED} AND ? IN (SELECT value FROM json_each({REASONS})))"  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class ChosenDocuments:
    """Which documents, and which page of them. None: all.

    status:     pending, running, completed, failed; or degraded, which are some of the completed ones.
    type:       what they were found to be, or what their names promise where they have not been read.
    stage:      the name of the step at which they failed, or are.
    has_errors: only those that failed or are degraded.
    reason:     the code of a failure or of a degradation.
    codes:      only those that failed with one of them.
    """

    source: str | None = None
    batch_id: int | None = None
    state: str | None = "active"
    status: str | None = None
    prefix: str | None = None
    type: str | None = None
    stage: str | None = None
    has_errors: bool = False
    reason: str | None = None
    codes: Sequence[str] = ()
    limit: int = 50
    offset: int = 0

    def where(self, queries: Queries) -> tuple[str, list[Any]]:
        """The condition on ``document d``, and its values."""
        degraded = self.status == "degraded"
        given = {
            "d.source = ?": self.source,
            OF_BATCH.replace("?1", "?"): self.batch_id,
            "d.state = ?": self.state,
            f"{_STATUS} = ?": "completed" if degraded else self.status,
            "substr(d.uri, 1, length(?)) = ?": self.prefix,
            f"{_STAGE} = ?": self.stage,
            _OF_CODE: self.reason,
        }
        terms, values = ["1"], list[Any]()
        for term, value in given.items():
            if value is not None:
                terms.append(term)
                values += [value] * term.count("?")
        terms += [DEGRADED] if degraded else []
        terms += [f"({FAILED} OR {DEGRADED})"] if self.has_errors else []
        if self.codes:
            terms += [FAILED, "d.error_code IN (SELECT value FROM json_each(?))"]
            values.append(json.dumps(self.codes))
        if self.type is not None:
            terms.append("(d.type = ? OR d.type IS NULL AND d.suffix IN (SELECT value FROM json_each(?)))")
            values += [self.type, json.dumps(_suffixes(queries, self.type))]
        return " AND ".join(terms), values


def list_documents(queries: Queries, chosen: ChosenDocuments) -> tuple[int, list[Row]]:
    """Total and one page, by source and URI."""
    where, values = chosen.where(queries)
    total = int(queries.value(f"SELECT COUNT(*) FROM document d WHERE {where}", values))  # noqa: S608 - our own terms
    sql = f"{_SELECT} WHERE {where} ORDER BY d.source, d.uri, d.updated_at DESC LIMIT ? OFFSET ?"
    return total, queries.rows(sql, [*values, chosen.limit, chosen.offset])


def _suffixes(queries: Queries, type_: str) -> list[str]:
    """Those, among the suffixes of documents that nobody has read, that promise a type."""
    rows = queries.rows("SELECT DISTINCT suffix FROM document WHERE type IS NULL")
    return [row["suffix"] for row in rows if type_by_name(f"x{row['suffix']}") == type_]


def document(queries: Queries, named: str, source: str | None, states: Sequence[str] = ("active",)) -> Row:
    """By URI or by id; of several of one URI the one that is in use, else the one that went last.

    Raises DocumentNotFound, UsageError where several sources have the URI and none is named.
    """
    named = uris.meant(named)
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


def all_of_batch(queries: Queries, batch_id: int) -> list[Row]:
    """Its documents that are there, by source and URI."""
    sql = f"{_SELECT} WHERE d.state = 'active' AND {OF_BATCH} ORDER BY d.source, d.uri"
    return queries.rows(sql, [batch_id])


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was made of a document's content last: itself as it was read, what was kept beside, and with which file of
    passwords.
    """

    document: ArtifactRef | None
    assets: ArtifactRef | None
    password_file: str | None


def parsed(queries: Queries, row: Row) -> Parsed:
    """Of a document's row."""
    output = parsed_output(queries, row["id"], row["content_hash"])
    sql = "SELECT g.pipeline FROM run r JOIN run_group g ON g.id = r.run_group_id WHERE r.document_id = ?"
    pipeline = queries.value(f"{sql} ORDER BY r.id DESC LIMIT 1", [row["id"]])
    return Parsed(
        output,
        _artifact(queries, assets_key(output.step_key)) if output else None,
        _password_file(pipeline, row["profile"]) if pipeline is not None else None,
    )


def parsed_output(queries: Queries, document_id: str, content_hash: str) -> ArtifactRef | None:
    """What parsing gave last of one content of a document, where it is kept."""
    steps = queries.rows(
        "SELECT s.step_key FROM run r JOIN run_step s ON s.run_id = r.id AND s.type = 'parse'"
        " WHERE r.document_id = ? AND r.content_hash = ? AND s.status = 'completed' ORDER BY r.id DESC",
        [document_id, content_hash],
    )
    refs = (_artifact(queries, step["step_key"]) for step in steps if step["step_key"])
    return next((ref for ref in refs if ref is not None), None)


def _artifact(queries: Queries, step_key: str) -> ArtifactRef | None:
    row = queries.row("SELECT * FROM artifact WHERE step_key = ?", [step_key])
    return ArtifactRef(step_key, row["digest"], row["size_bytes"], row["created_at"]) if row is not None else None


def _password_file(pipeline: str, profile: str) -> str | None:
    """As a run group wrote its pipeline down."""
    record = json.loads(pipeline)
    steps = record.get("variants", {}).get(profile) or record["steps"]
    found = (step["params"].get("password_file") for step in steps if step["type"] == "parse")
    return next(found, None)


def placements(queries: Queries, document_id: str) -> list[Row]:
    return queries.rows("SELECT * FROM placement WHERE document_id = ? ORDER BY database", [document_id])


def versions(queries: Queries, document_id: str, *, limit: int, offset: int) -> tuple[int, list[Row]]:
    """What happened to a document, oldest first."""
    total = int(queries.value("SELECT COUNT(*) FROM document_version WHERE document_id = ?", [document_id]))
    sql = "SELECT * FROM document_version WHERE document_id = ? ORDER BY id LIMIT ? OFFSET ?"
    return total, queries.rows(sql, [document_id, limit, offset])
