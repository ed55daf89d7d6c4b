"""What dies, hangs or is lost under an engine, one case at a time. Kills at any instant are in test_crash.py."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from typing import Any

import pytest

from conftest import Mill
from docmill.engine.storing import StoreStage
from docmill.stores.queries import reading
from docmill.stores.state import State, catalogue

COMPARED = ("chunk_id", "document_id", "uri", "text", "vector", "title", "position", "char_start", "char_end")


def rows_of(mill: Mill) -> list[dict[str, Any]]:
    return [{name: row[name] for name in COMPARED} for row in mill.rows()]


def test_the_first_window_after_a_crash_publishes_no_half(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows taken out but not yet replaced when the engine died must not vanish with another document's window."""
    mill.write("a.txt", "The old words of a.\n")
    mill.write("b.txt", "The words of b.\n")
    mill.sync()
    [a_id] = {row["document_id"] for row in mill.rows() if row["uri"] == "a.txt"}
    import lancedb

    lancedb.connect(mill.home / "lancedb" / "default").open_table("chunks").delete(f"document_id = '{a_id}'")
    mill.write("c.txt", "The words of c.\n")
    mill.sync()
    assert set(mill.texts()) == {"a.txt", "b.txt", "c.txt"}


def test_a_worker_that_is_killed_costs_nothing(traps: Mill) -> None:
    mill = traps
    mill.write_many(5)
    mill.write("once.md", "# Once\n\nKILL ONCE when this is read.\n")
    result = mill.sync()
    assert (result.documents.completed, result.documents.failed) == (6, 0)
    assert mill.noted("parse").count("once.md") == 2
    assert mill.value("SELECT MAX(retry) FROM run_step") == 0
    assert mill.value("SELECT MAX(crashes) FROM run") == 1


def test_a_document_that_kills_each_worker_fails_and_its_neighbours_do_not(traps: Mill) -> None:
    mill = traps
    mill.write_many(8)
    mill.write("bad.md", "# Bad\n\nKILL THE WORKER at once.\n")
    result = mill.sync()
    assert (result.documents.completed, result.documents.failed) == (8, 1)
    [error] = result.errors
    assert (error.uri, error.error_code) == ("bad.md", "WORKER_CRASHED")
    assert mill.noted("parse").count("bad.md") == 3
    assert mill.sync().run_group_id is None


def test_a_document_that_hangs_is_ended(traps: Mill) -> None:
    mill = traps
    mill.write_many(3)
    mill.write("stuck.md", "# Stuck\n\nHANG here for good.\n")
    mill.write("hot.md", "# Hot\n\nBURN the processor for good.\n")
    mill.flags = {"worker_cpu_s": 1, "document_workers": 2}
    (mill.home / "workflows" / "hasty.yaml").write_text(
        "id: hasty\nname: Hasty\nsteps:\n"
        "  - {name: parse, type: parse, timeout_s: 1}\n  - {name: chunk, type: chunk, timeout_s: 1}\n"
        "  - {name: embed, type: embed}\n  - {name: store, type: store}\n"
    )
    result = mill.sync(workflow="hasty")
    assert {error.uri: error.error_code for error in result.errors} == {"stuck.md": "TIMEOUT", "hot.md": "TIMEOUT"}
    assert result.documents.completed == 3


def test_a_text_that_kills_the_embedder_fails_alone(traps: Mill) -> None:
    mill = traps
    mill.write_many(6)
    mill.write("bad.md", "# Bad\n\nThis is POISON to the model.\n")
    result = mill.sync()
    assert (result.documents.completed, result.documents.failed) == (6, 1)
    assert [(error.uri, error.stage, error.error_code) for error in result.errors] == [
        ("bad.md", "embed", "WORKER_CRASHED")
    ]


