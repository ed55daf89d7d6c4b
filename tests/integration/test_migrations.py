"""Homes of earlier schemas: opened, brought forward after a backup, and gone on with as if nothing had been."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from conftest import QUICK, Mill, Recorder
from docmill.errors import EngineBusy, StorageError
from docmill.service import batches, resuming
from docmill.stores import schema_version
from docmill.stores.queries import Queries, reading
from docmill.stores.state import State

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD_SCHEMAS = range(1, schema_version.CURRENT)


def unpacked(version: int, where: Path) -> Mill:
    with tarfile.open(FIXTURES / f"home-schema-{version}.tar.gz") as archive:
        archive.extractall(where, filter="data")
    return Mill(where)


@pytest.fixture(params=OLD_SCHEMAS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Mill:
    return unpacked(request.param, tmp_path)


def docmill(mill: Mill, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "docmill", "--home", str(mill.home), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def version_of(mill: Mill) -> int:
    connection = sqlite3.connect(mill.home / "state.db")
    try:
        return schema_version.version_of(connection)
    finally:
        connection.close()


def shape_of(path: Path) -> dict[str, Any]:
    """Tables with their columns and foreign keys, indexes and triggers: all that a schema is, in a fixed order."""
    connection = sqlite3.connect(path)
    shape: dict[str, Any] = {}
    for kind, name, sql in connection.execute(
        "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    ).fetchall():
        if kind == "table":
            columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
            keys = connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
            unique = [row[2:4] for row in connection.execute(f"PRAGMA index_list({name})") if row[3] == "u"]
            shape[name] = (sorted(column[1:] for column in columns), sorted(key[2:] for key in keys), unique)
        elif sql is not None:
            shape[name] = sql
    connection.close()
    return shape


def test_there_is_a_home_of_every_earlier_schema() -> None:
    assert OLD_SCHEMAS
    for version in OLD_SCHEMAS:
        assert (FIXTURES / f"home-schema-{version}.tar.gz").is_file()


def test_a_reading_command_brings_a_home_forward_and_keeps_what_it_was(old: Mill) -> None:
    was = version_of(old)
    before = (old.home / "state.db").read_bytes()
    shown = docmill(old, "status", "--json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert {batch["name"]: batch["status"] for batch in found["batches"]} == {
        "docs": "completed",
        "held": "paused",
        "cut-short": "running",
    }
    assert version_of(old) == schema_version.CURRENT
    backup = sqlite3.connect(old.home / f"state.db.schema-{was}.backup")
    assert schema_version.version_of(backup) == was
    assert backup.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    backup.close()
    assert before != (old.home / "state.db").read_bytes()
    told = old.state("SELECT message FROM log_entry ORDER BY id DESC LIMIT 1")
    assert f"from schema {was} to {schema_version.CURRENT}" in told[0][0]


def test_a_home_that_was_brought_forward_is_like_a_new_one(old: Mill, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    State.create(tmp_path / "new").close()
    with reading(old.home):
        pass
    assert shape_of(old.home / "state.db") == shape_of(tmp_path / "new" / "state.db")
    connection = sqlite3.connect(old.home / "state.db")
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_work_goes_on_where_the_old_docmill_left_it(old: Mill) -> None:
    result = old.sync(source="docs")
    assert (result.status, result.chunks.embedded) == ("completed", 0)  # parsed anew, by today's parameters
    assert [error.uri for error in result.errors] == ["empty.md"]
    assert old.found("oak") == ["note-000.md"]
    assert old.found("Walnut") == ["note-001.md", "note-002.md"]
    old.write("note-001.md", "# Elm\n\nParagraph 1 now tells of elm.\n")
    assert old.sync(source="docs").documents.completed == 1
    assert old.found("elm") == ["note-001.md"]


def test_what_was_paused_or_cut_short_is_finished(old: Mill) -> None:
    state = State(old.home)
    with state.transaction() as tx:  # the files lie elsewhere than on the machine that packed them
        for document_id, uri in tx.rows("SELECT id, uri FROM document WHERE source = 'files'"):
            tx.run("UPDATE document SET uri = ? WHERE id = ?", [str(old.root / Path(uri).name), document_id])
    state.close()
    result = resuming.resume(old.settings, Recorder(), "held")  # this engine works on all that is running
    assert (result.status, result.documents.completed, result.errors) == ("completed", 2, [])
    assert set(old.state("SELECT status FROM batch")) == {("completed",)}
    assert len(old.found("words")) == 4


def test_events_that_were_told_twice_become_attempts(tmp_path: Path) -> None:
    mill = unpacked(1, tmp_path)
    connection = sqlite3.connect(mill.home / "state.db")
    insert = (
        "INSERT INTO lifecycle_event (event, run_group_id, run_id, step_id, status, at)"
        " SELECT 'step_start', run_group_id, run_id, id, 'running', '' FROM run_step WHERE id = ?"
    )
    [(step,)] = connection.execute("SELECT id FROM run_step WHERE status = 'running' LIMIT 1").fetchall()
    connection.executemany(insert, [(step,), (step,), (step,)])
    connection.commit()
    connection.close()
    sql = "SELECT attempt FROM lifecycle_event WHERE step_id = ? AND event = 'step_start' ORDER BY id"
    assert mill.state(sql, step) == [(1,), (2,), (3,)]
    assert mill.value("SELECT attempt FROM run_step WHERE id = ?", step) == 3
    assert mill.value("SELECT MIN(attempt) FROM run") == mill.value("SELECT MAX(attempt) FROM run_group") == 1


@pytest.mark.parametrize("point", ["migrate.backup.before", "migrate.backup.after", "migrate.commit.before",
                                   "migrate.commit.after"])  # fmt: skip
def test_killed_while_it_is_brought_forward(old: Mill, point: str) -> None:
    was = version_of(old)
    killed = docmill(old, "status", DOCMILL_FAILPOINTS=f"{point}=kill")
    assert killed.returncode == -signal.SIGKILL
    assert version_of(old) == (schema_version.CURRENT if point == "migrate.commit.after" else was)
    Queries(old.home).close()
    assert version_of(old) == schema_version.CURRENT
    assert old.sync(source="docs").chunks.embedded == 0
    assert not list(old.home.glob("*.new"))


@pytest.mark.parametrize("point", ["migrate.backup.before", "migrate.commit.before"])
def test_no_room_to_bring_it_forward(old: Mill, point: str) -> None:
    was = version_of(old)
    full = docmill(old, "status", "--json", DOCMILL_FAILPOINTS=f"{point}=full")
    error = json.loads(full.stdout)["error"]
    assert (full.returncode, error["code"]) == (7, "STORAGE_ERROR")
    assert "the disk is full" in error["message"]
    assert "as it was" in error["hint"]
    assert version_of(old) == was
    Queries(old.home).close()
    assert version_of(old) == schema_version.CURRENT


def test_two_that_open_it_at_once_both_succeed(old: Mill) -> None:
    command = [sys.executable, "-m", "docmill", "--home", str(old.home), "status", "--json"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in started:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert len(json.loads(out)["batches"]) == 3
    assert version_of(old) == schema_version.CURRENT


def test_an_engine_of_the_older_docmill_is_not_disturbed(old: Mill) -> None:
    was = version_of(old)
    lock = old.home / "engine.lock"
    lock.write_text('{"pid": 4242, "started_at": "2026-01-01T00:00:00.000Z", "command": "docmill sync docs"}')
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(EngineBusy, match="4242"):
            Queries(old.home)
        assert version_of(old) == was
    Queries(old.home).close()  # what the file still says of the engine that has gone means nothing
    assert version_of(old) == schema_version.CURRENT


def test_rows_that_hang_in_the_air_are_not_brought_forward(old: Mill) -> None:
    was = version_of(old)
    connection = sqlite3.connect(old.home / "state.db")
    connection.execute("UPDATE run SET run_group_id = 999 WHERE id = 1")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="rows that are not there"):
        Queries(old.home)
    assert version_of(old) == was


@pytest.mark.parametrize("version", [schema_version.CURRENT + 1, 0])
def test_a_schema_that_is_not_known_is_refused(mill: Mill, version: int) -> None:
    batches.create_batch(mill.settings, name="one")
    connection = sqlite3.connect(mill.home / "state.db")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    for opened in (lambda: Queries(mill.home), State(mill.home).raise_epoch):
        with pytest.raises(StorageError, match=f"schema {version}"):
            opened()
    said = docmill(mill, "status")
    assert (said.returncode, f"schema {version}" in said.stderr) == (7, True)


def test_today_nothing_of_this_is_loaded(mill: Mill) -> None:
    code = (
        "import sys\nfrom docmill.stores.queries import Queries\n"
        f"Queries(__import__('pathlib').Path({str(mill.home)!r})).close()\n"
        "assert not {'alembic', 'sqlalchemy', 'sqlmodel', 'docmill.stores.state.migrations'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_quick_pipeline_is_the_one_that_was_packed(old: Mill) -> None:
    """Else the tests above would embed anew, and show nothing."""
    assert old.overrides == QUICK
    shutil.rmtree(old.home / "artifacts")
    assert old.sync(source="docs").chunks.embedded == 0
