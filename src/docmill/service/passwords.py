"""Documents that failed for want of a password are due again once there may be one: a file of them is new or changed.

Passwords are no part of what a pipeline makes, so no key tells that they are others now.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.engine.pipelines import CompiledPipeline
from docmill.errors import EncryptedFile

if TYPE_CHECKING:
    from docmill.stores.queries import Queries
    from docmill.stores.state.database import Transaction

_LOCKED = f"source = ?1 AND state = 'active' AND error_code = '{EncryptedFile.code}' AND failed_key IS NOT NULL"


def changed_at(pipeline: CompiledPipeline) -> str | None:
    """When the files of passwords that the pipeline names were last written or put there; None where it names none."""
    times: list[float] = []
    for name in pipeline.password_files:
        try:
            stat = Path(name).expanduser().stat()
        except OSError:
            continue
        times.append(max(stat.st_mtime, stat.st_ctime))
    if not times:
        return None
    return datetime.fromtimestamp(max(times), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def would_release(queries: Queries, source: str, since: str | None) -> bool:
    """Whether documents failed for want of a password before ``since``."""
    sql = f"SELECT 1 FROM document WHERE {_LOCKED} AND error_at < ?2 LIMIT 1"  # noqa: S608 - a constant
    return since is not None and bool(queries.value(sql, [source, since]))


def release(tx: Transaction, source: str, since: str | None, *, whenever: bool) -> None:
    """Have them tried again. ``whenever``: also those that failed later, as the file is newly named."""
    if since is not None:
        sql = f"UPDATE document SET failed_key = NULL WHERE {_LOCKED} AND (?2 OR error_at < ?3)"  # noqa: S608 - a constant
        tx.run(sql, [source, whenever, since])
