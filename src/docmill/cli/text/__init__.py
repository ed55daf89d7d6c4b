"""Results as text for people: ``render`` gives the lines and tables of any result. One module a subject."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

from docmill.cli.text import dispatch
from docmill.cli.text.dispatch import View

if TYPE_CHECKING:
    from rich.console import RenderableType

    from docmill.domain.results import Result

__all__ = ["View", "get_ready", "render"]

# Which module has the renderers of which results. To import it is what registers them; a command needs only one.
_SUBJECTS = {
    "backups": "BackupResult RestoreResult",
    "batches": "BatchCreated BatchList BatchShown",
    "databases": ("DatabaseDropped DatabaseInfo DatabaseList ExportResult IndexResult StoredDocumentList VacuumResult"),
    "definitions": "DefinitionAdded DefinitionDeleted DefinitionList DefinitionShown ParamTargets ValidationResult",
    "delivering": "DeliverResult",
    "doctor": "DoctorResult",
    "documents": "DocumentDeleted DocumentHistory DocumentList DocumentRestored DocumentShown",
    "files": "FileList",
    "following": "ActiveBatches BatchEvents BatchLogs Followed",
    "graph": "WorkflowGraph",
    "history": (
        "BatchDeleted RunGroupDeleted RunGroupList RunGroupShown RunGroupStats RunLifecycle RunList RunShown StepList"
    ),
    "ingesting": "IngestResult",
    "metrics": "MetricsWritten",
    "models": "ModelInstalled ModelList ModelServed ModelVerified",
    "pages": "PagesResult",
    "planning": "PlanResult WhyResult",
    "quarantine": "QuarantineList QuarantineReleased QuarantineShown",
    "runs": "CancelResult DetachedResult PauseResult RunResult SyncResult WorkerResult",
    "searching": "ContextResult QueriesResult SearchResult",
    "showing": "DocumentText PassageShown",
    "schemas": "CompletionScript JsonSchema SchemaList",
    "settings": "SettingsShown",
    "sources": "SourceChanged SourceList SourceRecord SourceRemoved SourceStatus",
    "stats": "StatsDurations StatsSteps StatsThroughput",
    "status": "BatchStatus HomeStatus InitResult",
    "trying": "ParamsDiff ParamsTested",
    "summarizing": "ArchiveResult ReportResult SummaryResult",
    "upkeep": "GcResult JobsCleaned OrphansCleaned",
    "verifying": "VerifyResult",
    "watching": "WatchResult",
}
_MODULES = {name: subject for subject, names in _SUBJECTS.items() for name in names.split()}


def get_ready(result: str) -> None:
    """Import the renderers of a result of that name in a thread, while SQLite counts."""
    Thread(target=import_module, args=(f"{__name__}.{_MODULES[result]}",), daemon=True).start()


def render(result: Result, view: View) -> Sequence[RenderableType]:
    """What to print for a result. Raises TypeError for a type that no module has registered."""
    for kind in type(result).__mro__:
        if kind.__name__ in _MODULES:
            import_module(f"{__name__}.{_MODULES[kind.__name__]}")
            break
    return dispatch.render(result, view)
