"""What every command returns: one frozen model each, rendered as text or as JSON in one place.

Field names are the JSON contract. Times are UTC ISO-8601 strings with ``Z``, sizes bytes, durations seconds unless the
name says ``_ms``. Lists carry ``total`` (before paging), ``limit`` and ``offset``.

A module of them is imported when the first of its names is asked for: to make all of these models takes longer than
most commands do.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        InitResult,
        ParamTargets,
        Problem,
        ValidationResult,
    )
    from docmill.domain.results.delivering import DeliverResult
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
    from docmill.domain.results.searching import ExportResult, Hit, Neighbour, SearchResult
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
    from docmill.domain.results.sources import (
        SourceChanged,
        SourceList,
        SourceRecord,
        SourceRemoved,
        SourceRule,
        SourceStatus,
    )
    from docmill.domain.results.stores import (
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
    from docmill.domain.results.upkeep import Collected, GcResult, JobsCleaned, Orphan, OrphansCleaned
    from docmill.domain.results.watching import FolderWatched, WatchResult

__all__ = [
    "ActiveBatch",
    "ActiveBatches",
    "Aggregations",
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
    "ChunkCounts",
    "ChunkDifference",
    "CleanupResult",
    "Collected",
    "CommandSchema",
    "CompletionScript",
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
    "DocumentCounts",
    "DocumentDeleted",
    "DocumentHistory",
    "DocumentList",
    "DocumentPlacement",
    "DocumentProblem",
    "DocumentRecord",
    "DocumentRestored",
    "DocumentShown",
    "DocumentVersionEvent",
    "Durations",
    "EmbeddingsInfo",
    "EngineHolder",
    "ErrorDocument",
    "ErrorObject",
    "ExportResult",
    "FileCounts",
    "FileList",
    "FileRecord",
    "FolderWatched",
    "Followed",
    "GcResult",
    "GroupChunks",
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
    "JobsCleaned",
    "JsonSchema",
    "LifecycleRecord",
    "LogRecord",
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
    "ParamTargets",
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
    "ReasonShown",
    "ReleasedDocument",
    "Result",
    "RetryPolicy",
    "RunCounts",
    "RunDocument",
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
    "SourceChanged",
    "SourceList",
    "SourcePlan",
    "SourceRecord",
    "SourceRemoved",
    "SourceRule",
    "SourceStatus",
    "SourceSync",
    "Stage",
    "StepList",
    "StepReason",
    "StepRecord",
    "StepStats",
    "StoredDocument",
    "StoredDocumentList",
    "SyncResult",
    "TableInfo",
    "TextYield",
    "VacuumResult",
    "ValidationResult",
    "VersionInfo",
    "WatchResult",
    "WhyResult",
    "WorkerDeath",
    "WorkerResult",
]

_NAMES = {
    "batches": "Aggregations BatchCreated BatchList BatchShown BatchSummary",
    "definitions": (
        "DefinitionAdded DefinitionDeleted DefinitionList DefinitionShown DefinitionSummary InitResult "
        "ParamTargets Problem ValidationResult"
    ),
    "delivering": "DeliverResult",
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
        "SkippedSource SourceSync SyncResult WorkerResult"
    ),
    "schemas": "CommandSchema CompletionScript ErrorDocument ErrorObject JsonSchema SchemaList",
    "searching": "ExportResult Hit Neighbour SearchResult",
    "settings": "SettingShown SettingsShown",
    "shared": "DegradedDocument DocumentProblem Outcomes Page Progress Result RetryPolicy Stage TextYield",
    "sources": "SourceChanged SourceList SourceRecord SourceRemoved SourceRule SourceStatus",
    "stores": (
        "DatabaseInfo DatabaseList DatabaseSummary EmbeddingsInfo IndexInfo IndexResult ModelEntry "
        "ModelFinding ModelInstalled ModelList ModelVerified StoredDocument StoredDocumentList TableInfo "
        "VacuumResult VersionInfo"
    ),
    "upkeep": "Collected GcResult JobsCleaned Orphan OrphansCleaned",
    "watching": "FolderWatched WatchResult",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
