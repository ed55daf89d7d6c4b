"""What the engine writes as work comes back: artifacts, outcomes of documents, placements and counters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from docmill.domain.events import now
from docmill.domain.jobs import ArtifactRef, Failure
from docmill.stores.queries import asking_key
from docmill.stores.state import catalogue
from docmill.stores.state.database import Transaction
from docmill.stores.state.logs import log as log  # the engine's writing calls it beside the others

_MOST_PAGES_NAMED = 1000


def record_artifacts(tx: Transaction, artifacts: Sequence[tuple[str, ArtifactRef]]) -> None:
    """Kind and reference of each. One that was computed anew replaces what was known of it."""
    at = now()
    tx.bulk(
        "INSERT INTO artifact (step_key, kind, digest, size_bytes, created_at) VALUES {rows}"
        " ON CONFLICT (step_key) DO UPDATE SET digest = excluded.digest, size_bytes = excluded.size_bytes,"
        " created_at = excluded.created_at",
        [
            (ref.step_key, kind, ref.digest, ref.size_bytes, at)
            for kind, ref in sorted(artifacts, key=lambda one: one[1].step_key)  # by the index
        ],
    )


def find_artifacts(tx: Transaction, keys: Sequence[str]) -> dict[str, ArtifactRef]:
    """References by step key, of those that are known, with their time."""
    sql = (
        "SELECT step_key, digest, size_bytes, created_at FROM artifact"
        " WHERE step_key IN (SELECT value FROM json_each(?))"
    )
    return {row[0]: ArtifactRef(*row) for row in tx.tuples(sql, [json.dumps(keys)])}


def standing(tx: Transaction, document_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Version and URI of those documents that have not been deleted."""
    sql = "SELECT id, version, uri FROM document WHERE state = 'active' AND id IN (SELECT value FROM json_each(?))"
    return {id_: (version, uri) for id_, version, uri in tx.tuples(sql, [json.dumps(document_ids)])}


def mark_storing(tx: Transaction, database: str, document_ids: Sequence[str]) -> list[str]:
    """Say that rows of these documents may come to lie in the database. Returns those that may lie there already."""
    sql = "SELECT document_id FROM placement WHERE database = ? AND document_id IN (SELECT value FROM json_each(?))"
    known = [document_id for (document_id,) in tx.tuples(sql, [database, json.dumps(document_ids)])]
    at = now()
    tx.bulk(
        "INSERT INTO placement (document_id, database, state, chunk_count, updated_at) VALUES {rows}"
        " ON CONFLICT (document_id, database) DO UPDATE SET state = 'storing', settled_key = NULL,"
        " updated_at = excluded.updated_at",
        [(each, database, "storing", 0, at) for each in sorted(document_ids)],  # by the index
    )
    return known


def leaving(tx: Transaction, database: str, most: int) -> list[str]:
    """Documents whose rows are to be taken out of the database."""
    sql = "SELECT document_id FROM placement WHERE database = ? AND state = 'leaving' LIMIT ?"
    return [row.document_id for row in tx.rows(sql, [database, most])]


def forget_placements(tx: Transaction, database: str, document_ids: Sequence[str]) -> None:
    """The rows are gone from the published version: finish the deletion."""
    tx.many(
        "DELETE FROM placement WHERE document_id = ? AND database = ? AND state = 'leaving'",
        [(each, database) for each in document_ids],
    )


def forget_database(tx: Transaction, database: str) -> int:
    """Its files are gone: every document that lay there is due again. Returns how many there were."""
    tx.run("DELETE FROM database WHERE name = ?", [database])  # the new one may be of another model
    return tx.run(
        "UPDATE placement SET state = 'storing', settled_key = NULL, updated_at = ? WHERE database = ?"
        " AND state = 'stored'",
        [now(), database],
    )


def forget_rows(tx: Transaction, database: str) -> None:
    """The database is gone for good, and no document has a row there."""
    tx.run("DELETE FROM placement WHERE database = ?", [database])
    tx.run("DELETE FROM home_meta WHERE key = ?", [asking_key(database)])


@dataclass(frozen=True, slots=True)
class Stored:
    """A document whose rows are published. ``reasons``: why it is degraded; ``page_characters``: of what has pages."""

    document_id: str
    uri: str
    version: int
    type: str
    chunk_count: int
    reasons: Sequence[str]
    page_characters: Sequence[int]

    @property
    def text_yield(self) -> str | None:
        if not self.page_characters:
            return None
        silent = [page for page, characters in enumerate(self.page_characters, start=1) if not characters]
        pages, characters = len(self.page_characters), sum(self.page_characters)
        return json.dumps({"pages": pages, "characters": characters, "without_text": silent[:_MOST_PAGES_NAMED]})


