"""Schedules: when they are due, that each time comes once, what starts, and what is told where nothing can."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from conftest import Mill
from docmill.domain.results import BatchShown
from docmill.errors import InvalidState, UsageError
from docmill.service import batches, ingesting, running, scheduling, stopping, timetable
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


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


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
        row = due_module.scheduled_group(queries, 1)
    assert row is not None
    scheduling.start_now(mill.home, mill.settings, mill.reporter, row)  # as if that time had come already
    first, second = (datetime.fromisoformat(str(at)) for _status, at in groups(mill))
    assert second > first


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
    assert due(mill) == []
    [failed, again] = mill.state("SELECT status, status_message FROM run_group WHERE id > 1 ORDER BY id")
    assert failed[0] == "failed" and "there is no folder" in failed[1]
    assert again[0] == "scheduled"
    events = mill.state("SELECT event FROM lifecycle_event WHERE run_group_id = 2 ORDER BY id")
    assert events == [("group_start",), ("group_end",)]
    assert any("cannot start" in getattr(event, "message", "") for event in mill.reporter.events)


@pytest.mark.parametrize("expression", ["61 * * * *", "* * * *", "* * * * * *", "never", "0 0 31 2 *", ""])
def test_what_is_no_cron_expression(mill: Mill, expression: str) -> None:
    with pytest.raises(UsageError, match="not a cron expression"):
        batches.create_batch(mill.settings, name="x", cron=expression)


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


def test_the_time_zone_of_the_tests_is_put_back() -> None:
    assert os.environ.get("TZ") != "Europe/Berlin"
