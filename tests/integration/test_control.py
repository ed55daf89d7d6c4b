"""Pause, resume, cancel and Ctrl-C, from other threads and other processes than the one that works."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from conftest import Mill, Working, children_of, is_alive, wait_for
from docmill.domain.results import RunResult
from docmill.engine.lock import holder
from docmill.errors import EngineBusy, InvalidState
from docmill.service import batches, ingesting, resuming, running, stopping

DOCUMENTS = 24


@pytest.fixture
def slow(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """A batch ``1`` of documents that take a while."""
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.05")
    mill = traps
    mill.overrides = (*mill.overrides, "store.window_documents=4", "embed.batch_tokens=64")
    mill.write_many(DOCUMENTS, "Walnut")
    made = batches.create_batch(mill.settings, name="slow")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch=str(made.batch_id))
    return mill


def start(mill: Mill) -> RunResult:
    return running.start(mill.settings, mill.reporter, "1", overrides=list(mill.overrides))


def begun(mill: Mill) -> None:
    wait_for(lambda: len(mill.noted("embed")) >= 3)


def test_pause_and_resume(slow: Mill) -> None:
    mill = slow
    work = Working(lambda: start(mill))
    begun(mill)
    paused = stopping.pause(mill.settings, "1")
    assert (paused.status, paused.batch_id) == ("paused", 1)
    assert paused.paused_at is not None
    result = work.result()
    assert result.status == "paused"
    assert result.documents.completed < DOCUMENTS
    assert paused.progress_saved.processed_files == result.documents.completed
    assert mill.value("SELECT status FROM batch") == "paused"
    assert mill.value("SELECT COUNT(*) FROM run_step WHERE status = 'running'") == 0
    assert holder(mill.home) is None
    with pytest.raises(InvalidState) as refused:
        stopping.pause(mill.settings, "1")
    assert refused.value.context["current_status"] == "paused"
    assert refused.value.context["valid_statuses"] == ["running"]
    with pytest.raises(InvalidState):
        start(mill)
    resumed = resuming.resume(mill.settings, mill.reporter, "1")
    assert (resumed.status, resumed.documents.completed, resumed.errors) == ("completed", DOCUMENTS, [])
    assert len(mill.texts()) == DOCUMENTS
    assert sorted(mill.noted("embed")) == sorted(set(mill.noted("embed"))), "a text was embedded twice"
    assert sorted(mill.noted("parse")) == sorted(set(mill.noted("parse"))), "a file was parsed twice"


def test_a_pause_waits_for_what_workers_are_at_and_not_for_what_they_would_be_given_next(
    slow: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "1")
    work = Working(lambda: start(slow))
    wait_for(lambda: slow.noted("parse"))
    begun_by_then = len(slow.noted("parse"))
    stopping.pause(slow.settings, "1")
    work.result()
    assert len(slow.noted("parse")) <= begun_by_then + slow.settings.document_workers


def test_pause_of_what_nobody_works_on(slow: Mill) -> None:
    mill = slow
    process = mill.process("from docmill.service import running\nrunning.start(mill.settings, mill.reporter, '1',"
                           " overrides=list(mill.overrides))")  # fmt: skip
    begun(mill)
    process.kill()
    process.communicate()
    assert stopping.pause(mill.settings, "1").status == "paused"
    assert resuming.resume(mill.settings, mill.reporter, "1").status == "completed"
    assert len(mill.texts()) == DOCUMENTS


def test_cancel_kills_what_is_in_flight_and_keeps_what_is_finished(slow: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = slow
    mill.write("aaa-stuck.md", "# Stuck\n\nHANG here for good.\n")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="1")
    mill.flags = {"document_workers": 2}
    work = Working(lambda: start(mill))
    wait_for(lambda: mill.state("SELECT 1 FROM run WHERE status = 'completed'"))
    would = stopping.cancel(mill.settings, "1", cleanup=True, dry_run=True)
    assert (would.status, would.cancelled_at) == ("running", None)
    assert would.message.startswith("would cancel ")
    cancelled = stopping.cancel(mill.settings, "1", reason="no longer wanted", cleanup=True)
    assert (cancelled.status, cancelled.reason) == ("cancelled", "no longer wanted")
    assert cancelled.cleanup.partial_results_cleaned
    kept = cancelled.cleanup.processed_files_retained
    assert 0 < kept < DOCUMENTS
    result = work.result()
    assert (result.status, result.documents.completed) == ("cancelled", kept)
    assert len(mill.texts()) == kept
    assert holder(mill.home) is None
    for trigger in (stopping.cancel, stopping.pause):
        with pytest.raises(InvalidState) as refused:
            trigger(mill.settings, "1")
        assert refused.value.context["current_status"] == "cancelled"
    with pytest.raises(InvalidState):
        resuming.resume(mill.settings, mill.reporter, "1")
    (mill.folder / "aaa-stuck.md").write_text("# Free\n\nNothing is in the way any more.\n")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="1")
    again = start(mill)
    assert (again.status, again.documents.completed) == ("completed", DOCUMENTS + 1 - kept)
    assert len(mill.texts()) == DOCUMENTS + 1


def test_a_pause_of_one_batch_lets_another_go_on(slow: Mill) -> None:
    mill = slow
    second = mill.root / "second"
    second.mkdir()
    for number in range(DOCUMENTS):  # the first half has the bytes of the first batch's files
        text = f"# Walnut {number}\n\nParagraph {number} tells of Walnut {number}.\n"
        (second / f"{number}.md").write_text(text if number < DOCUMENTS / 2 else text.replace("Walnut", "Oak"))
    batches.create_batch(mill.settings, name="other", priority="high")
    ingesting.ingest(mill.settings, [str(second)], batch="2", source="second")
    work = Working(lambda: start(mill))
    begun(mill)
    other = Working(lambda: running.start(mill.settings, mill.reporter, "other", overrides=list(mill.overrides)))
    wait_for(lambda: len(mill.state("SELECT 1 FROM run_group WHERE status = 'running'")) == 2)
    assert stopping.pause(mill.settings, "1").status == "paused"
    assert other.result().status == "completed"
    assert work.result().status == "paused"
    assert mill.value("SELECT COUNT(*) FROM run WHERE batch_id = 2 AND status = 'completed'") == DOCUMENTS
    assert resuming.resume(mill.settings, mill.reporter, "1").status == "completed"
    assert len(mill.texts()) == 2 * DOCUMENTS


def test_a_cancelled_batch_does_not_take_another_with_it(slow: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of two batches with the same bytes share one computation; one batch's end must not be the other's."""
    mill = slow
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "0.1")
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0")
    second = mill.root / "second"
    second.mkdir()
    for path in mill.folder.iterdir():
        (second / path.name).write_bytes(path.read_bytes())
    batches.create_batch(mill.settings, name="other")
    ingesting.ingest(mill.settings, [str(second)], batch="2", source="second")
    work = Working(lambda: start(mill))
    wait_for(lambda: mill.noted("parse"))
    other = Working(lambda: running.start(mill.settings, mill.reporter, "other", overrides=list(mill.overrides)))
    wait_for(lambda: mill.state("SELECT 1 FROM run WHERE batch_id = 2 AND status = 'running'"))
    assert stopping.cancel(mill.settings, "1").status == "cancelled"
    assert mill.value("SELECT COUNT(*) FROM run WHERE status = 'completed'") < DOCUMENTS
    assert other.result().documents.completed == DOCUMENTS
    assert work.result().status == "cancelled"


