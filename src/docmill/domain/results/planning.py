"""What would be done, and why: ``plan`` and ``why``."""

from __future__ import annotations

from typing import Any

from docmill.domain.results.runs import ChunkCounts, IgnoredFiles, ScanCounts
from docmill.domain.results.shared import DocumentProblem, Result


class DefinitionChange(Result):
    """A difference between how a document was processed and how it would be now."""

    step: str
    what: str
    before: Any
    after: Any


class PlannedDocument(Result):
    """``change``: new, changed, renamed, deleted, or due, where not the file but what is made of it has changed.

    ``steps``: what would be computed; ``reused``: what is there already.
    """

    uri: str
    change: str
    why: str
    from_uri: str | None
    content_hash: str
    size_bytes: int
    steps: list[str]
    reused: list[str]


class PlannedSteps(Result):
    type: str
    run: int
    reused: int


class Prediction(Result):
    """``basis``: history, of ``groups`` run groups of this home, or guess, where there is too little of it.

    ``off``: by how much of the real time the last ``compared`` predictions were off, the median; None without any.
    """

    seconds: float
    basis: str
    groups: int
    off: float | None
    compared: int


class SourcePlan(Result):
    """``exact``: the chunks were counted; else, as some text has never been cut, they are estimated from sizes.

    ``refused``: why a ``sync`` would stop.
    """

    source: str
    folder: str
    database: str
    workflow: str
    params: str
    scan: ScanCounts
    ignored: list[IgnoredFiles]
    documents: list[PlannedDocument]
    definition_changes: list[DefinitionChange]
    steps: list[PlannedSteps]
    chunks: ChunkCounts
    exact: bool
    prediction: Prediction
    errors: list[DocumentProblem]
    refused: str | None


class PlanResult(Result):
    """``manifest``: the file that ``sync --manifest`` runs exactly."""

    sources: list[SourcePlan]
    predicted_seconds: float
    budget_minutes: float | None
    over_budget: bool
    manifest: str | None
    seconds: float


class StepReason(Result):
    """``key`` names the step's output: it follows from the bytes, the plug-in, its version, parameters and model."""

    step: str
    type: str
    method: str
    version: str | None
    reused: bool
    status: str
    key: str | None


class RunReason(Result):
    """Why a document was processed once."""

    run_id: int
    run_group_id: int
    at: str
    status: str
    reason: str
    version: int
    content_hash: str
    definition_changes: list[DefinitionChange]
    steps: list[StepReason]


class ChunkDifference(Result):
    """Passages of a version against those of the version before it; the first words of those that came and went."""

    version: int
    previous: int
    kept: int
    added: list[str]
    removed: list[str]


class WhyResult(Result):
    """``would``: whether the next ``sync`` would process it, and ``why``."""

    document_id: str
    uri: str
    source: str
    type: str | None
    status: str
    version: int
    would: bool
    why: str
    definition_changes: list[DefinitionChange]
    model: str
    parameters: dict[str, dict[str, Any]]
    runs: list[RunReason]
    chunks: list[ChunkDifference]
