"""Figures of run groups: held against the rows that they are made of."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from conftest import Mill
from docmill.errors import BatchNotFound, RunGroupNotFound, UsageError
from docmill.service import batches, stats
from documents import make_pdf

HEAVY = ("sqlmodel", "sqlalchemy", "lancedb", "pyarrow", "onnxruntime")


def test_figures_are_those_of_the_rows(mill: Mill) -> None:
    """Group 1: three notes and a pdf stored, one file failed. Group 2: other chunks of the same documents."""
    mill.write_many(3)
    make_pdf(mill.folder / "paper.pdf")
    mill.write("broken.pdf", "this is no pdf\n")
    mill.sync()
    mill.sync(overrides=["chunk.size=60"])
    check_the_first_group(mill)
    check_the_latest_group(mill)
    check_the_commands(mill)


def check_the_first_group(mill: Mill) -> None:
    times = stats.durations(mill.settings, 1, slowest=2)
    assert times.runs is not None
    assert (times.runs.count, times.status, times.batch_id, times.workflow) == (5, "completed", 1, "batch")
    assert {each.type: each.durations.count for each in times.by_type} == {"markdown": 3, "pdf": 2}
    assert times.by_type == sorted(times.by_type, key=lambda each: -each.durations.total)
    assert [each.duration for each in times.slowest] == sorted((each.duration for each in times.slowest), reverse=True)
    assert len(times.slowest) == 2 and times.slowest[0].duration == times.runs.max
    [(slowest, step, seconds)] = mill.state(
        "SELECT r.id, s.name, MAX(s.duration_seconds) FROM run r JOIN run_step s ON s.run_id = r.id"
        " WHERE r.id = ? AND s.status = 'completed'",
        times.slowest[0].run_id,
    )
    found = times.slowest[0]
    assert (found.run_id, found.longest_step, found.longest_step_duration) == (slowest, step, seconds)

    steps = stats.steps(mill.settings, 1).step_stats
    assert [(each.name, each.total) for each in steps] == [
        (name, 5) for name in ("validate", "parse", "chunk", "embed", "store")
    ]
    assert steps[0].by_status == {"completed": 4, "failed": 1} and steps[0].durations is not None
    assert steps[0].durations.count == 4

    amount = stats.throughput(mill.settings, 1)
    [(pages, size)] = mill.state(
        "SELECT SUM(json_extract(text_yield, '$.pages')), SUM(size_bytes) FROM document WHERE batch_id = 1"
    )
    assert (amount.documents, amount.pages, amount.size_bytes) == (5, pages, size) and pages
    assert amount.chunks == mill.value("SELECT chunks_total FROM run_group WHERE id = 1")
    assert amount.chunks_per_second == round(amount.chunks / amount.processing_seconds, 2)
    assert amount.pages_per_minute == round(60 * pages / amount.processing_seconds, 2)
    for each in amount.step_throughput:
        assert (each.documents, each.pages, each.chunks) == (4, pages, amount.chunks)
        assert each.seconds <= amount.processing_seconds
        assert each.chunks_per_second == (round(each.chunks / each.seconds, 2) if each.seconds else None)


def check_the_latest_group(mill: Mill) -> None:
    """What was reused was not done."""
    amount = stats.throughput(mill.settings)
    assert (amount.run_group_id, stats.throughput(mill.settings, batch="docs").run_group_id) == (2, 2)
    reused = {
        name: (done, chunks)
        for name, done, chunks in mill.state(
            "SELECT s.name, COUNT(*), SUM(r.chunk_count) FROM run_step s JOIN run r ON r.id = s.run_id"
            " WHERE s.run_group_id = 2 AND s.status = 'completed' AND s.reused = 0 GROUP BY 1"
        )
    }
    assert reused["chunk"][0] == 4 and "parse" not in reused
    for each in amount.step_throughput:
        assert (each.documents, each.chunks) == reused.get(each.name, (0, 0))
    parse = next(each for each in amount.step_throughput if each.name == "parse")
    assert (parse.pages, parse.seconds, parse.documents_per_second, parse.work_seconds) == (0, 0.0, None, 0.0)
    assert next(each for each in stats.steps(mill.settings).step_stats if each.name == "parse").durations is None


def test_what_is_missing_is_said(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="notes")
    for call in (stats.durations, stats.steps, stats.throughput):
        with pytest.raises(RunGroupNotFound, match="this home has no run group that has begun"):
            call(mill.settings)
        with pytest.raises(RunGroupNotFound, match="batch 1 has no run group"):
            call(mill.settings, batch="notes")
        with pytest.raises(RunGroupNotFound, match="no run group 9"):
            call(mill.settings, 9)
        with pytest.raises(BatchNotFound):
            call(mill.settings, batch="nothing")
        with pytest.raises(UsageError):
            call(mill.settings, 9, batch="notes")


def check_the_commands(mill: Mill) -> None:
    """They import nothing heavy."""
    program = (
        "import sys\nfrom docmill.cli.app import run\n"
        "codes = [run(['stats', *each.split()]) for each in sys.argv[1:]]\n"
        f"print(codes, sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    calls = ["durations 1", "steps", "throughput 1", "durations --json", "steps 9", "throughput x"]
    done = subprocess.run(
        [sys.executable, "-c", program, *calls],
        env={**os.environ, "DOCMILL_HOME": str(mill.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[0, 0, 0, 0, 4, 2] []"
    assert "slowest" in done.stdout and "pages/min" in done.stdout and '"p95"' in done.stdout
