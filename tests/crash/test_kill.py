"""Kills real processes at real moments, and holds what is left against a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill, children_of, is_alive, wait_for
from docmill.engine.lock import holder
from docmill.errors import DatabaseNotFound
from docmill.service import home

SYNC = "mill.sync()"
DOCUMENTS = 30
COMPARED = ("chunk_id", "document_id", "uri", "text", "vector", "title", "position", "char_start", "char_end")


def rows_of(mill: Mill) -> list[dict[str, Any]]:
    return [{name: row[name] for name in COMPARED} for row in mill.rows()]


def published(mill: Mill) -> dict[str, list[str]]:
    try:
        return mill.texts()
    except DatabaseNotFound:
        return {}


def undisturbed(mill: Mill) -> Mill:
    """Another home that syncs the same folder, once and in peace."""
    other = Mill(mill.root / "peace", mill.overrides)
    other.root.mkdir(exist_ok=True)
    if not other.folder.exists():
        other.folder.symlink_to(mill.folder)
    home.init(other.settings)
    other.sync()
    return other


def kill_after(mill: Mill, seconds: float) -> bool:
    """Start a sync in a process of its own and kill it so long after it has become the engine. False: it had ended."""
    process = mill.process(SYNC)
    wait_for(lambda: holder(mill.home) or process.poll() is not None)
    time.sleep(seconds)
    family = children_of(process.pid)
    ended = process.poll() is not None
    process.kill()
    _out, err = process.communicate()
    if ended:
        assert process.returncode == 0, err
    wait_for(lambda: not any(map(is_alive, family)), seconds=10)
    return not ended


def check_home(mill: Mill) -> None:
    connection = sqlite3.connect(mill.home / "state.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the workers in /proc")
def test_killed_again_and_again_it_ends_as_if_nothing_had_been(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.overrides = (*mill.overrides, "store.window_documents=5", "embed.batch_tokens=64")
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.01")
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "0.01")
    dice = random.Random(20260131)
    mill.write_many(DOCUMENTS, "Walnut")
    old = undisturbed(mill).texts()
    killed = sum(kill_after(mill, dice.uniform(0.0, 1.4)) for _round in range(4))
    for uri, texts in published(mill).items():
        assert texts == old[uri], "a reader saw half a document"
    mill.sync()
    assert mill.texts() == old

    for number in range(0, DOCUMENTS, 2):
        mill.write(f"note-{number:03d}.md", f"# Oak {number}\n\nParagraph {number} now tells of oak.\n")
    for number in range(1, DOCUMENTS, 10):
        (mill.folder / f"note-{number:03d}.md").unlink()
    shutil.rmtree(mill.root / "peace" / "home")
    new = undisturbed(mill)
    for _round in range(4):
        killed += kill_after(mill, dice.uniform(0.0, 0.9))
        for uri, texts in published(mill).items():
            assert texts in (old[uri], new.texts().get(uri)), "a reader saw half a document"
        assert {uri for uri in new.texts() if uri in old} <= set(published(mill)), "a document left the index"
        check_home(mill)
    assert killed >= 4, "the dice have not hit the work"
    result = mill.sync()
    assert (result.status, result.errors) == ("completed", [])
    assert rows_of(mill) == rows_of(new)
    assert mill.sync().run_group_id is None
    open_ends = "SELECT COUNT(*) FROM {} WHERE status NOT IN ('completed', 'cancelled', 'skipped')"
    assert all(mill.value(open_ends.format(table)) == 0 for table in ("run_step", "run", "run_group"))


@pytest.mark.parametrize("moment", ["chunks.delete", "chunks.add", "publish", "settle"])
def test_killed_in_each_step_of_storing(traps: Mill, moment: str) -> None:
    """The engine dies at that very call of its first window: old rows stay visible, and the next sync mends all."""
    mill = traps
    mill.write_many(4, "Walnut")
    mill.sync()
    old = mill.texts()
    for number in range(3):
        mill.write(f"note-{number:03d}.md", f"# Oak {number}\n\nParagraph {number} now tells of oak.\n")
    mill.write("fresh.md", "# Fresh\n\nA new document comes with them.\n")
    new = undisturbed(mill)
    die = "os.kill(os.getpid(), signal.SIGKILL)"
    patch = {
        "settle": "from docmill.stores.state import settling as where; name = 'record_stored'",
        "publish": "from docmill.stores.vectors import VectorStore as where; name = 'publish'",
        "chunks.delete": "from lancedb.table import LanceTable as where; name = 'delete'",
        "chunks.add": "from lancedb.table import LanceTable as where; name = 'add'",
    }[moment]
    code = f"""import os, signal
{patch}
real = getattr(where, name)
def dying(*arguments, **options):
    if {moment!r} in ("chunks.delete", "chunks.add"):
        real(*arguments, **options)
    {die}
setattr(where, name, dying)
mill.sync()"""
    process = mill.process(code)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    seen = published(mill)
    if moment == "settle":
        assert seen == new.texts()
    else:
        assert seen == old
    mill.sync()
    assert rows_of(mill) == rows_of(new)


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
StoreStage.flush = dying
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
