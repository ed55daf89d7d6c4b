"""Backups: of one instant while an engine is at work, whole or absent when killed, and as good as the home was."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import zipfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import Mill, wait_for
from docmill.domain.results import BackupResult, RestoreResult
from docmill.engine.lock import EngineLock
from docmill.errors import AlreadyExists, EngineBusy, NotFoundError, StorageError, UsageError
from docmill.service import backing_up, home, restoring
from docmill.stores import archive, schema_version

SYNC = "mill.sync(overrides=['store.window_documents=4', 'embed.window_chunks=16'])"


@dataclass
class Other(Mill):
    """A home whose documents lie somewhere else."""

    origin: Path = Path()

    @property
    def folder(self) -> Path:
        return self.origin


def backup(mill: Mill, name: str = "b.tar.zst", **options: bool) -> BackupResult:
    return backing_up.backup(mill.settings, mill.reporter, str(mill.root / name), **options)


def restore(mill: Mill, to: Mill, name: str = "b.tar.zst", **options: bool) -> RestoreResult:
    return restoring.restore(to.settings, to.reporter, str(mill.root / name), **options)


def elsewhere(mill: Mill, root: Path) -> Mill:
    """Another place for a home; the documents stay where they are."""
    root.mkdir(exist_ok=True)
    return Other(root, origin=mill.folder)


def leftovers(mill: Mill) -> list[str]:
    found = [*mill.home.glob("snapshot-*"), *mill.root.glob(".*")]
    return sorted(each.name for each in found)


KEPT_FILES = {
    "param-sets/mine.yaml": "id: mine\n",
    "docmill.toml": "embed_workers = 1\n",
    "reports/papers-1.html": "<p>It went well.</p>\n",
}


def run(mill: Mill, *arguments: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DOCMILL_FAILPOINTS": failpoint, "DOCMILL_HOME": str(mill.home)}
    command = [sys.executable, "-m", "docmill", *arguments, "-q"]
    return subprocess.run(command, env=environment, cwd=mill.root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Mill:
    """A home in use, and a backup of it. Not to be worked on."""
    mill = Mill(tmp_path_factory.mktemp("used"))
    mill.folder.mkdir()
    home.init(mill.settings)
    mill.write_many(4)
    with zipfile.ZipFile(mill.folder / "packed.zip", "w") as packed:
        packed.writestr("inside.md", "# Inside\n\nThis lay in an archive.\n")
    mill.sync()
    (mill.folder / "note-003.md").unlink()
    mill.sync()
    (mill.home / "reports").mkdir()
    for path, text in KEPT_FILES.items():
        (mill.home / path).write_text(text)
    (mill.home / "logs" / "worker.log").write_text("nobody needs this elsewhere\n")
    (mill.home / "lancedb" / "somebody's").mkdir()
    backup(mill)
    return mill


def test_a_restored_home_is_as_good_as_the_first(first: Mill, tmp_path: Path) -> None:
    other = elsewhere(first, tmp_path)
    result = restore(first, other)
    assert (result.batches, result.documents, result.databases[0].documents) == (1, 5, 5)
    assert result.findings == [] and result.reason is None and result.verified
    assert other.rows() == first.rows()
    for path in (*KEPT_FILES, "sources.json", "lancedb/default/checksums"):
        assert (other.home / path).read_bytes() == (first.home / path).read_bytes()
    again = other.sync()
    assert (again.chunks.total, again.documents.completed, again.scan.unchanged) == (0, 0, 4)
    forced = other.sync(overrides=["store.database=second"])
    assert (forced.chunks.embedded, forced.documents.completed) == (0, 5), "outputs and vectors came along"
    assert other.found("lay in an archive") == ["packed.zip!/inside.md"]
    assert not (other.home / "logs" / "worker.log").exists()
    assert stat.S_IMODE((first.root / "b.tar.zst").stat().st_mode) == 0o600
    assert leftovers(other) == leftovers(first) == []


def test_what_a_backup_tells(first: Mill) -> None:
    size = (first.root / "b.tar.zst").stat().st_size
    said = backup(first, "dry", dry_run=True, with_cache=False)
    assert (said.verified, said.size_bytes, (first.root / "dry").exists()) == (False, None, False)
    parts = {each.name: each.files for each in said.parts}
    assert parts.keys() == {"artifacts", "downloads", "lancedb", "param-sets", "reports", "settings", "state"}
    assert [parts[name] for name in ("downloads", "state", "param-sets", "reports", "settings")] == [1, 2, 1, 1, 1]
    assert said.content_bytes == sum(each.size_bytes for each in said.parts)
    assert said.left_out == ["lancedb/somebody's: no database that docmill knows"]
    (first.root / "again").write_text("an older backup")
    whole = backup(first, "again")
    assert whole.size_bytes == (first.root / "again").stat().st_size > size * 0.9
    assert "cache" in {each.name for each in whole.parts}


@pytest.mark.parametrize("place", ["home/b", "home/lancedb/b", ".", "nowhere/b", "pipe"])
def test_places_that_no_backup_goes_to(first: Mill, place: str) -> None:
    if place == "pipe" and not (first.root / place).exists():
        os.mkfifo(first.root / place)
    with pytest.raises(UsageError):
        backup(first, place)


# ---- while an engine is at work --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        "store.tag.after=stop@3",  # of a window that replaces: its documents are published, its passages are not
        "store.settle.before=stop@2",  # all is published, and the state does not know yet
    ],
)
def test_a_backup_between_any_two_steps_of_an_engine(mill: Mill, tmp_path: Path, point: str) -> None:
    mill.write_many(4)
    mill.sync()
    mill.write_many(8, words="Walnuts")
    environment = {**os.environ, "DOCMILL_FAILPOINTS": point}
    arguments = [sys.executable, "-m", "docmill", "--home", str(mill.home), "sync", str(mill.folder), "-q"]
    overrides = [*mill.overrides, "store.window_documents=4"]
    engine = subprocess.Popen([*arguments, *(f"--set={each}" for each in overrides)], env=environment)
    try:
        wait_for(lambda: Path(f"/proc/{engine.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
        result = backup(mill)
    finally:
        engine.kill()
        engine.wait()
    assert result.findings == []
    other = elsewhere(mill, tmp_path / "other")
    assert restore(mill, other).findings == []
    assert other.rows() == mill.rows(), "what readers saw then"
    assert other.sync(overrides=["store.window_documents=4"]).status == "completed"
    assert {uri for uri, texts in other.texts().items() if "Walnuts" in texts[0]} == {
        f"note-{number:03d}.md" for number in range(8)
    }


def test_backups_while_documents_are_stored(mill: Mill, tmp_path: Path) -> None:
    mill.write_many(120)
    process = mill.process(SYNC)
    taken = []
    wait_for(lambda: (mill.home / "lancedb" / "default" / "chunks.lance" / "_refs").is_dir())
    while process.poll() is None:
        taken.append(backup(mill, f"b{len(taken)}"))
    _out, err = process.communicate()
    assert process.returncode == 0, err
    counts = [each.databases[0].documents for each in taken]
    assert [each.findings for each in taken] == [[]] * len(taken)
    assert counts == sorted(counts)
    assert any(0 < count < 120 for count in counts), f"none fell between two windows: {counts}"
    chosen = next(number for number, count in enumerate(counts) if count)
    other = elsewhere(mill, tmp_path / "other")
    restore(mill, other, f"b{chosen}")
    assert len(other.texts()) == counts[chosen]
    other.sync()
    assert other.texts() == mill.texts()


def test_what_is_amiss_in_the_home_is_told_and_kept(first: Mill, tmp_path: Path) -> None:
    shutil.copytree(first.home, tmp_path / "home")
    mill = elsewhere(first, tmp_path)
    lost = mill.state("SELECT document_id FROM placement LIMIT 1")[0][0]
    with closing(sqlite3.connect(mill.home / "state.db")) as state, state:
        state.execute("UPDATE placement SET chunk_count = 9 WHERE document_id = ?", [lost])
        state.execute("INSERT INTO placement VALUES (?, 'default', 'stored', NULL, 1, '')", ["f" * 32])
    (mill.home / "cache.db").write_bytes(b"no database at all" * 100)
    result = backup(mill)
    assert result.findings == [
        "database default lacks 1 document that the state has there",
        "database default has other passages of 1 document than the state says",
    ]
    assert any(each.startswith("cache.db: ") for each in result.left_out)
    again = restore(mill, elsewhere(first, tmp_path / "other"))
    assert again.findings == result.findings and again.reason == "2 findings in the home that was backed up"
    shutil.rmtree(mill.home / "lancedb" / "default" / "chunks.lance" / "data")
    unreadable = ["database default cannot be read, and 6 documents should lie there"]
    assert backup(mill).findings == unreadable
    assert restore(mill, elsewhere(first, tmp_path / "third")).findings == unreadable


# ---- where a home may come to lie ------------------------------------------------------------------------------------


def test_a_home_in_use_is_never_written_over(first: Mill, tmp_path: Path) -> None:
    other = elsewhere(first, tmp_path)
    home.init(other.settings)
    assert restore(first, other).set_aside is None, "an empty home gives way"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("home")] == ["home"]
    with pytest.raises(AlreadyExists, match="a home in use"):
        restore(first, other)
    with EngineLock(other.home) as lock:
        assert lock.acquire()
        other.flags["lock_timeout"] = 0
        with pytest.raises(EngineBusy):
            restore(first, other, force=True)
    before = other.rows()
    assert restore(first, other, force=True).set_aside == str(tmp_path / "home.old-1")
    assert other.rows() == before and (tmp_path / "home.old-1" / "state.db").is_file()
    assert leftovers(other) == []


@pytest.mark.parametrize("kept", KEPT_FILES)
def test_a_home_with_something_of_its_owner_in_it_is_in_use(first: Mill, tmp_path: Path, kept: str) -> None:
    other = elsewhere(first, tmp_path)
    home.init(other.settings)
    (other.home / kept).parent.mkdir(exist_ok=True)
    (other.home / kept).write_text(KEPT_FILES[kept])
    with pytest.raises(AlreadyExists, match="in use"):
        restore(first, other)


def test_only_homes_are_set_aside(first: Mill, tmp_path: Path) -> None:
    other = elsewhere(first, tmp_path)
    (other.home / "artifacts").mkdir(parents=True)
    (other.home / "thesis.md").write_text("years of work")
    for force in (False, True):
        with pytest.raises(AlreadyExists, match="no docmill home"):
            restore(first, other, force=force)
    assert sorted(each.name for each in other.home.iterdir()) == ["artifacts", "thesis.md"]
    with pytest.raises(NotFoundError):
        restore(first, other, "nothing")


def test_what_is_damaged_or_newer_changes_nothing(first: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = elsewhere(first, tmp_path)
    data = (first.root / "b.tar.zst").read_bytes()
    (first.root / "short").write_bytes(data[:-100])
    with pytest.raises(StorageError, match="no whole backup"):
        restore(first, other, "short")
    assert restore(first, other, dry_run=True).message.endswith("is whole")
    with monkeypatch.context() as patch:
        patch.setattr(schema_version, "CURRENT", schema_version.CURRENT - 1)
        with pytest.raises(StorageError, match="this docmill knows"):
            restore(first, other)
    look = restoring.agreement.look
    monkeypatch.setattr(restoring.agreement, "look", lambda fresh: (_spoil(fresh), look(fresh))[1])
    with pytest.raises(StorageError, match="not what the backup says"):
        restore(first, other)
    assert not other.home.exists() and leftovers(other) == []


def _spoil(fresh: Path) -> None:
    with closing(sqlite3.connect(fresh / "state.db")) as state, state:
        state.execute("DELETE FROM placement")


# ---- killed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["backup.snapshot.after", "backup.verify.before"])
def test_a_killed_backup_leaves_the_older_one(first: Mill, tmp_path: Path, point: str) -> None:
    target = tmp_path / "b"
    target.write_text("the older one")
    done = run(first, "backup", str(target), failpoint=f"{point}=kill")
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "the older one"
    assert [*first.home.glob("snapshot-*")], "it has died over one"
    backing_up.backup(first.settings, first.reporter, str(target))
    assert archive.header_of(target).documents == 5
    assert [each.name for each in tmp_path.iterdir()] == ["b"] and leftovers(first) == []


def test_a_backup_that_is_at_work_is_left_alone(first: Mill) -> None:
    other = first.home / "snapshot-0123456789ab"
    other.mkdir()
    held = os.open(other, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    backup(first, "dry", dry_run=True)
    assert other.is_dir()
    os.close(held)
    backup(first, "dry", dry_run=True)
    assert not other.exists()


@pytest.mark.parametrize("point", ["restore.unpack.after", "restore.aside.after", "restore.place.after"])
def test_a_killed_restore_leaves_nothing_half(first: Mill, tmp_path: Path, point: str) -> None:
    other = elsewhere(first, tmp_path)
    home.init(other.settings)
    (other.home / "workflows" / "mine.yaml").write_text("it is in use")
    done = run(other, "restore", str(first.root / "b.tar.zst"), "--force", "--yes", failpoint=f"{point}=kill")
    assert done.returncode == -signal.SIGKILL
    restored = point == "restore.place.after"
    assert (other.home / "state.db").exists() is (point != "restore.aside.after")
    assert (other.home / "param-sets" / "mine.yaml").exists() is restored
    if not restored:
        restore(first, other, force=True)
    assert other.rows() == first.rows()
    assert (tmp_path / "home.old-1" / "workflows" / "mine.yaml").read_text() == "it is in use"
    assert leftovers(other) == []
