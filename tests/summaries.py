"""A summary as tests of texts and pages need it: some of everything, under names that would do harm if they could."""

from __future__ import annotations

from typing import Any

from docmill.domain import results as r

AT, LATER = "2026-01-31T12:00:00.000Z", "2026-01-31T12:04:10.000Z"
ID = "ab" * 16
HOSTILE = "</td><script>alert(1)</script>\u202e\x1b[2J'\"&amp; [red].pdf"
LONG = "reports/" + "a_very_long_name_without_a_single_space" * 4 + ".docx"


def _problem(uri: str, code: str, message: str, hint: str | None) -> r.DocumentProblem:
    return r.DocumentProblem(
        document_id=ID,
        uri=uri,
        filename=uri.rpartition("/")[2],
        stage="parse",
        error_code=code,
        error_message=message,
        occurred_at=AT,
        retry_count=0,
        hint=hint,
    )


def _document(uri: str, **values: Any) -> r.DocumentFigure:
    known = {"document_id": ID, "type": "pdf", "status": "completed", "size_bytes": 2_000_000, "pages": 12}
    return r.DocumentFigure(uri=uri, **{**known, "chunk_count": 40, "seconds": None, **values})


RUN = r.RunFigures(
    run_group_id=7,
    status="completed",
    message=None,
    workflow="batch",
    params="default",
    model="sentence-transformers/all-MiniLM-L6-v2",
    database="default",
    started_at=AT,
    completed_at=LATER,
    processing_time=250.0,
    completed=1200,
    degraded=3,
    failed=4,
    chunks_total=6882,
    chunks_embedded=3653,
    chunks_reused=3229,
)
STAGES = [
    r.StageFigures(
        name=name,
        status="completed",
        started_at=AT,
        completed_at=end,
        duration_seconds=seconds,
        work_seconds=work,
        files_processed=1204,
    )
    for name, end, seconds, work in (
        ("parse", "2026-01-31T12:02:00.000Z", 120.0, 36.2),
        ("embed", LATER, 250.0, None),
    )
]
SUMMARY = r.SummaryResult(
    batch_id=3,
    name="Q4 [reports] <b>",
    description="All that came in since October & before",
    type="incremental",
    status="completed",
    source="reports",
    generated_at=LATER,
    summary=r.SummaryTotals(
        total_files=1204,
        successfully_processed=1200,
        degraded_files=3,
        failed_files=4,
        pending_files=0,
        total_processing_time=250.0,
        average_processing_time_per_file=0.2076,
        total_chunks_created=6882,
        total_embeddings_generated=3653,
        total_storage_used=40_330_468,
    ),
    insights=r.Insights(
        document_types={"pdf": 900, "docx": 304},
        outcomes_by_type=[
            r.TypeOutcomes(type="pdf", total=900, completed=893, degraded=3, failed=4, pending=0),
            r.TypeOutcomes(type="docx", total=304, completed=304, degraded=0, failed=0, pending=0),
        ],
        languages_detected={"de": 12, "en": 3},
        pages=3239,
        duplicate_files=4,
        duplicate_bytes=11_671,
        chunk_lengths=r.ChunkLengths(
            count=6882,
            mean=152.6,
            p5=88,
            p50=152,
            p95=214,
            max=220,
            bins=[
                r.LengthBin(from_tokens=start, to_tokens=start + 50, count=count)
                for start, count in ((0, 10), (50, 800), (100, 2500), (150, 2500), (200, 1072))
            ],
        ),
    ),
    storage=r.StorageUsed(source_bytes=21_033_253, artifacts_bytes=5_075_178, database_bytes=35_255_290),
    run=RUN,
    stages=STAGES,
    throughput=r.Throughput(
        bin_seconds=60.0,
        bins=[
            r.ThroughputBin(offset_seconds=60.0 * place, documents_read=read, chunks_embedded=embedded)
            for place, (read, embedded) in enumerate(((900, 0), (304, 3000), (0, 3000), (0, 882), (0, 0)))
        ],
    ),
    runs=[RUN, RUN.model_copy(update={"run_group_id": 5, "status": "cancelled", "message": "not wanted"})],
    largest=[_document(HOSTILE), _document(LONG, type="docx", pages=None, size_bytes=900)],
    slowest=[_document(LONG, seconds=14.25)],
    outcomes=r.Outcomes(
        failed_documents=4,
        degraded_documents=3,
        failed={"CORRUPTED_FILE": 3, "THEIR_OWN": 1},
        degraded={"PAGES_WITHOUT_TEXT": 3},
    ),
    errors=[
        _problem(HOSTILE, "CORRUPTED_FILE", "no page can be <b>read</b>", "open it in a viewer"),
        _problem("old/b.pdf", "CORRUPTED_FILE", "cut off", "open it in a viewer"),
        _problem("old/c.pdf", "CORRUPTED_FILE", "cut off", "replace it"),
        _problem("odd.xyz", "THEIR_OWN", "a plug-in says no", None),
    ],
    degraded=[
        r.DegradedDocument(
            document_id=ID,
            uri=f"scans/{number}.pdf",
            filename=f"{number}.pdf",
            reasons=["PAGES_WITHOUT_TEXT"],
            text_yield=r.TextYield(pages=12, characters=9000, characters_per_page=750.0, without_text=[4, 5]),
        )
        for number in range(3)
    ],
    recommendations=[
        r.Recommendation(
            rule="scans_without_text",
            type="quality",
            message="3 documents have pages without readable text, as scans do",
            action="read them by OCR: --set parse.ocr=auto",
            figures={"degraded_documents": 3, "empty_documents": 0},
        )
    ],
    export_options=r.ExportOptions(report_formats=["html", "json"], data_exports=["csv", "json", "jsonl"]),
)
EMPTY = SUMMARY.model_copy(
    update={
        "name": "new",
        "description": "",
        "status": "created",
        "summary": r.SummaryTotals(
            total_files=0,
            successfully_processed=0,
            degraded_files=0,
            failed_files=0,
            pending_files=0,
            total_processing_time=0.0,
            average_processing_time_per_file=None,
            total_chunks_created=0,
            total_embeddings_generated=0,
            total_storage_used=0,
        ),
        "insights": r.Insights(
            document_types={},
            outcomes_by_type=[],
            languages_detected={},
            pages=0,
            duplicate_files=0,
            duplicate_bytes=0,
            chunk_lengths=None,
        ),
        "storage": r.StorageUsed(source_bytes=0, artifacts_bytes=0, database_bytes=0),
        "run": None,
        "throughput": None,
        "outcomes": r.Outcomes(),
        **{name: [] for name in ("stages", "runs", "largest", "slowest", "errors", "degraded", "recommendations")},
    }
)
