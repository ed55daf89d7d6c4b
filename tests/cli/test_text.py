"""Results as text and as JSON: one sample of each type, its text as it was reviewed, its JSON read back."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from docmill.cli import output
from docmill.cli import text as texts
from docmill.cli.console import write_text
from docmill.cli.degraded import judged
from docmill.cli.text import View, dispatch, render
from docmill.domain import results as r

AT, LATER = "2026-01-31T12:00:00.000Z", "2026-01-31T12:03:20.000Z"

PROGRESS = r.Progress(
    total_files=240,
    processed_files=180,
    failed_files=3,
    skipped_files=2,
    percentage=75.0,
    current_stage="embed",
    message="embed: 180 of 240 documents",
    estimated_completion=LATER,
)
BATCH = r.BatchSummary(
    batch_id=3,
    name="Q4 [reports]",
    description="All that came in since October",
    type="batch_processing",
    status="running",
    priority="high",
    source="reports",
    created_at=AT,
    updated_at=LATER,
    started_at=AT,
    completed_at=None,
    documents=260,
    failed_documents=2,
    progress=PROGRESS,
    total_chunks=12345,
    total_embeddings=12000,
)
COUNTED = r.Aggregations(by_status={"completed": 2, "running": 1}, by_type={"batch_processing": 3})
RETRY = r.RetryPolicy(max_retries=3, retry_delay=5, backoff_multiplier=2)


def problem(uri, code="CORRUPTED_FILE", message="no page can be read", hint=None):
    return r.DocumentProblem(
        document_id="ab" * 16,
        uri=uri,
        filename=uri.rpartition("/")[2],
        stage="parse",
        error_code=code,
        error_message=message,
        occurred_at=AT,
        retry_count=0,
        hint=hint,
    )


PROBLEMS = [
    *(problem(f"old/file {number}.pdf") for number in range(7)),
    problem("secret.docx", "ENCRYPTED_FILE", "the document is protected by a password", "remove the password"),
    problem("evil\x1b[2J\n[red].pdf", message="\x1b]0;x\x07title"),
]


SCANNED = r.TextYield(pages=12, characters=9000, characters_per_page=750.0, without_text=[4, 5, 6])


def partly(uri, *reasons, text_yield=None):
    return r.DegradedDocument(
        document_id="cd" * 16,
        uri=uri,
        filename=uri.rpartition("/")[2],
        reasons=list(reasons),
        text_yield=text_yield,
    )


PARTLY = [
    partly("scans/letters.pdf", "PAGES_WITHOUT_TEXT", "PAGE_FAILED", text_yield=SCANNED),
    partly("evil\x1b[2J[red].bin", "THEIR_OWN\x1b[1m"),
]
OUTCOMES = r.Outcomes(
    failed_documents=9,
    degraded_documents=2,
    failed={"CORRUPTED_FILE": 8, "ENCRYPTED_FILE": 1},
    degraded={"PAGES_WITHOUT_TEXT": 1, "PAGE_FAILED": 1, "THEIR_OWN\x1b[1m": 1},
)


def source(name="papers", **more):
    given = {
        "batch_id": 1,
        "run_group_id": 4,
        "source": name,
        "folder": f"/home/ada/{name}",
        "database": "default",
        "status": "completed",
        "scan": r.ScanCounts(files=236, new=200, changed=3, renamed=2, deleted=1, unchanged=30, ignored=12),
        "ignored": [r.IgnoredFiles(rule="hidden", count=12, examples=[".git/config", ".DS_Store"])],
        "documents": r.DocumentCounts(completed=196, failed=9, degraded=2),
        "chunks": r.ChunkCounts(total=1840, embedded=1600, reused=240),
        "seconds": 21.34,
        "errors": PROBLEMS,
        "degraded": PARTLY,
        "outcomes": OUTCOMES,
        "reason": "9 documents failed",
    }
    return {**given, **more}


IDLE = source(
    run_group_id=None,
    scan=r.ScanCounts(files=236, unchanged=236),
    ignored=[],
    documents=r.DocumentCounts(),
    chunks=r.ChunkCounts(),
    seconds=0.184,
    errors=[],
    degraded=[],
    outcomes=r.Outcomes(),
    reason=None,
)
DELETED = {**IDLE, "run_group_id": 5, "scan": r.ScanCounts(files=235, deleted=1, unchanged=235), "seconds": 0.9}


def run(**more):
    given = {
        "batch_id": 3,
        "run_group_id": 5,
        "status": "completed",
        "message": "240 documents",
        "workflows": 240,
        "documents": r.DocumentCounts(completed=240),
        "chunks": r.ChunkCounts(total=900, embedded=900),
        "seconds": 75.0,
        "errors": [],
        "started_at": AT,
    }
    return r.RunResult(**{**given, **more})


def hit(rank, **more):
    given = {
        "rank": rank,
        "score": 0.0328,
        "uri": "2024/batteries.pdf",
        "source": "papers",
        "title": "Batteries",
        "page_start": 3,
        "page_end": 4,
        "headings": ["Batteries", "Life", "What limits it"],
        "char_start": 100,
        "char_end": 200,
        "text": "What limits the life of a battery is heat.\nBatteries that stay cool last longer.",
        "chunk_id": "c" * 32,
        "document_id": "d" * 32,
    }
    return r.Hit(**{**given, **more})


LONG = "It was a long way. " * 60 + "Battery life ends here. " + "And so it goes on. " * 60
BESIDE = r.Neighbour(text="The passage beside it.", chunk_id="e" * 32, char_start=0, char_end=22)
SUMMARY = r.DefinitionSummary(
    id="mine", name="Mine", description="Short passages", source="user", file="/h/param-sets/mine.yaml"
)
FINDING = r.Problem(
    file="/h/workflows/x.yaml",
    line=7,
    path="steps[1].retires",
    message="unknown key 'retires'",
    suggestion="did you mean 'retries'?",
)
NOTE = r.Problem(file="/h/workflows/y.yaml", line=9, path="lifecycle", message="handlers are kept", level="note")
PAGE = {"total": 3, "limit": 1, "offset": 1}

SAMPLES = {
    "init": r.InitResult(home="/h/.docmill", created=True, message="created /h/.docmill"),
    "init again": r.InitResult(home="/h/.docmill", created=False, message="/h/.docmill is a docmill home already"),
    "sync": r.SyncResult(**source(), sources=[r.SourceSync(**source())], skipped=[]),
    "sync idle": r.SyncResult(**IDLE, sources=[r.SourceSync(**IDLE)], skipped=[]),
    "sync idle not clean": r.SyncResult(
        **{**IDLE, "degraded": PARTLY, "outcomes": OUTCOMES, "errors": PROBLEMS[-2:-1]},
        sources=[],
        skipped=[],
    ),
    "sync deleted": r.SyncResult(**DELETED, sources=[r.SourceSync(**DELETED)], skipped=[]),
    "sync two": r.SyncResult(
        **source(errors=[], reason=None),
        sources=[r.SourceSync(**source(errors=[], reason=None)), r.SourceSync(**{**IDLE, "source": "notes"})],
        skipped=[
            r.SkippedSource(
                source="disk",
                folder="/mnt/disk",
                error_code="NOT_FOUND",
                error_message="there is no folder /mnt/disk",
                hint="name a folder that is there, and mounted",
            )
        ],
    ),
    "run": run(),
    "run idle": run(run_group_id=None, workflows=0, message="nothing to do: every document is up to date", seconds=0.1),
    "run paused": run(
        status="paused",
        documents=r.DocumentCounts(completed=100, degraded=1300),
        degraded=[partly(f"scans/{number}.pdf", "PAGES_WITHOUT_TEXT", text_yield=SCANNED) for number in range(6)],
        outcomes=r.Outcomes(degraded_documents=1300, degraded={"PAGES_WITHOUT_TEXT": 1300}),
    ),
    "run failed": run(
        status="failed",
        documents=r.DocumentCounts(failed=9),
        errors=[*PROBLEMS, problem("scan.pdf", "EMPTY_DOCUMENT", "no text", "OCR it"), problem("a", "EMPTY_DOCUMENT")],
        reason="9 documents failed",
    ),
    "pause": r.PauseResult(
        batch_id=3,
        run_group_id=5,
        status="paused",
        message="paused; go on with `docmill resume 3`",
        paused_at=AT,
        progress_saved=r.ProgressSaved(processed_files=180, current_stage="embed"),
    ),
    "cancel": r.CancelResult(
        batch_id=3,
        run_group_id=5,
        status="cancelled",
        message="cancelled",
        reason="wrong folder",
        cancelled_at=AT,
        cleanup=r.CleanupResult(partial_results_cleaned=True, processed_files_retained=1),
    ),
    "batch created": r.BatchCreated(batch_id=3, name="Q4", status="created", created=True, message="created batch 3"),
    "batch list": r.BatchList(batches=[BATCH], aggregations=COUNTED, **PAGE),
    "batch list empty": r.BatchList(
        batches=[], aggregations=r.Aggregations(by_status={}, by_type={}), total=0, limit=50, offset=0
    ),
    "batch shown": r.BatchShown(
        batch=BATCH,
        configuration={"workflow": "batch", "filters": {"document_type": ["pdf"]}, "webhook_url": None},
        retry_policy=RETRY,
        max_processing_time=7200.0,
        cron="30 2 * * *",
        scheduled_start=LATER,
        run_groups=[4, 5],
    ),
    "batch status": r.BatchStatus(
        batch=BATCH,
        status="running",
        run_group_id=5,
        progress=PROGRESS,
        stages=[
            r.Stage(
                name="parse",
                status="completed",
                progress=1.0,
                started_at=AT,
                completed_at=LATER,
                duration_seconds=200.0,
                files_processed=240,
            ),
            r.Stage(
                name="embed",
                status="running",
                progress=0.75,
                started_at=AT,
                completed_at=None,
                duration_seconds=None,
                files_processed=180,
            ),
        ],
        stats=r.BatchStats(
            processing_time_ms=200_000,
            total_chunks=12345,
            total_embeddings=12000,
            average_processing_time_per_file_ms=1111.0,
        ),
        files=r.FileCounts(total=240, by_status={"completed": 177, "failed": 3}, by_type={"docx": 40, "pdf": 200}),
        errors=PROBLEMS[-2:],
        degraded=PARTLY,
        outcomes=OUTCOMES,
        retry_policy=RETRY,
    ),
    "home": r.HomeStatus(
        home="/h/.docmill",
        engine=r.EngineHolder(pid=4242, started_at=AT, command="docmill sync papers"),
        batches=[BATCH],
        documents=1240,
        chunks=12345,
        failed_documents=9,
        outcomes=OUTCOMES,
        databases=["default", "fine"],
    ),
    "home empty": r.HomeStatus(
        home="/h/.docmill", engine=None, batches=[], documents=0, chunks=0, failed_documents=0, databases=[]
    ),
    "ingest": r.IngestResult(
        batch_id=3,
        source="files",
        targets=[r.IngestTarget(batch_id=3, source="files")],
        files=[
            r.IngestedFile(
                document_id="a" * 32,
                document_hash="sha256-aa",
                uri=f"/in/{number}.pdf",
                source="files",
                batch_id=3,
                outcome=outcome,
            )
            for number, outcome in enumerate(["new"] * 22 + ["changed", "unchanged", "duplicate"])
        ],
        counts=r.IngestCounts(new=22, changed=1, unchanged=1, duplicate=1, failed=1),
        errors=[r.IngestProblem(**PROBLEMS[-2].model_dump(), line=7)],
        reason="1 could not be ingested",
    ),
    "search": r.SearchResult(
        query="what limits battery life",
        mode="hybrid",
        database="default",
        hits=[
            hit(1),
            hit(2, uri="evil\x1b[2J[red].md", title=None, page_start=None, page_end=None, headings=[], text=LONG),
            hit(3, title="Notes", page_end=3, headings=["Life"], before=[BESIDE], after=[BESIDE]),
        ],
        seconds=0.412,
    ),
    "search nothing": r.SearchResult(query="x", mode="fts", database="default", hits=[], seconds=0.1),
    "export": r.ExportResult(
        format="csv",
        database="default",
        batch_id=None,
        path="/o.csv",
        rows=1,
        documents=1,
        size_bytes=2048,
        fields=["uri"],
        report="/o.csv.report.json",
    ),
    "databases": r.DatabaseList(
        lancedb_dir="/h/lancedb",
        database_count=2,
        databases=[
            r.DatabaseSummary(
                name="default",
                path="default",
                size_bytes=10_000_000,
                size_human="9.5 MiB",
                documents=236,
                chunks=1840,
                model="all-MiniLM-L6-v2",
            ),
            r.DatabaseSummary(
                name="own", path="own", size_bytes=9, size_human="9 B", documents=0, chunks=0, model=None
            ),
        ],
        total=2,
        limit=50,
        offset=0,
    ),
    "databases empty": r.DatabaseList(
        lancedb_dir="/h/lancedb", database_count=0, databases=[], total=0, limit=50, offset=0
    ),
    "database": r.DatabaseInfo(
        name="default",
        path="/h/lancedb/default",
        size_bytes=10_000_000,
        size_human="9.5 MiB",
        files=27,
        documents=r.TableInfo(count=236, size_bytes=50_000, size_human="48.8 KiB", files=4, versions=1),
        chunks=r.TableInfo(count=1840, size_bytes=9_000_000, size_human="8.6 MiB", files=21, versions=3),
        embeddings=r.EmbeddingsInfo(
            provider="fastembed", model="all-MiniLM-L6-v2", vector_dim=384, fingerprint="f" * 16
        ),
        vector_index=r.IndexInfo(
            exists=False, type=None, indexed_rows=0, unindexed_rows=1840, size_bytes=0, coverage=0.0, size_human="0 B"
        ),
        full_text_index=r.IndexInfo(
            exists=True,
            type="FTS",
            indexed_rows=1800,
            unindexed_rows=40,
            size_bytes=200_000,
            coverage=0.9783,
            size_human="195.3 KiB",
        ),
        tables=["documents", "chunks", "settings"],
        versions=r.VersionInfo(docmill="0.1.0", lancedb="0.40.0", stored_version="0.1.0"),
    ),
    "stored documents": r.StoredDocumentList(
        database="default",
        path="/h/lancedb/default",
        document_count=30,
        filter="chunk_count > 9",
        documents=[
            r.StoredDocument(
                id="a" * 32,
                uri="2024/batteries.pdf",
                source="papers",
                title=None,
                type="pdf",
                version=2,
                content_hash="sha256-aa",
                chunk_count=12,
                created_at=AT,
                updated_at=LATER,
                metadata={},
            )
        ],
        **PAGE,
    ),
    "stored documents none": r.StoredDocumentList(
        database="default",
        path="/h/lancedb/default",
        document_count=0,
        filter=None,
        documents=[],
        total=0,
        limit=50,
        offset=0,
    ),
    "stored documents none such": r.StoredDocumentList(
        database="default",
        path="/h/lancedb/default",
        document_count=3,
        filter="version > 9",
        documents=[],
        total=0,
        limit=50,
        offset=0,
    ),
    "dropped": r.DatabaseDropped(
        dry_run=False,
        database="old",
        message="dropped old",
        documents=236,
        chunks=1840,
        space_freed_bytes=10_000_000,
        space_freed_human="9.5 MiB",
        sources=["papers", "[notes]"],
        batches=["Q4"],
        seconds=0.4,
    ),
    "backup": r.BackupResult(
        dry_run=False,
        message="backed up and verified, 8.0 MiB",
        path="/mnt/b.tar.zst",
        home="/h",
        size_bytes=8_388_608,
        size_human="8.0 MiB",
        content_bytes=10_485_760,
        content_human="10.0 MiB",
        files=482,
        parts=[
            r.BackupPart(name="artifacts", files=472, size_bytes=2_097_152, size_human="2.0 MiB"),
            r.BackupPart(name="state", files=1, size_bytes=8_388_608, size_human="8.0 MiB"),
        ],
        batches=2,
        documents=236,
        databases=[r.BackupDatabase(name="default", documents=236, chunks=1840)],
        schema_version=4,
        verified=True,
        left_out=["lancedb/[own]: no database that docmill knows"],
        findings=["database default lacks 1 document that the state has there"],
        reason="1 finding in the home that was backed up",
        seconds=2.5,
    ),
    "restored": r.RestoreResult(
        dry_run=False,
        message="restored and verified /h",
        path="/mnt/b.tar.zst",
        home="/h",
        created_at=AT,
        created_by="docmill 0.1.0",
        content_bytes=10_485_760,
        content_human="10.0 MiB",
        files=482,
        batches=1,
        documents=236,
        databases=[r.BackupDatabase(name="default", documents=236, chunks=1840)],
        schema_version=4,
        with_cache=False,
        verified=True,
        set_aside="/h.old-1",
        findings=[],
        reason=None,
        seconds=2.5,
    ),
    "doctor": r.DoctorResult(
        home="/h",
        status="problem",
        checks=[
            r.Check(name="python", status="ok", message="CPython 3.11.7 on Linux x86_64", hint="not shown"),
            r.Check(name="variables", status="warning", message="nothing reads DOCMILL_[X]", hint="unset it"),
            r.Check(name="model", status="problem", message="not installed", hint="pip install it"),
        ],
        warnings=1,
        problems=1,
        reason="1 problem",
        seconds=0.2,
    ),
    "doctor well": r.DoctorResult(
        home=None,
        status="ok",
        checks=[r.Check(name="python", status="ok", message="CPython 3.11.7 on Linux x86_64")],
        warnings=0,
        problems=0,
        reason=None,
        seconds=0.2,
    ),
    "index": r.IndexResult(
        database="default",
        status="ok",
        rows=120_000,
        vector_index=r.IndexInfo(
            exists=True,
            type="IVF_SQ",
            indexed_rows=120_000,
            unindexed_rows=0,
            size_bytes=47_000_000,
            coverage=1.0,
            size_human="44.8 MiB",
        ),
        full_text_index=r.IndexInfo(
            exists=True,
            type="FTS",
            indexed_rows=120_000,
            unindexed_rows=0,
            size_bytes=20_000_000,
            coverage=1.0,
            size_human="19.1 MiB",
        ),
        vector_index_rows=50_000,
        seconds=6.1,
    ),
    "index of few": r.IndexResult(
        database="default",
        status="ok",
        rows=1840,
        vector_index=r.IndexInfo(
            exists=False, type=None, indexed_rows=0, unindexed_rows=1840, size_bytes=0, coverage=0.0, size_human="0 B"
        ),
        full_text_index=r.IndexInfo(
            exists=True,
            type="FTS",
            indexed_rows=1840,
            unindexed_rows=0,
            size_bytes=200_000,
            coverage=1.0,
            size_human="195.3 KiB",
        ),
        vector_index_rows=50_000,
        seconds=0.2,
    ),
    "vacuum": r.VacuumResult(
        database="default",
        status="completed",
        size_before_bytes=2048,
        size_before_human="2.0 KiB",
        size_after_bytes=1024,
        size_after_human="1.0 KiB",
        space_freed_bytes=1024,
        space_freed_human="1.0 KiB",
        versions_removed=7,
        seconds=0.5,
    ),
    "models": r.ModelList(
        cache="/c",
        models=[
            r.ModelEntry(
                name="mini",
                provider="fastembed",
                dimension=384,
                max_tokens=256,
                installed=True,
                available=True,
                size_bytes=90_000_000,
                fingerprint="f",
            ),
            r.ModelEntry(
                name="large",
                provider="fastembed",
                dimension=1024,
                max_tokens=512,
                installed=False,
                available=False,
                size_bytes=None,
                fingerprint=None,
                note="needs a download",
            ),
        ],
        total=2,
        limit=50,
        offset=0,
    ),
    "model installed": r.ModelInstalled(
        name="mini",
        path="/c/mini",
        fingerprint="f",
        size_bytes=90_000_000,
        already_installed=False,
        message="mini is installed",
    ),
    "model served": r.ModelServed(
        address="http://127.0.0.1:11435",
        host="127.0.0.1",
        port=11435,
        openai_url="http://127.0.0.1:11435/v1",
        ollama_url="http://127.0.0.1:11435",
        model="mini",
        quantization="int8",
        dimension=384,
        max_tokens=256,
        fingerprint="f" * 64,
        threads=2,
        pid=4321,
    ),
    "models whole": r.ModelVerified(checked=["mini"], findings=[], clean=True),
    "models damaged": r.ModelVerified(
        checked=["mini"],
        findings=[r.ModelFinding(name="mini", file="model.onnx", problem="other bytes")],
        clean=False,
        reason="1 finding",
    ),
    "definitions": r.DefinitionList(kind="param_set", definitions=[SUMMARY], problems=[FINDING], **PAGE),
    "definition": r.DefinitionShown(
        kind="workflow", id="x", source="user", file="/x.yaml", definition={"id": "x"}, yaml="# x\nid: x\n"
    ),
    "validation": r.ValidationResult(kind="workflow", valid=False, checked=["a", "b"], problems=[FINDING, NOTE]),
    "validation clean": r.ValidationResult(kind="workflow", valid=True, checked=["a"], problems=[]),
    "definition added": r.DefinitionAdded(
        kind="param_set", id="mine", file_path="/h/mine.yaml", message="added param set mine"
    ),
    "definition deleted": r.DefinitionDeleted(kind="param_set", id="mine", message="deleted param set mine"),
    "targets": r.ParamTargets(database="own", param_sets=[SUMMARY], total=1, limit=50, offset=0),
    "targets none": r.ParamTargets(database="own", param_sets=[], total=0, limit=50, offset=0),
}


def text_of(result, *, terminal=True, verbose=False, width=80):
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    write_text(console, render(result, View(width=width, terminal=terminal, verbose=verbose)))
    return stream.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
def test_text_looks_as_reviewed(name, snapshot):
    result = SAMPLES[name]
    text = text_of(result)
    snapshot("text", name.replace(" ", "-"), text)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert not [character for character in text if ord(character) < 32 and character != "\n"]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_pipe_gets_no_advice_and_nothing_cut(name):
    text = text_of(SAMPLES[name], terminal=False, verbose=True, width=100_000)
    assert "search it:" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("name", SAMPLES)
def test_json_is_one_document_that_reads_back(name, capsys):
    result = SAMPLES[name]
    output.show(result, SimpleNamespace(json=True, events=False, verbose=False))
    assert type(result).model_validate(json.loads(capsys.readouterr().out)) == result


def test_every_type_that_has_a_text_has_a_sample():
    """Here, in one of the modules beside this one, or among the summaries that pages are made of too."""
    folder = Path(__file__).parent
    files = [*folder.glob("test_text*.py"), folder.parent / "summaries.py"]
    sources = "".join(path.read_text("utf-8") for path in files)
    for module in pkgutil.iter_modules(texts.__path__, f"{texts.__name__}."):
        importlib.import_module(module.name)
    types = {type_.__name__: each.__module__ for type_, each in dispatch.render.registry.items() if type_ is not object}
    assert types == {name: f"{texts.__name__}.{module}" for name, module in texts._MODULES.items()}
    for name in types:
        assert re.search(rf"\b{name}\(", sources), name


def test_a_type_without_a_text_is_a_fault():
    with pytest.raises(TypeError, match="RetryPolicy"):
        render(RETRY, View())


def test_verbose_names_every_failure_and_every_ignored_rule():
    text = text_of(SAMPLES["sync"], verbose=True)
    assert "old/file 6.pdf" in text
    assert ".DS_Store" in text
    assert "more (-v" not in text


def test_the_shape_of_json_stays_what_it_was(snapshot):
    """Field names are a contract: a change here is a change for every program that reads docmill."""
    shapes = {}
    for name in sorted(r.__all__):
        type_ = getattr(r, name)
        if issubclass(type_, r.Result) and type_ is not r.Result:
            shapes[name] = {field: str(info.annotation) for field, info in type_.model_fields.items()}
    snapshot("json", "shapes", re.sub(r"docmill\.domain\.results\.\w+\.", "", json.dumps(shapes, indent=1)) + "\n")


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (SAMPLES["sync idle"], 0),
        (SAMPLES["sync"], 3),
        (SAMPLES["sync two"], 3),
        (r.SyncResult(**IDLE, sources=[r.SourceSync(**IDLE), r.SourceSync(**source())], skipped=[]), 3),
        (
            r.SyncResult(
                **IDLE, sources=[r.SourceSync(**{**IDLE, "status": "paused"}), r.SourceSync(**source())], skipped=[]
            ),
            8,
        ),
        (r.SyncResult(**{**IDLE, "errors": PROBLEMS}, sources=[], skipped=[]), 3),
        (run(), 0),
        (run(status="cancelled"), 8),
        (run(status="paused", reason="x"), 8),
        (run(status="failed"), 3),
        (run(documents=r.DocumentCounts(completed=1, failed=1)), 3),
        (SAMPLES["cancel"], 0),
        (SAMPLES["pause"], 0),
        (SAMPLES["ingest"], 3),
        (SAMPLES["validation"], 6),
        (SAMPLES["validation clean"], 0),
        (SAMPLES["models damaged"], 3),
        (SAMPLES["models whole"], 0),
        (SAMPLES["backup"], 3),
        (SAMPLES["restored"], 0),
        (SAMPLES["doctor"], 7),
        (SAMPLES["doctor well"], 0),
        (SAMPLES["batch status"], 0),
        (SAMPLES["search nothing"], 0),
    ],
)
def test_exit_codes(result, code):
    assert output.exit_code(result) == code


def test_degraded_documents_count_only_when_asked():
    degraded = run(outcomes=r.Outcomes(degraded_documents=2, degraded={"PAGE_FAILED": 2}))
    assert output.exit_code(judged(degraded, fail_on_degraded=False)) == 0
    strict = judged(degraded, fail_on_degraded=True)
    assert (output.exit_code(strict), strict.reason) == (3, "2 documents degraded")
    both = judged(SAMPLES["sync"], fail_on_degraded=True)
    assert both.reason == "9 documents failed, 2 documents degraded"
    assert judged(run(), fail_on_degraded=True).reason is None


def test_services_count_the_degraded_documents_that_they_met():
    worked = r.WorkerResult(
        status="completed",
        message="nothing is left to do",
        run_groups=1,
        documents=r.DocumentCounts(completed=3, degraded=1),
        stopped_by=None,
    )
    strict = judged(worked, fail_on_degraded=True)
    assert (output.exit_code(strict), strict.reason) == (3, "1 document degraded")
    assert output.exit_code(judged(worked, fail_on_degraded=False)) == 0
    stopped = worked.model_copy(update={"stopped_by": "SIGTERM"})
    assert output.exit_code(judged(stopped, fail_on_degraded=True)) == 0


def test_degraded_documents_count_as_long_as_they_are_so():
    unchanged = judged(SAMPLES["sync idle not clean"], fail_on_degraded=True)
    assert unchanged.reason == "2 documents degraded"
    assert output.exit_code(r.SyncResult(**{**dict(unchanged), "errors": []})) == 3
