"""Checks state.db by itself: whether SQLite can read all of it, and its records lead to others that are there."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from docmill.service.verify.diagnosis import Diagnosis
from docmill.stores.faults import require_machine
from docmill.stores.queries import Queries

STATE = "state.db"
_TABLES = {"artifact", "batch", "database", "document", "placement", "run", "run_group", "run_step", "source"}
_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table'"


def check_file(home: Path, found: Diagnosis, *, quick: bool) -> bool:
    """Whether SQLite can read it, and finds its tables. ``quick``: without holding its indexes against its tables."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(home / STATE))}?mode=ro", uri=True, timeout=30.0)
        try:
            pragma = "quick_check" if quick else "integrity_check"
            said = [row[0] for row in connection.execute(f"PRAGMA {pragma}(10)")]
            if said == ["ok"] and not {row[0] for row in connection.execute(_NAMES)} >= _TABLES:
                said = ["tables are gone from it"]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        require_machine(error, f"{home / STATE} cannot be read")
        said = [str(error)]
    for each in said if said != ["ok"] else []:
        found.add("STATE_DAMAGED", STATE, " ".join(each.split())[:200])
    return said == ["ok"]


def check_references(queries: Queries, found: Diagnosis) -> None:
    for row in queries.rows("PRAGMA foreign_key_check"):
        found.add("REFERENCE_BROKEN", STATE, f"{row['table']} {row['rowid']} to {row['parent']}")


def check_marks(queries: Queries, found: Diagnosis, *, in_use: bool) -> None:
    """Marks in databases of documents that are gone, or on their way out; and work that nobody is at."""
    found.counts["documents"] = queries.value("SELECT COUNT(*) FROM document WHERE state = 'active'")
    found.counts["documents_due"] = queries.value(
        "SELECT COUNT(*) FROM document d WHERE state = 'active' AND COALESCE(outcome, '') != 'failed' AND NOT EXISTS"
        " (SELECT 1 FROM placement p WHERE p.document_id = d.id AND p.state = 'stored' AND p.settled_key IS NOT NULL)"
    )
    found.counts["sources"] = queries.value("SELECT COUNT(*) FROM source")
    for row in queries.rows(
        "SELECT document_id, database FROM placement WHERE state != 'leaving'"
        " AND document_id NOT IN (SELECT id FROM document)"
    ):
        found.add("MARK_ORPHANED", row["database"], row["document_id"])
    if in_use:
        return  # the engine's next windows take out what is to leave, and it is at what runs
    for row in queries.rows("SELECT document_id, database FROM placement WHERE state = 'leaving'"):
        found.add("REMOVAL_UNFINISHED", row["database"], row["document_id"])
    for row in queries.rows("SELECT id, batch_id FROM run_group WHERE status = 'running'"):
        found.add("WORK_UNFINISHED", f"batch {row['batch_id']}", f"run group {row['id']}")
        found.unfinished.append(row["id"])
