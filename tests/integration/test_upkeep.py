"""What goes, what stays, and that a killed ``gc`` does no harm."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import Mill, Working, wait_for
from docmill import registry
from docmill.definitions import plugins
from docmill.domain.results import GcResult
from docmill.engine.lock import EngineLock
from docmill.errors import EngineBusy, ModelMissing, NotAllowedError, NotFoundError, UsageError
from docmill.models import store as models
from docmill.service import cleaning, collecting, forgetting, home, ingesting, registering, retrying, running
from docmill.stores import compacting
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.reading import CHUNKS, Database
from docmill.stores.state import State

LONG = "\n\n".join(
    f"Sentence {number} of a long text tells of walnut {number} and of little else." for number in range(40)
)


def gc(mill: Mill, *, dry_run: bool = False) -> GcResult:
    return collecting.gc(mill.settings, dry_run=dry_run)


def counts(result: GcResult) -> tuple[int, ...]:
    kinds = (result.artifacts, result.embeddings, result.downloads, result.unfinished_files, result.database_rows)
    return (*(each.count for each in kinds), result.placements.count, result.bytes_freed)


def cached(mill: Mill) -> int:
    import sqlite3

    connection = sqlite3.connect(mill.home / "cache.db")
    try:
        return int(connection.execute("SELECT COUNT(*) FROM embedding").fetchone()[0])
    finally:
        connection.close()


def write_state(mill: Mill, sql: str, *values: object) -> None:
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run(sql, values)
    state.close()


def files(mill: Mill) -> set[str]:
    return {path.name for path in ArtifactStore(mill.home).files()}


@pytest.fixture(scope="module")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Mill:
    """A home in use: documents of several versions and two chunk sizes, one deleted. To be copied, not worked on."""
    mill = Mill(tmp_path_factory.mktemp("used"))
    mill.folder.mkdir()
    home.init(mill.settings)
    mill.write_many(4)
    mill.write("long.md", f"# Long\n\n{LONG}\n")
    mill.sync()
    mill.sync(overrides=["chunk.size=60"])
    mill.write("note-000.md", "# Elm\n\nThis tells of elms.\n")
    (mill.folder / "note-001.md").unlink()
    mill.sync(overrides=["chunk.size=60"])
    return mill


@pytest.fixture
def used(first_home: Mill, tmp_path: Path) -> Mill:
    """A copy of it, with a folder of its own."""
    mill = Mill(tmp_path / "copy")
    shutil.copytree(first_home.root, mill.root)
    write_state(mill, "UPDATE source SET folder = ?", str(mill.folder))
    return mill


def test_what_no_document_leads_to_goes_and_nothing_is_done_again(used: Mill) -> None:
    before, known = used.rows(), len(files(used))
    would = gc(used, dry_run=True)
    assert would.artifacts.count and would.embeddings.count and would.bytes_freed
    assert len(files(used)) == known
    result = gc(used)
    assert counts(result) == counts(would)
    assert len(files(used)) == known - result.artifacts.count == 4 * 2  # each document's parse and chunk
    assert used.value("SELECT COUNT(*) FROM artifact") == 8
    assert used.rows() == before
    assert cached(used) == len({row["text"] + str(row["headings"]) for row in before})
    again = gc(used)
    assert counts(again) == (0, 0, 0, 0, 0, 0, 0)
    assert used.sync(overrides=["chunk.size=60"]).run_group_id is None
    assert used.sync(overrides=["chunk.size=100"]).documents.failed == 0
    assert used.sync(overrides=["chunk.size=60"]).chunks.embedded == 0


def test_what_a_paused_group_has_done_stays(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    from docmill.service import resuming, stopping

    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.1")
    traps.overrides = (*traps.overrides, "embed.batch_tokens=64")
    traps.write_many(20)
    work = Working(lambda: traps.sync())
    wait_for(lambda: len(traps.noted("embed")) >= 3)
    stopping.pause(traps.settings, "docs")
    work.result()
    assert counts(gc(traps)) == (0, 0, 0, 0, 0, 0, 0)
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0")
    resuming.resume(traps.settings, traps.reporter, "docs")
    assert len(traps.noted("embed")) == len(set(traps.noted("embed"))) == 20
    assert len(traps.noted("parse")) == 20


def test_what_lies_about_goes(used: Mill) -> None:
    gc(used)
    store = ArtifactStore(used.home)
    store.write("ab" * 32, {"nobody": "knows it"})
    (used.home / "artifacts" / "new").mkdir(exist_ok=True)
    (used.home / "artifacts" / "new" / "x.1.new").write_bytes(b"half")
    (used.home / "lancedb" / "foreign").mkdir()
    state = State(used.home)
    with state.transaction() as tx:
        gone = tx.value("SELECT id FROM document WHERE uri = 'long.md'")
        tx.run("DELETE FROM placement WHERE document_id = ?", [gone])
    state.close()
    would = gc(used, dry_run=True)
    result = gc(used)
    assert counts(result) == counts(would)
    assert (result.artifacts.count, result.unfinished_files.count) == (1, 1)
    assert result.database_rows.count > 1
    assert "long.md" not in used.texts()
    assert used.sync(overrides=["chunk.size=60"]).chunks.embedded == 0
    assert "long.md" in used.texts()


@pytest.mark.parametrize("point", ["gc.forget.before", "gc.forget.after", "gc.remove.before@1", "gc.remove.after@2"])
def test_killed_in_between_the_next_one_ends_it(used: Mill, point: str) -> None:
    would, before = gc(used, dry_run=True), used.rows()
    name, _, number = point.partition("@")
    command = [sys.executable, "-m", "docmill", "--home", str(used.home), "gc"]
    environment = {**os.environ, "DOCMILL_FAILPOINTS": f"{name}=kill" + (f"@{number}" if number else "")}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == -signal.SIGKILL
    gc(used)
    assert counts(gc(used)) == (0, 0, 0, 0, 0, 0, 0)
    assert would.artifacts.count
    assert used.rows() == before
    assert used.sync(overrides=["chunk.size=60"]).run_group_id is None


def test_a_pipeline_that_cannot_be_made_ready_keeps_what_it_has_made(used: Mill) -> None:
    state = State(used.home)
    with state.transaction() as tx:
        tx.run("UPDATE run_group SET pipeline = REPLACE(pipeline, '\"hashing\"', '\"vanished\"')")
        tx.run("UPDATE source SET overrides = '[\"embed.method=vanished\"]'")
    state.close()
    known = files(used)
    result = gc(used)
    assert result.kept_for and "vanished" in result.kept_for[0]
    assert result.embeddings.count == 0
    assert files(used) == known


def test_while_an_engine_is_at_work_it_waits(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "1")
    traps.write_many(1)
    work = Working(lambda: traps.sync())
    wait_for(lambda: traps.noted("parse"))
    traps.flags = {"lock_timeout": 0.0}
    with pytest.raises(EngineBusy):
        gc(traps)
    work.result()
    gc(traps)


def test_a_restored_document_comes_back(used: Mill) -> None:
    forgetting.delete_document(used.settings, "long.md")
    gc(used)
    forgetting.restore_document(used.settings, "long.md")
    used.sync(overrides=["chunk.size=60"])
    assert "long.md" in used.texts()


def test_vectors_outlive_a_new_version_of_a_plug_in(used: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    gc(used)
    known, chunker = cached(used), registry.load("chunkers", "structure")
    caches = (plugins.methods, plugins.find)
    monkeypatch.setattr(type(chunker), "version", "upgraded")
    for cache in caches:
        cache.cache_clear()
    try:
        assert counts(gc(used)) == (0, 0, 0, 0, 0, 0, 0)
        assert cached(used) == known
        result = used.sync(overrides=["chunk.size=60"])
        assert (result.documents.completed, result.chunks.embedded) == (4, 0)
        assert gc(used).artifacts.count == 4  # what the old version had cut
    finally:
        monkeypatch.undo()
        for cache in caches:
            cache.cache_clear()


def test_a_plug_in_that_has_gone_keeps_what_no_record_tells_of_any_more(used: Mill) -> None:
    gc(used)
    cleaning.cleanup(used.settings, older_than="0s")
    known, vectors_known = files(used), cached(used)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "find", _no_plugin)
        patch.setattr("docmill.definitions.resolving.plugins.find", _no_plugin)
        result = gc(used)
    assert result.kept_for
    assert (files(used), cached(used)) == (known, vectors_known)


def _no_plugin(*_asked: object) -> None:
    from docmill.errors import DefinitionError

    raise DefinitionError("no such plug-in")


def test_each_database_keeps_what_it_was_made_of(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    mill.sync(overrides=["store.database=small", "chunk.size=32"])
    cleaning.cleanup(mill.settings, older_than="0s")
    known = files(mill)
    gc(mill)
    assert files(mill) == known


def test_a_dry_run_mends_nothing_and_installs_nothing(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(2)
    mill.sync()
    for log in ("cache.db-wal", "cache.db-shm"):
        (mill.home / log).unlink(missing_ok=True)
    (mill.home / "cache.db").write_bytes(b"no database at all" * 500)
    for dry_run in (True, False):
        assert gc(mill, dry_run=dry_run).embeddings.count == 0
    assert not (mill.home / "cache.damaged").exists()
    asked: list[object] = []
    monkeypatch.setattr(models, "ensure", lambda *what: asked.append(what))
    monkeypatch.setattr(type(registry.load("embedders", "hashing")), "describe", _missing)
    assert gc(mill, dry_run=True).kept_for
    assert asked == []


def _missing(*_asked: object) -> None:
    raise ModelMissing("the model is not there")


def test_a_broken_database_does_not_stop_the_rest(mill: Mill) -> None:
    mill.write_many(2)
    mill.sync()
    mill.sync(overrides=["store.database=other"])
    shutil.rmtree(mill.home / "lancedb" / "other" / "chunks.lance" / "_versions")
    mill.write("note-000.md", "# Elm\n\nThis tells of elms.\n")
    mill.sync()
    shard = mill.home / "artifacts" / "ab"
    (shard / "somebody's folder").mkdir(parents=True)
    would = gc(mill, dry_run=True)
    result = gc(mill)
    assert counts(result) == counts(would)
    assert result.artifacts.count == 2
    assert "other" in result.kept_for[0]
    assert [path.name for path in shard.iterdir() if path.is_dir()] == ["somebody's folder"]


def test_rows_and_marks_of_unknown_documents_go_together(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    (mill.home / "lancedb" / "foreign").mkdir()
    first, second, _third = (row[0] for row in mill.state("SELECT id FROM document ORDER BY id"))
    write_state(mill, "DELETE FROM placement WHERE document_id = ?", first)
    write_state(mill, "DELETE FROM document WHERE id IN (?, ?)", first, second)
    would = gc(mill, dry_run=True)
    result = gc(mill)
    assert counts(result) == counts(would)
    assert (result.database_rows.count, result.placements.count) == (4, 1)
    assert result.unknown_databases == ["foreign"]
    assert (len(mill.texts()), mill.value("SELECT COUNT(*) FROM placement")) == (1, 1)


def test_old_versions_of_databases_go(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        mill.write("note.md", f"# Note\n\nThis is number {number}.\n")
        mill.sync()

    def versions() -> int:
        return len(Database(mill.home, "default").table(CHUNKS).list_versions())

    before, rows = versions(), mill.rows()
    gc(mill, dry_run=True)
    assert versions() == before
    monkeypatch.setattr(compacting, "KEEP_VERSIONS", timedelta(milliseconds=1))
    gc(mill)
    assert versions() < before
    assert mill.rows() == rows
    assert mill.sync().run_group_id is None


# ---- cleanup ---------------------------------------------------------------------------------------------------------


def test_old_records_go_and_the_newest_group_of_a_batch_stays(used: Mill) -> None:
    before, history = used.rows(), used.value("SELECT COUNT(*) FROM document_version")
    assert cleaning.cleanup(used.settings, older_than="1d").jobs_deleted == 0
    would = cleaning.cleanup(used.settings, older_than="0s", dry_run=True)
    assert (would.jobs_deleted, would.jobs_kept, would.space_freed_bytes) == (2, 1, None)
    result = cleaning.cleanup(used.settings, older_than="0s")
    assert (result.jobs_deleted, result.records_deleted) == (2, would.records_deleted)
    assert result.space_freed_bytes is not None and result.space_freed_bytes >= 0
    assert used.state("SELECT id, status FROM run_group") == [(3, "completed")]
    assert used.state("PRAGMA foreign_key_check") == []
    assert used.rows() == before
    assert used.value("SELECT COUNT(*) FROM document_version") == history
    assert used.sync(overrides=["chunk.size=60"]).run_group_id is None
    assert cleaning.cleanup(used.settings, older_than="0s").jobs_deleted == 0


def test_only_those_that_ended_so(used: Mill) -> None:
    assert cleaning.cleanup(used.settings, older_than="0s", statuses=["failed"]).jobs_deleted == 0
    for age in ("", "7", "d", "seven days", "-1d"):
        with pytest.raises(UsageError, match="not an age"):
            cleaning.cleanup(used.settings, older_than=age)
    with pytest.raises(UsageError, match="running"):
        cleaning.cleanup(used.settings, older_than="1d", statuses=["running"])
    with pytest.raises(UsageError):
        cleaning.cleanup(used.settings, older_than="99999999999d")


def test_what_something_hangs_on_stays(mill: Mill) -> None:
    mill.write("bad.pdf", "%PDF-1.4 and no more")
    mill.sync()
    for number in range(3):
        mill.write(f"note-{number}.md", f"# Note\n\nThis is number {number}.\n")
        mill.sync()
    failed, told, plain, last = (row[0] for row in mill.state("SELECT id FROM run_group ORDER BY id"))
    write_state(
        mill,
        "INSERT INTO delivery (idempotency_key, batch_id, run_group_id, event, handler, payload, status, attempts,"
        " next_at, created_at) VALUES ('k', 1, ?, 'group_end', '{}', '{}', 'pending', 0, '2000', '2000')",
        told,
    )
    would = cleaning.cleanup(mill.settings, older_than="0s", dry_run=True)
    result = cleaning.cleanup(mill.settings, older_than="0s")
    assert (result.jobs_deleted, result.jobs_kept) == (would.jobs_deleted, would.jobs_kept) == (1, 3)
    assert [row[0] for row in mill.state("SELECT id FROM run_group ORDER BY id")] == [failed, told, last]
    assert mill.value("SELECT COUNT(*) FROM log_entry WHERE run_group_id = ?", plain) == 0
    assert mill.value("SELECT COUNT(*) FROM log_entry WHERE run_group_id = ?", last) > 0
    assert retrying.retry(mill.settings, mill.reporter, "docs").documents.failed == 1


def test_an_engine_at_work_does_not_wait_for_the_file_to_be_packed(used: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Path] = []
    monkeypatch.setattr(cleaning, "pack", lambda path, *, always: packed.append(path))
    with EngineLock(used.home) as lock:
        assert lock.acquire()
        assert cleaning.cleanup(used.settings, older_than="0s").jobs_deleted == 2
    assert packed == []


# ---- orphans ---------------------------------------------------------------------------------------------------------


def test_files_named_one_by_one_that_have_gone(mill: Mill) -> None:
    paths: list[Path] = [mill.write(f"one-{number}.txt", f"The words of {number}.\n") for number in range(3)]
    made = ingesting.ingest(mill.settings, [str(path) for path in paths])
    running.start(mill.settings, mill.reporter, str(made.batch_id), overrides=list(mill.overrides))
    assert cleaning.cleanup_orphans(mill.settings).documents == []
    paths[0].unlink()
    would = cleaning.cleanup_orphans(mill.settings, dry_run=True)
    assert [(each.uri, each.why) for each in would.documents] == [(str(paths[0]), "its file is gone")]
    assert len(mill.rows()) == 3
    assert len(cleaning.cleanup_orphans(mill.settings).documents) == 1
    assert len(mill.rows()) == 2


def test_a_source_whose_folder_is_gone_for_good(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    with pytest.raises(NotAllowedError, match="is there"):
        cleaning.cleanup_orphans(mill.settings, source="docs")
    with pytest.raises(NotFoundError):
        cleaning.cleanup_orphans(mill.settings, source="nothing")
    shutil.rmtree(mill.folder)
    assert cleaning.cleanup_orphans(mill.settings).documents == []  # the disk may come back
    assert len(cleaning.cleanup_orphans(mill.settings, source="docs").documents) == 3
    assert mill.rows() == []
    assert registering.show(mill.settings, "docs").documents == 0


def test_documents_of_a_source_that_nobody_knows_any_more(mill: Mill) -> None:
    mill.write_many(2)
    mill.sync()
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("DELETE FROM source")
    state.close()
    assert {each.why for each in cleaning.cleanup_orphans(mill.settings).documents} == {
        "there is no source 'docs' any more"
    }
    assert mill.rows() == []


def test_a_disk_that_is_not_mounted_makes_no_orphans(mill: Mill) -> None:
    paths = [mill.write(f"disk/one-{number}.txt", f"The words of {number}.\n") for number in range(2)]
    ingesting.ingest(mill.settings, [str(path) for path in paths])
    shutil.rmtree(mill.folder / "disk")
    assert cleaning.cleanup_orphans(mill.settings).documents == []
    (mill.folder / "disk").mkdir()
    assert cleaning.cleanup_orphans(mill.settings).documents == []


def test_what_nothing_but_a_database_knows(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    rows = {row["document_id"]: row["uri"] for row in mill.rows()}
    first, second, third = sorted(rows)
    write_state(mill, "DELETE FROM placement WHERE document_id = ?", first)
    write_state(mill, "DELETE FROM document WHERE id IN (?, ?)", first, second)
    write_state(mill, "UPDATE placement SET document_id = ? WHERE document_id = ?", "ab" * 16, second)
    would = cleaning.cleanup_orphans(mill.settings, dry_run=True)
    assert len(mill.rows()) == 3
    result = cleaning.cleanup_orphans(mill.settings)
    assert result.documents == would.documents
    assert sorted((each.document_id, each.uri) for each in result.documents) == sorted(
        [(first, rows[first]), (second, rows[second]), ("ab" * 16, "")]
    )
    assert [row["document_id"] for row in mill.rows()] == [third]
    assert mill.state("SELECT document_id FROM placement") == [(third,)]
