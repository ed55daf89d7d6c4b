"""Disks that fill up, cannot be written or lose files: told clearly, with exit 7; and the next run ends right."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import QUICK, Mill, wait_for
from docmill import failpoints
from docmill.domain import events
from docmill.domain.jobs import StepJob
from docmill.domain.planning import Selection
from docmill.engine import intake, lock, recovery, worker
from docmill.engine.ledger import Ledger
from docmill.errors import StateLost, StorageError
from docmill.service import batches, history, home, ingesting
from docmill.service.pipelines import prepare
from docmill.stores.embedding_cache import EmbeddingCache
from docmill.stores.queries import Queries
from docmill.stores.state import State, database, groups
from docmill.stores.vectors import VectorStore

OPTIONS = [option for override in (*QUICK, "store.window_documents=2") for option in ("--set", override)]


def command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "docmill", "--home", str(home), *arguments]


def docmill(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(home, *arguments),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DOCMILL_DOCUMENT_WORKERS": "1", "DOCMILL_EMBED_WORKERS": "1", **environment},
    )


def sync(mill: Mill) -> Any:
    return mill.sync(overrides=["store.window_documents=2"])


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The error of a call with --json that must have ended with exit 7."""
    assert done.returncode == 7, (done.returncode, done.stdout, done.stderr)
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert error["hint"]
    return error


def passages(mill: Mill) -> list[tuple[str, str, str, tuple[float, ...]]]:
    return [(row["uri"], row["chunk_id"], row["text"], tuple(row["vector"])) for row in mill.rows()]


def require_sound(mill: Mill) -> None:
    for name in ("state.db", "cache.db"):
        connection = sqlite3.connect(mill.home / name)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    assert mill.state("SELECT 1 FROM run WHERE status IN ('pending', 'running')") == []
    assert not list((mill.home / "artifacts").rglob("*.new"))


class Prepared:
    """A home with documents stored, and a folder in which some of them have changed since. ``fresh`` puts it back."""

    def __init__(self, root: Path) -> None:
        self.mill = Mill(root)
        self.mill.folder.mkdir()
        home.init(self.mill.settings)
        self.mill.write_many(5, "Walnut")
        sync(self.mill)
        self._kept = root / "kept"
        shutil.copytree(self.mill.home, self._kept)
        self.mill.write("note-001.md", "# Elm\n\nThis one now tells of elms.\n")
        self.mill.write("note-002.md", "# Oak\n\nThis one now tells of oaks.\n")
        (self.mill.folder / "note-004.md").unlink()
        self.mill.write("note-005.md", "# Ash\n\nThis one is new, and tells of ashes.\n")
        sync(self.mill)
        self.expected = passages(self.mill)
        assert len(self.expected) == 5

    def fresh(self) -> Mill:
        shutil.rmtree(self.mill.home)
        shutil.copytree(self._kept, self.mill.home)
        return self.mill


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("prepared"))


def armed(monkeypatch: pytest.MonkeyPatch, points: str) -> None:
    monkeypatch.setattr(failpoints, "around", failpoints._Armed(points, None).around)
    monkeypatch.setenv("DOCMILL_FAILPOINTS", points)  # for the workers


# ---- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["artifact.write.before", "store.add.before", "state.commit.before"])
def test_what_a_full_disk_says_and_what_the_next_call_makes_of_it(prepared: Prepared, point: str) -> None:
    """The real command, in a process of its own."""
    mill = prepared.fresh()
    arguments = ["sync", str(mill.folder), *OPTIONS, "--json"]
    error = told(docmill(mill.home, *arguments, DOCMILL_FAILPOINTS=f"{point}=full"))
    assert error["code"] == "STORAGE_ERROR"
    assert "the disk is full" in error["message"]
    assert "make room" in error["hint"]
    assert sync(mill).status == "completed"
    assert passages(mill) == prepared.expected
    require_sound(mill)


