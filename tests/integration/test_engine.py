"""The engine by itself: what it writes down, in which order it works, how it retries, and what it refuses."""

from __future__ import annotations

import gc
import json

import pytest

from conftest import Mill, Recorder
from docmill.domain.planning import Selection
from docmill.engine import recovery
from docmill.engine.ledger import Ledger
from docmill.engine.lock import EngineLock
from docmill.engine.runner import Runner, StopFlag
from docmill.engine.work import Work
from docmill.errors import StaleEngine, StorageError
from docmill.service import batches, ingesting, retrying, running
from docmill.service.pipelines import prepare
from docmill.stores.state import State, groups


def planned(mill: Mill, batch_id: int) -> int:
    """A running group of the batch that no engine has taken up yet."""
    pipeline = prepare(mill.home, Recorder(), "batch", "default", list(mill.overrides))
    state = State(mill.home)
    try:
        with state.transaction() as tx:
            group_id = groups.create_group(tx, pipeline.planned_group(batch_id), Selection(batch_id=batch_id))
    finally:
        state.close()
    assert group_id is not None
    return group_id


def run(mill: Mill) -> Runner:
    with EngineLock(mill.home) as lock:
        assert lock.acquire()
        runner = Runner(mill.home, mill.settings, mill.reporter, StopFlag())
        runner.run()
        return runner


def batch_of(mill: Mill, name: str, count: int, priority: str = "normal") -> int:
    folder = mill.root / name
    folder.mkdir()
    for number in range(count):
        (folder / f"{name}-{number}.md").write_text(f"# {name} {number}\n\nParagraph {number} of {name}.\n")
    made = batches.create_batch(mill.settings, name=name, priority=priority)
    ingesting.ingest(mill.settings, [str(folder)], batch=str(made.batch_id))
    return made.batch_id


def test_every_change_of_status_leaves_its_event(mill: Mill) -> None:
    mill.write("a.md", "# One\n\nDocument.\n")
    mill.write("empty.md", "")
    result = mill.sync()
    events = mill.state(
        "SELECT event, r.status FROM lifecycle_event e LEFT JOIN run r ON r.id = e.run_id"
        " JOIN document d ON d.id = r.document_id WHERE d.uri = 'a.md' ORDER BY e.id"
    )
    assert [event for event, _status in events] == ["item_start", *["step_start", "step_end"] * 5, "item_end"]
    failed = mill.state(
        "SELECT event FROM lifecycle_event e JOIN run r ON r.id = e.run_id JOIN document d ON d.id = r.document_id"
        " WHERE d.uri = 'empty.md' ORDER BY e.id"
    )
    assert [event for (event,) in failed] == ["item_start", "step_start", "step_failed", "item_failed"]
    ends = mill.state("SELECT event, status FROM lifecycle_event WHERE run_id IS NULL AND run_group_id = ?",
                      result.run_group_id)  # fmt: skip
    assert ends == [("group_start", "running"), ("group_end", "completed")]
    steps = mill.state("SELECT s.started_at, s.completed_at, duration_seconds, step_key FROM run_step s JOIN run r"
                       " ON r.id = s.run_id WHERE r.status = 'completed'")  # fmt: skip
    assert len(steps) == 5
    assert all(started <= completed and seconds >= 0 and len(key) == 64 for started, completed, seconds, key in steps)


def test_what_a_reporter_hears(mill: Mill) -> None:
    mill.write_many(3)
    mill.write("empty.md", "")
    mill.sync()
    heard = mill.reporter.events
    assert [event.type for event in heard].count("stage_complete") == 5
    assert {(event.uri, event.status) for event in heard if event.type == "document"} == {
        ("empty.md", "failed"), *((f"note-{n:03d}.md", "completed") for n in range(3)),
    }  # fmt: skip
    assert [event.error_code for event in heard if event.type == "error"] == ["EMPTY_DOCUMENT"]
    last = [event for event in heard if event.type == "progress"][-1]
    assert (last.total_files, last.processed_files, last.failed_files) == (4, 4, 1)
    assert {stage.name: (stage.done, stage.failed) for stage in last.stages} == {
        "validate": (3, 1), "parse": (3, 0), "chunk": (3, 0), "embed": (3, 0), "store": (3, 0),
    }  # fmt: skip


def test_many_failures_among_many(traps: Mill) -> None:
    """More than one claim's worth, with failures all along: each document is taken once, and counted once."""
    mill = traps
    mill.write_many(330)
    for number in range(0, 330, 3):
        mill.write(f"note-{number:03d}.md", f"\n\n{' ' * number}\n")
    mill.flags = {"document_workers": 2}
    result = mill.sync()
    assert (result.documents.completed, result.documents.failed) == (220, 110)
    assert len(mill.noted("parse")) == 330
    assert {error.error_code for error in result.errors} == {"EMPTY_DOCUMENT"}
    assert len(mill.texts()) == 220


def test_higher_priority_goes_first(mill: Mill) -> None:
    low, high = batch_of(mill, "low", 20, "low"), batch_of(mill, "high", 20, "high")
    mill.overrides = (*mill.overrides, "store.window_documents=5")
    first, second = planned(mill, low), planned(mill, high)
    run(mill)
    begun = mill.state("SELECT run_group_id FROM lifecycle_event WHERE event = 'item_start' ORDER BY id")
    assert begun == [(second,)] * 20 + [(first,)] * 20
    assert mill.state("SELECT id FROM run_group WHERE status = 'completed' ORDER BY id") == [(first,), (second,)]


