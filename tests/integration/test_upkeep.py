"""What goes, what stays, and that a killed ``gc`` does no harm."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Mill, Working, wait_for
from docmill.domain.results import GcResult
from docmill.errors import EngineBusy, NotAllowedError, NotFoundError, UsageError
from docmill.service import cleaning, collecting, forgetting, ingesting, registering, running
from docmill.stores.artifacts import ArtifactStore
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


def files(mill: Mill) -> set[str]:
    return {path.name for path in ArtifactStore(mill.home).files()}


@pytest.fixture
def used(mill: Mill) -> Mill:
    """A home in use: documents of several versions and two chunk sizes, one deleted."""
    mill.write_many(4)
    mill.write("long.md", f"# Long\n\n{LONG}\n")
    mill.sync()
    mill.sync(overrides=["chunk.size=60"])
    mill.write("note-000.md", "# Elm\n\nThis tells of elms.\n")
    (mill.folder / "note-001.md").unlink()
    mill.sync(overrides=["chunk.size=60"])
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
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "2")
    traps.write_many(2)
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
