"""What ``sync`` and ``ingest`` share about sources: names, folders, batches, and files they cannot read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from docmill.domain import uris
from docmill.domain.events import now
from docmill.domain.results import DocumentProblem
from docmill.domain.sources import SourceSettings
from docmill.errors import DocumentError
from docmill.stores.queries import OF_BATCH, Queries, Row

MAX_RETRIES, RETRY_DELAY_S, BACKOFF = 3, 5.0, 2.0
JITTER = 0.1  # the share of a delay that chance adds, so that many do not come back at once


def free_name(queries: Queries, folder: Path) -> str:
    """A folder's own name as a source's, numbered where another source has it."""
    base = uris.encode(folder.name) or "root"
    name, number = base, 2
    while queries.source(name) is not None:
        name, number = f"{base}-{number}", number + 1
    return name


def free_of_folder(queries: Queries, base: str) -> str:
    """``base`` as the name of a source that follows no folder, numbered where a folder has it."""
    name, number = base, 2
    while (row := queries.source(name)) is not None and row["folder"] is not None:
        name, number = f"{base}-{number}", number + 1
    return name


def folder_text(folder: Path) -> str:
    """A folder as SQLite holds it: names that are not UTF-8 are encoded."""
    return uris.encode(str(folder))


def folder_path(text: str | None) -> Path | None:
    return Path(uris.decode(text)) if text is not None else None


def definitions_of(queries: Queries, batch: Row) -> SourceSettings:
    """What holds for a batch: its own workflow and params, and what the source that it follows was told over them."""
    found = queries.rows(
        "SELECT s.*, b.workflow, b.params FROM source s JOIN batch b ON b.id = s.batch_id"
        " WHERE s.batch_id = ? OR s.name = ?",
        [batch["id"], batch["source"]],
    )
    own = SourceSettings(batch["workflow"], batch["params"])
    if len(found) != 1:
        return own
    told = SourceSettings.of(found[0], found[0])
    if (told.workflow, told.params) == (own.workflow, own.params):
        return told
    return replace(told, workflow=own.workflow, params=own.params, overrides=())


def profiles_of(queries: Queries, batch_id: int) -> set[str]:
    """Of a batch's documents."""
    sql = f"SELECT DISTINCT profile FROM document d WHERE {OF_BATCH} AND d.state = 'active'"  # noqa: S608 - a constant
    return {row["profile"] for row in queries.rows(sql, [batch_id])}


def batch_row(name: str, type_: str, configuration: dict[str, Any] | None = None) -> dict[str, Any]:
    """A new batch of a source, with the defaults of everything else."""
    return {
        "name": name,
        "description": "",
        "type": type_,
        "priority": "normal",
        "source": name,
        "workflow": "batch",
        "params": "default",
        "configuration": json.dumps(configuration or {"filters": {}, "webhook_url": None}, ensure_ascii=False),
        "max_retries": MAX_RETRIES,
        "retry_delay": RETRY_DELAY_S,
        "backoff_multiplier": BACKOFF,
        "jitter": JITTER,
    }


def unread(uri: str, error: DocumentError) -> DocumentProblem:
    """A file that could not even be made known."""
    return DocumentProblem(
        document_id=None,
        uri=uri,
        filename=uri.rstrip("/").rsplit("/", 1)[-1],
        stage="ingest",
        error_code=error.code,
        error_message=error.message,
        occurred_at=now(),
        retry_count=0,
        hint=error.hint,
        permanent=error.permanent,
    )