def test_other_definitions_supersede_what_an_engine_is_at(slow: Mill) -> None:
    mill = slow
    work = Working(lambda: start(mill))
    begun(mill)
    overrides = [*mill.overrides, "chunk.context=false"]
    result = running.start(mill.settings, mill.reporter, "1", overrides=overrides)
    assert (result.status, result.documents.completed) == ("completed", DOCUMENTS)
    assert work.result().status == "cancelled"
    assert mill.state("SELECT status FROM run_group ORDER BY id") == [("cancelled",), ("completed",)]
    assert len(mill.texts()) == DOCUMENTS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sync_drains_and_the_same_sync_ends_it(slow: Mill, number: signal.Signals) -> None:
    mill = slow
    code = """
from docmill.errors import StoppedError
try:
    mill.sync()
except StoppedError as error:
    print(error.code)
    sys.exit(error.exit_code)
"""
    process = mill.process(code.strip())
    begun(mill)
    family = children_of(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    expected = {signal.SIGINT: (130, "INTERRUPTED"), signal.SIGTERM: (8, "STOPPED")}[number]
    assert (process.returncode, out.strip()) == expected, err
    assert family
    wait_for(lambda: not any(map(is_alive, family)), seconds=10)
    assert mill.value("SELECT COUNT(*) FROM run_step WHERE status = 'running'") == 0
    assert 0 < len(mill.noted("embed")) < DOCUMENTS
    result = mill.sync()
    assert (result.status, result.documents.completed) == ("completed", DOCUMENTS)
    assert sorted(mill.noted("embed")) == sorted(set(mill.noted("embed"))), "a text was embedded twice"


def test_a_second_sync_follows_the_first(slow: Mill) -> None:
    mill = slow
    process = mill.process("print(mill.sync().documents.completed)")
    begun(mill)
    mill.write("late.md", "# Late\n\nIt came when the others were under way.\n")
    result = mill.sync()
    assert result.status == "completed"
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip()) == (0, str(DOCUMENTS)), err
    assert len(mill.texts()) == DOCUMENTS + 1
    assert any("following" in getattr(event, "message", "") for event in mill.reporter.events)
    assert mill.value("SELECT value FROM home_meta WHERE key = 'engine_epoch'") in ("1", "2", 1, 2)


