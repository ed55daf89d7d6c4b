"""Documents, workers and detached starts as text."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from docmill.cli import output
from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain import results as r

AT = "2026-01-31T12:00:00.000Z"
ID, HASH = "ab" * 16, "sha256-" + "cd" * 32
RECORD = r.DocumentRecord(
    document_id=ID,
    uri="old/fi\x1b[2Jle [red].md",
    source="papers",
    batch_id=3,
    type="markdown",
    state="active",
    status="completed",
    degraded=True,
    version=2,
    content_hash=HASH,
    size_bytes=2048,
    chunk_count=1200,
    error_code=None,
    first_seen_at=AT,
    updated_at=AT,
)
PROBLEM = r.DocumentProblem(
    document_id=ID,
    uri="bad.pdf",
    filename="bad.pdf",
    stage="parse",
    error_code="CORRUPTED_FILE",
    error_message="no page can be read",
    occurred_at=AT,
    retry_count=0,
    hint="open it in a viewer",
)
PLACE = r.DocumentPlacement(database="default", state="stored", current=True, chunk_count=1200, updated_at=AT)
LEAVING = r.DocumentPlacement(database="other", state="leaving", current=False, chunk_count=1, updated_at=AT)
VERSION = r.DocumentVersionEvent(
    version=2, event="changed", uri="a.md", content_hash=HASH, size_bytes=2048, batch_id=3, at=AT
)
FAILED = RECORD.model_copy(update={"status": "failed", "error_code": "CORRUPTED_FILE", "degraded": False})
DETACHED = r.DetachedResult(
    batch_id=3, run_group_id=7, status="running", pid=4242, log="/h/logs/worker.log", message="process 4242 does it"
)
WORKED = r.WorkerResult(
    status="completed",
    message="nothing is left to do",
    run_groups=2,
    documents=r.DocumentCounts(completed=12, failed=1),
    stopped_by=None,
    reason="1 document failed",
)
SAMPLES: dict[str, r.Result] = {
    "documents": r.DocumentList(documents=[RECORD, FAILED], total=3, limit=2, offset=0),
    "documents-none": r.DocumentList(documents=[], total=0, limit=50, offset=0),
    "document": r.DocumentShown(
        document=RECORD,
        path="/papers/old/file.md",
        metadata={"project": "apollo", "author": "Ada"},
        databases=[PLACE, LEAVING],
        error=None,
    ),
    "document-failed": r.DocumentShown(
        document=FAILED, path="/papers/bad.pdf", metadata={}, databases=[], error=PROBLEM
    ),
    "document-history": r.DocumentHistory(
        document_id=ID, uri="a.md", source="papers", events=[VERSION], total=1, limit=50, offset=0
    ),
    "document-deleted": r.DocumentDeleted(
        document_id=ID,
        uri="a.md",
        source="papers",
        dry_run=False,
        message="deleted a.md from the index",
        leaving=["default"],
        artifacts_deleted=2,
        bytes_freed=4096,
        statistics=r.DeletionCounts(deleted_runs=1, deleted_steps=5, total_deleted=6),
    ),
    "document-restored": r.DocumentRestored(
        document_id=ID, uri="a.md", source="papers", message="a.md comes back with the next sync of source papers"
    ),
    "detached": DETACHED,
    "watched": r.WatchResult(
        status="stopped",
        message="stopped by SIGTERM; what was done is kept",
        folders=[
            r.FolderWatched(
                folder="/srv/papers", source="papers", polled=False, syncs=3, new=2, changed=1, renamed=0, deleted=1
            ),
            r.FolderWatched(
                folder="/mnt/disk", source=None, polled=True, syncs=0, new=0, changed=0, renamed=0, deleted=0
            ),
        ],
        documents=r.DocumentCounts(completed=3),
        chunks=r.ChunkCounts(total=14, embedded=12, reused=2),
        seconds=90.0,
        stopped_by="SIGTERM",
    ),
    "worked": WORKED,
    "worked-nothing": WORKED.model_copy(update={"run_groups": 0, "reason": None}),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_as_text(name: str, snapshot: Any) -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    write_text(console, render(SAMPLES[name], View()))
    text = console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "\x1b" not in text
    snapshot("text", name, text)


@pytest.mark.parametrize(
    ("stopped_by", "reason", "code"),
    [(None, None, 0), (None, "1 document failed", 3), ("SIGTERM", "1 documents failed", 0), ("TIME_LIMIT", None, 8)],
)
def test_how_a_worker_exits(stopped_by: str | None, reason: str | None, code: int) -> None:
    assert output.exit_code(WORKED.model_copy(update={"stopped_by": stopped_by, "reason": reason})) == code
