"""What a long command tells while it works, and who listens.

The engine emits these; a reporter shows them as bars, as lines, as NDJSON, or keeps them for a test. Emitting is cheap
and may happen many times a second: a reporter throttles by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Protocol


def now() -> str:
    """This instant as UTC ISO-8601 with milliseconds and ``Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How many documents of a run group have passed a step type."""

    name: str
    done: int
    failed: int
    total: int


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Counts so far. ``remaining_seconds`` is None until there is a rate to tell it from."""

    type: ClassVar[str] = "progress"
    batch_id: int
    run_group_id: int
    total_files: int
    processed_files: int
    failed_files: int
    stages: tuple[StageProgress, ...]
    chunks_total: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    chunks_per_second: float = 0.0
    remaining_seconds: float | None = None
    timestamp: str = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class StageCompleteEvent:
    type: ClassVar[str] = "stage_complete"
    batch_id: int
    run_group_id: int
    stage: str
    duration_seconds: float
    timestamp: str = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class DocumentEvent:
    """A document reached its end. ``status``: completed or failed."""

    type: ClassVar[str] = "document"
    batch_id: int
    run_group_id: int
    document_id: str
    uri: str
    status: str
    degraded: bool = False
    chunks: int = 0
    timestamp: str = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A document failed at a stage."""

    type: ClassVar[str] = "error"
    batch_id: int
    run_group_id: int
    document_id: str
    uri: str
    stage: str
    error_code: str
    error_message: str
    timestamp: str = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A sentence for the person who watches. ``level``: debug, info, warning or error."""

    type: ClassVar[str] = "message"
    level: str
    message: str
    timestamp: str = field(default_factory=now)


Event = ProgressEvent | StageCompleteEvent | DocumentEvent | ErrorEvent | MessageEvent


class Reporter(Protocol):
    def emit(self, event: Event) -> None: ...

    def close(self) -> None:
        """Put the terminal back. Called once, also after an error."""
        ...


class SilentReporter:
    """Hears everything, says nothing."""

    def emit(self, event: Event) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """There is nothing to put back."""