def test_what_changed_while_its_run_was_waiting_is_run_as_it_is_now(mill: Mill) -> None:
    """A group that an engine left behind holds runs of old contents; they make way for runs of the new ones."""
    batch_id = batch_of(mill, "some", 3)
    group_id = planned(mill, batch_id)
    (mill.root / "some" / "some-1.md").write_text("# New\n\nAnother text than the one that was planned.\n")
    ingesting.ingest(mill.settings, [str(mill.root / "some")], batch=str(batch_id))
    run(mill)
    assert mill.found("was planned") == ["some-1.md"]
    assert len(mill.texts()) == 3
    runs = mill.state("SELECT status, COUNT(*) FROM run WHERE run_group_id = ? GROUP BY status", group_id)
    assert dict(runs) == {"completed": 3, "cancelled": 1}
    assert not [event for event in mill.reporter.events if event.type == "error"]


def test_nothing_of_a_finished_document_is_kept_in_memory(mill: Mill) -> None:
    planned(mill, batch_of(mill, "some", 10))
    runner = run(mill)
    assert runner.active == {} and runner.groups == {}
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Work)]


def test_a_failure_that_may_pass_is_tried_again(traps: Mill) -> None:
    mill = traps
    made = batches.create_batch(mill.settings, name="flaky")
    mill.write_many(3)
    mill.write("flaky.md", "# Flaky\n\nFAIL 2 TIMES and then go well.\n")
    mill.write("hopeless.md", "# Hopeless\n\nFAIL 9 TIMES and more.\n")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="flaky")
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE batch SET retry_delay = 0.05, max_retries = 2")
    state.close()
    result = running.start(mill.settings, mill.reporter, str(made.batch_id), overrides=list(mill.overrides))
    assert (result.status, result.documents.completed, result.documents.failed) == ("completed", 4, 1)
    assert mill.noted("parse").count("flaky.md") == mill.noted("parse").count("hopeless.md") == 3
    [error] = result.errors
    assert (error.uri, error.error_code, error.retry_count) == ("hopeless.md", "FLAKY", 2)
    retries = dict(mill.state("SELECT d.uri, s.retry FROM run_step s JOIN run r ON r.id = s.run_id JOIN document d"
                              " ON d.id = r.document_id WHERE s.name = 'parse' AND s.retry > 0"))  # fmt: skip
    assert retries == {"flaky.md": 2, "hopeless.md": 2}
    mill.write("hopeless.md", "# Hopeless\n\nNow it goes well.\n")
    assert retrying.retry(mill.settings, mill.reporter, "flaky").errors == []


def test_an_engine_that_was_replaced_can_write_nothing_more(mill: Mill) -> None:
    state = State(mill.home)
    old = Ledger(state, recovery.begin(state, mill.home))
    recovery.begin(state, mill.home)
    with pytest.raises(StaleEngine):
        old.flush(lambda tx: groups.request(tx, 1, "pause"))
    state.close()


def test_a_group_whose_plug_in_has_gone_stops_nobody_else(mill: Mill) -> None:
    gone, good = batch_of(mill, "gone", 2), batch_of(mill, "good", 2)
    first = planned(mill, gone)
    state = State(mill.home)
    with state.transaction() as tx:
        pipeline = json.loads(tx.value("SELECT pipeline FROM run_group WHERE id = ?", [first]))
        pipeline["steps"][1]["method"] = "uninstalled"
        tx.run("UPDATE run_group SET pipeline = ? WHERE id = ?", [json.dumps(pipeline), first])
    state.close()
    result = running.start(mill.settings, mill.reporter, str(good), overrides=list(mill.overrides))
    assert (result.status, result.documents.completed) == ("completed", 2)
    [(status, message)] = mill.state("SELECT status, status_message FROM run_group WHERE id = ?", first)
    assert status == "cancelled" and "uninstalled" in message
    assert running.start(mill.settings, mill.reporter, str(gone), overrides=list(mill.overrides)).reason is None


def test_runs_that_come_to_a_group_as_it_ends_are_not_left_behind(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another shell's retry finds the group running in the very moment in which its engine sees nothing left to do."""
    mill.write_many(2)
    mill.write("empty.txt", "")
    real, done = Runner._finish, []

    def finish(self: Runner, group: object) -> object:
        if not done:
            done.append(True)
            self.ledger.flush()
            state = State(mill.home)
            with state.transaction() as tx:
                groups.retry_runs(tx, 1, [tx.value("SELECT id FROM run WHERE status = 'failed'")], reset=True)
            state.close()
        return real(self, group)  # type: ignore[arg-type] # passed on

    monkeypatch.setattr(Runner, "_finish", finish)
    result = mill.sync()
    assert (result.status, result.documents.failed, result.documents.completed) == ("completed", 1, 2)
    assert mill.value("SELECT COUNT(*) FROM run WHERE status IN ('pending', 'running')") == 0


def test_a_full_disk_ends_the_run_in_good_order(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    from docmill.stores.vectors import VectorStore

    mill.write_many(3)

    def full(self: VectorStore, documents: object, stale: object) -> None:
        raise StorageError("LanceDB: No space left on device")

    with monkeypatch.context() as filling, pytest.raises(StorageError):
        filling.setattr(VectorStore, "replace", full)
        mill.sync()
    result = mill.sync()
    assert (result.status, result.documents.completed, result.chunks.embedded) == ("completed", 3, 3)
    assert len(mill.texts()) == 3
