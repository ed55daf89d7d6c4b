"""The tables of state.db, as SQLModel classes. Rows are written by ``stores.state`` alone.

Times are UTC ISO-8601 text with ``Z``; JSON columns hold text. ``nanoseconds`` of file times are kept exactly.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel


def _since(default: str) -> dict[str, Any]:
    """For a column that came with a later schema, so that older rows have a value too. ``default`` is SQL."""
    return {"server_default": text(default)}


# What SQLite itself holds up, whatever program writes. Made with the tables, and made again by every migration.
TRIGGERS = {
    "run_ends_after_its_steps": (
        "BEFORE UPDATE OF status ON run WHEN NEW.status = 'completed' AND OLD.status != 'completed'"
        " AND EXISTS (SELECT 1 FROM run_step WHERE run_id = NEW.id AND status NOT IN ('completed', 'skipped'))"
        " BEGIN SELECT RAISE(ABORT, 'a run cannot complete before its steps'); END"
    ),
    "lifecycle_event_is_final": (
        "BEFORE UPDATE ON lifecycle_event BEGIN SELECT RAISE(ABORT, 'a lifecycle event is never rewritten'); END"
    ),
}


class HomeMeta(SQLModel, table=True):
    """Single values: ``engine_epoch``, ``created_by``."""

    __tablename__: ClassVar[str] = "home_meta"
    key: str = Field(primary_key=True)
    value: str


class Source(SQLModel, table=True):
    """A named place that documents come from, and the batch that follows it.

    ``include``, ``exclude`` and ``overrides`` are those of its last sync that named any. ``rules``: what holds for
    files that a glob matches: ``[{"glob", "set": [KEY=VALUE], "meta": {}}]``.
    """

    __tablename__: ClassVar[str] = "source"
    name: str = Field(primary_key=True)
    folder: str | None = Field(default=None, index=True)
    include: str = "[]"
    exclude: str = "[]"
    overrides: str = Field(default="[]", sa_column_kwargs=_since("'[]'"))
    rules: str = Field(default="[]", sa_column_kwargs=_since("'[]'"))
    batch_id: int | None = Field(default=None, foreign_key="batch.id")
    created_at: str


class Batch(SQLModel, table=True):
    """A named set of documents. Its status is derived from its groups' whenever one of them changes."""

    __tablename__: ClassVar[str] = "batch"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    description: str = ""
    type: str
    status: str = "created"
    priority: str = "normal"
    source: str | None = None
    key: str | None = Field(default=None, unique=True)
    workflow: str
    params: str
    configuration: str = "{}"
    max_retries: int = 3
    retry_delay: float = 5.0
    backoff_multiplier: float = 2.0
    jitter: float = Field(default=0.1, sa_column_kwargs=_since("0.1"))  # the share of a delay that chance may add to it
    max_processing_time: float | None = None  # seconds that an engine may work on one of its groups
    cron: str | None = None
    created_at: str
    updated_at: str
    started_at: str | None = None
    completed_at: str | None = None