def record_stored(tx: Transaction, database: str, settled_key: str, documents: Sequence[Stored]) -> None:
    """Settle documents. One whose file has changed meanwhile is stored, but stays due."""
    at, documents = now(), sorted(documents, key=lambda d: d.document_id)  # by the indexes
    tx.bulk(
        "UPDATE document SET outcome = 'completed', degraded = new.column3, reasons = new.column4,"
        " text_yield = new.column5, type = new.column6, chunk_count = new.column7, failed_key = NULL,"
        " error_stage = NULL, error_code = NULL, error_message = NULL, error_hint = NULL, error_at = NULL"
        " FROM (VALUES {rows}) AS new WHERE id = new.column1 AND version = new.column2",
        [
            (
                d.document_id,
                d.version,
                int(bool(d.reasons)),
                json.dumps(d.reasons),
                d.text_yield,
                d.type,
                d.chunk_count,
            )
            for d in documents
        ],
    )
    # A rename or a new version since the window began has taken the key away, and must find it taken away; a
    # deletion must find its placement leaving.
    tx.bulk(
        "UPDATE placement SET state = CASE WHEN state = 'leaving' THEN state ELSE 'stored' END,"
        " chunk_count = new.column3, updated_at = new.column4, settled_key = (SELECT CASE"
        " WHEN d.version = new.column5 AND d.uri = new.column6 AND d.state = 'active' THEN new.column7 END"
        " FROM document d WHERE d.id = document_id)"
        " FROM (VALUES {rows}) AS new WHERE document_id = new.column1 AND database = new.column2",
        [(d.document_id, database, d.chunk_count, at, d.version, d.uri, settled_key) for d in documents],
    )


def degrade(tx: Transaction, document_id: str, run_id: int, reason: str) -> None:
    """One more reason, found only when the document was settled."""
    tx.run(
        "UPDATE document SET degraded = 1, reasons = json_insert(reasons, '$[#]', ?2) WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM json_each(reasons) WHERE value = ?2)",
        [document_id, reason],
    )
    tx.run("UPDATE run SET degraded = 1 WHERE id = ?", [run_id])


def unsettle(tx: Transaction, document_id: str, database: str) -> None:
    """What lies there is whole, but the document is due again."""
    sql = "UPDATE placement SET settled_key = NULL WHERE document_id = ? AND database = ?"
    tx.run(sql, [document_id, database])


def record_retry(tx: Transaction, document_id: str, version: int, run_id: int, not_before: str) -> None:
    """A document's step is to be tried again at a time."""
    tx.run("UPDATE run SET not_before = ? WHERE id = ?", [not_before, run_id])
    tx.run("UPDATE document SET retry_count = retry_count + 1 WHERE id = ? AND version = ?", [document_id, version])


def record_failure(
    tx: Transaction,
    document_id: str,
    version: int,
    database: str,
    rows_key: str,
    failure: Failure,
) -> None:
    """A document's failure. One that is permanent takes the rows of older versions out of all databases.

    What other pipelines have made of this version, in other databases, stays.
    """
    at = now()
    if failure.permanent:  # as its own rows, those of what was found in older versions of it
        catalogue.bury(tx, document_id, None, itself=False)
    changed = tx.run(
        "UPDATE document SET outcome = 'failed', failed_key = ?, error_stage = ?, error_code = ?, error_message = ?,"
        " error_hint = ?, error_at = ? WHERE id = ? AND version = ?",
        [
            rows_key if failure.permanent else None,
            failure.stage,
            failure.code,
            failure.message,
            failure.hint,
            at,
            document_id,
            version,
        ],
    )
    if changed and failure.permanent:
        tx.run(
            "UPDATE placement SET state = 'leaving', settled_key = NULL"
            " WHERE document_id = ? AND state != 'leaving' AND (database = ? OR settled_key IS NULL)",
            [document_id, database],
        )


def count_chunks(tx: Transaction, group_id: int, *, total: int, embedded: int) -> None:
    tx.run(
        "UPDATE run_group SET chunks_total = chunks_total + ?, chunks_embedded = chunks_embedded + ? WHERE id = ?",
        [total, embedded, group_id],
    )


def count_seconds(tx: Transaction, group_id: int, seconds: float) -> None:
    """Time that an engine has worked on a group; waiting for a resume does not count."""
    tx.run("UPDATE run_group SET processing_seconds = processing_seconds + ? WHERE id = ?", [seconds, group_id])
