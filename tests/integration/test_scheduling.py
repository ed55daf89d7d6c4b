"""Schedules: when they are due, that each time comes once, what starts, and what is told where nothing can."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

import pytest

from conftest import Mill, Working
from docmill.domain.changes import FoundFile, HashedFile
from docmill.domain.results import BatchShown, RunResult
from docmill.errors import InvalidState, SourceFileDenied, StoppedError, UsageError
from docmill.service import batches, ingesting, looking, retrying, running, scheduling, stopping, timetable
from docmill.service.due import anything_due, scheduled_group
from docmill.stores.queries import reading
from docmill.stores.state import State

PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
QUICK_SET = "id: quick\nname: Quick\nconfig:\n  embed: {method: hashing, model: hashing-64}\n"


@pytest.fixture
def planned(mill: Mill) -> Mill:
    """A home with the param set ``quick``, and three documents in its folder."""
    (mill.home / "param-sets" / "quick.yaml").write_text(QUICK_SET)
    mill.write_many(3)
    return mill


@contextmanager
def clock_of(zone: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def berlin() -> Iterator[None]:
    with clock_of("Europe/Berlin"):
        yield


def create(mill: Mill, **options: object) -> int:
    made = batches.create_batch(mill.settings, name="planned", params="quick", **options)  # type: ignore[arg-type] # shorthand
    ingesting.ingest(mill.settings, [str(mill.folder)], batch=str(made.batch_id))
    return made.batch_id


def shown(mill: Mill) -> BatchShown:
    return batches.show_batch(mill.settings, "planned")


def due(mill: Mill) -> list[int]:
    return scheduling.start_due(mill.home, mill.settings, mill.reporter)


def groups(mill: Mill) -> list[tuple[str, str | None]]:
    return [(row[0], row[1]) for row in mill.state("SELECT status, scheduled_for FROM run_group ORDER BY id")]


def test_a_time_that_has_come_starts_once(planned: Mill) -> None:
    mill = planned
    create(mill, scheduled_start=PAST)
    assert (shown(mill).batch.status, shown(mill).scheduled_start) == ("scheduled", "2020-01-01T00:00:00.000Z")
    assert due(mill) == [1]
    assert due(mill) == []
    assert mill.state("SELECT status, COUNT(*) FROM run GROUP BY status") == [("pending", 3)]
    assert mill.state("SELECT event FROM lifecycle_event") == [("group_start",)]


def test_a_time_to_come_is_waited_for_and_can_be_brought_forward(planned: Mill) -> None:
    mill = planned
    create(mill, scheduled_start=FUTURE)
    assert due(mill) == []
    with pytest.raises(InvalidState) as refused:
        running.start(mill.settings, mill.reporter, "planned")
    assert refused.value.context["scheduled_for"] == "2999-01-01T00:00:00.000Z"
    assert refused.value.context["current_status"] == "scheduled"
    result = running.start(mill.settings, mill.reporter, "planned", override_schedule=True)
    assert (result.status, result.documents.completed) == ("completed", 3)
    assert groups(mill) == [("completed", "2999-01-01T00:00:00.000Z")]


def test_a_cron_batch_is_scheduled_again_and_again(planned: Mill) -> None:
    mill = planned
    create(mill, cron="  30   2 * * * ")
    assert (shown(mill).cron, shown(mill).batch.type, shown(mill).batch.status) == (
        "30 2 * * *",
        "scheduled",
        "scheduled",
    )
    first = shown(mill).scheduled_start
    assert first is not None and first > datetime.now(UTC).isoformat()
    early = running.start(mill.settings, mill.reporter, "planned", override_schedule=True)
    assert early.documents.completed == 3
    assert groups(mill) == [("completed", first), ("scheduled", first)], "the time that was planned stays"
    missed(mill, 2)
    assert due(mill) == [2]
    assert [status for status, _at in groups(mill)] == ["completed", "running", "scheduled"]
    again = groups(mill)[2][1]
    assert again is not None and again >= first, "what was missed is made up once, not once for each day"
    missed(mill, 3)
    assert due(mill) == [], "two runs of one batch overlap"


def missed(mill: Mill, group_id: int) -> None:
    """Its time came years ago, while nobody looked."""
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE run_group SET scheduled_for = '2020-01-01T02:30:00.000Z' WHERE id = ?", [group_id])
    state.close()


def test_a_clock_that_was_put_back_makes_no_time_come_twice(planned: Mill) -> None:
    mill = planned
    create(mill, cron="30 2 * * *")
    with reading(mill.home) as queries:
        row = scheduled_group(queries, 1)
    assert row is not None
    scheduling.start_now(mill.home, mill.settings, mill.reporter, row)  # as if that time had come already
    first, second = (datetime.fromisoformat(str(at)) for _status, at in groups(mill))
    assert second > first


@pytest.mark.parametrize("cron", ["30 2 * * *", "@hourly"])
def test_a_clock_that_was_far_ahead_does_not_put_a_schedule_off_for_years(planned: Mill, cron: str) -> None:
    mill = planned
    create(mill, cron=cron)
    soon = groups(mill)[0][1]
    state = State(mill.home)
    with state.transaction() as tx:  # as if the clock had said 2999 when it was planned
        tx.run(
            "UPDATE run_group SET scheduled_for = '2999-01-01T02:30:00.000Z', created_at = '2998-12-31T12:00:00.000Z'"
        )
    state.close()
    with reading(mill.home) as queries:
        assert anything_due(queries)
    assert due(mill) == []
    assert groups(mill) == [("scheduled", soon)]
    with reading(mill.home) as queries:
        assert not anything_due(queries)


def test_a_time_that_has_been_used_is_passed_over_when_the_clock_goes_back(planned: Mill) -> None:
    mill = planned
    create(mill, cron="@daily")
    [(_status, first)] = groups(mill)
    missed(mill, 1)
    due(mill)
    state = State(mill.home)
    with state.transaction() as tx:  # the first one began at its time, before the clock was put back
        tx.run("UPDATE run_group SET scheduled_for = ?, status = 'completed' WHERE id = 1", [first])
        tx.run("UPDATE run_group SET created_at = '2998-01-01T00:00:00.000Z' WHERE id = 2")
    state.close()
    assert due(mill) == []
    again = groups(mill)[1][1]
    assert again is not None and first is not None and again > first


def test_many_who_look_at_once_start_it_once(planned: Mill) -> None:
    mill = planned
    mill.sync()
    mill.write("late.md", "# Late\n\nThis came later.\n")
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", cron="* * * * *")
    missed(mill, 2)
    begun = [each.result() for each in [Working(lambda: due(mill)) for _ in range(4)]]
    assert sorted(begun) == [[], [], [], [2]]
    assert [status for status, _at in groups(mill)] == ["completed", "running", "scheduled"]
    assert mill.value("SELECT COUNT(*) FROM run WHERE run_group_id = 2") == 1


def test_brought_forward_it_does_what_is_asked_for(planned: Mill) -> None:
    mill = planned
    create(mill, cron="@daily")
    [(_status, at)] = groups(mill)
    result = running.start(
        mill.settings,
        mill.reporter,
        "planned",
        overrides=["store.database=other"],
        documents=["note-001.md"],
        no_cache=["chunk"],
        override_schedule=True,
    )
    assert isinstance(result, RunResult)
    assert (result.workflows, result.documents.completed) == (1, 1)
    assert list(mill.texts("other")) == ["note-001.md"]
    assert mill.state("SELECT database, no_cache, scheduled_for FROM run_group ORDER BY id")[0] == (
        "other",
        '["chunk"]',
        at,
    )


def test_a_source_that_is_not_there_is_told_at_once_and_when_it_is_due(planned: Mill) -> None:
    mill = planned
    batches.create_batch(
        mill.settings, reporter=mill.reporter, name="x", params="quick", source="dcos", scheduled_start=PAST
    )
    assert any("no source 'dcos'" in getattr(event, "message", "") for event in mill.reporter.events)
    assert due(mill) == [1]
    assert mill.state("SELECT status, status_message FROM run_group") == [("failed", "there is no source 'dcos'")]


def test_a_file_that_cannot_be_read_is_logged(planned: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = planned
    mill.sync()
    mill.write("locked.md", "# Locked\n")

    def denied(file: FoundFile) -> HashedFile:
        raise SourceFileDenied(f"{file.uri} cannot be read")

    monkeypatch.setattr(looking.folders, "hash_file", denied)
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", scheduled_start=PAST)
    assert due(mill) == [2]
    logged = mill.state("SELECT level, message FROM log_entry WHERE run_group_id = 2 AND level = 'error'")
    assert ("error", "locked.md cannot be read") in logged


def test_while_too_many_run_no_folder_is_read(planned: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = planned
    mill.sync()
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", scheduled_start=PAST)
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE run_group SET status = 'running' WHERE id = 1")
    state.close()
    mill.flags = {"max_running_batches": 1}
    with monkeypatch.context() as patched:
        patched.setattr(scheduling, "look", lambda *_args, **_more: pytest.fail("the folder was read"))
        assert due(mill) == []
    assert groups(mill)[1] == ("scheduled", "2020-01-01T00:00:00.000Z")
    mill.flags = {}
    assert due(mill) == [2]


def test_a_stop_while_files_are_read_leaves_it_due(planned: Mill) -> None:
    mill = planned
    mill.sync()
    mill.write("late.md", "# Late\n\nThis came later.\n")
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", scheduled_start=PAST)

    def stop() -> None:
        raise StoppedError("stopped by SIGTERM")

    assert scheduling.start_due(mill.home, mill.settings, mill.reporter, meanwhile=stop) == []
    assert groups(mill)[1] == ("scheduled", "2020-01-01T00:00:00.000Z")


def test_cancelling_a_batch_at_work_ends_its_schedule_too(planned: Mill) -> None:
    mill = planned
    create(mill, cron="@hourly")
    missed(mill, 1)
    due(mill)
    cancelled = stopping.cancel(mill.settings, "planned")
    assert (cancelled.status, cancelled.run_group_id) == ("cancelled", 1)
    assert [status for status, _at in groups(mill)] == ["cancelled", "cancelled"]


def test_cancelling_one_run_group_leaves_the_schedule(planned: Mill) -> None:
    mill = planned
    create(mill, cron="@hourly")
    missed(mill, 1)
    due(mill)
    stopping.cancel(mill.settings, run_group=1)
    assert [status for status, _at in groups(mill)] == ["cancelled", "scheduled"]


def test_cancelling_ends_a_schedule_for_good(planned: Mill) -> None:
    mill = planned
    create(mill, cron="@hourly")
    cancelled = stopping.cancel(mill.settings, "planned", reason="no longer")
    assert (cancelled.status, shown(mill).batch.status) == ("cancelled", "cancelled")
    assert due(mill) == []
    assert len(groups(mill)) == 1


def test_a_batch_of_a_source_looks_at_its_folder(planned: Mill) -> None:
    mill = planned
    mill.sync()
    mill.write("late.md", "# Late\n\nThis came later.\n")
    (mill.folder / "note-000.md").unlink()
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", scheduled_start=PAST)
    assert len(due(mill)) == 1
    running.work_until_done(mill.home, mill.settings, mill.reporter, [2])
    assert sorted(mill.texts()) == ["late.md", "note-001.md", "note-002.md"]


def test_what_cannot_start_has_failed_and_the_next_time_comes_all_the_same(planned: Mill) -> None:
    mill = planned
    mill.sync()
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", cron="30 2 * * *")
    missed(mill, 2)
    mill.folder.rename(mill.root / "elsewhere")
    assert due(mill) == [2]
    [failed, again] = mill.state("SELECT status, status_message FROM run_group WHERE id > 1 ORDER BY id")
    assert failed[0] == "failed" and "there is no folder" in failed[1]
    assert again[0] == "scheduled"
    events = mill.state("SELECT event FROM lifecycle_event WHERE run_group_id = 2 ORDER BY id")
    assert events == [("group_start",), ("group_end",)]
    assert any("cannot start" in getattr(event, "message", "") for event in mill.reporter.events)


NO_EXPRESSIONS = [
    "61 * * * *",
    "* * * *",
    "* * * * * *",
    "never",
    "0 0 31 2 *",
    "",
    "@reboot",
    "R R * * *",
    "H 2 * * *",
]


@pytest.mark.parametrize("expression", NO_EXPRESSIONS)
def test_what_is_no_cron_expression(mill: Mill, expression: str) -> None:
    with pytest.raises(UsageError, match="not a cron expression"):
        batches.create_batch(mill.settings, name="x", cron=expression)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_retries", 21),
        ("retry_delay", math.inf),
        ("retry_delay", -1),
        ("backoff_multiplier", 0.5),
        ("backoff_multiplier", 1e300),
        ("jitter", 1.01),
        ("jitter", math.nan),
    ],
)
def test_numbers_that_make_no_policy(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} must be from"):
        batches.RetryOptions(**{name: value})  # type: ignore[arg-type] # one of them


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
def test_times_that_limit_nothing(mill: Mill, seconds: float) -> None:
    with pytest.raises(UsageError, match="max_processing_time must be from"):
        batches.create_batch(mill.settings, name="x", max_processing_time=seconds)


def test_a_scheduled_batch_has_a_time(mill: Mill) -> None:
    with pytest.raises(UsageError, match="needs to know when"):
        batches.create_batch(mill.settings, name="x", type="scheduled")


@pytest.mark.parametrize("when", ["tomorrow", "2026-13-01"])
def test_what_is_no_time(mill: Mill, when: str) -> None:
    with pytest.raises(UsageError, match="not a time"):
        batches.create_batch(mill.settings, name="x", scheduled_start=when)


def test_times_without_a_zone_are_local(planned: Mill, berlin: None) -> None:
    create(planned, scheduled_start="2999-07-01T12:00")
    assert shown(planned).scheduled_start == "2999-07-01T10:00:00.000Z"


@pytest.mark.parametrize(
    ("expression", "after", "times"),
    [  # the clocks go forward on 2026-03-29 at 02:00, and back on 2026-10-25 at 03:00
        ("30 2 * * *", "2026-03-28T12:00+00:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("30 2 * * *", "2026-10-24T12:00+00:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("0 * * * *", "2026-10-24T23:30+00:00", ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"]),
        ("@hourly", "2026-10-24T23:30+00:00", ["2026-10-25T00:00", "2026-10-25T01:00"]),
    ],
)
def test_times_when_the_clocks_change(berlin: None, expression: str, after: str, times: list[str]) -> None:
    when = datetime.fromisoformat(after)
    for expected in times:
        found = timetable.next_time(expression, when)
        assert found == f"{expected}:00.000Z"
        when = datetime.fromisoformat(found)


def test_times_where_the_clocks_change_by_half_an_hour() -> None:
    with clock_of("Australia/Lord_Howe"):  # back by half an hour on 2026-04-05 at 02:00
        found = islice(timetable.times("45 1 * * *", datetime.fromisoformat("2026-04-03T12:00+00:00")), 3)
        assert [time[:16] for time in found] == ["2026-04-03T14:45", "2026-04-04T14:45", "2026-04-05T15:15"]


def test_the_time_zone_of_the_tests_is_put_back() -> None:
    assert os.environ.get("TZ") != "Europe/Berlin"


def test_a_batch_that_looks_after_another_ones_source_answers_for_its_documents(planned: Mill) -> None:
    mill = planned
    mill.write("empty.txt", "")
    mill.sync(workflow="batch", params="quick", overrides=[])
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", scheduled_start=PAST)
    due(mill)
    running.work_until_done(mill.home, mill.settings, mill.reporter, [2])
    shown = batches.status(mill.settings, "nightly")
    assert (shown.files.total, [error.uri for error in shown.errors]) == (4, ["empty.txt"])
    mill.write("empty.txt", "Now it has words.\n")
    assert retrying.retry(mill.settings, mill.reporter, "nightly").errors == []
    assert mill.found("has words") == ["empty.txt"]
    again = running.start(mill.settings, mill.reporter, "nightly", documents=["note-000.md"], force=True)
    assert isinstance(again, RunResult) and again.documents.completed == 1
