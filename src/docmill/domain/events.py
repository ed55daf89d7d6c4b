"""What a long command tells while it works, and who listens.

The engine emits these; a reporter shows them as bars, as lines, as NDJSON, or keeps them for a test. Emitting is cheap
and may happen many times a second: a reporter throttles by itself.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, ClassVar, Protocol, get_args


def now() -> str:
    """This instant as UTC ISO-8601 with milliseconds and ``Z``."""
    second, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=2)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def seconds_between(start: str, end: str) -> float:
    """Of two such instants; never negative, however a clock was set in between."""
    spent = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(max(spent.total_seconds(), 0.0), 3)


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
    skipped_files: int = 0

    @property
    def message(self) -> str:
        return f"{self.processed_files} of {self.total_files} documents"

    @property
    def percentage(self) -> float:
        return round(100 * self.processed_files / self.total_files, 1) if self.total_files else 100.0

    @property
    def current_stage(self) -> str | None:
        """The first stage that documents have still to pass; those that failed before it never will."""
        coming = self.total_files - self.skipped_files
        for stage in self.stages:
            if stage.done + stage.failed < coming:
                return stage.name
            coming -= stage.failed
        return None

    @property
    def estimated_completion(self) -> str | None:
        if self.remaining_seconds is None or self.processed_files >= self.total_files:
            return None
        when = datetime.fromisoformat(self.timestamp) + timedelta(seconds=self.remaining_seconds)
        return when.isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class StageCompleteEvent:
    """A stage of a run group has ended. Seconds from its first document's begin to its last one's end."""

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
    """A document failed at a stage. ``retry_count``: how often that had been tried again."""

    type: ClassVar[str] = "error"
    batch_id: int
    run_group_id: int
    document_id: str
    uri: str
    stage: str
    error_code: str
    error_message: str
    timestamp: str = field(default_factory=now)
    retry_count: int = 0

    @property
    def filename(self) -> str:
        return PurePosixPath(self.uri).name

    @property
    def occurred_at(self) -> str:
        return self.timestamp


@dataclass(frozen=True, slots=True)
class CompletedEvent:
    """A run group has ended. ``status``: completed, failed or cancelled; ``metadata``: documents and chunks."""

    type: ClassVar[str] = "completed"
    batch_id: int
    run_group_id: int
    status: str
    message: str
    metadata: dict[str, int]
    timestamp: str = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A sentence for the person who watches. ``level``: debug, info, warning or error."""

    type: ClassVar[str] = "message"
    level: str
    message: str
    timestamp: str = field(default_factory=now)


Event = ProgressEvent | StageCompleteEvent | DocumentEvent | ErrorEvent | CompletedEvent | MessageEvent


# What an event says beside its fields: its properties.
DERIVED: dict[type, tuple[str, ...]] = {
    kind: tuple(name for name, value in vars(kind).items() if isinstance(value, property)) for kind in get_args(Event)
}


def as_record(event: Event) -> dict[str, Any]:
    """An event as the JSON object that programs read, wherever it is told: its fields and its properties."""
    more = {name: getattr(event, name) for name in DERIVED[type(event)]}
    return {"type": event.type, "timestamp": event.timestamp, **asdict(event), **more}


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
