"""Logs and events from another shell: in order, each exactly once, also where the engine is killed in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from conftest import TRAPS, Mill, Working, wait_for
from docmill.domain.events import Event, ProgressEvent, as_record
from docmill.domain.results import LogRecord
from docmill.errors import BatchNotFound
from docmill.service import batches, ingesting, pruning, resuming, running, stopping, telling
from docmill.stores.queries import Queries, Row
from docmill.stores.state import State, logs

DOCUMENTS = 16
START = """from docmill.service import running
running.start(mill.settings, mill.reporter, 'docs', overrides=list(mill.overrides))"""


def start(mill: Mill) -> Any:
    return running.start(mill.settings, mill.reporter, "docs", overrides=list(mill.overrides))


def begun(mill: Mill) -> None:
    wait_for(lambda: mill.value("SELECT COUNT(*) FROM run WHERE status = 'completed'") >= 2)


@pytest.fixture
def batch(traps: Mill) -> Mill:
    """Batch 1 ``docs``: good documents and one that fails."""
    mill = traps
    mill.overrides = (*TRAPS, "store.window_documents=2", "embed.batch_tokens=64")
    mill.write_many(DOCUMENTS)
    mill.write("broken.pdf", "this is no pdf\n")
    batches.create_batch(mill.settings, name="docs")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="docs")
    return mill


@pytest.fixture
def slow(batch: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.05")
    return batch


class Listener:
    """Follows a batch's events in a thread."""

    def __init__(self, mill: Mill) -> None:
        self.told: list[Event] = []
        self.thread = Working(lambda: telling.tell_events(mill.settings, "docs", self.told.append, follow=True))

    def records(self, *types: str) -> list[dict[str, Any]]:
        return [as_record(event) for event in self.told if event.type in types]


def without_progress(events: list[Event]) -> list[dict[str, Any]]:
    return [as_record(event) for event in events if not isinstance(event, ProgressEvent)]


def check_story(listener: Listener, *, documents: int = DOCUMENTS) -> None:
    """Each document once, errors before their documents, progress that only rises, stages, then one end."""
    told = listener.records("document")
    assert set(Counter(each["uri"] for each in told).values()) == {1}
    assert Counter(each["status"] for each in told) == {"completed": documents, "failed": 1}
    [error] = listener.records("error")
    assert (error["uri"], error["stage"], error["error_code"]) == ("broken.pdf", "validate", "CORRUPTED_FILE")
    assert error["error_message"]
    done = [each["processed_files"] for each in listener.records("progress")]
    assert done == sorted(done) and done[-1] == documents + 1
    types = [event.type for event in listener.told]
    assert types[-6:] == [*["stage_complete"] * 5, "completed"]
    assert Counter(types)["completed"] == 1
    end = as_record(listener.told[-1])
    assert end["metadata"] == {"documents": documents, "failed": 1, "chunks": documents}


def test_another_shell_tells_what_the_engine_tells(batch: Mill) -> None:
    """Same objects in the same order, with the same times."""
    mill = batch
    listener = Listener(mill)
    result = start(mill)
    followed = listener.thread.result()
    own = [event for event in mill.reporter.events if event.type != "message"]
    assert without_progress(listener.told) == without_progress(own)
    check_story(listener)
    assert (followed.run_group_id, followed.status, followed.told) == (
        result.run_group_id,
        "completed",
        len(listener.told),
    )
    afterwards = telling.events(mill.settings, "docs")
    assert afterwards.events is not None
    assert [each for each in afterwards.events if each["type"] != "progress"] == without_progress(own)
    [progress] = [each for each in afterwards.events if each["type"] == "progress"]
    assert (progress["percentage"], progress["current_stage"], progress["failed_files"]) == (100.0, None, 1)
    last_own = next(as_record(event) for event in reversed(own) if isinstance(event, ProgressEvent))
    assert set(progress) == set(last_own)
    assert last_own["processed_files"] == DOCUMENTS + 1


def caught_at_work(mill: Mill, process: subprocess.Popen[str]) -> bool:
    """Stop it; and let it go on, unless state.db shows it in the middle of a step."""
    process.send_signal(signal.SIGSTOP)
    if mill.value("SELECT COUNT(*) FROM run_step WHERE status = 'running'"):
        return True
    process.send_signal(signal.SIGCONT)
    return False


