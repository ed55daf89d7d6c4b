"""Traces and metrics of work by OpenTelemetry, where its environment variables ask for them; else nothing is imported.

Needs ``docmill[otel]``. What is told comes from SQLite, as it settles: so it is true, each thing once, and costs the
loop nothing but a look a few times a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.domain.events import MessageEvent, Reporter

if TYPE_CHECKING:
    from docmill.engine.spans import Spans
    from docmill.stores.queries import Queries

SIGNALS = ("traces", "metrics")
_EXPORTERS = ("otlp", "console")
_PROTOCOL = "http/protobuf"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exporter each signal goes to: otlp, console, or None. ``because``: the variable that asks for it."""

    traces: str | None = None
    metrics: str | None = None
    because: str = ""
    refused: str | None = None

    @property
    def any(self) -> bool:
        return bool(self.traces or self.metrics)


def wanted(environment: Mapping[str, str]) -> Wanted:
    """As OpenTelemetry's specification of these variables says; but where none is set, nothing is wanted."""
    given = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_") and value.strip()}
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Wanted()
    found: dict[str, str] = {}
    because, refused = "", None
    for signal in SIGNALS:
        by_name, common = f"OTEL_{signal.upper()}_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT"
        endpoints = [name for name in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", common) if name in given]
        exporter = given.get(by_name, "otlp" if endpoints else "none").lower()
        if exporter == "none":
            continue
        protocol = given.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", given.get("OTEL_EXPORTER_OTLP_PROTOCOL"))
        if exporter not in _EXPORTERS:
            refused = f"{by_name}={exporter} is not known: otlp, console or none"
        elif exporter == "otlp" and protocol not in (None, _PROTOCOL):
            refused = f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not known: {_PROTOCOL}"
        else:
            found[signal] = exporter
            because = because or (by_name if by_name in given else endpoints[0])
    return Wanted(found.get("traces"), found.get("metrics"), because, refused)


class Telemetry:
    """The engine's side. Does nothing unless something is wanted and can be had."""

    def __init__(self, home: Path, reporter: Reporter) -> None:
        self._spans: Spans | None = None
        self._reporter = reporter
        asked = wanted(os.environ)
        if asked.refused:
            reporter.emit(MessageEvent("warning", asked.refused))
        if asked.any:
            self._spans = _begin(home, reporter, asked)

    def look(self, queries: Queries, group_ids: Iterable[int]) -> None:
        """Tell what has settled in these groups since the last look. Called a few times a second."""
        if self._spans is not None:
            self._spans.look(queries, group_ids)

    def close(self, queries: Queries) -> None:
        """Tell the rest, and wait some seconds at most until it is sent."""
        if self._spans is not None:
            self._spans.look(queries, ())
            if not self._spans.close():
                said = "OpenTelemetry's collector does not answer: traces or metrics of this run were not sent"
                self._reporter.emit(MessageEvent("warning", said))


def _begin(home: Path, reporter: Reporter, asked: Wanted) -> Spans | None:
    try:
        from docmill.engine import spans
    except ImportError as error:
        missing = f"{asked.because} asks for OpenTelemetry, which is not installed ({error.name})"
        reporter.emit(MessageEvent("warning", f"{missing}: pip install 'docmill[otel]'"))
        return None
    return spans.begin(home, asked)
