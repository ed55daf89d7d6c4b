"""Writes the log of the batches, and keeps it within bounds: the newest entries of a home, none of them long."""

from __future__ import annotations

import json
from typing import Any

from docmill.domain.events import now
from docmill.domain.redaction import redacted
from docmill.stores.state.database import Transaction

KEPT_ENTRIES = 20_000
TRIM_EVERY = 200  # entries; so that the bound costs one statement among so many
MESSAGE_CHARS = 1000
VALUE_CHARS = 500
CONTEXT_CHARS = 4000


def log(
    tx: Transaction,
    level: str,
    message: str,
    *,
    batch_id: int | None = None,
    run_group_id: int | None = None,
    **context: Any,
) -> None:
    """One entry. ``level``: debug, info, warning or error. ``context`` takes JSON values; those that are None go."""
    row = {
        "batch_id": batch_id,
        "run_group_id": run_group_id,
        "level": level,
        "message": _cut(redacted(message), MESSAGE_CHARS),
        "context": _context(context),
        "at": now(),
    }
    written = tx.insert_one("log_entry", row)
    if written % TRIM_EVERY == 0:
        trim(tx)


def log_group(tx: Transaction, level: str, message: str, run_group_id: int, **context: Any) -> None:
    """One entry about a run group, in the log of its batch."""
    batch_id = tx.value("SELECT batch_id FROM run_group WHERE id = ?", [run_group_id])
    log(tx, level, message, batch_id=batch_id, run_group_id=run_group_id, **context)


def trim(tx: Transaction, keep: int = KEPT_ENTRIES) -> int:
    """Forget all but the newest entries. Returns how many went."""
    oldest = tx.value("SELECT id FROM log_entry ORDER BY id DESC LIMIT 1 OFFSET ?", [keep - 1])
    return tx.run("DELETE FROM log_entry WHERE id < ?", [oldest]) if oldest is not None else 0


def _context(context: dict[str, Any]) -> str:
    given = {
        name: _cut(redacted(value), VALUE_CHARS) if isinstance(value, str) else value
        for name, value in context.items()
        if value is not None
    }
    text = json.dumps(given, ensure_ascii=False)
    if len(text) <= CONTEXT_CHARS:
        return text
    plain = {name: value for name, value in given.items() if isinstance(value, int | float)}
    return json.dumps({**plain, "left_out": sorted(set(given) - set(plain))[:20]}, ensure_ascii=False)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