def test_events_survive_an_engine_that_is_killed(slow: Mill) -> None:
    mill = slow
    process = mill.process(START)
    wait_for(lambda: mill.value("SELECT COUNT(*) FROM run_group"))
    listener = Listener(mill)
    begun(mill)
    wait_for(lambda: len(listener.records("document")) >= 2)
    wait_for(lambda: caught_at_work(mill, process))
    process.kill()
    process.communicate()
    assert mill.value("SELECT COUNT(*) FROM run WHERE status IN ('pending', 'running')") > 0
    resuming.resume(mill.settings, mill.reporter, "docs")
    listener.thread.result()
    check_story(listener)
    said = [entry.message for entry in telling.logs(mill.settings, "docs").logs]
    assert any("an engine had died" in message for message in said)


def test_whoever_is_attached_is_told_the_same(slow: Mill) -> None:
    """A second start of the batch follows the first one's engine: its reporter hears documents, errors and the end."""
    mill = slow
    process = mill.process(START)
    begun(mill)
    assert start(mill).status == "completed"
    process.communicate(timeout=60)
    told = [event.type for event in mill.reporter.events if event.type != "message"]
    assert told[-1] == "completed" and told.count("completed") == 1
    documents = [as_record(event)["uri"] for event in mill.reporter.events if event.type == "document"]
    assert 0 < len(documents) < DOCUMENTS + 1  # from then on
    assert len(set(documents)) == len(documents)


def test_a_cancelled_group_has_an_end_too(slow: Mill) -> None:
    mill = slow
    work = Working(lambda: start(mill))
    listener = Listener(mill)
    begun(mill)
    stopping.cancel(mill.settings, "docs", reason="enough")
    assert listener.thread.result().status == "cancelled"
    work.result()
    [end] = listener.records("completed")
    assert (end["status"], end["metadata"]["documents"]) == ("cancelled", len(mill.texts()))
    assert end["message"].startswith("cancelled: ")
    assert [as_record(each) for each in mill.reporter.events if each.type == "completed"] == [end]
    last = listener.records("progress")[-1]
    assert last["skipped_files"] + last["processed_files"] == last["total_files"] == DOCUMENTS + 1


def test_of_what_was_never_started_there_is_nothing_to_tell(batch: Mill) -> None:
    result = telling.events(batch.settings, "docs")
    assert (result.run_group_id, result.status, result.told, result.events) == (None, "created", 0, [])
    with pytest.raises(BatchNotFound):
        telling.events(batch.settings, "nothing")


def test_only_the_newest_group_is_told_of(batch: Mill) -> None:
    mill = batch
    start(mill)
    mill.write("later.md", "# Later\n\nIt came later.\n")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="docs")
    start(mill)
    result = telling.events(mill.settings, "docs")
    assert result.events is not None
    assert {each["run_group_id"] for each in result.events} == {2}
    assert [each["uri"] for each in result.events if each["type"] == "document"] == ["later.md"]


