"""Figures of run groups and of the home, as text and as JSON."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from docmill.cli import output
from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain import results as r

ABOUT: dict[str, Any] = {
    "run_group_id": 7,
    "batch_id": 3,
    "batch": "papers\x1b[31m",
    "workflow": "batch",
    "params": "default",
    "status": "completed",
    "started_at": "2026-01-31T12:00:00.125Z",
    "completed_at": "2026-01-31T12:03:20.000Z",
    "duration": 199.875,
    "processing_seconds": 190.5,
}
BEGUN = {**ABOUT, "status": "running", "completed_at": None, "duration": None, "processing_seconds": 0.0}
TIMES = r.Durations(count=238, min=0.004, p50=0.31, p95=12.25, max=75.0, total=412.5)
SLOW = r.SlowRun(
    run_id=42,
    document_id="41c25817d737fc2411f30b1f2fdaee6e",
    uri="2024/[red]report.pdf",
    type="pdf",
    status="completed",
    duration=75.0,
    longest_step="parse",
    longest_step_duration=61.5,
)
PARSE = r.StepThroughput(
    name="parse",
    type="parse",
    documents=236,
    pages=1840,
    chunks=5200,
    seconds=92.3,
    work_seconds=180.1,
    documents_per_second=2.56,
    pages_per_minute=1196.1,
    chunks_per_second=56.34,
)
REUSED = r.StepThroughput(
    name="chunk",
    type="chunk",
    documents=0,
    pages=0,
    chunks=0,
    seconds=0.0,
    work_seconds=0.0,
    documents_per_second=None,
    pages_per_minute=None,
    chunks_per_second=None,
)
STEP = r.StepStats(
    name="parse",
    type="parse",
    total=240,
    by_status={"completed": 236, "failed": 4},
    reused=12,
    retries=3,
    durations=TIMES,
)
NOTHING = dict.fromkeys(("documents_per_second", "pages_per_minute", "chunks_per_second", "bytes_per_second"))
SAMPLES: dict[str, r.Result] = {
    "stats durations": r.StatsDurations(
        **ABOUT,
        runs=TIMES,
        by_type=[r.TypeDurations(type="pdf", durations=TIMES), r.TypeDurations(type="markdown", durations=TIMES)],
        slowest=[
            SLOW,
            SLOW.model_copy(update={"uri": None, "status": "failed", "longest_step": None, "duration": 0.5}),
        ],
    ),
    "stats durations begun": r.StatsDurations(**BEGUN, runs=None, by_type=[], slowest=[]),
    "stats steps": r.StatsSteps(
        **ABOUT, step_stats=[STEP, STEP.model_copy(update={"name": "chunk", "durations": None, "by_status": {}})]
    ),
    "stats throughput": r.StatsThroughput(
        **ABOUT,
        documents=240,
        pages=1840,
        chunks=5200,
        chunks_embedded=5100,
        size_bytes=73_400_320,
        documents_per_second=1.26,
        pages_per_minute=579.53,
        chunks_per_second=27.3,
        bytes_per_second=385_303.52,
        step_throughput=[PARSE, REUSED],
    ),
    "stats throughput begun": r.StatsThroughput(
        **BEGUN, documents=0, pages=0, chunks=0, chunks_embedded=0, size_bytes=0, **NOTHING, step_throughput=[]
    ),
    "metrics written": r.MetricsWritten(path="/srv/a\x1b[2Jb.prom", families=25, samples=43, size_bytes=4711),
}


def text_of(result: r.Result, *, terminal: bool = True, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    write_text(console, render(result, View(width=width, terminal=terminal)))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SAMPLES)
def test_text_looks_as_reviewed(name, snapshot):
    text = text_of(SAMPLES[name])
    snapshot("text", name.replace(" ", "-"), text)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert not [character for character in text if ord(character) < 32 and character != "\n"]
    piped = text_of(SAMPLES[name], terminal=False, width=100_000)
    assert not [line for line in piped.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("name", SAMPLES)
def test_json_is_one_document_that_reads_back(name, capsys):
    result = SAMPLES[name]
    output.show(result, SimpleNamespace(json=True, events=False, verbose=False))
    assert type(result).model_validate(json.loads(capsys.readouterr().out)) == result


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("completed", None, 0),
        ("created", None, 0),
        ("completed", "1 document failed", 3),
        ("failed", "1 document failed", 3),
        ("paused", None, 8),
        ("cancelled", "1 document failed", 8),
    ],
)
def test_watching_ends_as_the_work_did(status, reason, code):
    watched = r.StatusWatched.model_construct(status=status, reason=reason)
    assert output.exit_code(watched) == code
