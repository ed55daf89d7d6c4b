"""Which failures are tried again, when, how often, and beside whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Mill, Working, children_of, is_alive, wait_for
from docmill.domain.events import ErrorEvent, as_record
from docmill.errors import TemporaryFailure
from docmill.service import batches, ingesting, retrying, running, stopping, telling
from docmill.stores.state import State


def batch_of(mill: Mill, **columns: float) -> str:
    """A batch of the folder's files, with these columns of its row."""
    made = batches.create_batch(mill.settings, name="one")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="one")
    state = State(mill.home)
    with state.transaction() as tx:
        for name, value in columns.items():
            tx.run(f"UPDATE batch SET {name} = ?", [value])
    state.close()
    return str(made.batch_id)


def start(mill: Mill, batch: str) -> running.RunResult:
    return running.start(mill.settings, mill.reporter, batch, overrides=list(mill.overrides))


def test_a_suspect_is_tried_again_alone_in_fresh_workers_when_the_others_are_through(
    traps: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = traps
    mill.flags = {"document_workers": 2}
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "0.02")
    mill.write("aa.md", "# Bad\n\nKILL THE WORKER at once.\n")
    mill.write("ab.md", "# Bad too\n\nKILL THE WORKER as well.\n")
    mill.write_many(20)
    result = mill.sync()
    assert (result.documents.completed, result.documents.failed) == (20, 2)
    lines = Path(mill.root / "traps.log").read_text().splitlines()
    calls = [line.split(" ", 2)[1:] for line in lines if line.startswith("parse ")]
    assert sorted(name for _pid, name in calls[-4:]) == ["aa.md", "aa.md", "ab.md", "ab.md"]
    pids = [pid for pid, name in calls if name in ("aa.md", "ab.md")]
    assert len(set(pids)) == len(pids) == 6, "a suspect met a worker that had been at work before"
    assert {error.error_code for error in result.errors} == {"WORKER_CRASHED"}
    assert mill.value("SELECT MAX(retry) FROM run_step") == 0