def test_a_batch_that_is_deleted_ends_its_followers(batch: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    find = Queries.batch

    def noted(self: Queries, named: str) -> Row:
        row = find(self, named)
        found.append(row["id"])
        return row

    monkeypatch.setattr(Queries, "batch", noted)
    followers = [Listener(batch).thread, Working(lambda: telling.follow_logs(batch.settings, "docs", print))]
    wait_for(lambda: len(found) == len(followers))
    pruning.delete_batch(batch.settings, "docs", with_documents=True)
    assert [follower.result().status for follower in followers] == ["deleted", "deleted"]


def test_the_log_tells_the_story_of_a_batch(slow: Mill) -> None:
    mill = slow
    told: list[LogRecord] = []
    follower = Working(lambda: telling.follow_logs(mill.settings, "docs", told.append, level="debug"))
    work = Working(lambda: start(mill))
    begun(mill)
    stopping.pause(mill.settings, "docs")
    work.result()
    assert follower.is_alive()
    resuming.resume(mill.settings, mill.reporter, "docs")
    result = follower.result()
    everything = telling.logs(mill.settings, "docs", level="debug", limit=1000)
    assert told == everything.logs
    assert (result.told, result.status) == (everything.total, "completed")
    story = [(entry.level, entry.message) for entry in everything.logs if entry.level == "info"]
    assert [message for _level, message in story] == ["started", "paused", "resumed", "completed"]
    first, last = everything.logs[0], everything.logs[-1]
    assert first.context["documents"] == DOCUMENTS + 1 and first.context["workflow"] == "batch"
    assert (last.context["completed"], last.context["failed"]) == (DOCUMENTS, 1)
    assert last.context["chunks"] == DOCUMENTS and last.context["seconds"] > 0
    windows = [entry for entry in everything.logs if entry.message == "stored a window"]
    assert sum(entry.context["documents"] for entry in windows) == DOCUMENTS
    [error] = telling.logs(mill.settings, "docs", level="error").logs
    assert error.message.startswith("broken.pdf: ")
    assert (error.context["uri"], error.context["error_code"]) == ("broken.pdf", "CORRUPTED_FILE")
    assert (error.context["step"], error.run_group_id) == ("validate", 1)
    assert len(everything.logs) <= 4 + 1 + len(windows), "a line for a document of which there is nothing to say"


def test_a_retry_that_is_put_off_and_a_worker_that_died_are_logged(traps: Mill) -> None:
    mill = traps
    mill.write("flaky.md", "# Flaky\n\nFAIL 1 TIMES and then it is well.\n")
    mill.write("once.md", "# Once\n\nKILL ONCE when this is read.\n")
    batches.create_batch(mill.settings, name="docs")
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE batch SET retry_delay = 0.01")
    state.close()
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="docs")
    start(mill)
    warnings = {entry.context["uri"]: entry for entry in telling.logs(mill.settings, "docs", level="warning").logs}
    assert set(warnings) == {"flaky.md", "once.md"}
    assert warnings["flaky.md"].context["retry_at"] and "put off" in warnings["flaky.md"].message
    assert warnings["once.md"].context["crashes"] == 1


def test_logs_are_filtered_and_paged_newest_last(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="docs")
    batches.create_batch(mill.settings, name="other")
    state = State(mill.home)
    with state.transaction() as tx:
        for number in range(12):
            logs.log(tx, ("debug", "info", "warning", "error")[number % 4], str(number), batch_id=1, number=number)
        logs.log(tx, "error", "another's", batch_id=2)
    state.close()

    def said(**options: Any) -> list[str]:
        return [entry.message for entry in telling.logs(mill.settings, "docs", **options).logs]

    assert said(level="debug") == [str(number) for number in range(12)]
    assert said() == ["1", "2", "3", "5", "6", "7", "9", "10", "11"]
    assert said(level="error") == ["3", "7", "11"]
    assert said(limit=2) == ["10", "11"]
    assert said(limit=2, offset=2) == ["7", "9"]
    page = telling.logs(mill.settings, "docs", level="warning", limit=1)
    assert (page.total, page.logs[0].context) == (6, {"number": 11})


def docmill(mill: Mill, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "docmill", "--home", str(mill.home), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_shell_follows_until_the_end_or_ctrl_c(slow: Mill) -> None:
    mill = slow
    events, shown, stopped = (
        docmill(mill, "events", "docs", "--follow"),
        docmill(mill, "logs", "docs", "--follow"),
        docmill(mill, "logs", "docs", "--follow", "--events", "--level", "debug"),
    )
    work = Working(lambda: start(mill))
    assert stopped.stdout is not None
    first = json.loads(stopped.stdout.readline())
    assert (first["type"], first["message"]) == ("log", "started")
    stopped.send_signal(signal.SIGINT)
    out, _err = stopped.communicate(timeout=30)
    assert stopped.returncode == 130
    assert json.loads(out.splitlines()[-1])["error"]["code"] == "INTERRUPTED"
    work.result()
    out, err = events.communicate(timeout=30)
    assert events.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-2]["type"] == "completed"
    assert lines[-1] == {
        "batch_id": 1,
        "run_group_id": 1,
        "status": "completed",
        "told": len(lines) - 1,
        "events": None,
    }
    out, err = shown.communicate(timeout=30)
    assert shown.returncode == 0, err
    assert [line.split("  ")[1].strip() for line in out.splitlines()] == ["info", "error", "info"]


def test_a_reader_that_leaves_ends_the_following(slow: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of ``docmill events docs --follow | head -1``: it does not wait for the end of the batch."""
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.3")
    process = docmill(slow, "events", "docs", "--follow")
    assert process.stdout is not None and process.stderr is not None
    work = Working(lambda: start(slow))
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
    assert work.is_alive()
    stopping.cancel(slow.settings, "docs")
    work.result()
