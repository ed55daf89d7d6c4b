"""What every command returns: one frozen model each, rendered as text or as JSON in one place.

Field names are the JSON contract. Times are UTC ISO-8601 strings with ``Z``, sizes bytes, durations seconds unless the
name says ``_ms``. Lists carry ``total`` (before paging), ``limit`` and ``offset``.

A module of them is imported when the first of its names is asked for: to make all of these models takes longer than
most commands do.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docmill.domain.results.backups import BackupDatabase, BackupPart, BackupResult, RestoreResult
    from docmill.domain.results.batches import (
        Aggregations,
        BatchCreated,
        BatchList,
        BatchShown,
        BatchSummary,
    )
    from docmill.domain.results.definitions import (
        DefinitionAdded,
        DefinitionDeleted,
        DefinitionList,
        DefinitionShown,
        DefinitionSummary,
        GraphEdge,
        GraphNode,
        InitResult,
        ParamDifference,
        ParamsDiff,
        ParamsTested,
        ParamTargets,
        Problem,
        StepAgain,
        TokenCounts,
        TriedFailure,
        TriedPassage,
        ValidationResult,
        WorkflowGraph,
    )
    from docmill.domain.results.delivering import DeliverResult
    from docmill.domain.results.doctor import Check, DoctorResult
    from docmill.domain.results.documents import (
        DocumentDeleted,
        DocumentHistory,
        DocumentList,
        DocumentPlacement,
        DocumentRecord,
        DocumentRestored,
        DocumentShown,
        DocumentVersionEvent,
        ReasonShown,
    )
    from docmill.domain.results.files import FileList, FileRecord
    from docmill.domain.results.history import (
        ActiveBatch,
        ActiveBatches,
        BatchDeleted,
        BatchEvents,
        BatchLogs,
        DeletionCounts,
        Durations,
        Followed,
        GroupChunks,
        LifecycleRecord,
        LogRecord,
        RunCounts,
        RunDocument,
        RunGroupDeleted,
        RunGroupList,
        RunGroupRecord,
        RunGroupShown,
        RunGroupStats,
        RunLifecycle,
        RunList,
        RunRecord,
        RunShown,
        StepList,
        StepRecord,
        StepStats,
    )
    from docmill.domain.results.ingesting import (
        IngestCounts,
        IngestedFile,
        IngestProblem,
        IngestResult,
        IngestTarget,
    )
    from docmill.domain.results.metrics import MetricFamily, Metrics, MetricSample, MetricsWritten
    from docmill.domain.results.paging import PageProblem, PagesResult
    from docmill.domain.results.planning import (
        ChunkDifference,
        DefinitionChange,
        PlannedDocument,
        PlannedSteps,
        PlanResult,
        Prediction,
        RunReason,
        SourcePlan,
        StepReason,
        WhyResult,
    )
    from docmill.domain.results.quarantine import (
        QuarantinedDocument,
        QuarantineList,
        QuarantineReleased,
        QuarantineShown,
        ReleasedDocument,
        WorkerDeath,
    )
    from docmill.domain.results.runs import (
        BatchStats,
        BatchStatus,
        CancelResult,
        ChunkCounts,
        CleanupResult,
        DetachedResult,
        DocumentCounts,
        EngineHolder,
        FileCounts,
        HomeStatus,
        IgnoredFiles,
        PauseResult,
        ProgressSaved,
        RunResult,
        ScanCounts,
        SkippedSource,
        SourceSync,
        StatusWatched,
        SyncResult,
        WorkerResult,
    )
    from docmill.domain.results.schemas import (
        CommandSchema,
        CompletionScript,
        ErrorDocument,
        ErrorObject,
        JsonSchema,
        SchemaList,
    )
    from docmill.domain.results.searching import (
        AlsoIn,
        AnsweredContext,
        AnsweredQuery,
        Citation,
        ContextResult,
        ExportedFile,
        ExportedModel,
        ExportReport,
        ExportResult,
        Hit,
        Neighbour,
        QueriesResult,
        SearchResult,
        UnansweredQuery,
    )
    from docmill.domain.results.settings import SettingShown, SettingsShown
    from docmill.domain.results.shared import (
        DegradedDocument,
        DocumentProblem,
        Outcomes,
        Page,
        Progress,
        Result,
        RetryPolicy,
        Stage,
        TextYield,
    )
    from docmill.domain.results.showing import DocumentText, PassageShown, PassageSpan, VectorShown
    from docmill.domain.results.sources import (
        SourceChanged,
        SourceList,
        SourceRecord,
        SourceRemoved,
        SourceRule,
        SourceStatus,
    )
    from docmill.domain.results.stats import (
        GroupStats,
        SlowRun,
        StatsDurations,
        StatsSteps,
        StatsThroughput,
        StepThroughput,
        TypeDurations,
    )
    from docmill.domain.results.stores import (
        DatabaseDropped,
        DatabaseInfo,
        DatabaseList,
        DatabaseSummary,
        EmbeddingsInfo,
        IndexInfo,
        IndexResult,
        ModelEntry,
        ModelFinding,
        ModelInstalled,
        ModelList,
        ModelVerified,
        StoredDocument,
        StoredDocumentList,
        TableInfo,
        VacuumResult,
        VersionInfo,
    )
    from docmill.domain.results.summarizing import (
        ArchivedFile,
        ArchiveResult,
        ChunkLengths,
        DocumentFigure,
        ExportOptions,
        Insights,
        LengthBin,
        Recommendation,
        ReportResult,
        RunFigures,
        StageFigures,
        StorageUsed,
        SummaryResult,
        SummaryTotals,
        Throughput,
        ThroughputBin,
        TypeOutcomes,
    )
    from docmill.domain.results.upkeep import Collected, GcResult, JobsCleaned, Orphan, OrphansCleaned
    from docmill.domain.results.verifying import VerifyCounts, VerifyFinding, VerifyResult
    from docmill.domain.results.watching import FolderWatched, WatchResult

__all__ = [
    "ActiveBatch",
    "ActiveBatches",
    "Aggregations",
    "AlsoIn",
    "AnsweredContext",
    "AnsweredQuery",
    "ArchiveResult",
    "ArchivedFile",
    "BackupDatabase",
    "BackupPart",
    "BackupResult",
    "BatchCreated",
    "BatchDeleted",
    "BatchEvents",
    "BatchList",
    "BatchLogs",
    "BatchShown",
    "BatchStats",
    "BatchStatus",
    "BatchSummary",
    "CancelResult",
    "Check",
    "ChunkCounts",
    "ChunkDifference",
    "ChunkLengths",
    "Citation",
    "CleanupResult",
    "Collected",
    "CommandSchema",
    "CompletionScript",
    "ContextResult",
    "DatabaseDropped",
    "DatabaseInfo",
    "DatabaseList",
    "DatabaseSummary",
    "DefinitionAdded",
    "DefinitionChange",
    "DefinitionDeleted",
    "DefinitionList",
    "DefinitionShown",
    "DefinitionSummary",
    "DegradedDocument",
    "DeletionCounts",
    "DeliverResult",
    "DetachedResult",
    "DoctorResult",
    "DocumentCounts",
    "DocumentDeleted",
    "DocumentFigure",
    "DocumentHistory",
    "DocumentList",
    "DocumentPlacement",
    "DocumentProblem",
    "DocumentRecord",
    "DocumentRestored",
    "DocumentShown",
    "DocumentText",
    "DocumentVersionEvent",
    "Durations",
    "EmbeddingsInfo",
    "EngineHolder",
    "ErrorDocument",
    "ErrorObject",
    "ExportOptions",
    "ExportReport",
    "ExportResult",
    "ExportedFile",
    "ExportedModel",
    "FileCounts",
    "FileList",
    "FileRecord",
    "FolderWatched",
    "Followed",
    "GcResult",
    "GraphEdge",
    "GraphNode",
    "GroupChunks",
    "GroupStats",
    "Hit",
    "HomeStatus",
    "IgnoredFiles",
    "IndexInfo",
    "IndexResult",
    "IngestCounts",
    "IngestProblem",
    "IngestResult",
    "IngestTarget",
    "IngestedFile",
    "InitResult",
    "Insights",
    "JobsCleaned",
    "JsonSchema",
    "LengthBin",
    "LifecycleRecord",
    "LogRecord",
    "MetricFamily",
    "MetricSample",
    "Metrics",
    "MetricsWritten",
    "ModelEntry",
    "ModelFinding",
    "ModelInstalled",
    "ModelList",
    "ModelVerified",
    "Neighbour",
    "Orphan",
    "OrphansCleaned",
    "Outcomes",
    "Page",
    "PageProblem",
    "PagesResult",
    "ParamDifference",
    "ParamTargets",
    "ParamsDiff",
    "ParamsTested",
    "PassageShown",
    "PassageSpan",
    "PauseResult",
    "PlanResult",
    "PlannedDocument",
    "PlannedSteps",
    "Prediction",
    "Problem",
    "Progress",
    "ProgressSaved",
    "QuarantineList",
    "QuarantineReleased",
    "QuarantineShown",
    "QuarantinedDocument",
    "QueriesResult",
    "ReasonShown",
    "Recommendation",
    "ReleasedDocument",
    "ReportResult",
    "RestoreResult",
    "Result",
    "RetryPolicy",
    "RunCounts",
    "RunDocument",
    "RunFigures",
    "RunGroupDeleted",
    "RunGroupList",
    "RunGroupRecord",
    "RunGroupShown",
    "RunGroupStats",
    "RunLifecycle",
    "RunList",
    "RunReason",
    "RunRecord",
    "RunResult",
    "RunShown",
    "ScanCounts",
    "SchemaList",
    "SearchResult",
    "SettingShown",
    "SettingsShown",
    "SkippedSource",
    "SlowRun",
    "SourceChanged",
    "SourceList",
    "SourcePlan",
    "SourceRecord",
    "SourceRemoved",
    "SourceRule",
    "SourceStatus",
    "SourceSync",
    "Stage",
    "StageFigures",
    "StatsDurations",
    "StatsSteps",
    "StatsThroughput",
    "StatusWatched",
    "StepAgain",
    "StepList",
    "StepReason",
    "StepRecord",
    "StepStats",
    "StepThroughput",
    "StorageUsed",
    "StoredDocument",
    "StoredDocumentList",
    "SummaryResult",
    "SummaryTotals",
    "SyncResult",
    "TableInfo",
    "TextYield",
    "Throughput",
    "ThroughputBin",
    "TokenCounts",
    "TriedFailure",
    "TriedPassage",
    "TypeDurations",
    "TypeOutcomes",
    "UnansweredQuery",
    "VacuumResult",
    "ValidationResult",
    "VectorShown",
    "VerifyCounts",
    "VerifyFinding",
    "VerifyResult",
    "VersionInfo",
    "WatchResult",
    "WhyResult",
    "WorkerDeath",
    "WorkerResult",
    "WorkflowGraph",
]

_NAMES = {
    "backups": "BackupDatabase BackupPart BackupResult RestoreResult",
    "batches": "Aggregations BatchCreated BatchList BatchShown BatchSummary",
    "definitions": (
        "DefinitionAdded DefinitionDeleted DefinitionList DefinitionShown DefinitionSummary GraphEdge "
        "GraphNode InitResult ParamDifference ParamTargets ParamsDiff ParamsTested Problem StepAgain "
        "TokenCounts TriedFailure TriedPassage ValidationResult WorkflowGraph"
    ),
    "delivering": "DeliverResult",
    "doctor": "Check DoctorResult",
    "documents": (
        "DocumentDeleted DocumentHistory DocumentList DocumentPlacement DocumentRecord DocumentRestored "
        "DocumentShown DocumentVersionEvent ReasonShown"
    ),
    "files": "FileList FileRecord",
    "history": (
        "ActiveBatch ActiveBatches BatchDeleted BatchEvents BatchLogs DeletionCounts Durations Followed "
        "GroupChunks LifecycleRecord LogRecord RunCounts RunDocument RunGroupDeleted RunGroupList "
        "RunGroupRecord RunGroupShown RunGroupStats RunLifecycle RunList RunRecord RunShown StepList "
        "StepRecord StepStats"
    ),
    "ingesting": "IngestCounts IngestedFile IngestProblem IngestResult IngestTarget",
    "metrics": "MetricFamily Metrics MetricSample MetricsWritten",
    "paging": "PageProblem PagesResult",
    "planning": (
        "ChunkDifference DefinitionChange PlannedDocument PlannedSteps PlanResult Prediction RunReason "
        "SourcePlan StepReason WhyResult"
    ),
    "quarantine": (
        "QuarantinedDocument QuarantineList QuarantineReleased QuarantineShown ReleasedDocument WorkerDeath"
    ),
    "runs": (
        "BatchStats BatchStatus CancelResult ChunkCounts CleanupResult DetachedResult DocumentCounts "
        "EngineHolder FileCounts HomeStatus IgnoredFiles PauseResult ProgressSaved RunResult ScanCounts "
        "SkippedSource SourceSync StatusWatched SyncResult WorkerResult"
    ),
    "searching": (
        "AlsoIn AnsweredContext AnsweredQuery Citation ContextResult ExportReport ExportResult ExportedFile "
        "ExportedModel Hit Neighbour QueriesResult SearchResult UnansweredQuery"
    ),
    "schemas": "CommandSchema CompletionScript ErrorDocument ErrorObject JsonSchema SchemaList",
    "settings": "SettingShown SettingsShown",
    "shared": "DegradedDocument DocumentProblem Outcomes Page Progress Result RetryPolicy Stage TextYield",
    "showing": "DocumentText PassageShown PassageSpan VectorShown",
    "sources": "SourceChanged SourceList SourceRecord SourceRemoved SourceRule SourceStatus",
    "stats": "GroupStats SlowRun StatsDurations StatsSteps StatsThroughput StepThroughput TypeDurations",
    "stores": (
        "DatabaseDropped DatabaseInfo DatabaseList DatabaseSummary EmbeddingsInfo IndexInfo IndexResult ModelEntry "
        "ModelFinding ModelInstalled ModelList ModelVerified StoredDocument StoredDocumentList TableInfo "
        "VacuumResult VersionInfo"
    ),
    "summarizing": (
        "ArchiveResult ArchivedFile ChunkLengths DocumentFigure ExportOptions Insights LengthBin Recommendation "
        "ReportResult RunFigures StageFigures StorageUsed SummaryResult SummaryTotals Throughput ThroughputBin "
        "TypeOutcomes"
    ),
    "upkeep": "Collected GcResult JobsCleaned Orphan OrphansCleaned",
    "verifying": "VerifyCounts VerifyFinding VerifyResult",
    "watching": "FolderWatched WatchResult",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