class Document(SQLModel, table=True):
    """One ``(source, uri)``. ``failed_key`` names the pipeline that the current content has failed in for good.

    ``profile``: the overrides that its source's rules give it, a JSON list, or empty. ``origin``: of what was fetched,
    ``{"url", "etag", "last_modified", "fetched_at"}``. ``parent_id``: of the document that it lies in, as a member of
    an archive or an attachment; it comes, goes and moves with that. ``reasons``: codes that say why it is degraded, a
    JSON list. ``text_yield``: of what has pages, ``{"pages", "characters", "without_text": [page, ...]}``.
    """

    __tablename__: ClassVar[str] = "document"
    __table_args__ = (
        # A deleted document keeps its row and its history; its URI may go to another document.
        Index("document_by_uri", "source", "uri", unique=True, sqlite_where=text("state = 'active'")),
        Index("document_gone", "source", "uri", sqlite_where=text("state != 'active'")),
        Index("document_by_source", "source", "state"),
        Index("document_by_batch", "batch_id", "state"),
        # Few documents have these, and a status asks for them among all.
        Index("document_troubled", "batch_id", sqlite_where=text("outcome = 'failed' OR degraded = 1")),
        Index("document_retried", "batch_id", sqlite_where=text("retry_count > 0")),
        Index("document_by_content", "content_hash"),
        Index("document_by_parent", "parent_id", sqlite_where=text("parent_id IS NOT NULL")),
    )
    id: str = Field(primary_key=True)
    source: str
    uri: str
    suffix: str
    content_hash: str
    size_bytes: int
    version: int = 1
    batch_id: int = Field(foreign_key="batch.id")
    state: str = "active"  # active, deleted (its rows are leaving the databases)
    device: int = Field(sa_type=BigInteger)
    inode: str  # unsigned 64 bits do not fit SQLite's integers
    mtime_ns: int = Field(sa_type=BigInteger)
    ctime_ns: int = Field(sa_type=BigInteger)
    hashed_at_ns: int = Field(sa_type=BigInteger)
    meta: str = "{}"
    profile: str = Field(default="", sa_column_kwargs=_since("''"))
    origin: str = Field(default="{}", sa_column_kwargs=_since("'{}'"))
    failed_key: str | None = None
    outcome: str | None = None  # completed, failed
    degraded: bool = False
    parent_id: str | None = None
    reasons: str = Field(default="[]", sa_column_kwargs=_since("'[]'"))
    text_yield: str | None = None
    type: str | None = None
    chunk_count: int = 0
    error_stage: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_hint: str | None = None
    error_at: str | None = None
    retry_count: int = 0
    first_seen_at: str
    updated_at: str


class DocumentVersion(SQLModel, table=True):
    """The history of a document: what happened to it, and which content it had then."""

    __tablename__: ClassVar[str] = "document_version"
    id: int | None = Field(default=None, primary_key=True)
    document_id: str = Field(index=True)
    version: int
    event: str  # new, changed, described, renamed, deleted, restored
    uri: str
    content_hash: str
    size_bytes: int
    batch_id: int | None
    at: str


class Placement(SQLModel, table=True):
    """A database may hold rows of a document: written before the first of them, removed after the last is gone.

    ``settled_key`` names the pipeline whose rows of the document's current content lie there, whole and published.
    """

    __tablename__: ClassVar[str] = "placement"
    __table_args__ = (
        Index("placement_leaving", "database", sqlite_where=text("state = 'leaving'")),
        Index("placement_by_database", "database", "state", "chunk_count"),
    )
    document_id: str = Field(primary_key=True)
    database: str = Field(primary_key=True)
    state: str = "storing"  # storing, stored, leaving
    settled_key: str | None = None
    chunk_count: int = 0
    updated_at: str


class Database(SQLModel, table=True):
    """A LanceDB database and the model whose vectors it holds: one, for good."""

    __tablename__: ClassVar[str] = "database"
    name: str = Field(primary_key=True)
    model: str
    fingerprint: str
    created_at: str


class RunGroup(SQLModel, table=True):
    """One start of a pipeline on a batch. ``control`` is what another shell wants of it: pause or cancel."""

    __tablename__: ClassVar[str] = "run_group"
    id: int | None = Field(default=None, primary_key=True)
    batch_id: int = Field(foreign_key="batch.id", index=True)
    workflow: str
    params: str
    pipeline: str
    pipeline_key: str
    database: str
    priority: int = 0
    status: str = Field(default="created", index=True)
    status_message: str | None = None
    control: str | None = None
    control_reason: str | None = None
    control_cleanup: bool = False
    scheduled_for: str | None = None  # of a group in status scheduled: when it shall start
    attempt: int = Field(default=1, sa_column_kwargs=_since("1"))
    no_cache: str = Field(
        default="[]", sa_column_kwargs=_since("'[]'")
    )  # step types whose earlier results are not used
    handlers: str = Field(
        default="{}", sa_column_kwargs=_since("'{}'")
    )  # lifecycle event -> handlers, as they were when it started
    chunks_total: int = 0
    chunks_embedded: int = 0
    processing_seconds: float = 0.0
    created_at: str
    started_at: str | None = None
    paused_at: str | None = None
    completed_at: str | None = None


