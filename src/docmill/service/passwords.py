"""Documents that failed for want of a password are due again once there may be one: a file of them is new or changed.

Passwords are no part of what a pipeline makes, so no key tells that they are others now.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.engine.pipelines import CompiledPipeline
from docmill.errors import EncryptedFile

if TYPE_CHECKING:
    from docmill.stores.queries import Queries
    from docmill.stores.state.database import Transaction

_LOCKED = (
    f"source = ?1 AND state = 'active' AND error_code = '{EncryptedFile.code}' AND failed_key IS NOT NULL"
    " AND error_at < ?2"
)


def due_before(pipeline: CompiledPipeline, *, told_anew: bool) -> str:
    """Documents that failed for want of a password before this time are due: when the pipeline's files of passwords
    were last written or put there; where one may be newly named, at any time; empty where none is named.
    """
    changed: list[float] = []
    for name in pipeline.password_files:
        with contextlib.suppress(OSError):
            stat = Path(name).expanduser().stat()
            changed.append(max(stat.st_mtime, stat.st_ctime))
    if not changed:
        return ""
    moment = datetime.max.replace(tzinfo=UTC) if told_anew else datetime.fromtimestamp(max(changed), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def would_release(queries: Queries, source: str, before: str) -> list[str]:
    """Documents that are due again because of that."""
    if not before:
        return []
    return [row["id"] for row in queries.rows(f"SELECT id FROM document WHERE {_LOCKED}", [source, before])]  # noqa: S608 - a constant


def release(tx: Transaction, source: str, before: str) -> None:
    """Have them tried again."""
    if not before:
        return
    tx.run(f"UPDATE document SET failed_key = NULL WHERE {_LOCKED}", [source, before])  # noqa: S608 - a constant
