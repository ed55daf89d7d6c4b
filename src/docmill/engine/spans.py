"""A span for each run group, document and step, and the figures of the same. Imports OpenTelemetry.

A group is a trace. Its ids follow from what it is, so that all engines that work on it, one after another, tell of the
same trace; its own span comes when it has ended. Attributes are names, numbers and codes: no text of a document, and
no message that might quote one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from docmill import __version__
from docmill.domain.events import seconds_between
from docmill.domain.redaction import redacted
from docmill.stores.history import steps_of_runs
from docmill.stores.queries import Queries, Row

if TYPE_CHECKING:
    from docmill.engine.telemetry import Wanted

CLOSE_SECONDS = 5.0  # that the end of an engine may wait for a collector
_WAITING = 65_536  # spans; a look may tell of thousands at once
_PAGE = 500
_ENDED = (
    "SELECT e.id, e.event, e.run_id FROM lifecycle_event e WHERE e.run_group_id = ? AND e.id > ?"
    " AND e.event IN ('item_end', 'item_failed', 'group_end') ORDER BY e.id LIMIT ?"
)
_RUNS = (
    "SELECT r.*, d.uri, d.type AS document_type, d.size_bytes FROM run r"
    " LEFT JOIN document d ON d.id = r.document_id WHERE r.id IN ({})"
)


def begin(home: Path, asked: Wanted) -> Spans:
    """With the exporters that are asked for, which read their own variables: endpoint, headers, time limits."""
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # of each try to reach a collector it warns anew
    processors: list[SpanProcessor] = []
    readers: list[MetricReader] = []
    if asked.traces == "console":
        processors.append(BatchSpanProcessor(ConsoleSpanExporter(out=sys.stderr), max_queue_size=_WAITING))
    elif asked.traces:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        processors.append(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=_WAITING))
    if asked.metrics == "console":
        readers.append(PeriodicExportingMetricReader(ConsoleMetricExporter(out=sys.stderr)))
    elif asked.metrics:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    return Spans(home, processors, readers)


class Spans:
    """Of one engine. ``processors`` and ``readers``: where spans and figures go."""

    def __init__(self, home: Path, processors: Sequence[SpanProcessor], readers: Sequence[MetricReader]) -> None:
        self._home = home
        named = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or "docmill", "service.version": __version__}
        resource = Resource.create({**named, "docmill.home": os.fsencode(home).decode("utf-8", "replace")})
        self._ids = _Ids()
        ids: Any = self._ids
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=ids)
        for processor in processors:
            self._traces.add_span_processor(processor)
        self._tracer = self._traces.get_tracer("docmill", __version__)
        self._meters = MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)
        self._figures = _Figures(self._meters.get_meter("docmill", __version__))
        self._cursors: dict[int, int] = {}

    def look(self, queries: Queries, group_ids: Iterable[int]) -> None:
        """What has ended in these groups, and in those that were looked at before, since the last look."""
        for group_id in group_ids:
            if group_id not in self._cursors:  # an engine before this one has told the rest
                sql = "SELECT MAX(id) FROM lifecycle_event WHERE run_group_id = ?"
                self._cursors[group_id] = queries.value(sql, [group_id]) or 0
        for group_id in list(self._cursors):
            while rows := queries.rows(_ENDED, [group_id, self._cursors[group_id], _PAGE]):
                self._cursors[group_id] = rows[-1]["id"]
                self._tell(queries, group_id, rows)
                if rows[-1]["event"] == "group_end":
                    del self._cursors[group_id]
                    break

    def close(self) -> bool:
        """Send what waits. False where the collector has not taken it in CLOSE_SECONDS: it holds nothing up."""
        ends = [threading.Thread(target=each.shutdown, daemon=True) for each in (self._traces, self._meters)]
        for each in ends:
            each.start()
        until = time.monotonic() + CLOSE_SECONDS
        for each in ends:
            each.join(max(until - time.monotonic(), 0.0))
        return not any(each.is_alive() for each in ends)

    def _tell(self, queries: Queries, group_id: int, rows: Sequence[Row]) -> None:
        group = queries.group(group_id)
        if group is None:
            return
        parent = _context_of(self._home, group)
        run_ids = [row["run_id"] for row in rows if row["run_id"] is not None]
        steps = steps_of_runs(queries, run_ids)
        for run in queries.rows(_RUNS.format(", ".join("?" for _ in run_ids)), run_ids) if run_ids else []:
            self._document(run, steps[run["id"]], trace.set_span_in_context(NonRecordingSpan(parent), Context()))
        if rows[-1]["event"] == "group_end":
            self._group(queries, group, parent)

    def _group(self, queries: Queries, group: Row, known: SpanContext) -> None:
        counts = queries.run_counts(group["id"])
        attributes = {
            "docmill.run_group_id": group["id"],
            "docmill.batch_id": group["batch_id"],
            "docmill.workflow": group["workflow"],
            "docmill.params": group["params"],
            "docmill.database": group["database"],
            "docmill.attempt": group["attempt"],
            "docmill.status": group["status"],
            **{f"docmill.documents.{name}": counts.get(name, 0) for name in ("completed", "failed", "cancelled")},
            "docmill.documents.degraded": counts["degraded"],
            "docmill.chunks": group["chunks_total"],
            "docmill.chunks.embedded": group["chunks_embedded"],
        }
        self._ids.next = known
        self._span("run group", Context(), group, attributes, error=group["status"] == "failed")

    def _document(self, run: Row, steps: Sequence[Row], parent: Context) -> None:
        code = _code(run) if run["status"] == "failed" else None
        kind = run["document_type"] or "unknown"
        attributes = {
            "docmill.run_id": run["id"],
            "docmill.document_id": run["document_id"],
            "docmill.document.uri": redacted(run["uri"] or ""),
            "docmill.document.type": kind,
            "docmill.document.version": run["version"],
            "docmill.document.size_bytes": run["size_bytes"] or 0,
            "docmill.degraded": bool(run["degraded"]),
            "docmill.chunks": run["chunk_count"],
            "docmill.attempt": run["attempt"],
            "docmill.steps.reused": sum(step["reused"] for step in steps),
            **({"error.type": code} if code else {}),
        }
        span = self._span("document", parent, run, attributes, error=code is not None)
        inside = trace.set_span_in_context(span, Context()) if span is not None else parent
        for step in steps:
            if step["status"] in ("completed", "failed") and not step["reused"]:
                self._step(step, inside)
        self._figures.document(run, kind, steps)

    def _step(self, step: Row, parent: Context) -> None:
        code = _code(step) if step["status"] == "failed" else None
        attributes = {
            "docmill.step": step["name"],
            "docmill.step.type": step["type"],
            "docmill.attempt": step["attempt"],
            **({"docmill.worker_id": step["worker_id"]} if step["worker_id"] else {}),
            **({"error.type": code} if code else {}),
        }
        self._span(step["name"], parent, step, attributes, error=code is not None)

    def _span(
        self, name: str, parent: Context, row: Row, attributes: dict[str, Any], *, error: bool
    ) -> trace.Span | None:
        """Of a row that has begun and ended; the times are its own."""
        if row["started_at"] is None or row["completed_at"] is None:
            return None
        span = self._tracer.start_span(name, parent, attributes=attributes, start_time=_nanoseconds(row["started_at"]))
        if error:
            span.set_status(Status(StatusCode.ERROR, attributes.get("error.type")))
        span.end(max(_nanoseconds(row["completed_at"]), _nanoseconds(row["started_at"])))
        return span


class _Figures:
    """Counters and histograms, by OpenTelemetry's conventions for names and units."""

    def __init__(self, meter: Any) -> None:
        self._documents = meter.create_counter("docmill.documents", "{document}", "Documents that ended, by outcome")
        self._chunks = meter.create_counter("docmill.chunks", "{chunk}", "Passages that were stored")
        self._embedded = meter.create_counter("docmill.chunks.embedded", "{chunk}", "Passages that were embedded")
        self._took = meter.create_histogram("docmill.document.duration", "s", "From its first step to its end")
        self._step = meter.create_histogram("docmill.step.duration", "s", "Of a step that was done")

    def document(self, run: Row, kind: str, steps: Sequence[Row]) -> None:
        about = {"docmill.outcome": run["status"], "docmill.document.type": kind}
        self._documents.add(1, about)
        self._chunks.add(run["chunk_count"], {"docmill.document.type": kind})
        if run["started_at"] and run["completed_at"]:
            self._took.record(seconds_between(run["started_at"], run["completed_at"]), about)
        for step in steps:
            if step["status"] != "completed" or step["reused"]:
                continue
            if step["duration_seconds"] is not None:
                which = {"docmill.step": step["name"], "docmill.step.type": step["type"]}
                self._step.record(max(step["duration_seconds"], 0.0), which)
            if step["type"] == "embed":
                self._embedded.add(json.loads(step["status_meta"]).get("embedded", 0))


class _Ids:
    """Random ids, but for a span whose ids are known: ``next``."""

    next: SpanContext | None = None

    def generate_trace_id(self) -> int:
        return self.next.trace_id if self.next is not None else secrets.randbits(128) or 1

    def generate_span_id(self) -> int:
        known, self.next = self.next, None
        return known.span_id if known is not None else secrets.randbits(64) or 1

    def is_trace_id_random(self) -> bool:
        return False


def _context_of(home: Path, group: Row) -> SpanContext:
    """Of a group, as any engine would make it."""
    name = f"{home}\0{group['id']}\0{group['created_at']}\0{group['attempt']}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    trace_id, span_id = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")
    return SpanContext(trace_id, span_id or 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _code(row: Row) -> str:
    """Of ``CODE: message``, of which the message stays here."""
    return str(row["status_message"] or "").partition(":")[0] or "UNKNOWN"


def _nanoseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000) * 1_000_000