class Run(SQLModel, table=True):
    """One document's way through the pipeline of a group."""

    __tablename__: ClassVar[str] = "run"
    __table_args__ = (
        Index("run_by_group", "run_group_id", "status", "degraded"),
        Index("run_by_document", "document_id"),
        # No document is in two unfinished runs of one database at once.
        Index(
            "run_active", "document_id", "database", unique=True, sqlite_where=text("status IN ('pending', 'running')")
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    run_group_id: int = Field(foreign_key="run_group.id")
    batch_id: int
    document_id: str
    database: str
    content_hash: str
    version: int
    status: str = "pending"
    degraded: bool = False
    chunk_count: int = 0
    crashes: int = 0
    attempt: int = Field(default=1, sa_column_kwargs=_since("1"))
    not_before: str | None = None  # a step will be tried again then
    status_message: str | None = None
    created_at: str
    started_at: str | None = None
    completed_at: str | None = None


class RunStep(SQLModel, table=True):
    """One step of a run. ``retry`` counts its failed attempts, ``retries`` is how many are allowed beyond the first.

    ``attempt`` numbers its lifecycle events: it rises with every retry, and stays when an engine dies.
    """

    __tablename__: ClassVar[str] = "run_step"
    __table_args__ = (
        Index("step_by_run", "run_id", "number"),
        # All that is told of a group's stages, so that nobody need read its steps.
        Index("step_by_group", "run_group_id", "name", "type", "number", "status", "started_at", "completed_at"),
        Index("step_running", "run_group_id", sqlite_where=text("status = 'running'")),
    )
    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id")
    run_group_id: int
    number: int
    name: str
    type: str
    status: str = "pending"
    attempt: int = Field(default=1, sa_column_kwargs=_since("1"))
    retry: int = 0
    retries: int = 0
    retry_at: str | None = None
    step_key: str | None = None
    reused: bool = False
    worker_id: str | None = None
    engine_epoch: int = 0
    status_message: str | None = None
    status_meta: str = "{}"
    started_at: str | None = None
    completed_at: str | None = None
    duration_seconds: float | None = None


class Artifact(SQLModel, table=True):
    """A step's stored output. The bytes lie under the home, by key; ``digest`` is theirs."""

    __tablename__: ClassVar[str] = "artifact"
    step_key: str = Field(primary_key=True)
    kind: str
    digest: str
    size_bytes: int
    created_at: str


class LifecycleEntry(SQLModel, table=True):
    """Written in the same transaction as the status change it tells of, and once for each attempt."""

    __tablename__: ClassVar[str] = "lifecycle_event"
    __table_args__ = (
        Index("event_by_run", "run_id"),
        Index("event_by_group", "run_group_id"),
        Index(
            "event_once",
            "run_group_id",
            text("COALESCE(run_id, 0)"),
            text("COALESCE(step_id, 0)"),
            "event",
            "attempt",
            unique=True,
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    event: str
    run_group_id: int
    run_id: int | None = None
    step_id: int | None = None
    attempt: int = Field(default=1, sa_column_kwargs=_since("1"))
    status: str
    status_message: str | None = None
    at: str


class Delivery(SQLModel, table=True):
    """The outbox: what a handler is to be told, written with the lifecycle event that it is told of."""

    __tablename__: ClassVar[str] = "delivery"
    __table_args__ = (
        Index("delivery_waiting", "next_at", sqlite_where=text("status = 'pending'")),
        Index("delivery_by_group", "run_group_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    idempotency_key: str = Field(unique=True)
    batch_id: int
    run_group_id: int
    event: str  # a lifecycle event, or progress
    handler: str  # JSON: type webhook or command, and its own fields
    payload: str  # JSON
    status: str = "pending"  # pending, delivered, failed (given up)
    attempts: int = 0
    next_at: str
    last_error: str | None = None
    created_at: str
    delivered_at: str | None = None


class LogEntry(SQLModel, table=True):
    __tablename__: ClassVar[str] = "log_entry"
    __table_args__ = (Index("log_by_batch", "batch_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    batch_id: int | None
    run_group_id: int | None
    level: str
    message: str
    context: str = "{}"
    at: str