def test_a_file_that_changes_under_the_engine_is_not_forgotten(slow: Mill) -> None:
    """Another shell's sync sees the change while the old version's run is under way, and attaches to that run."""
    mill = slow
    process = mill.process("mill.sync()")
    begun(mill)
    changed = [f"note-{number:03d}.md" for number in (0, DOCUMENTS // 2, DOCUMENTS - 1)]
    for uri in changed:
        mill.write(uri, f"# Oak\n\nThe words of {uri} are other ones now.\n")
    (mill.folder / "note-001.md").rename(mill.folder / "renamed.md")
    (mill.folder / "note-002.md").unlink()
    result = mill.sync()
    assert (result.status, result.errors) == ("completed", [])
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    texts = mill.texts()
    assert all("other ones now" in texts[uri][0] for uri in changed)
    assert "renamed.md" in texts and not {"note-001.md", "note-002.md"} & set(texts)
    assert mill.sync().run_group_id is None


def test_a_file_that_changes_while_it_is_read_is_read_again(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "0.7")
    traps.write_many(2)
    work = Working(lambda: traps.sync())
    wait_for(lambda: "note-000.md" in traps.noted("parse"))
    traps.write("note-000.md", "# Oak\n\nIt tells of oaks now.\n")
    result = work.result()
    assert (result.status, result.errors) == ("completed", [])
    assert "oaks now" in traps.texts()["note-000.md"][0]
    assert traps.value("SELECT version FROM document WHERE uri = 'note-000.md'") == 2
    assert traps.sync().run_group_id is None


def test_a_file_that_never_stands_still_fails_for_now(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "0.4")
    traps.write("calm.md", "# Calm\n\nIt stands still.\n")
    path, still, round_ = traps.write("restless.md", "# Restless 0\n\nWords.\n"), threading.Event(), 0
    work = Working(lambda: traps.sync())
    wait_for(lambda: traps.noted("parse"))
    while work.is_alive():
        round_ += 1
        path.write_text(f"# Restless {round_}\n\nWords.\n")
        still.wait(0.05)
    result = work.result()
    assert [(error.uri, error.error_code) for error in result.errors] == [("restless.md", "FILE_CHANGED")]
    assert sorted(traps.texts()) == ["calm.md"]
    assert traps.sync().errors == []
    assert f"Restless {round_}" in traps.texts()["restless.md"][0]


def test_whoever_will_not_wait_is_told_who_is_at_work(slow: Mill) -> None:
    mill = slow
    process = mill.process("mill.sync()")
    wait_for(lambda: holder(mill.home))
    mill.flags = {"lock_timeout": 0.0}
    with pytest.raises(EngineBusy) as busy:
        mill.sync()
    assert busy.value.context["holder"]["pid"] == process.pid
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_resume_takes_back_a_pause_that_was_not_obeyed_yet(slow: Mill) -> None:
    mill = slow
    work = Working(lambda: start(mill))
    begun(mill)
    from docmill.service.controlling import writing
    from docmill.stores.state import groups

    with writing(mill.home) as state, state.transaction() as tx:
        groups.request(tx, 1, "pause")
    time.sleep(0.02)
    assert resuming.resume(mill.settings, mill.reporter, "1").status == "completed"
    assert work.result().status in ("completed", "paused")
    assert len(mill.texts()) == DOCUMENTS
