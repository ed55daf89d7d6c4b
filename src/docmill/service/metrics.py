"""``metrics``: a home's figures for Prometheus. Reads SQLite and sizes of files; takes no lock, imports nothing heavy.

All are gauges but what only ever rises, as records of work may be deleted. Each sample names its home, so that several
homes may be written to one folder of node_exporter's textfile collector.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from docmill import __version__
from docmill.domain import exposition
from docmill.domain.exposition import COUNTER, GAUGE, Family, Sample
from docmill.domain.results import EngineHolder, MetricFamily, Metrics, MetricSample, MetricsWritten
from docmill.engine.lock import RUNNING
from docmill.service import shapes
from docmill.service.holding import find_holder
from docmill.settings import Settings, find_home
from docmill.stores import census, outcome_queries, outputs, schema_version
from docmill.stores.database_folders import databases, size_bytes
from docmill.stores.queries import Queries, Row, reading

_BATCH = ("created", "scheduled", "running", "paused", "completed", "failed", "cancelled")
_DELIVERY = ("pending", "delivered", "failed")
_RUN = ("completed", "failed", "cancelled")
_SQLITE = ("", "-wal", "-shm")


def metrics(settings: Settings) -> Metrics:
    """Every figure, as it is now."""
    return Metrics(
        families=[
            MetricFamily(
                name=each.name,
                type=each.kind,
                help=each.help,
                samples=[MetricSample(labels=dict(labels), value=value) for labels, value in each.samples],
            )
            for each in _families(find_home(settings))
        ]
    )


def write(settings: Settings, output: str) -> MetricsWritten:
    """The same in Prometheus' text format, into a file that is whole at each moment, or into stdout for ``-``.

    Raises UsageError, StorageError; BrokenPipeError where whoever read stdout has had enough.
    """
    home, path = find_home(settings), outputs.place(output)
    families = _families(home)
    with outputs.stream(path, home) as stream:
        stream.write(exposition.text(families).encode())
    samples = sum(len(each.samples) for each in families)
    return MetricsWritten(
        path=None if path is None else str(path), families=len(families), samples=samples, size_bytes=stream.size_bytes
    )


def _families(home: Path) -> list[Family]:
    with reading(home) as queries, queries.snapshot():
        made = [
            *_program(queries),
            *_documents(queries),
            *_work(queries),
            *_last_runs(queries),
            *_sizes(queries, home),
        ]
    made += _engine(find_holder(home))
    label = {"home": str(home)}
    return [
        Family(each.name, each.kind, each.help, tuple(({**label, **labels}, value) for labels, value in each.samples))
        for each in made
        if each.samples
    ]


def _program(queries: Queries) -> Iterable[Family]:
    python = ".".join(str(each) for each in sys.version_info[:3])
    yield _one("docmill_build_info", "The version of docmill that wrote this; always 1.", 1,
               {"version": __version__, "python": python})  # fmt: skip
    yield _one("docmill_state_schema_version", "Schema of state.db.", schema_version.CURRENT)
    starts = census.engine_starts(queries)
    yield Family("docmill_engine_starts_total", COUNTER, "Engines that have begun work in the home.", (({}, starts),))


def _documents(queries: Queries) -> Iterable[Family]:
    counted = census.documents(queries)
    samples = [({"status": status, "type": kind}, number) for (status, kind), number in counted.items()]
    yield _many("docmill_documents", "Documents by status and type; degraded ones are completed ones.", samples)
    outcomes = outcome_queries.count_outcomes(queries, "1", [])
    yield _by("docmill_failed_documents", "Documents that failed, by the code of the failure.", "code", outcomes.failed)
    yield _one("docmill_degraded_documents", "Documents that lost some of their text.", outcomes.degraded_documents)
    yield _by("docmill_degraded_documents_by_reason", "Degraded documents by reason; one may have several.", "reason",
              outcomes.degraded)  # fmt: skip
    held = census.stored(queries)
    documents = {name: number for name, (number, _chunks) in held.items()}
    yield _by("docmill_database_documents", "Documents whose passages lie in a database.", "database", documents)
    chunks = {name: number for name, (_documents, number) in held.items()}
    yield _by("docmill_database_chunks", "Passages of a database.", "database", chunks)


def _work(queries: Queries) -> Iterable[Family]:
    yield _statuses("docmill_batches", "Batches by status.", _BATCH, census.by_status(queries, "batch"))
    yield _statuses("docmill_run_groups", "Run groups by status.", _BATCH, census.by_status(queries, "run_group"))
    yield _statuses("docmill_queue_documents", "Documents that running or paused run groups have still to do.",
                    ("pending", "running"), census.queue(queries))  # fmt: skip
    yield _statuses("docmill_deliveries", "Notices to lifecycle handlers by status.", _DELIVERY,
                    census.by_status(queries, "delivery"))  # fmt: skip


def _last_runs(queries: Queries) -> Iterable[Family]:
    """Of each batch: the newest run group that has begun."""
    groups = [(_batch(row), row) for row in census.last_groups(queries)]
    ended = [(labels, row) for labels, row in groups if row["completed_at"] is not None]
    counts = [(labels, queries.run_counts(row["id"])) for labels, row in groups]
    yield _many("docmill_last_run_start_timestamp_seconds", "When the last run of a batch began, since 1970.",
                [(labels, _seconds(row["started_at"])) for labels, row in groups])  # fmt: skip
    yield _many("docmill_last_run_end_timestamp_seconds", "When the last run of a batch ended; not there before.",
                [(labels, _seconds(row["completed_at"])) for labels, row in ended])  # fmt: skip
    yield _many("docmill_last_run_processing_seconds", "How long engines were at the last run of a batch.",
                [(labels, round(shapes.processing_seconds(row), 3)) for labels, row in groups])  # fmt: skip
    yield _many("docmill_last_run_success", "1 where the last run completed without failed documents, else 0.",
                [(labels, _is_clean(row, queries)) for labels, row in ended])  # fmt: skip
    outcomes = [({**labels, "outcome": each}, found.get(each, 0)) for labels, found in counts for each in _RUN]
    yield _many("docmill_last_run_documents", "Documents of the last run by outcome.", outcomes)
    degraded = [(labels, found["degraded"]) for labels, found in counts]
    yield _many("docmill_last_run_degraded_documents", "Of the completed ones: those that lost some text.", degraded)
    chunks = [(labels, row["chunks_total"]) for labels, row in groups]
    yield _many("docmill_last_run_chunks", "Passages that the last run stored.", chunks)
    embedded = [(labels, row["chunks_embedded"]) for labels, row in groups]
    yield _many("docmill_last_run_chunks_embedded", "Texts that the last run embedded; no cache had them.", embedded)


def _sizes(queries: Queries, home: Path) -> Iterable[Family]:
    yield _one("docmill_state_bytes", "Size of state.db.", _file_bytes(home / "state.db"))
    yield _one("docmill_cache_bytes", "Size of cache.db, the vectors by text.", _file_bytes(home / "cache.db"))
    number, size = census.artifacts(queries)
    yield _one("docmill_artifacts", "Outputs of steps that are kept.", number)
    yield _one("docmill_artifacts_bytes", "Size of the outputs of steps that are kept.", size)
    sizes = {name: size_bytes(home / "lancedb" / name) for name in databases(home)}
    yield _by("docmill_database_bytes", "Size of a database, its old versions included.", "database", sizes)


def _engine(found: EngineHolder | None) -> Iterable[Family]:
    up = found is not None and found.state == RUNNING
    yield _one("docmill_engine_up", "1 where an engine is at work; 0 where none is, or one is stopped or hangs.", up)
    if found is not None:
        states = [({"state": found.state}, 1.0)]
        yield _many("docmill_engine_state", "In which state the holder of the engine's lock is; always 1.", states)
        began = _seconds(found.started_at)
        yield _one("docmill_engine_start_timestamp_seconds", "When the engine took its lock, since 1970.", began)
        yield _one(
            "docmill_engine_silent_seconds", "Since the last sign of life of the engine.", found.silent_seconds or 0.0
        )


def _one(name: str, help: str, value: float, labels: Mapping[str, str] | None = None) -> Family:  # noqa: A002 - as in the format
    return Family(name, GAUGE, help, ((labels or {}, float(value)),))


def _many(name: str, help: str, samples: Iterable[Sample]) -> Family:  # noqa: A002 - as in the format
    return Family(name, GAUGE, help, tuple(samples))


def _by(name: str, help: str, label: str, numbers: Mapping[str, int]) -> Family:  # noqa: A002 - as in the format
    return _many(name, help, [({label: each}, number) for each, number in numbers.items()])


def _statuses(name: str, help: str, known: Iterable[str], numbers: Mapping[str, int]) -> Family:  # noqa: A002 - as in the format
    """Those that no one has are 0, so that an alert on them knows it."""
    return _by(name, help, "status", {**dict.fromkeys(known, 0), **numbers})


def _batch(group: Row) -> dict[str, str]:
    return {"batch": group["batch"], "batch_id": str(group["batch_id"])}


def _is_clean(group: Row, queries: Queries) -> float:
    return float(group["status"] == "completed" and not queries.run_counts(group["id"]).get("failed"))


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _file_bytes(path: Path) -> int:
    """Of a SQLite file, with what has not been moved into it yet."""
    total = 0
    for suffix in _SQLITE:
        with suppress(FileNotFoundError):
            total += path.with_name(path.name + suffix).stat().st_size
    return total
