"""Gives out the ids of batches, run groups and runs. None ever comes back, whatever has been deleted meanwhile.

SQLite would give the highest id anew once its row is gone, and with it whatever still goes by that id: keys of
deliveries that a receiver has seen, scripts that have noted it, entries of logs.
"""

from __future__ import annotations

from typing import Literal

from docmill.stores.state.database import Transaction

Table = Literal["batch", "run_group", "run"]


def next_id(tx: Transaction, table: Table) -> int:
    """The id of the next row of a table; those of further rows follow it."""
    highest = tx.value(f"SELECT COALESCE(MAX(id), 0) FROM {table}")  # noqa: S608 - one of three names
    retired = tx.value("SELECT CAST(value AS INTEGER) FROM home_meta WHERE key = ?", [_key(table)]) or 0
    return int(max(highest, retired)) + 1


def retire_ids(tx: Transaction, table: Table) -> None:
    """Remember the highest id so far. To be called before rows are deleted."""
    tx.run(
        "INSERT INTO home_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [_key(table), str(next_id(tx, table) - 1)],
    )


def _key(table: Table) -> str:
    return f"highest_{table}"
