"""Reporters: what programs, logs and terminals are told while work goes on."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from docmill.cli import reporting
from docmill.cli.bars import BarReporter
from docmill.cli.reporting import EventReporter, LineReporter, duration, progress_line
from docmill.domain.events import (
    CompletedEvent,
    DocumentEvent,
    ErrorEvent,
    MessageEvent,
    ProgressEvent,
    StageCompleteEvent,
    StageProgress,
    as_record,
)

AT = "2026-01-31T12:00:00.000Z"


def progress(done: int, total: int = 100, **more) -> ProgressEvent:
    stages = (StageProgress("parse", done, 1, total), StageProgress("store", done // 2, 0, total))
    return ProgressEvent(1, 2, total, done, more.pop("failed", 0), stages, timestamp=AT, **more)


class Clock:
    """``time.monotonic`` that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(reporting, "time", made)
    monkeypatch.setattr("docmill.cli.bars.time", made)
    return made


def lines_of(stream: io.TextIOWrapper) -> list[str]:
    stream.flush()
    return stream.buffer.getvalue().decode().splitlines()


def test_events_are_json_lines_with_type_and_time(clock):
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    reporter = EventReporter(stream)
    reporter.emit(DocumentEvent(1, 2, "ab", "a\n.pdf", "completed", chunks=3, timestamp=AT))
    reporter.emit(MessageEvent("info", "héllo", timestamp=AT))
    reporter.close()
    first, second = map(json.loads, lines_of(stream))
    assert first == {
        "type": "document",
        "timestamp": AT,
        "batch_id": 1,
        "run_group_id": 2,
        "document_id": "ab",
        "uri": "a\n.pdf",
        "status": "completed",
        "degraded": False,
        "chunks": 3,
    }
    assert second["message"] == "héllo"


def test_progress_events_are_few_and_the_last_one_is_kept(clock):
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    reporter = EventReporter(stream)
    for done in range(50):
        reporter.emit(progress(done))
        clock.now += 0.01
    reporter.close()
    told = [json.loads(line)["processed_files"] for line in lines_of(stream)]
    assert told[0] == 0
    assert told[-1] == 49
    assert len(told) < 10


def test_the_last_progress_is_told_before_the_end(clock):
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    reporter = EventReporter(stream)
    reporter.emit(progress(99))
    reporter.emit(progress(100))
    reporter.emit(StageCompleteEvent(1, 2, "parse", 3.0, AT))
    reporter.emit(CompletedEvent(1, 2, "completed", "100 documents", {"documents": 100}, AT))
    reporter.close()
    told = [json.loads(line) for line in lines_of(stream)]
    assert [each["type"] for each in told] == ["progress", "progress", "stage_complete", "completed"]
    assert told[1]["processed_files"] == 100
    assert told[-1]["metadata"] == {"documents": 100}


def test_progress_says_what_programs_need():
    event = progress(40, failed=3, remaining_seconds=90.4)
    record = as_record(event)
    assert (record["percentage"], record["message"]) == (40.0, "40 of 100 documents")
    assert (record["current_stage"], record["estimated_completion"]) == ("parse", "2026-01-31T12:01:30Z")
    stages = (StageProgress("parse", 90, 10, 100), StageProgress("chunk", 80, 0, 100))
    assert ProgressEvent(1, 2, 100, 80, 10, stages).current_stage == "chunk"
    stages = (StageProgress("parse", 90, 10, 100), StageProgress("chunk", 90, 0, 100))
    ended = ProgressEvent(1, 2, 100, 100, 10, stages, remaining_seconds=0.0)
    assert (ended.current_stage, ended.estimated_completion, ended.percentage) == (None, None, 100.0)
    assert ProgressEvent(1, 2, 0, 0, 0, ()).percentage == 100.0


def test_a_reader_that_left_does_not_stop_the_work():
    class Gone(io.RawIOBase):
        def writable(self):
            return True

        def write(self, _data):
            raise BrokenPipeError

    class Stream:
        buffer = Gone()
        asked = 0

        def flush(self):
            self.asked += 1
            raise BrokenPipeError

    stream = Stream()
    reporter = EventReporter(stream)
    reporter.emit(MessageEvent("info", "one"))
    reporter.emit(MessageEvent("info", "two"))
    reporter.close()
    assert stream.asked <= 1, "it goes on writing to nobody"


def test_a_log_gets_a_line_each_tenth_or_each_ten_seconds(clock):
    stream = io.StringIO()
    reporter = LineReporter(stream, verbose=False)
    for done in range(101):
        clock.now += 1
        reporter.emit(progress(done))
    assert stream.getvalue().count("\n") == 10
    for _ in range(30):
        clock.now += 1
        reporter.emit(progress(100))
    assert stream.getvalue().count("\n") == 13


def test_a_log_says_nothing_of_what_is_over_at_once(clock):
    stream = io.StringIO()
    reporter = LineReporter(stream, verbose=False)
    for done in (0, 50, 100):
        reporter.emit(progress(done))
    reporter.emit(ErrorEvent(1, 2, "ab", "a.pdf", "parse", "X", "because"))
    assert stream.getvalue() == ""


def test_a_verbose_log_names_each_document(clock):
    stream = io.StringIO()
    reporter = LineReporter(stream, verbose=True)
    reporter.emit(DocumentEvent(1, 2, "ab", "a\x1b[31m.pdf", "completed", degraded=True, chunks=3))
    reporter.emit(ErrorEvent(1, 2, "ab", "b.pdf", "parse", "CORRUPTED_FILE", "no"))
    assert stream.getvalue() == "completed: a.pdf: 3 chunks, degraded\nfailed: b.pdf: parse: CORRUPTED_FILE: no\n"


def test_quiet_says_only_what_is_wrong():
    stream = io.StringIO()
    reporter = LineReporter(stream, quiet=True)
    reporter.emit(MessageEvent("info", "fine"))
    reporter.emit(progress(5))
    reporter.emit(MessageEvent("warning", "not fine"))
    assert stream.getvalue() == "warning: not fine\n"


def test_bars_come_late_and_leave_nothing_behind(clock):
    stream = io.StringIO()
    reporter = BarReporter(Console(file=stream, force_terminal=True, width=80, color_system=None), verbose=False)
    reporter.emit(progress(0))
    assert stream.getvalue() == ""
    clock.now += 1
    reporter.emit(progress(40, failed=1, chunks_per_second=96.0, remaining_seconds=14.0))
    reporter.emit(MessageEvent("info", "a word"))
    reporter.close()
    shown = stream.getvalue()
    assert "40/100 documents (40 %), 1 failed, 96 a second, 14 s left" in shown
    assert "parse" in shown
    assert "a word" in shown
    assert shown.endswith("\x1b[2K") or "\x1b[1A\x1b[2K" in shown  # the live lines are erased


def test_progress_in_words():
    event = progress(120, 236, failed=3, chunks_embedded=1, chunks_reused=1839, remaining_seconds=75.0)
    assert progress_line(event) == "120/236 documents (51 %), 3 failed, 1840 chunks, 1 min 15 s left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (14.2, "14 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
