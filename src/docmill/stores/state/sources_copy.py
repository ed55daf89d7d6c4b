"""``sources.json``: what state.db knows of sources and could be had from nowhere else, beside it.

All else in state.db follows from the folders, or is history. So a lost one can be made anew from this, the folders, and
what is kept by content. Written by each engine before it begins, where something has changed; read only by repair.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docmill.stores.state import groups
from docmill.stores.state.database import Transaction

NAME = "sources.json"
_SOURCE = ("name", "folder", "include", "exclude", "overrides", "rules", "created_at")
_BATCH = (
    "name",
    "description",
    "type",
    "priority",
    "source",
    "key",
    "workflow",
    "params",
    "configuration",
    "max_retries",
    "retry_delay",
    "backoff_multiplier",
    "jitter",
    "max_processing_time",
)


def write(tx: Transaction, home: Path) -> None:
    """A file that cannot be written is no reason not to work."""
    sources = [
        {**_part(row, _SOURCE), "batch": _batch(tx, row.batch_id)}
        for row in tx.rows("SELECT * FROM source ORDER BY created_at, name")
    ]
    text = json.dumps({"sources": sources}, indent=1, ensure_ascii=False) + "\n"
    path, fresh = home / NAME, home / f"{NAME}.new"
    try:
        if path.is_file() and path.read_text("utf-8") == text:
            return
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)


def restore(tx: Transaction, home: Path) -> tuple[dict[str, str], list[str]]:
    """Make the sources known to a new state. Returns the folders, as SQLite holds them, by name of the source; and the
    names of sources that follow none, whose documents must be named anew.
    """
    try:
        sources = json.loads((home / NAME).read_text("utf-8"))["sources"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}, []
    folders, others = {}, []
    for each in sources:
        if each["folder"] is None or each["batch"] is None:
            others.append(each["name"])
            continue
        batch_id = groups.create_batch(tx, each["batch"])
        tx.insert("source", [{**{name: each[name] for name in _SOURCE}, "batch_id": batch_id}])
        folders[each["name"]] = each["folder"]
    return folders, others


def _batch(tx: Transaction, batch_id: int | None) -> dict[str, Any] | None:
    found = tx.rows("SELECT * FROM batch WHERE id = ?", [batch_id])
    return _part(found[0], _BATCH) if found else None


def _part(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
