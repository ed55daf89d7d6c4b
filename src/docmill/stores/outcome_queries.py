"""Reads what became of documents that failed or are degraded: counted by code, and listed. Imports no toolkit.

A ``condition`` is on ``document d``, and written by the caller's code.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from docmill.stores.queries import Queries, Row

FAILED = "d.outcome = 'failed'"
DEGRADED = "(d.outcome = 'completed' AND d.degraded = 1)"
_TROUBLED = "(d.outcome = 'failed' OR d.degraded = 1)"  # as the index says it
_TROUBLED_DOCUMENTS = "FROM document d INDEXED BY document_troubled"
MOST_LISTED = 1000
NOT_RECORDED = "NOT_RECORDED"  # of what an earlier docmill found degraded
REASONS = f"IIF(d.degraded = 1 AND d.reasons = '[]', '[\"{NOT_RECORDED}\"]', d.reasons)"


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents by the code of their failure, and by the reasons of their degradation: one may have several."""

    failed: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    degraded_documents: int = 0


def count_outcomes(queries: Queries, condition: str, values: Sequence[Any]) -> Counts:
    """Of the documents that are in use."""
    rows = queries.rows(
        f"SELECT d.outcome, d.degraded, d.error_code, d.reasons, COUNT(*) AS n {_TROUBLED_DOCUMENTS}"
        f" WHERE d.state = 'active' AND {_TROUBLED} AND ({FAILED} OR {DEGRADED}) AND {condition} GROUP BY 1, 2, 3, 4",
        values,
    )
    failed, degraded, documents = Counter[str](), Counter[str](), 0
    for row in rows:
        if row["outcome"] == "failed":
            failed[row["error_code"]] += row["n"]
        else:
            degraded.update(dict.fromkeys(reasons_of(row), row["n"]))
            documents += row["n"]
    return Counts(failed, degraded, documents)


def failed_documents(queries: Queries, condition: str, values: Sequence[Any]) -> list[Row]:
    """Documents that failed, and stay so, by URI."""
    return _listed(queries, f"{FAILED} AND {condition}", values)


def degraded_documents(queries: Queries, condition: str, values: Sequence[Any]) -> list[Row]:
    return _listed(queries, f"{DEGRADED} AND {condition}", values)


def reasons_of(row: Row) -> list[str]:
    """Codes that say why a document is degraded. Empty where it is not."""
    if row["outcome"] != "completed" or not row["degraded"]:
        return []
    return list(json.loads(row["reasons"])) or [NOT_RECORDED]


def warnings_of_parsing(queries: Queries, document_id: str, version: int) -> list[str]:
    """``CODE: message`` of each warning, as the step that parsed a document's content kept them: 20 at most.

    Where its own step found the output there already, those of the step that made it.
    """
    sql = (
        "SELECT s.step_key, s.status_meta FROM run r JOIN run_step s ON s.run_id = r.id WHERE r.document_id = ?"
        " AND r.version = ? AND s.type = 'parse' AND s.status = 'completed' ORDER BY s.id DESC"
    )
    own = queries.rows(sql, [document_id, version])
    found = _warnings(own)
    if own and not found:
        sql = "SELECT status_meta FROM run_step WHERE type = 'parse' AND step_key = ? AND status_meta != '{}'"
        found = _warnings(queries.rows(f"{sql} ORDER BY id DESC", [own[0]["step_key"]]))
    return found


def _warnings(rows: Iterable[Row]) -> list[str]:
    return next((found for row in rows if (found := json.loads(row["status_meta"]).get("warnings"))), [])


def _listed(queries: Queries, where: str, values: Sequence[Any]) -> list[Row]:
    where = f"d.state = 'active' AND {_TROUBLED} AND {where}"
    sql = f"SELECT d.* {_TROUBLED_DOCUMENTS} WHERE {where} ORDER BY d.uri LIMIT {MOST_LISTED}"
    return queries.rows(sql, values)
