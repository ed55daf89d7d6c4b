"""Batches: made, filled, started, looked at, and tried again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import Mill
from docmill.domain.results import IngestResult, RunResult
from docmill.errors import BatchNotFound, DefinitionNotFound, DocumentNotFound, InvalidState, UsageError
from docmill.service import batches, history, ingesting, retrying, running


def ingest(mill: Mill, *inputs: Path | str, **options: object) -> IngestResult:
    return ingesting.ingest(mill.settings, [str(each) for each in inputs], **options)  # type: ignore[arg-type] # passed on


def start(mill: Mill, batch: str = "1", **options: object) -> RunResult:
    return running.start(mill.settings, mill.reporter, batch, overrides=list(mill.overrides), **options)  # type: ignore[arg-type] # passed on


def test_a_key_makes_one_batch(mill: Mill) -> None:
    first = batches.create_batch(mill.settings, name="reports", priority="high", key="nightly")
    again = batches.create_batch(mill.settings, name="other name", key="nightly")
    assert (first.created, first.status) == (True, "created")
    assert (again.created, again.batch_id, again.name) == (False, first.batch_id, "reports")
    assert batches.create_batch(mill.settings, name="reports").batch_id != first.batch_id
    shown = batches.show_batch(mill.settings, str(first.batch_id))
    assert (shown.batch.priority, shown.configuration["workflow"], shown.run_groups) == ("high", "batch", [])


def test_bad_batches_are_refused(mill: Mill) -> None:
    for wrong in (
        {"name": " "},
        {"name": "x", "type": "weekly"},
        {"name": "x", "priority": "urgent"},
        {"name": "x", "created_after": "yesterday"},
        {"name": "x", "webhook_url": "file:///etc/passwd"},
    ):
        with pytest.raises(UsageError):
            batches.create_batch(mill.settings, **wrong)  # type: ignore[arg-type] # that is the point
    with pytest.raises(DefinitionNotFound):
        batches.create_batch(mill.settings, name="x", workflow="no-such")
    with pytest.raises(BatchNotFound):
        batches.status(mill.settings, "17")


def test_what_ingest_says_of_each_file(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="one")
    mill.write("a.txt", "The first.\n")
    mill.write("b.txt", "The second.\n")
    first = ingest(mill, mill.folder, batch="one")
    assert first.counts.new == 2
    assert [file.uri for file in sorted(first.files, key=lambda file: file.uri)] == ["a.txt", "b.txt"]
    mill.write("b.txt", "The second, changed.\n")
    mill.write("c.txt", "The first.\n")
    mill.write("d.jpg", "no document")
    second = ingest(mill, mill.folder, mill.folder / "missing.txt", batch="one", source="docs")
    outcomes = {file.uri: file.outcome for file in second.files}
    assert outcomes == {"a.txt": "unchanged", "b.txt": "changed", "c.txt": "duplicate"}
    assert second.counts.model_dump() == {
        "new": 0, "changed": 1, "updated": 0, "unchanged": 1, "duplicate": 1, "ignored": 1, "failed": 1,
    }  # fmt: skip
    assert [(error.uri, error.error_code) for error in second.errors] == [("missing.txt", "FILE_NOT_FOUND")]
    assert second.reason is not None
    assert mill.value("SELECT COUNT(*) FROM run_group") == 0, "ingest processes nothing"


def test_a_list_on_stdin_metadata_and_absolute_names(mill: Mill) -> None:
    path = mill.write("a.txt", "Words without a heading.\n")
    batches.create_batch(mill.settings, name="one")
    result = ingest(mill, "-", batch="one", stdin=[f"{path}\n", "\n"], meta=["title=A given title", "shelf=12"])
    assert (result.source, [file.uri for file in result.files]) == ("files", [str(path)])
    started = start(mill)
    assert (started.status, started.documents.completed) == ("completed", 1)
    [row] = mill.rows()
    assert row["title"] == "A given title"
    assert mill.search("words", mode="fts").hits[0].title == "A given title"
    with pytest.raises(UsageError):
        ingest(mill, "-")
    with pytest.raises(UsageError):
        ingest(mill, path, meta=["no equals sign"])


def test_filters_of_a_batch(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="new", filter_types=["txt"], created_after="2020-01-01")
    mill.write("a.txt", "Counts.\n")
    mill.write("b.md", "Another type.\n")
    os.utime(mill.write("c.txt", "Too old.\n"), (10**9, 10**9))
    result = ingest(mill, mill.folder, batch="new")
    assert [file.uri for file in result.files] == ["a.txt"]
    assert result.counts.ignored == 2


def test_start_runs_what_is_due_or_what_is_named(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="one")
    mill.write_many(3)
    ingest(mill, mill.folder, batch="one")
    named = start(mill, documents=["note-001.md"])
    assert (named.workflows, named.documents.completed) == (1, 1)
    assert set(mill.texts()) == {"note-001.md"}
    rest = start(mill, "one")
    assert (rest.workflows, rest.documents.completed) == (2, 2)
    nothing = start(mill)
    assert (nothing.run_group_id, nothing.workflows, nothing.reason) == (None, 0, None)
    with pytest.raises(DocumentNotFound):
        start(mill, documents=["no-such.md"])


def test_status_at_each_time(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="one", description="For a test")
    empty = batches.status(mill.settings, "one")
    assert (empty.status, empty.run_group_id, empty.stages, empty.files.total) == ("created", None, [], 0)
    mill.write_many(2)
    mill.write("empty.txt", "")
    ingest(mill, mill.folder, batch="one")
    waiting = batches.status(mill.settings, "one")
    assert waiting.files.by_status == {"pending": 3}
    assert (waiting.progress.total_files, waiting.progress.percentage) == (3, 0.0)
    start(mill)
    ended = batches.status(mill.settings, "one")
    assert (ended.status, ended.progress.processed_files, ended.progress.failed_files) == ("completed", 3, 1)
    assert ended.progress.percentage == 100.0
    assert [stage.name for stage in ended.stages] == ["validate", "parse", "chunk", "embed", "store"]
    assert ended.stages[-1].files_processed == 2
    assert all(stage.started_at and stage.completed_at for stage in ended.stages if stage.files_processed)
    assert ended.files.by_status == {"completed": 2, "failed": 1}
    assert [error.uri for error in ended.errors] == ["empty.txt"]
    assert (ended.stats.total_chunks, ended.stats.total_embeddings) == (2, 2)
    assert ended.stats.average_processing_time_per_file_ms is not None
    listed = history.list_batches(mill.settings, limit=10, offset=0, status="completed")
    assert (listed.total, [batch.name for batch in listed.batches]) == (1, ["one"])
    assert history.list_batches(mill.settings, limit=10, offset=0, type="manual").total == 0
    home = batches.home_status(mill.settings)
    assert (home.documents, home.chunks, home.failed_documents, home.databases) == (3, 2, 1, ["default"])
    assert home.engine is None


def test_retry(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="one")
    mill.write_many(2)
    mill.write("empty.txt", "")
    mill.write("other.pdf", "%PDF-1.7 broken")
    ingest(mill, mill.folder, batch="one")
    started = start(mill)
    assert (started.documents.completed, started.documents.failed) == (2, 2)
    again = retrying.retry(mill.settings, mill.reporter, "one", all_failed=True)
    assert (again.retried_files, again.status) == (2, "completed")
    assert {error.uri: error.retry_count for error in again.errors} == {"empty.txt": 1, "other.pdf": 1}
    assert again.documents.failed == 2
    mill.write("empty.txt", "Now it has words.\n")
    mended = retrying.retry(mill.settings, mill.reporter, "one", files=["empty.txt"])
    assert mended.retried_files == 1
    assert [error.uri for error in mended.errors] == ["other.pdf"]
    assert mill.found("words") == ["empty.txt"]
    with pytest.raises(DocumentNotFound):
        retrying.retry(mill.settings, mill.reporter, "one", files=["note-000.md"])
    with pytest.raises(UsageError):
        retrying.retry(mill.settings, mill.reporter, "one", files=["other.pdf"], all_failed=True)


def test_retry_where_nothing_failed(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="one")
    mill.write_many(1)
    ingest(mill, mill.folder, batch="one")
    start(mill)
    with pytest.raises(InvalidState) as refused:
        retrying.retry(mill.settings, mill.reporter, "one")
    assert refused.value.context["current_status"] == "completed"


def test_a_retry_after_a_later_step_failed_begins_with_the_file(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps that were done are held against the file again, which may have gone since."""
    mill = traps
    batches.create_batch(mill.settings, name="one")
    mill.write_many(2)
    ingest(mill, mill.folder, batch="one")
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_FAILS", "1")
    assert start(mill).documents.failed == 2
    monkeypatch.delenv("DOCMILL_TRAPS_EMBED_FAILS")
    for path in mill.home.glob("artifacts/*/*"):
        path.unlink()
    (mill.folder / "note-000.md").unlink()
    result = retrying.retry(mill.settings, mill.reporter, "one")
    assert (result.documents.completed, result.documents.failed) == (1, 1)
    assert [(error.uri, error.stage, error.error_code) for error in result.errors] == [
        ("note-000.md", "validate", "FILE_NOT_FOUND")
    ]
