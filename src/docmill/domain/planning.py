"""What is to be run: a run group before it is one, and which documents it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlannedStep:
    name: str
    type: str
    retries: int | None


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A run group that is to be created. ``pipeline`` is JSON; ``steps`` in order.

    no_cache: step types that do not use what was computed before the group began.
    handlers: JSON, the workflow's handlers by event; those of the batch come to them when the group is created.
    """

    batch_id: int
    workflow: str
    params: str
    pipeline: str
    pipeline_key: str
    database: str
    model: str
    model_fingerprint: str
    steps: tuple[PlannedStep, ...]
    no_cache: tuple[str, ...] = ()
    handlers: str = "{}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents a group takes: a source's or a batch's, all or the named ones. ``force``: also what is done."""

    source: str | None = None
    batch_id: int | None = None
    document_ids: tuple[str, ...] | None = None
    force: bool = False
