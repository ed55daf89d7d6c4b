"""No statement that runs often reads a whole table: what a home knows grows, and what a sync costs must not."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from conftest import Mill
from docmill.engine import intake
from docmill.service import batches, live, running, stats
from docmill.stores.feed import Feed
from docmill.stores.queries import Queries, reading
from docmill.stores.state.database import Transaction

GROWING = "document|d|run|r|o|run_step|e|placement|p|document_version|lifecycle_event|f|artifact|log_entry|delivery"
# All entries of an index that holds few rows, or all that is asked for, may be read.
ALLOWED = (
    "USING COVERING INDEX",
    "USING INDEX document_troubled",
    "USING INDEX document_retried",
    "USING INDEX step_running",
)
_SCAN = re.compile(rf"SCAN ({GROWING})\b(?! VIRTUAL)")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Sequence[Any]]]:
    """Every statement that is run, with the values of one of its runs."""
    seen: dict[str, Sequence[Any]] = {}

    def watch(owner: type, name: str) -> None:
        plain = getattr(owner, name)

        def watched(self: Any, sql: str, values: Sequence[Any] = ()) -> Any:
            if name == "bulk" and values:
                for count in (1, 4):
                    marks = ", ".join([f"({', '.join('?' * len(values[0]))})"] * count)
                    seen[sql.replace("{rows}", marks)] = [*values[0]] * count
            elif name not in ("many", "bulk"):
                seen[sql] = values
            elif values:
                seen[sql] = values[0]
            return plain(self, sql, values)

        monkeypatch.setattr(owner, name, watched)

    for name in ("rows", "tuples", "row", "value"):
        watch(Queries, name)
    for name in ("run", "many", "bulk", "rows", "tuples", "value"):
        watch(Transaction, name)
    yield seen


def whole_tables(mill: Mill, statements: dict[str, Sequence[Any]]) -> list[str]:
    """Statements that read one, and how SQLite says so."""
    found = []
    connection = sqlite3.connect(mill.home / "state.db")
    for sql, values in statements.items():
        if sql.startswith("PRAGMA"):
            continue
        for *_ids, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", tuple(values)):
            if _SCAN.search(step) and not any(each in step for each in ALLOWED):
                found.append(f"{step}: {sql}")
    connection.close()
    return found


def test_to_claim_a_few_runs_does_not_sort_all_that_are_left(mill: Mill) -> None:
    mill.write_many(2)
    mill.sync()
    connection = sqlite3.connect(mill.home / "state.db")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {intake._CLAIM}", (1, "pending", "2026", 256, "[]")).fetchall()
    connection.close()
    steps = [step for *_ids, step in plan]
    assert any("run_by_group" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)


def test_a_sync_and_a_status_read_no_whole_table(mill: Mill, statements: dict[str, Sequence[Any]]) -> None:
    mill.write_many(5)
    mill.write("bad.pdf", "%PDF-1.4 and no more")
    mill.sync()
    mill.write("note-001.md", "# Another\n\nIt is another now.\n")
    (mill.folder / "note-002.md").unlink()
    mill.sync(overrides=["chunk.size=60"])
    mill.sync()
    running.start(mill.settings, mill.reporter, "docs", overrides=list(mill.overrides))
    batches.home_status(mill.settings)
    batches.status(mill.settings, "docs")
    with reading(mill.home) as queries:
        list(Feed(queries, 1).news())
    live.watch_batch(mill.settings, "docs", lambda _moment: None)
    for figures in (stats.durations, stats.steps, stats.throughput):
        figures(mill.settings)
    told = "\n".join(statements)
    for heart in ("FROM run r JOIN document d", "settled_key", "FROM run_step WHERE status = 'running'", "e.id > ?"):
        assert heart in told
    assert len(statements) > 80
    assert "\n".join(whole_tables(mill, statements)) == ""


def test_a_whole_table_would_be_noticed(mill: Mill, statements: dict[str, Sequence[Any]]) -> None:
    with reading(mill.home) as queries:
        queries.rows("SELECT d.id FROM document d WHERE d.size_bytes = ?", [1])
    assert len(whole_tables(mill, statements)) == 1
