"""Rows in a database of documents that state.db does not have there: left by a restored backup, or by a fault."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.stores import reading
from docmill.stores.queries import Queries

_BATCH = 8192


@dataclass(slots=True)
class Stray:
    """Rows of one document. ``uri`` and ``source``: as the database has them."""

    uri: str = ""
    source: str = ""
    rows: int = 0


def find_strays(home: Path, queries: Queries, database: str) -> dict[str, Stray]:
    """By document id. Raises StorageError.

    The rows are read before the marks: an engine makes a mark before the first row, and takes it away after the last.
    """
    opened = reading.Database(home, database)
    found: dict[str, Stray] = {}
    for name in (reading.DOCUMENTS, reading.CHUNKS):
        table = opened.table(name)
        if table is None:
            continue
        columns = ["document_id", "uri", "source"]
        for batch in table.search().select(columns).to_batches(batch_size=_BATCH):
            rows: list[tuple[Any, ...]] = list(zip(*(batch.column(each).to_pylist() for each in columns), strict=True))
            placed = _placed(queries, database, {row[0] for row in rows})
            for document_id, uri, source in rows:
                if document_id not in placed:
                    stray = found.setdefault(document_id, Stray(uri, source))
                    stray.rows += 1
    return found


def _placed(queries: Queries, database: str, ids: Collection[str]) -> set[str]:
    """Those whose rows are to lie there, or are about to."""
    rows = queries.rows(
        "SELECT p.document_id FROM placement p JOIN document d ON d.id = p.document_id WHERE p.database = ?"
        " AND p.state != 'leaving' AND p.document_id IN (SELECT value FROM json_each(?))",
        [database, json.dumps(list(ids))],
    )
    return {row["document_id"] for row in rows}