def test_an_embedder_out_of_order_fails_no_document_for_good(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.write_many(3)
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_FAILS", "1")
    assert mill.sync().documents.failed == 3
    monkeypatch.delenv("DOCMILL_TRAPS_EMBED_FAILS")
    result = mill.sync()
    assert (result.documents.completed, result.errors) == (3, [])


def interrupted_before_storing(mill: Mill) -> None:
    """Everything is embedded, nothing is stored, and the engine is dead."""
    code = """import os, signal
from docmill.engine.storing import StoreStage
def dying(self):
    if len(self.waiting) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
StoreStage.flush = StoreStage.store_window = dying
StoreStage.due = lambda self: len(self.waiting) == 3
from docmill.engine.runner import Runner
from docmill.engine import ledger
ledger.FLUSH_SECONDS = 0
real = Runner._store
def store(self):
    self.ledger.flush()
    for stage in self.embeds.values():
        stage.save()
    real(self)
Runner._store = store
mill.sync()"""
    process = mill.process(code)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    assert mill.state("SELECT DISTINCT status FROM run_step WHERE type = 'embed'") == [("completed",)]


@pytest.mark.parametrize("lost", ["nothing", "artifacts", "torn artifacts", "cache", "damaged cache"])
def test_whatever_a_dead_engine_had_done_may_be_lost(traps: Mill, lost: str) -> None:
    mill = traps
    mill.write_many(3)
    interrupted_before_storing(mill)
    embedded, parsed = len(mill.noted("embed")), len(mill.noted("parse"))
    artifacts = [path for path in (mill.home / "artifacts").rglob("*") if path.is_file()]
    assert len(artifacts) == 6
    match lost:
        case "artifacts":
            shutil.rmtree(mill.home / "artifacts")
        case "torn artifacts":
            for path in artifacts:
                path.write_bytes(path.read_bytes()[:-7])
        case "cache":
            for path in mill.home.glob("cache.db*"):
                path.unlink()
        case "damaged cache":
            for path in mill.home.glob("cache.db-*"):
                path.unlink()
            (mill.home / "cache.db").write_bytes(os.urandom(20_000))
    result = mill.sync()
    assert (result.status, result.errors, result.documents.completed) == ("completed", [], 3)
    assert len(mill.texts()) == 3
    assert len(mill.noted("parse")) - parsed == (3 if "artifacts" in lost else 0)
    assert len(mill.noted("embed")) - embedded == (3 if "cache" in lost else 0)
    assert all(path.exists() for path in artifacts)


def test_a_cache_that_is_damaged_inside_is_set_aside(traps: Mill) -> None:
    mill = traps
    mill.write_many(60)
    mill.sync()
    connection = sqlite3.connect(mill.home / "cache.db")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with (mill.home / "cache.db").open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(12_000))
    for number in range(60):
        mill.write(f"note-{number:03d}.md", f"# Changed {number}\n\nParagraph {number} has changed.\n")
    result = mill.sync()
    assert (result.documents.completed, result.errors) == (60, [])


@pytest.mark.parametrize("gone", ["lancedb/default", "lancedb", "lancedb/default/chunks.lance"])
def test_a_database_that_is_gone_is_made_anew(traps: Mill, gone: str) -> None:
    mill = traps
    mill.write_many(4)
    mill.sync()
    rows = rows_of(mill)
    embedded, parsed = len(mill.noted("embed")), len(mill.noted("parse"))
    shutil.rmtree(mill.home / gone)
    result = mill.sync()
    assert (result.documents.completed, result.chunks.total, result.chunks.embedded) == (4, 4, 0)
    assert rows_of(mill) == rows
    assert (len(mill.noted("embed")), len(mill.noted("parse"))) == (embedded, parsed)
    assert any(getattr(event, "level", "") == "warning" for event in mill.reporter.events)
    assert mill.sync().run_group_id is None


def test_a_deletion_that_comes_while_a_group_ends_is_not_left_behind(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shell finds the group still running, and leaves the rows to it; the group may not end without them."""
    mill.write_many(3)
    finish, told = StoreStage.finish, []

    def finish_and_be_told(stage: StoreStage) -> None:
        finish(stage)
        if not told:
            told.append(True)
            state = State(mill.home)
            with state.transaction() as tx, reading(mill.home) as queries:
                [source] = tx.rows("SELECT name, batch_id FROM source")
                gone = queries.known_documents(source.name)["note-001.md"]
                catalogue.delete_documents(tx, [gone], source.batch_id)
            state.close()

    monkeypatch.setattr(StoreStage, "finish", finish_and_be_told)
    mill.sync()
    assert set(mill.texts()) == {"note-000.md", "note-002.md"}
    assert mill.state("SELECT id, status FROM run_group") == [(1, "completed")]
