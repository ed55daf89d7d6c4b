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
SCANNED = r.TextYield(pages=30, characters=21000, characters_per_page=700.0, without_text=[4, 5, 6, 9])
GOOD = r.FileRecord(
    document_id=ID,
    uri="old/fi\x1b[2Jle [red].md",
    filename="file.md",
    type="markdown",
    status="completed",
    degraded=False,
    reasons=[],
    stage=None,
    pages=None,
    size_bytes=2048,
    chunk_count=1200,
    text_yield=None,
    error_code=None,
    error_message=None,
    hint=None,
    permanent=None,
    occurred_at=None,
    retry_count=0,
)
SCAN = GOOD.model_copy(
    update={
        "uri": "scans/letters.pdf",
        "type": "pdf",
        "degraded": True,
        "reasons": ["PAGES_WITHOUT_TEXT", "THEIR\x1b[1m_OWN"],
        "pages": 30,
        "text_yield": SCANNED,
    }
)
BAD = GOOD.model_copy(
    update={
        "uri": "bad.pdf",
        "type": "pdf",
        "status": "failed",
        "stage": "parse",
        "error_code": "CORRUPTED_FILE",
        "error_message": "no page can be \x1b]0;x\x07read, as the file is cut off in the middle of its first page",
        "hint": "open it in a viewer",
        "permanent": True,
        "occurred_at": AT,
    }
)
OUTCOMES = r.Outcomes(
    failed_documents=3,
    degraded_documents=1,
    failed={"CORRUPTED_FILE": 3},
    degraded={"PAGES_WITHOUT_TEXT": 1, "THEIR\x1b[1m_OWN": 1},
)
FILES = r.FileList(
    batch_id=3, has_errors=False, outcomes=OUTCOMES, files=[GOOD, SCAN, BAD], total=240, limit=3, offset=0
)
HELD = r.QuarantinedDocument(
    document_id=ID,
    uri="scans/bo\x1b[2Jmb [red].pdf",
    filename="bomb.pdf",
    stage="validate",
    error_code="WORKER_CRASHED",
    error_message="it took 3 workers down",
    occurred_at=AT,
    retry_count=0,
    hint="`docmill quarantine show URI` tells how",
    source="papers",
    batch_id=3,
    type="pdf",
    size_bytes=2048,
    held=True,
    worker_deaths=3,
    exit_code=-6,
    signal="SIGABRT",
    last_words="std::bad\x1b[1m_alloc",
)
DUE = HELD.model_copy(
    update={
        "uri": "slow.pdf",
        "error_code": "TIMEOUT",
        "held": False,
        "permanent": False,
        "worker_deaths": 0,
        "exit_code": None,
        "signal": None,
        "last_words": None,
    }
)
DIED = r.WorkerDeath(at=AT, run_group_id=4, exit_code=-6, signal="SIGABRT", last_words="std::bad\x1b[1m_alloc")
RELEASED = r.QuarantineReleased(
    dry_run=False,
    message="released 1 document: the next sync or start tries again",
    total=1,
    documents=[
        r.ReleasedDocument(
            document_id=ID, uri="bo\x1b[2Jmb.pdf", source="papers", batch_id=3, error_code="WORKER_CRASHED"
        )
    ],
)
SAMPLES: dict[str, r.Result] = {
    "quarantine": r.QuarantineList(documents=[HELD, DUE], held=1, total=2, limit=50, offset=0),
    "quarantine-none": r.QuarantineList(documents=[], held=0, total=0, limit=50, offset=0),
    "quarantine-shown": r.QuarantineShown(
        document=HELD,
        deaths=[DIED, DIED.model_copy(update={"exit_code": 3, "signal": None, "last_words": None})],
        logs=[
            r.LogRecord(
                timestamp=AT, level="warning", message="its worker died", context={"crashes": 1}, run_group_id=4
            )
        ],
    ),
    "quarantine-released": RELEASED,
    "quarantine-dry": RELEASED.model_copy(update={"dry_run": True, "message": "1 document would be released"}),
    "files": FILES,
    "files-with-errors": FILES.model_copy(update={"has_errors": True, "files": [SCAN, BAD], "total": 4, "limit": 2}),
    "files-none": FILES.model_copy(update={"files": [], "total": 0}),
    "files-none-with-errors": FILES.model_copy(update={"files": [], "total": 0, "has_errors": True}),
    "document-degraded": r.DocumentShown(
        document=RECORD,
        path="/papers/old/letters.pdf",
        metadata={},
        databases=[],
        error=None,
        reasons=[
            r.ReasonShown(
                code="PAGES_WITHOUT_TEXT",
                meaning="pages without text",
                hint="OCR",
                messages=["4 of 30 pages show something but hold no text: 4, 5, 6, 9"],
            ),
            r.ReasonShown(code="PAGE_FAILED", meaning="pages were skipped", hint=None, messages=["page 7", "page 8"]),
            r.ReasonShown(code="THEIR\x1b[1m_OWN", meaning=None, hint=None, messages=[]),
        ],
        warnings=["DECODE_FALLBACK: not UTF-8; read as cp1252"],
        text_yield=SCANNED,
    ),
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
    "pages": r.PagesResult(
        batch_id=3, path="/pages.zip", size_bytes=2_000_000, documents=2, pages=14, assets=3, problems=[]
    ),
    "pages-problems": r.PagesResult(
        batch_id=None,
        path=None,
        size_bytes=None,
        documents=1,
        pages=1,
        assets=0,
        problems=[
            r.PageProblem(
                document_id=ID,
                uri="old/fi\x1b[2Jle.pdf",
                page=2,
                error_code="CORRUPTED_FILE",
                error_message="page 2 cannot be read: PdfiumError: Failed to load page.",
            ),
            r.PageProblem(
                document_id=ID,
                uri="locked.pdf",
                page=None,
                error_code="ENCRYPTED_FILE",
                error_message="the PDF is protected by a password",
                hint="name a file of passwords, one a line: --password-file FILE",
            ),
        ],
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
