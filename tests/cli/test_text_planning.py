"""Sources, plans and reasons as text."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain import results as r

AT, LATER = "2026-01-31T12:00:00.000Z", "2026-02-01T12:00:00.000Z"
ID, HASH = "ab" * 16, "sha256-" + "cd" * 32
SOURCE = r.SourceRecord(
    name="pa\x1b[2Jpers [old]",
    folder="/srv/papers",
    there=True,
    batch_id=3,
    workflow="batch",
    params="default",
    set=["chunk.size=160"],
    include=[],
    exclude=["drafts/**", "*.tmp.md"],
    rules=[r.SourceRule(glob="legal/*", set=["chunk.size=120"], meta={"team": "courts"})],
    documents=1200,
    failed=3,
    created_at=AT,
)
GONE = SOURCE.model_copy(update={"name": "disk", "folder": "/mnt/disk", "there": False, "failed": 0, "rules": []})
LOOSE = SOURCE.model_copy(update={"name": "files", "folder": None, "set": [], "exclude": [], "rules": []})


def document(uri: str, change: str, why: str, **more: Any) -> r.PlannedDocument:
    given = {"from_uri": None, "content_hash": HASH, "size_bytes": 2048, "steps": ["parse"], "reused": ["validate"]}
    return r.PlannedDocument(uri=uri, change=change, why=why, **{**given, **more})


PREDICTION = r.Prediction(seconds=83.0, basis="history", groups=12, off=0.18, compared=7)
PLAN = r.SourcePlan(
    source="papers",
    folder="/srv/papers",
    database="default",
    workflow="batch",
    params="default",
    scan=r.ScanCounts(files=4, new=1, changed=1, renamed=1, deleted=1, unchanged=1),
    ignored=[],
    documents=[
        document("a.md", "new", "it was not there"),
        document("b.md", "changed", "its bytes changed since version 2"),
        document("c.md", "renamed", "the same bytes were old.md", from_uri="old.md"),
        document("d.md", "due", "chunk.size is 160, and was 220"),
        document("e.md", "deleted", "its file is gone", steps=[], reused=[]),
    ],
    definition_changes=[r.DefinitionChange(step="chunk", what="size", before=220, after=160)],
    steps=[r.PlannedSteps(type="parse", run=2, reused=2), r.PlannedSteps(type="store", run=4, reused=0)],
    chunks=r.ChunkCounts(total=1234, embedded=200, reused=1034),
    exact=False,
    prediction=PREDICTION,
    errors=[],
    refused=None,
)
IDLE = PLAN.model_copy(update={"source": "notes", "documents": [], "scan": r.ScanCounts(files=9, unchanged=9)})
REFUSED = PLAN.model_copy(
    update={
        "documents": [document(f"n{number}.md", "deleted", "its file is gone") for number in range(30)],
        "refused": "30 of the 31 documents of source 'papers' are gone; check that the disk is mounted",
    }
)
GUESS = PLAN.model_copy(
    update={"prediction": r.Prediction(seconds=4, basis="guess", groups=0, off=None, compared=0), "exact": True}
)


def planned(*sources: r.SourcePlan, **more: Any) -> r.PlanResult:
    given = {"predicted_seconds": 83.0, "budget_minutes": None, "over_budget": False, "manifest": None, "seconds": 0.1}
    return r.PlanResult(sources=list(sources), **{**given, **more})


RUN = r.RunReason(
    run_id=7,
    run_group_id=5,
    at=LATER,
    status="completed",
    reason="chunk.size is 160, and was 220",
    version=2,
    content_hash=HASH,
    definition_changes=[r.DefinitionChange(step="chunk", what="size", before=220, after=160)],
    steps=[
        r.StepReason(
            step="parse", type="parse", method="auto", version="1", reused=True, status="completed", key="ab" * 32
        ),
        r.StepReason(
            step="chunk", type="chunk", method="structure", version="1", reused=False, status="completed", key="cd" * 32
        ),
        r.StepReason(
            step="embed", type="embed", method="fastembed", version=None, reused=False, status="failed", key=None
        ),
    ],
)
WHY = r.WhyResult(
    document_id=ID,
    uri="a.md",
    source="papers",
    type="markdown",
    status="completed",
    version=2,
    would=False,
    why="database default holds this content by these very definitions",
    definition_changes=[],
    model="all-MiniLM-L6-v2 a2fc6d76a0d3",
    parameters={"chunk": {"method": "structure", "version": "1", "size": 160}},
    runs=[RUN, RUN.model_copy(update={"run_id": 1, "reason": "it was new", "at": AT})],
    chunks=[r.ChunkDifference(version=2, previous=1, kept=40, added=["A new passage"], removed=["An old passage"])],
)

SAMPLES: dict[str, r.Result] = {
    "sources": r.SourceList(sources=[SOURCE, GONE, LOOSE], total=3, limit=50, offset=0),
    "sources-none": r.SourceList(sources=[], total=0, limit=50, offset=0),
    "source": SOURCE,
    "source-changed": r.SourceChanged(source=GONE, message="source disk is known; its next sync reads it"),
    "source-removed": r.SourceRemoved(
        name="disk", dry_run=False, message="removed source disk", deleted_documents=3, leaving=["default"]
    ),
    "source-status": r.SourceStatus(
        source="papers",
        folder="/srv/papers",
        compared_with="folder",
        new=[f"n{number}.md" for number in range(25)],
        changed=["b.md"],
        renamed=["c.md"],
        deleted=["e.md"],
        matched=["a.md"],
        unreadable=["locked/"],
    ),
    "plan": planned(PLAN),
    "plan-idle": planned(IDLE, predicted_seconds=0.0),
    "plan-two": planned(PLAN, GUESS, IDLE, budget_minutes=1.0, over_budget=True, manifest="papers.plan.json"),
    "plan-refused": planned(REFUSED),
    "gc": r.GcResult(
        dry_run=True,
        message="would free 7,340,032 bytes",
        artifacts=r.Collected(count=1200, bytes=5 * 1024**2),
        embeddings=r.Collected(count=300, bytes=2 * 1024**2),
        downloads=r.Collected(),
        unfinished_files=r.Collected(count=1, bytes=10),
        database_rows=r.Collected(count=4),
        placements=r.Collected(),
        unknown_databases=["foreign"],
        bytes_freed=7 * 1024**2,
        kept_for=["batch 3: the embedder 'gone' is not installed"],
        seconds=1.0,
    ),
    "gc-nothing": r.GcResult(
        dry_run=False,
        message="freed 0 bytes",
        artifacts=r.Collected(),
        embeddings=r.Collected(),
        downloads=r.Collected(),
        unfinished_files=r.Collected(),
        database_rows=r.Collected(),
        placements=r.Collected(),
        unknown_databases=[],
        bytes_freed=0,
        kept_for=[],
        seconds=0.1,
    ),
    "cleanup": r.JobsCleaned(
        dry_run=False,
        message="deleted run groups that ended before 2026-01-01T00:00:00.000Z: 7",
        older_than="2026-01-01T00:00:00.000Z",
        statuses=["completed"],
        jobs_deleted=7,
        jobs_kept=1,
        records_deleted=1234,
        space_freed_bytes=1024**2,
    ),
    "orphans": r.OrphansCleaned(
        dry_run=True,
        message="would take out of the index: 25",
        documents=[
            r.Orphan(document_id=ID, uri=f"/tmp/n{number}.md", source="files", why="its file is gone")
            for number in range(25)
        ],
        leaving=["default"],
    ),
    "orphans-none": r.OrphansCleaned(dry_run=False, message="taken out: 0", documents=[], leaving=[]),
    "why": WHY,
    "why-would": WHY.model_copy(update={"would": True, "why": "its bytes are others than those of version 2"}),
}


def text_of(result: r.Result, *, verbose: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    write_text(console, render(result, View(verbose=verbose)))
    text: str = console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "\x1b" not in text
    return text


@pytest.mark.parametrize("name", SAMPLES)
def test_as_text(name: str, snapshot: Any) -> None:
    snapshot("text", name, text_of(SAMPLES[name]))


def test_verbose_tells_all(snapshot: Any) -> None:
    snapshot("text", "why-verbose", text_of(WHY, verbose=True))
    assert "n29.md" in text_of(SAMPLES["plan-refused"], verbose=True)
    assert "n24.md" in text_of(SAMPLES["source-status"], verbose=True)
