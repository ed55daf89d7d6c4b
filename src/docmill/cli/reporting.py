"""Shows how long work goes: bars on a terminal, lines elsewhere, NDJSON for programs. All but NDJSON is on stderr.

Events come from the engine's threads, many a second; each reporter throttles by itself and guards its state.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, TextIO

from docmill.cli.console import stderr_console
from docmill.cli.log_lines import LogFormat, write
from docmill.domain.durations import human_duration
from docmill.domain.events import (
    CompletedEvent,
    DocumentEvent,
    ErrorEvent,
    Event,
    MessageEvent,
    ProgressEvent,
    Reporter,
    StageCompleteEvent,
    as_record,
)
from docmill.domain.terminal import json_text

LINE_SECONDS = 10.0  # a log is read afterwards: a line each ten seconds, or each tenth of the work
LINE_SHARE = 0.1
EVENT_SECONDS = 0.2  # programs need no more than five progress events a second
_LOUD = ("warning", "error")
duration = human_duration


def choose(*, events: bool, quiet: bool, verbose: bool, log_format: LogFormat = LogFormat.TEXT) -> Reporter:
    if events:
        return EventReporter(sys.stdout)
    if quiet or log_format is LogFormat.JSON:
        return LineReporter(sys.stderr, verbose=verbose, quiet=quiet, form=log_format)
    console = stderr_console()
    if console.is_terminal and not console.is_dumb_terminal:
        from docmill.cli.bars import BarReporter

        return BarReporter(console, verbose=verbose)
    return LineReporter(sys.stderr, verbose=verbose)


class EventReporter:
    """Each event as one JSON object a line; progress at most every ``EVENT_SECONDS``, and the last one always."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._lock = threading.Lock()
        self._held: ProgressEvent | None = None
        self._progress_at = 0.0
        self._gone = False

    def emit(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, ProgressEvent):
                if time.monotonic() - self._progress_at < EVENT_SECONDS:
                    self._held = event
                    return
                self._progress_at = time.monotonic()
                self._held = None
            elif isinstance(event, StageCompleteEvent | CompletedEvent):
                self._release()  # the last progress belongs before the end
            self._write(event)

    def close(self) -> None:
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._write(self._held)
            self._held = None

    def _write(self, event: Event) -> None:
        """A reader that has left does not stop the work."""
        if self._gone:
            return
        try:
            self.stream.buffer.write(json_text(as_record(event)).encode() + b"\n")
            self.stream.flush()
        except BrokenPipeError:
            self._gone = True


class LineReporter:
    """Plain lines, few of them: for logs, CI and cron. ``quiet``: only what went wrong.

    As JSON each line has the event's own fields, and documents that failed are told always: a program sorts them out.
    """

    def __init__(
        self, stream: TextIO, *, verbose: bool = False, quiet: bool = False, form: LogFormat = LogFormat.TEXT
    ) -> None:
        self.stream = stream
        self.verbose = verbose
        self.quiet = quiet
        self.form = form
        self._lock = threading.Lock()
        self._told: dict[int, tuple[float, int]] = {}

    def emit(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, ProgressEvent):
                self._progress(event)
            elif isinstance(event, ErrorEvent):
                what = f"{event.uri}: {event.stage}: {event.error_code}: {event.error_message}"
                if self.form is LogFormat.JSON:
                    self._line("error", what, event)
                elif self.verbose:
                    self._line("info", f"failed: {what}", event)
            elif isinstance(event, MessageEvent):
                self._line(event.level, event.message, event)
            elif isinstance(event, CompletedEvent):
                if self.form is LogFormat.JSON:
                    self._line("info", f"{event.status}: {event.message}", event)
            elif self.verbose:
                self._detail(event)

    def close(self) -> None:
        """Nothing is open."""

    def _detail(self, event: DocumentEvent | StageCompleteEvent) -> None:
        if isinstance(event, StageCompleteEvent):
            self._line("info", f"{event.stage} ended after {event.duration_seconds:.1f} s", event)
        elif event.status != "failed":
            degraded = ", degraded" if event.degraded else ""
            self._line("info", f"{event.status}: {event.uri}: {event.chunks} chunks{degraded}", event)

    def _progress(self, event: ProgressEvent) -> None:
        """Nothing for what is over in no time; the report at the end tells all of that."""
        now = time.monotonic()
        at, files = self._told.setdefault(event.run_group_id, (now, event.processed_files))
        moved = event.processed_files - files
        if now - at >= LINE_SECONDS or (moved >= LINE_SHARE * event.total_files and now - at >= 1):
            self._told[event.run_group_id] = (now, event.processed_files)
            self._line("info", progress_line(event), event)

    def _line(self, level: str, text: str, event: Event) -> None:
        if (self.quiet and level not in _LOUD) or (level == "debug" and not self.verbose):
            return
        fields: dict[str, Any] = {}
        if self.form is LogFormat.JSON:
            record = as_record(event)
            fields = {name: record[name] for name in record if name not in ("type", "timestamp", "level", "message")}
            fields = {"event": event.type, **fields}
        write(self.form, level, text, stream=self.stream, time=event.timestamp, **fields)


def progress_line(event: ProgressEvent) -> str:
    """``120/236 documents (51 %), 3 failed, 1840 chunks, 96 a second, 14 s left``."""
    share = 100 * event.processed_files / event.total_files if event.total_files else 100.0
    parts = [f"{event.processed_files}/{event.total_files} documents ({share:.0f} %)"]
    if event.failed_files:
        parts.append(f"{event.failed_files} failed")
    done = event.chunks_embedded + event.chunks_reused
    if done:
        parts.append(f"{done} chunk{'' if done == 1 else 's'}")
    if event.chunks_per_second >= 1:
        parts.append(f"{event.chunks_per_second:.0f} a second")
    if event.remaining_seconds is not None and event.processed_files < event.total_files:
        parts.append(f"{duration(event.remaining_seconds)} left")
    return ", ".join(parts)