def test_a_suspect_is_alone_while_it_runs(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed once, it is slow the second time: new documents of another batch wait for it."""
    mill = traps
    mill.flags = {"document_workers": 2}
    mill.write("once.md", "# Once\n\nKILL ONCE when this is read.\n")
    mill.write("once-more.md", "# Fine\n\nNothing happens here.\n")
    result = mill.sync()
    assert result.documents.completed == 2
    assert mill.noted("parse")[-1] == "once.md"
    assert mill.value("SELECT MAX(crashes) FROM run") == 1


@pytest.mark.parametrize("reset", [False, True])
def test_attempts_that_a_retry_has_ahead_of_it(traps: Mill, *, reset: bool) -> None:
    mill = traps
    mill.write("hopeless.md", "# Hopeless\n\nFAIL 99 TIMES and more.\n")
    batch = batch_of(mill, max_retries=2, retry_delay=0.01)
    assert start(mill, batch).documents.failed == 1
    assert len(mill.noted("parse")) == 3
    result = retrying.retry(mill.settings, mill.reporter, batch, reset_retry_count=reset)
    assert (result.retried_files, result.documents.failed) == (1, 1)
    assert len(mill.noted("parse")) == (6 if reset else 4)
    [error] = result.errors
    assert error.retry_count == (2 if reset else 3)
    told = [event for event in mill.reporter.events if isinstance(event, ErrorEvent)]
    assert [event.retry_count for event in told] == [2, 2]
    [seen] = [each for each in telling.events(mill.settings, batch).events or [] if each["type"] == "error"][1:]
    assert seen == as_record(told[-1])
    assert (seen["filename"], seen["occurred_at"]) == ("hopeless.md", seen["timestamp"])
    by_attempt = "SELECT e.attempt, e.event FROM lifecycle_event e JOIN run_step s ON s.id = e.step_id"
    events = mill.state(f"{by_attempt} WHERE s.name = 'parse' ORDER BY e.id")
    attempts = range(1, 7 if reset else 5)
    assert events == [(n, event) for n in attempts for event in ("step_start", "step_failed")]


def waited(mill: Mill, monkeypatch: pytest.MonkeyPatch, batch: str, **options: str) -> list[float]:
    """The seconds for which each try was put off, where chance gives all that it may."""
    from docmill.engine import endings

    monkeypatch.setattr(endings.random, "random", lambda: 1.0)
    asked: list[float] = []
    real = endings.timedelta

    def timedelta(**arguments: float) -> object:
        asked.append(round(arguments["seconds"], 6))
        return real(**arguments)

    monkeypatch.setattr(endings, "timedelta", timedelta)
    running.start(mill.settings, mill.reporter, batch, overrides=list(mill.overrides), **options)
    return asked


def test_the_delay_grows_and_chance_adds_its_share(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.write("hopeless.md", "# Hopeless\n\nFAIL 99 TIMES and more.\n")
    batch = batch_of(mill, max_retries=2, retry_delay=0.02, backoff_multiplier=3, jitter=0.5)
    assert waited(mill, monkeypatch, batch) == [0.03, 0.09]


def test_a_step_may_have_a_policy_of_its_own(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.write("hopeless.md", "# Hopeless\n\nFAIL 99 TIMES and more.\n")
    (mill.home / "workflows" / "hasty.yaml").write_text(
        "id: hasty\nname: Hasty\nsteps:\n"
        "  - {name: parse, type: parse, retries: 3, retry_delay: 0.01, backoff_multiplier: 1, jitter: 0}\n"
        "  - {name: chunk, type: chunk}\n  - {name: embed, type: embed}\n  - {name: store, type: store}\n"
    )
    batch = batch_of(mill, max_retries=1, retry_delay=9, backoff_multiplier=3, jitter=0.5)
    assert waited(mill, monkeypatch, batch, workflow="hasty") == [0.01, 0.01, 0.01]
    retries = dict(mill.state("SELECT name, retries FROM run_step"))
    assert retries == {"parse": 3, "chunk": 1, "embed": 1, "store": 1}


def test_an_embedder_that_is_overloaded_is_asked_again(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.write_many(2)
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_BUSY", "1")
    batch = batch_of(mill, max_retries=2, retry_delay=0.01)
    result = start(mill, batch)
    assert {error.error_code for error in result.errors} == {TemporaryFailure.code}
    assert [row for (row,) in mill.state("SELECT retry FROM run_step WHERE type = 'embed'")] == [2, 2]
    monkeypatch.delenv("DOCMILL_TRAPS_EMBED_BUSY")
    assert retrying.retry(mill.settings, mill.reporter, batch).errors == []


def test_cancel_kills_an_embed_worker_that_hangs(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.write_many(3)
    batch = batch_of(mill)
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "3600")
    work = Working(lambda: start(mill, batch))
    wait_for(lambda: mill.noted("embed"))
    pid = next(int(line.split()[1]) for line in (mill.root / "traps.log").read_text().splitlines() if "embed" in line)
    assert is_alive(pid)
    assert stopping.cancel(mill.settings, batch, reason="it hangs", cleanup=True).status == "cancelled"
    wait_for(lambda: not is_alive(pid))
    assert work.result().status == "cancelled"
    assert children_of(pid) == []
    assert list(mill.home.glob("artifacts/*/*")) == [], "what nobody else has was to go"
    assert mill.value("SELECT COUNT(*) FROM artifact") == mill.value("SELECT COUNT(*) FROM run_step") == 0


def test_by_run_group(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.write_many(3)
    batch = batch_of(mill)
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "3600")
    work = Working(lambda: start(mill, batch))
    wait_for(lambda: mill.noted("embed"))
    cancelled = stopping.cancel(mill.settings, run_group=1)
    assert (cancelled.run_group_id, cancelled.status) == (1, "cancelled")
    assert work.result().status == "cancelled"
