"""Limits: batches that run at once, and the time that one may take."""

from __future__ import annotations

import pytest

from conftest import Mill, Working, wait_for
from docmill.errors import ConcurrentBatchLimit, InvalidState
from docmill.service import batches, ingesting, resuming, retrying, running, stopping
from docmill.stores.state import State


def batch(mill: Mill, name: str, **options: object) -> str:
    made = batches.create_batch(mill.settings, name=name, **options)  # type: ignore[arg-type] # shorthand
    folder = mill.root / name
    folder.mkdir()
    for number in range(2):
        (folder / f"{name}-{number}.md").write_text(f"# {name}\n\nThe words of {name} {number}.\n")
    ingesting.ingest(mill.settings, [str(folder)], batch=name, source=name)
    return str(made.batch_id)


def start(mill: Mill, name: str) -> object:
    return running.start(mill.settings, mill.reporter, name, overrides=list(mill.overrides))


def make_running(mill: Mill, name: str) -> None:
    """As an engine leaves it that has died."""
    start(mill, name)
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE run_group SET status = 'running' WHERE batch_id = (SELECT id FROM batch WHERE name = ?)", [name])
        tx.run("UPDATE batch SET status = 'running' WHERE name = ?", [name])
    state.close()


def test_no_more_batches_run_at_once_than_may(mill: Mill) -> None:
    for name in ("one", "two"):
        batch(mill, name)
    make_running(mill, "one")
    mill.flags = {"max_running_batches": 1}
    with pytest.raises(ConcurrentBatchLimit) as refused:
        start(mill, "two")
    context = refused.value.context
    assert (refused.value.exit_code, context["current_batches"], context["max_allowed"]) == (5, 1, 1)
    assert context["retry_after"] >= 1
    with pytest.raises(ConcurrentBatchLimit):
        mill.write_many(1)
        mill.sync()
    assert mill.value("SELECT COUNT(*) FROM source WHERE name = 'docs'") == 0, "a refused sync has left traces"
    mill.flags = {"max_running_batches": 2}
    assert start(mill, "two").documents.completed == 2  # type: ignore[attr-defined] # a RunResult


def test_what_runs_already_may_run_on(mill: Mill) -> None:
    batch(mill, "one")
    make_running(mill, "one")
    mill.flags = {"max_running_batches": 1}
    (mill.root / "one" / "more.md").write_text("# More\n\nStill more words.\n")
    ingesting.ingest(mill.settings, [str(mill.root / "one")], batch="one", source="one")
    assert start(mill, "one").status == "completed"  # type: ignore[attr-defined] # a RunResult


def test_resume_and_retry_are_bound_by_it_too(mill: Mill) -> None:
    for name in ("one", "two", "three"):
        batch(mill, name)
    make_running(mill, "two")
    stopping.pause(mill.settings, "two")
    (mill.root / "three" / "three-0.md").write_text("")
    ingesting.ingest(mill.settings, [str(mill.root / "three")], batch="three", source="three")
    start(mill, "three")
    make_running(mill, "one")
    mill.flags = {"max_running_batches": 1}
    with pytest.raises(ConcurrentBatchLimit):
        resuming.resume(mill.settings, mill.reporter, "two")
    with pytest.raises(ConcurrentBatchLimit):
        retrying.retry(mill.settings, mill.reporter, "three")
    assert mill.value("SELECT status FROM batch WHERE name = 'two'") == "paused"


def test_a_batch_that_takes_too_long_fails_and_keeps_what_it_has(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.overrides = (*mill.overrides, "store.window_documents=1")
    batch(mill, "slow", max_processing_time=3)
    (mill.root / "slow" / "stuck.md").write_text("# Stuck\n\nHANG here for good.\n")
    ingesting.ingest(mill.settings, [str(mill.root / "slow")], batch="slow", source="slow")
    mill.flags = {"document_workers": 2}
    work = Working(lambda: start(mill, "slow"))
    wait_for(lambda: mill.state("SELECT 1 FROM run WHERE status = 'completed'"))
    result = work.result()
    assert (result.status, result.documents.completed) == ("failed", 2)
    assert result.reason == "max_processing_time of 3 s is used up"
    assert len(mill.texts()) == 2
    assert mill.state("SELECT status, COUNT(*) FROM run GROUP BY 1 ORDER BY 1") == [("cancelled", 1), ("completed", 2)]
    events = mill.state("SELECT event, COUNT(*) FROM lifecycle_event WHERE run_id IS NULL GROUP BY 1")
    assert sorted(events) == [("group_end", 1), ("group_start", 1)]
    with pytest.raises(InvalidState):
        resuming.resume(mill.settings, mill.reporter, "slow")
