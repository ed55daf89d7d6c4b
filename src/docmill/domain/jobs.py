"""What goes to a worker process and what comes back. Plain data: failures cross processes as values, not exceptions.

Frozen, but without slots: frozen classes with slots are pickled field by field in Python, which costs more than all
else that is done to send them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from docmill.domain.documents import ChunkedDocument
from docmill.domain.params import EmbedParams, StepParams
from docmill.errors import DocumentError


@dataclass(frozen=True)
class ArtifactRef:
    """Which artifact, what its bytes must hash to, and when it was recorded (empty where it is not yet)."""

    step_key: str
    digest: str
    size_bytes: int
    created_at: str = ""


@dataclass(frozen=True)
class Failure:
    """Why a document failed, and where. ``permanent``: the same bytes and pipeline would fail again."""

    stage: str
    code: str
    message: str
    hint: str | None
    permanent: bool
    retried: bool = False

    @classmethod
    def of(cls, stage: str, error: DocumentError) -> Failure:
        return cls(stage, error.code, error.message, error.hint, error.permanent, error.retried)


@dataclass(frozen=True)
class StepJob:
    """One step of a leg. ``ref``: its output is there already and need only be read."""

    name: str
    type: str
    method: str
    params: StepParams
    key: str
    ref: ArtifactRef | None = None


@dataclass(frozen=True)
class LegPlan:
    """What is the same for all documents of a pipeline: the steps that a worker does in one go.

    steps: name, type, method and parameters of each.
    """

    steps: tuple[tuple[str, str, str, StepParams], ...]
    embed_method: str
    embed_params: EmbedParams


@dataclass(frozen=True)
class LegJob:
    """One document, and for each step of its pipeline's plan the key and the output that is there already, if any.

    depth: how many containers it lies in; expanded_bytes: what the outermost of them has been unpacked to so far.
    """

    home: str
    uri: str
    path: str
    suffix: str
    content_hash: str
    size_bytes: int
    depth: int
    expanded_bytes: int
    metadata: dict[str, Any]
    keys: tuple[str, ...]
    refs: tuple[ArtifactRef | None, ...]


@dataclass(frozen=True)
class StepOutcome:
    """``seconds`` of wall time; ``meta`` is kept with the step, JSON values only."""

    name: str
    started_at: str
    completed_at: str
    seconds: float
    reused: bool = False
    ref: ArtifactRef | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    assets: ArtifactRef | None = None


@dataclass(frozen=True)
class LegOutcome:
    """The steps that were done, then either the chunks or the failure of the step after them."""

    worker_id: str
    steps: tuple[StepOutcome, ...]
    content: ChunkedDocument | None = None
    failure: Failure | None = None
    failed_at: str | None = None
