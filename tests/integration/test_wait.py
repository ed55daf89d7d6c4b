"""``wait``: from another process than the one that works, for scripts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from conftest import Mill, Recorder, Working, wait_for
from docmill.cli.output import exit_code
from docmill.errors import BatchNotFound, WaitTimedOut
from docmill.service import batches, ingesting, resuming, stopping, waiting
from docmill.stores.queries import reading
from docmill.stores.state import State

DOCUMENTS = 10
HEAVY = ("sqlmodel", "sqlalchemy", "lancedb", "pyarrow", "onnxruntime")
START = """
from docmill.service import running
running.start(mill.settings, mill.reporter, '1', overrides=list(mill.overrides))
""".strip()


@pytest.fixture
def slow(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """A batch ``papers`` that nobody has started."""
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.1")
    traps.overrides = (*traps.overrides, "store.window_documents=2", "embed.batch_tokens=64")
    traps.write_many(DOCUMENTS, "Walnut")
    batches.create_batch(traps.settings, name="papers")
    ingesting.ingest(traps.settings, [str(traps.folder)], batch="papers")
    return traps


def started(mill: Mill) -> subprocess.Popen[str]:
    process = mill.process(START)
    wait_for(lambda: mill.noted("embed"))
    return process


def messages(mill: Mill) -> list[str]:
    return [event.message for event in mill.reporter.events if event.type == "message"]


def test_it_returns_when_the_work_has_ended_and_shows_how_it_goes(slow: Mill) -> None:
    mill = slow
    process = started(mill)
    waits = [Working(lambda: waiting.wait(mill.settings, mill.reporter, "papers"))]
    waits += [Working(lambda: waiting.wait(mill.settings, Recorder(), "1"))]
    for result in (wait.result() for wait in waits):
        assert (result.status, result.documents.completed, result.run_group_id) == ("completed", DOCUMENTS, 1)
        assert exit_code(result) == 0
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert any(event.type == "progress" for event in mill.reporter.events)
    assert any(f"process {process.pid} (" in text and "following it" in text for text in messages(mill))


def test_failures_and_pauses_are_told_by_the_exit_code(slow: Mill) -> None:
    mill = slow
    mill.write("bad.md", "# Bad\n\nKILL THE WORKER at once.\n")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="papers")
    process = started(mill)
    work = Working(lambda: waiting.wait(mill.settings, mill.reporter, "papers"))
    stopping.pause(mill.settings, "papers")
    paused = work.result()
    assert (paused.status, exit_code(paused)) == ("paused", 8)
    process.communicate(timeout=30)
    os.environ.pop("DOCMILL_TRAPS_EMBED_S")  # the fixture's monkeypatch puts it back
    resuming.resume(mill.settings, mill.reporter, "papers")
    ended = waiting.wait(mill.settings, mill.reporter, run_group=1)
    assert (ended.status, [error.uri for error in ended.errors], exit_code(ended)) == ("completed", ["bad.md"], 3)


def test_a_wait_can_have_enough(slow: Mill) -> None:
    mill = slow
    process = started(mill)
    for timeout in (0, 0.3):
        with pytest.raises(WaitTimedOut, match="batch 1 is still running") as late:
            waiting.wait(mill.settings, mill.reporter, "papers", timeout=timeout)
        assert (late.value.exit_code, late.value.code) == (8, "WAIT_TIMED_OUT")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_what_nobody_works_on_is_told_once_and_waited_for(slow: Mill) -> None:
    mill = slow
    process = started(mill)
    process.kill()
    process.communicate()
    work = Working(lambda: waiting.wait(mill.settings, mill.reporter, "papers"))
    alone = "batch 1 is running, but no engine is at work in this home: `docmill resume 1` goes on with it"
    wait_for(lambda: alone in messages(mill))
    assert work.is_alive()
    os.environ.pop("DOCMILL_TRAPS_EMBED_S")  # the fixture's monkeypatch puts it back
    assert resuming.resume(mill.settings, mill.reporter, "1").status == "completed"
    assert work.result().status == "completed"
    assert messages(mill).count(alone) == 1


def test_what_was_never_started_is_not_waited_for(slow: Mill) -> None:
    result = waiting.wait(slow.settings, slow.reporter, "papers")
    assert (result.status, result.run_group_id) == ("created", None)
    assert result.message == "nothing of batch 1 has been started"
    with pytest.raises(BatchNotFound):
        waiting.wait(slow.settings, slow.reporter, "no such batch")


def schedule(mill: Mill, *, cron: str | None) -> None:
    """What the schedule of a batch looks like, once it has run before."""
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE batch SET cron = ? WHERE id = 1", [cron])
        with reading(mill.home) as queries:
            row = dict(queries.rows("SELECT * FROM run_group WHERE id = 1")[0])
        later = {**row, "id": 2, "status": "scheduled", "scheduled_for": "2999-01-01T00:00:00.000Z"}
        tx.insert("run_group", [later])
    state.close()


def test_a_time_that_was_set_is_waited_for_and_a_cron_expression_is_not(mill: Mill) -> None:
    mill.write_many(2)
    mill.sync()
    schedule(mill, cron=None)
    with pytest.raises(WaitTimedOut):
        waiting.wait(mill.settings, mill.reporter, "1", timeout=0.1)
    assert "batch 1 is scheduled for 2999-01-01T00:00:00.000Z; waiting for it" in messages(mill)
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE batch SET cron = '0 3 * * *'")
    state.close()
    result = waiting.wait(mill.settings, mill.reporter, "1")
    assert (result.run_group_id, result.documents.completed) == (1, 2)


def test_waiting_imports_nothing_heavy(mill: Mill) -> None:
    mill.write_many(1)
    mill.sync()
    script = (
        "import sys; from docmill.cli.app import run; code = run(sys.argv[1:]);"
        f"sys.stderr.write(' '.join(name for name in {HEAVY} if name in sys.modules)); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, "--home", str(mill.home), "wait", "1", "--timeout", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