@pytest.mark.parametrize(
    "point",
    [
        "artifact.write.after",
        "epoch.raise.before",
        "store.mark.before",
        "store.delete.before",
        "store.fsync.before",
        "store.tag.before",
        "store.tag.after",
        "store.settle.before",
        "store.settle.after",
        "group.finish.before",
        "state.commit.after",
    ],
)
def test_a_disk_that_is_full_at_any_write(prepared: Prepared, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    mill = prepared.fresh()
    with monkeypatch.context() as patch:
        armed(patch, f"{point}=full")
        with pytest.raises((StorageError, OSError), match=r"disk is full|No space left"):
            sync(mill)
    sync(mill)
    assert passages(mill) == prepared.expected
    require_sound(mill)


def test_rows_whose_vectors_cannot_be_cached_are_not_published_yet(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = prepared.fresh()
    before = passages(mill)
    with monkeypatch.context() as patch:
        armed(patch, "cache.add.before=full")
        with pytest.raises(StorageError, match="disk is full"):
            sync(mill)
    assert [row for row in passages(mill) if row not in before] == []
    sync(mill)
    assert passages(mill) == prepared.expected
    require_sound(mill)


@pytest.mark.parametrize("end", ["before", "after"])
@pytest.mark.parametrize("blow", ["kill", "full"])
def test_an_output_of_which_half_is_there_is_replaced(prepared: Prepared, tmp_path: Path, blow: str, end: str) -> None:
    """As a worker leaves it that is killed while it writes."""
    mill, fired = prepared.fresh(), tmp_path / "fired"
    outputs = [path for path in (mill.home / "artifacts").glob("??/*") if path.is_file()]
    for path in outputs:
        os.truncate(path, path.stat().st_size // 2)
    arguments = ["sync", str(mill.folder), *OPTIONS, "--set", "chunk.size=40"]
    points = {"DOCMILL_FAILPOINTS": f"artifact.replace.{end}={blow}", "DOCMILL_FAILPOINTS_FIRED": str(fired)}
    done = docmill(mill.home, *arguments, **points)
    assert fired.exists() and outputs
    assert done.returncode == (0 if blow == "kill" else 7), done.stderr
    assert docmill(mill.home, *arguments).returncode == 0
    parsed = mill.state("SELECT step_key, digest FROM artifact WHERE kind = 'parse'")
    whole = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (mill.home / "artifacts").glob("??/*")
    }
    current = {key: digest for key, digest in parsed if key in _current(mill)}
    assert len(current) == 5
    assert [key for key, digest in current.items() if whole[key] != digest] == []
    require_sound(mill)


def _current(mill: Mill) -> set[str]:
    """Keys of what the documents were last made of."""
    sql = (
        "SELECT s.step_key FROM run_step s JOIN run r ON r.id = s.run_id JOIN document d ON d.id = r.document_id"
        " WHERE r.version = d.version AND r.run_group_id = (SELECT MAX(id) FROM run_group)"
    )
    return {key for (key,) in mill.state(sql)}


def test_a_full_disk_while_a_database_is_made(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(3)
    for number in "1234":  # three tables, and the settings' rows
        with monkeypatch.context() as patch:
            armed(patch, f"store.create.before=full@{number}")
            with pytest.raises(StorageError, match="disk is full"):
                sync(mill)
        shutil.rmtree(mill.home / "lancedb" / "default")
    assert sync(mill).chunks.embedded == 3  # all told: none was embedded twice
    assert len(mill.texts()) == 3


def test_a_full_disk_while_a_deletion_is_finished(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(3)
    sync(mill)
    (mill.folder / "note-000.md").unlink()
    with monkeypatch.context() as patch:
        armed(patch, "placement.forget.before=full")
        with pytest.raises(OSError, match="No space left"):
            sync(mill)
    sync(mill)
    assert sorted(mill.texts()) == ["note-001.md", "note-002.md"]
    assert mill.value("SELECT COUNT(*) FROM placement") == 2


def test_a_full_disk_while_rows_of_a_dead_engine_are_taken_back(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(3)
    with monkeypatch.context() as patch:
        armed(patch, "store.fsync.before=full")
        with pytest.raises(StorageError, match="disk is full"):
            sync(mill)
    with monkeypatch.context() as patch:
        armed(patch, "store.rewind.before=full")
        with pytest.raises(StorageError, match="disk is full"):
            sync(mill)
    sync(mill)
    assert len(mill.texts()) == 3


def test_a_full_disk_while_a_home_is_made(tmp_path: Path) -> None:
    arguments = ["init", "--json"]
    error = told(docmill(tmp_path / "home", *arguments, DOCMILL_FAILPOINTS="home.create.before=full"))
    assert "the disk is full" in error["message"]
    assert not list(tmp_path.iterdir())
    assert docmill(tmp_path / "home", *arguments).returncode == 0


def test_a_worker_that_finds_the_disk_full_blames_no_document() -> None:
    step = StepJob("parse", "parse", "auto", {}, "key", None)  # type: ignore[arg-type] # its parameters are not looked at
    with pytest.raises(StorageError, match="the disk is full"):
        worker._as_document_error(step, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


# ---- real file systems, where this process may mount some ------------------------------------------------------------

_MOUNTS = "unshare -rm sh -c 'mount -t tmpfs none /mnt && mount -o remount,ro /mnt'"
real_disks = pytest.mark.skipif(
    subprocess.run(["/bin/sh", "-c", _MOUNTS], capture_output=True, check=False).returncode != 0,
    reason="no file systems may be mounted here (unshare -rm)",
)


def in_a_world_of_its_own(script: str, *arguments: str) -> str:
    """What a shell script writes that may mount; it stops at the first command that fails."""
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-euc", script, "sh", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@real_disks
def test_a_disk_that_is_really_full(prepared: Prepared, tmp_path: Path) -> None:
    mill = prepared.fresh()
    script = """
        disk=$1 kept=$2; shift 2
        mount -t tmpfs -o size=20m none "$disk"
        cp -a "$kept" "$disk/home"
        cat /dev/zero > "$disk/filler" 2>/dev/null || true  # until nothing more goes in
        code=0; "$@" || code=$?
        echo; echo "exit $code"
        rm "$disk/filler"
        "$@" > /dev/null
        rm -r "$kept"; cp -a "$disk/home" "$kept"
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    call = command(disk / "home", "sync", str(mill.folder), *OPTIONS, "--json")
    said, _, code = in_a_world_of_its_own(script, str(disk), str(mill.home), *call).rpartition("exit ")
    assert int(code) == 7
    assert "the disk is full" in json.loads(said)["error"]["message"]
    assert passages(mill) == prepared.expected
    require_sound(mill)


@real_disks
def test_a_home_that_cannot_be_written(prepared: Prepared, tmp_path: Path) -> None:
    """Reading goes on, also where SQLite could not make its shared memory; writing says why it cannot."""
    mill = prepared.fresh()
    for log in ("state.db-wal", "state.db-shm"):
        (mill.home / log).unlink(missing_ok=True)
    script = """
        disk=$1 kept=$2 folder=$3; shift 3
        mount -t tmpfs none "$disk"
        cp -a "$kept" "$disk/home"
        mount -o remount,ro "$disk"
        "$@" status --json > "$disk.status"
        code=0; "$@" sync "$folder" --json || code=$?
        echo; echo "exit $code"
        mount -o remount,rw "$disk"
        rm -r "$kept"; cp -a "$disk/home" "$kept"
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    call = command(disk / "home")
    said, _, code = in_a_world_of_its_own(script, str(disk), str(mill.home), str(mill.folder), *call).rpartition(
        "exit "
    )
    assert int(code) == 7
    error = json.loads(said)["error"]
    assert error["code"] == "STORAGE_ERROR"
    assert "read-only" in error["message"]
    assert json.loads(Path(f"{disk}.status").read_text())["batches"][0]["status"] == "completed"
    sync(mill)
    assert passages(mill) == prepared.expected


# ---- what others take away -------------------------------------------------------------------------------------------


@pytest.fixture
def before_second_window(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Callable[[VectorStore], object]], None]]:
    """Has something happen in the middle of a run: some documents are stored by then, others are not."""
    real = VectorStore.replace

    def arrange(happens: Callable[[VectorStore], object]) -> None:
        windows: list[int] = []

        def replace(store: VectorStore, *window: Any) -> None:
            windows.append(1)
            if len(windows) == 2:
                happens(store)
            real(store, *window)

        monkeypatch.setattr(VectorStore, "replace", replace)

    yield arrange
    monkeypatch.setattr(VectorStore, "replace", real)


Arrange = Callable[[Callable[[VectorStore], object]], None]

GOES = {
    "removed": lambda store: shutil.rmtree(store.folder),
    "moved away": lambda store: store.folder.rename(store.folder.with_name("elsewhere")),
    "one table": lambda store: shutil.rmtree(store.folder / "chunks.lance"),
}


@pytest.mark.parametrize("what", GOES)
def test_a_database_that_goes_in_the_middle(mill: Mill, before_second_window: Arrange, what: str) -> None:
    mill.write_many(6)
    before_second_window(GOES[what])
    with pytest.raises(StorageError, match="files of database default have gone") as error:
        sync(mill)
    assert error.value.hint
    assert sync(mill).chunks.embedded == 0
    assert len(mill.texts()) == 6
    assert sync(mill).documents.completed == 0
    require_sound(mill)


def test_files_that_go_from_within_a_database(mill: Mill, before_second_window: Arrange) -> None:
    """What readers are sent to is damaged: nothing decides alone that it can be thrown away."""
    mill.write_many(6)
    before_second_window(lambda store: shutil.rmtree(store.folder / "chunks.lance" / "data"))
    with pytest.raises(StorageError, match="files of database default have gone"):
        sync(mill)
    with pytest.raises(StorageError) as error:
        sync(mill)
    assert "out of the home" in str(error.value.hint)
    (mill.home / "lancedb" / "default").rename(mill.root / "out")
    assert sync(mill).chunks.embedded == 0
    assert len(mill.texts()) == 6


def test_a_state_that_goes_in_the_middle(mill: Mill, before_second_window: Arrange) -> None:
    mill.write_many(6)
    before_second_window(lambda _store: (mill.home / "state.db").unlink())
    with pytest.raises(StateLost, match="removed or replaced"):
        sync(mill)


def test_a_state_that_is_replaced_in_the_middle(mill: Mill, before_second_window: Arrange) -> None:
    """By its backup, say: the engine must not write into the file that has lost its name."""
    mill.write_many(6)
    shutil.copy(mill.home / "state.db", mill.root / "backup")
    before_second_window(lambda _store: (mill.root / "backup").rename(mill.home / "state.db"))
    with pytest.raises(StateLost, match="removed or replaced"):
        sync(mill)


def test_a_home_without_its_state_begins_anew(prepared: Prepared) -> None:
    mill = prepared.fresh()
    connection = sqlite3.connect(mill.home / "state.db")
    connection.execute("UPDATE batch SET name = 'of the old state'")
    connection.commit()
    log = (mill.home / "state.db-wal").read_bytes()
    connection.close()
    (mill.home / "state.db").unlink()
    (mill.home / "state.db-wal").write_bytes(log)  # it must not be played into the new one
    for arguments in (["status"], ["sync", str(mill.folder), *OPTIONS]):
        error = told(docmill(mill.home, *arguments, "--json"))
        assert error["code"] == "STATE_LOST"
        assert "docmill init" in error["hint"]
        assert "docmill verify --repair" in error["hint"]
    made = home.init(mill.settings)
    assert "lancedb.old-1" in made.message
    assert mill.state("SELECT name FROM batch") == []
    assert sync(mill).chunks.embedded == 3  # as many as were new to the cache
    assert passages(mill) == prepared.expected
    require_sound(mill)


def test_a_state_that_is_no_database(mill: Mill) -> None:
    mill.write_many(1)
    (mill.home / "state.db").write_bytes(b"not a database, but long enough to look at " * 100)
    error = told(docmill(mill.home, "status", "--json"))
    assert "damaged" in error["message"]
    with pytest.raises(StorageError, match="damaged"):
        State(mill.home).raise_epoch()


# ---- what others hold ------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)


@pytest.mark.usefixtures("impatient")
def test_a_state_that_another_program_has_locked(mill: Mill, before_second_window: Arrange) -> None:
    mill.write_many(6)
    other = sqlite3.connect(mill.home / "state.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another program has locked it") as error:
        sync(mill)
    assert "fuser" in str(error.value.hint)
    other.execute("ROLLBACK")
    before_second_window(lambda _store: other.execute("BEGIN IMMEDIATE"))
    with pytest.raises(StorageError, match="another program has locked it"):
        sync(mill)
    other.close()
    assert sync(mill).status == "completed"
    assert len(mill.texts()) == 6
    require_sound(mill)


def test_a_cache_that_cannot_be_used(mill: Mill) -> None:
    mill.write_many(2)
    (mill.home / "cache.db").mkdir()
    with pytest.raises(StorageError, match=r"cache\.db cannot be used") as error:
        sync(mill)
    assert "delete it" in str(error.value.hint)
    (mill.home / "cache.db").rmdir()
    assert sync(mill).status == "completed"
    assert len(mill.texts()) == 2


def test_a_damaged_cache_that_cannot_be_set_aside(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    (mill.home / "cache.db").write_bytes(b"not a database, but long enough to look at " * 100)
    armed(monkeypatch, "cache.renew.before=full")
    with pytest.raises(StorageError, match="the disk is full"):
        EmbeddingCache(mill.home).find([b"k" * 32])
    assert EmbeddingCache(mill.home).find([b"k" * 32]) == {}


def test_a_log_that_cannot_be_written_stops_nothing(mill: Mill) -> None:
    mill.write_many(2)
    (mill.home / "logs").rmdir()
    (mill.home / "logs").write_text("a file where the folder should be")
    assert sync(mill).status == "completed"
    assert len(mill.texts()) == 2


def test_a_folder_of_logs_that_is_gone_is_made_again(traps: Mill) -> None:
    mill = traps
    mill.write("chatty.md", "# Chatty\n\nPRINT this when it is read.\n")
    (mill.home / "logs").rmdir()
    assert mill.sync().documents.completed == 1
    assert "chatty.md\nprinted by the parser\n" in (mill.home / "logs" / "workers.log").read_text()


# ---- a clock that is set back ----------------------------------------------------------------------------------------


def at(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize(("began", "claimed"), [(-1.0, 0), (5.0, 1)], ids=["waiting", "clock set back"])
def test_a_retry_does_not_wait_for_hours(mill: Mill, began: float, claimed: int) -> None:
    mill.write_many(1)
    batch_id = batches.create_batch(mill.settings, name="one", type="manual").batch_id
    ingesting.ingest(mill.settings, [str(mill.folder)], batch=str(batch_id))
    pipeline = prepare(mill.home, mill.reporter, "batch", "default", list(QUICK))
    state = State(mill.home)
    ledger = Ledger(state, recovery.begin(state, mill.home))
    with state.transaction() as tx:
        assert groups.create_group(tx, pipeline.planned_group(batch_id), Selection(batch_id=batch_id))
        tx.run("UPDATE run SET status = 'running', started_at = ?, not_before = ?", [at(began), at(6)])
        tx.run("UPDATE run_step SET status = 'error', started_at = ? WHERE number = 0", [at(began)])
    queries = Queries(mill.home)
    [group] = intake.running_groups(queries, {}, lambda _group, _error: None).values()
    works = intake.claim(ledger, group, (), 10)
    queries.close()
    state.close()
    assert len(works) == claimed


class Ahead(datetime):
    """A clock that goes five hours fast."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override] # as datetime itself, but later
        return datetime.now(tz) + timedelta(hours=5)


def test_a_clock_that_is_set_back_spoils_nothing(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(3)
    with monkeypatch.context() as patch:
        patch.setattr(events, "datetime", Ahead)
        sync(mill)
    epoch = mill.value("SELECT CAST(value AS INTEGER) FROM home_meta WHERE key = 'engine_epoch'")
    mill.write("note-001.md", "# Elm\n\nThis one now tells of elms.\n")
    (mill.folder / "note-002.md").unlink()
    result = sync(mill)
    assert (result.status, result.documents.completed) == ("completed", 1)
    assert sorted(mill.texts()) == ["note-000.md", "note-001.md"]
    assert "elms" in mill.texts()["note-001.md"][0]
    assert mill.value("SELECT CAST(value AS INTEGER) FROM home_meta WHERE key = 'engine_epoch'") == epoch + 1


def test_no_time_is_shown_as_negative(mill: Mill) -> None:
    mill.write_many(2)
    sync(mill)
    state = State(mill.home)
    with state.transaction() as tx:
        for table in ("run_group", "run", "run_step"):
            tx.run(f"UPDATE {table} SET started_at = ?", [at(5)])
        tx.run("UPDATE batch SET started_at = ?", [at(5)])
    state.close()
    runs = history.list_runs(mill.settings, limit=10, offset=0).runs
    assert runs
    assert all(run.duration == 0 for run in runs)
    stages = batches.status(mill.settings, "docs").stages
    assert stages
    assert all(stage.duration_seconds == 0 for stage in stages)


def test_waiting_for_a_lock_is_not_measured_by_the_clock(mill: Mill) -> None:
    """A process that holds the lock is seen as alive, whatever its file says of the time."""
    with lock.EngineLock(mill.home) as held:
        assert held.acquire()
        os.utime(mill.home / "engine.lock", (0, 0))
        found = wait_for(lambda: lock.holder(mill.home))
        assert (found.pid, found.state) == (os.getpid(), "running")
