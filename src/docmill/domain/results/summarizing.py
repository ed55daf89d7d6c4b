"""What ``docmill summary``, ``report`` and ``archive`` answer."""

from __future__ import annotations

from docmill.domain.results.shared import DegradedDocument, DocumentProblem, Outcomes, Result


class SummaryTotals(Result):
    """Documents as they stand now; time and embeddings of all run groups that are still known.

    ``successfully_processed`` holds the ``degraded_files``; ``average_processing_time_per_file`` counts a document each
    time that it was processed. Times in seconds, ``total_storage_used`` in bytes: what :class:`StorageUsed` adds up to.
    """

    total_files: int
    successfully_processed: int
    degraded_files: int
    failed_files: int
    pending_files: int
    total_processing_time: float
    average_processing_time_per_file: float | None
    total_chunks_created: int
    total_embeddings_generated: int
    total_storage_used: int


class TypeOutcomes(Result):
    """Documents of one type: each is counted under one outcome."""

    type: str
    total: int
    completed: int
    degraded: int
    failed: int
    pending: int


class LengthBin(Result):
    """Passages of at least ``from_tokens`` and less than ``to_tokens``."""

    from_tokens: int
    to_tokens: int
    count: int


class ChunkLengths(Result):
    """How long passages are, in tokens of the embedding model."""

    count: int
    mean: float
    p5: int
    p50: int
    p95: int
    max: int
    bins: list[LengthBin]


class Insights(Result):
    """``languages_detected``: documents by the language that they state, few of which do. ``chunk_lengths`` None:
    nothing lies in the index yet.
    """

    document_types: dict[str, int]
    outcomes_by_type: list[TypeOutcomes]
    languages_detected: dict[str, int]
    pages: int
    duplicate_files: int
    duplicate_bytes: int
    chunk_lengths: ChunkLengths | None


class StorageUsed(Result):
    """Bytes. ``source_bytes`` are the documents' own, and no part of what is used. ``database_bytes``: the share of the
    database that goes by the number of passages, as other batches may lie in it too.
    """

    source_bytes: int
    artifacts_bytes: int
    database_bytes: int


class DocumentFigure(Result):
    """One of the largest or slowest. ``seconds``: what reading it took; None where that is not known any more."""

    document_id: str
    uri: str
    type: str | None
    status: str
    size_bytes: int
    pages: int | None
    chunk_count: int
    seconds: float | None


class StageFigures(Result):
    """When a stage of a run group was at work. ``work_seconds``: added up over documents, which are read side by side;
    None for embedding, which takes the passages of many documents together.
    """

    name: str
    status: str
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None
    work_seconds: float | None
    files_processed: int


class ThroughputBin(Result):
    """What was done within the bin that begins ``offset_seconds`` after the run group."""

    offset_seconds: float
    documents_read: int
    chunks_embedded: int


class Throughput(Result):
    bin_seconds: float
    bins: list[ThroughputBin]


class RunFigures(Result):
    """One run group. Its figures are those of its own documents, be they one of a million."""

    run_group_id: int
    status: str
    message: str | None
    workflow: str
    params: str
    model: str | None
    database: str
    started_at: str | None
    completed_at: str | None
    processing_time: float
    completed: int
    degraded: int
    failed: int
    chunks_total: int
    chunks_embedded: int
    chunks_reused: int


class Recommendation(Result):
    """``figures``: what it follows from; ``rule`` names what was held against them."""

    rule: str
    type: str
    message: str
    action: str
    figures: dict[str, int | float]


class ExportOptions(Result):
    report_formats: list[str]
    data_exports: list[str]


class SummaryResult(Result):
    """``run``: the newest run group that has begun, or the one that was named; ``runs``: the newest ones."""

    batch_id: int
    name: str
    description: str
    type: str
    status: str
    source: str | None
    generated_at: str
    summary: SummaryTotals
    insights: Insights
    storage: StorageUsed
    run: RunFigures | None
    stages: list[StageFigures]
    throughput: Throughput | None
    runs: list[RunFigures]
    largest: list[DocumentFigure]
    slowest: list[DocumentFigure]
    outcomes: Outcomes
    errors: list[DocumentProblem]
    degraded: list[DegradedDocument]
    recommendations: list[Recommendation]
    export_options: ExportOptions


class ReportResult(Result):
    """``path`` None: it went to stdout."""

    batch_id: int
    run_group_id: int | None
    path: str | None
    size_bytes: int | None
    format: str


class ArchivedFile(Result):
    """A file of an archive. ``rows``: of what has one thing a line."""

    name: str
    size_bytes: int
    sha256: str
    rows: int | None = None


class ArchiveResult(Result):
    """``path`` None: it went to stdout."""

    batch_id: int
    path: str | None
    size_bytes: int | None
    files: list[ArchivedFile]
