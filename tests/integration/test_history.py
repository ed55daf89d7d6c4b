"""Looking up what was done, and deleting the records of it, on real runs with failures and retries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import TRAPS, Mill, Working, wait_for
from docmill.errors import BatchNotFound, InvalidState, NotAllowedError, RunGroupNotFound, RunNotFound, UsageError
from docmill.service import batches, history, ingesting, pruning, retrying, running, stopping
from docmill.stores.history import LEVELS
from docmill.stores.state import State, logs

PAGE: dict[str, int] = {"limit": 50, "offset": 0}
WORK = ("run_step", "lifecycle_event", "delivery", "run", "run_group")
ALL = (*WORK, "log_entry", "document", "document_version", "source", "batch", "placement", "artifact")


def rows_in(mill: Mill, *tables: str) -> dict[str, int]:
    return {table: mill.value(f"SELECT COUNT(*) FROM {table}") for table in tables or ALL}


def lose(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {table: before[table] - after[table] for table in before if before[table] != after[table]}


def retry_at_once(mill: Mill) -> None:
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE batch SET retry_delay = 0.01")
    state.close()


def deliver_something(mill: Mill, group_id: int) -> None:
    state = State(mill.home)
    with state.transaction() as tx:
        row = {"idempotency_key": f"key-{group_id}", "batch_id": 1, "run_group_id": group_id, "event": "group_end"}
        rest = {"handler": "{}", "payload": "{}", "status": "delivered", "attempts": 1, "next_at": "", "created_at": ""}
        tx.insert("delivery", [{**row, **rest}])
    state.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("template")


@pytest.fixture
def worked(traps: Mill, template: Path) -> Mill:
    """Batch 1 ``docs``, run group 1: three good documents, one that needs a second attempt, one that fails for good.

    The work is done once; each test has a copy of it.
    """
    mill = traps
    if not (template / "home").exists():
        mill.write_many(3)
        mill.write("slow.md", "# Slow\n\nFAIL 1 TIMES and then it is well.\n")
        mill.write("broken.pdf", "this is no pdf\n")
        made = batches.create_batch(mill.settings, name="docs")
        ingesting.ingest(mill.settings, [str(mill.folder)], batch=str(made.batch_id))
        retry_at_once(mill)
        running.start(mill.settings, mill.reporter, "docs", overrides=list(TRAPS))
        for part in ("home", "docs", "traps.log"):
            copy(mill.root / part, template / part)
    for part in ("home", "docs", "traps.log"):
        copy(template / part, mill.root / part)
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE source SET folder = ?", [str(mill.folder)])
    state.close()
    return mill


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def test_runs_are_listed_filtered_and_paged(worked: Mill) -> None:
    settings = worked.settings
    everything = history.list_runs(settings, "docs", **PAGE)
    assert (everything.total, len(everything.runs)) == (5, 5)
    assert [run.uri for run in everything.runs] == sorted(str(run.uri) for run in everything.runs)
    first = everything.runs[0]
    assert (first.uri, first.status, first.batch_id, first.run_group_id) == ("broken.pdf", "failed", 1, 1)
    assert (first.workflow, first.params, first.database, first.priority) == ("batch", "default", "default", "normal")
    assert first.status_message is not None and first.status_message.startswith("CORRUPTED_FILE: ")
    assert first.steps is None and first.document is None
    failed = history.list_runs(settings, run_group=1, statuses=["failed"], **PAGE)
    assert [run.uri for run in failed.runs] == ["broken.pdf"]
    either = history.list_runs(settings, statuses=["failed", "completed"], **PAGE)
    assert either.total == 5
    page = history.list_runs(settings, "1", limit=2, offset=4)
    assert (page.total, [run.uri for run in page.runs]) == (5, ["slow.md"])
    full = history.list_runs(settings, "1", include_steps=True, include_document=True, **PAGE)
    assert all(run.steps and run.document for run in full.runs)
    assert full.runs[0].document is not None and full.runs[0].document.type == "pdf"
    for wrong in ({"batch": "nothing"}, {"run_group": 99}):
        with pytest.raises((BatchNotFound, RunGroupNotFound)):
            history.list_runs(settings, **wrong, **PAGE)


def test_a_run_shows_its_steps_with_their_attempts(worked: Mill) -> None:
    settings = worked.settings
    [slow] = [run for run in history.list_runs(settings, **PAGE).runs if run.uri == "slow.md"]
    run = history.show_run(settings, slow.id).run
    assert run.steps is not None and run.document is not None
    assert [step.name for step in run.steps] == ["validate", "parse", "chunk", "embed", "store"]
    assert [step.number for step in run.steps] == [0, 1, 2, 3, 4]
    parse = run.steps[1]
    assert (parse.attempt, parse.retry, parse.retries, parse.status, parse.retry_at) == (2, 1, 3, "completed", None)
    assert parse.worker_id
    assert all(step.duration is not None and step.duration >= 0 for step in run.steps)
    assert run.steps[3].status_meta == {"embedded": 1, "reused": 0}
    assert run.duration is not None and run.duration >= 0
    assert (run.document.uri, run.document.version, run.document.state) == ("slow.md", 1, "active")
    with pytest.raises(RunNotFound):
        history.show_run(settings, 99)


def test_durations_are_never_negative(worked: Mill) -> None:
    """The clock was set back while it ran."""
    state = State(worked.home)
    with state.transaction() as tx:
        tx.run("UPDATE run SET completed_at = '2020-01-01T00:00:00.000Z'")
        tx.run("UPDATE run_step SET completed_at = '2020-01-01T00:00:00.000Z', duration_seconds = -1.0")
        tx.run("UPDATE run_group SET completed_at = '2020-01-01T00:00:00.000Z', processing_seconds = -2.0")
    state.close()
    run = history.show_run(worked.settings, 1).run
    group = history.show_run_group(worked.settings, 1).run_group
    stats = history.run_group_stats(worked.settings, 1)
    assert run.steps is not None
    assert {run.duration, group.duration, stats.duration, group.processing_seconds} == {0.0}
    assert {step.duration for step in run.steps} <= {0.0, None}
    assert {step.durations.min for step in stats.step_types if step.durations} == {0.0}


def test_the_lifecycle_of_a_run_is_told_in_order(worked: Mill) -> None:
    [slow] = [run for run in history.list_runs(worked.settings, **PAGE).runs if run.uri == "slow.md"]
    told = history.run_lifecycle(worked.settings, slow.id)
    events = [(each.event, each.step, each.attempt) for each in told.events]
    assert events[:2] == [("item_start", None, 1), ("step_start", "validate", 1)]
    assert [each for each in events if each[1] == "parse"] == [
        ("step_start", "parse", 1),
        ("step_failed", "parse", 1),
        ("step_start", "parse", 2),
        ("step_end", "parse", 2),
    ]
    assert events[-1] == ("item_end", None, 1)
    assert [each.id for each in told.events] == sorted(each.id for each in told.events)
    failed = next(each for each in told.events if each.event == "step_failed")
    assert failed.status_message == "FLAKY: attempt 1 failed"
    assert {each.run_id for each in told.events} == {slow.id}
    with_group = history.run_lifecycle(worked.settings, slow.id, include_group=True)
    assert (with_group.events[0].event, with_group.events[-1].event) == ("group_start", "group_end")
    assert with_group.total == told.total + 2


def test_steps_are_listed_by_status_and_type(worked: Mill) -> None:
    settings = worked.settings
    assert history.list_steps(settings, "docs", **PAGE).total == 25
    failed = history.list_steps(settings, statuses=["failed"], **PAGE)
    assert [(step.name, step.status_message is not None) for step in failed.steps] == [("validate", True)]
    skipped = history.list_steps(settings, run_group=1, statuses=["skipped"], types=["chunk", "embed"], **PAGE)
    assert [step.type for step in skipped.steps] == ["chunk", "embed"]
    page = history.list_steps(settings, types=["parse"], limit=2, offset=1)
    assert (page.total, len(page.steps)) == (5, 2)


def test_groups_are_listed_shown_and_counted(worked: Mill) -> None:
    mill, settings = worked, worked.settings
    mill.write("note-000.md", "# New\n\nOther words.\n")
    ingesting.ingest(settings, [str(mill.folder)], batch="docs")
    running.start(settings, mill.reporter, "docs", overrides=list(TRAPS))
    listed = history.list_run_groups(settings, "docs", **PAGE)
    assert [group.id for group in listed.run_groups] == [2, 1]
    assert history.list_run_groups(settings, statuses=["failed"], **PAGE).total == 0
    group = history.show_run_group(settings, 1)
    counts = group.run_group.counts
    assert (counts.total, counts.completed, counts.failed, counts.pending) == (5, 4, 1, 0)
    assert (group.run_group.chunks.total, group.run_group.chunks.embedded) == (4, 4)
    assert [step["name"] for step in group.pipeline["steps"]] == ["validate", "parse", "chunk", "embed", "store"]
    stats = history.run_group_stats(settings, 1)
    assert stats.runs == {"completed": 4, "failed": 1}
    assert stats.steps == {"completed": 20, "failed": 1, "skipped": 4}
    assert (stats.retries, stats.reused) == (1, 0)
    parse = next(step for step in stats.step_types if step.name == "parse")
    assert (parse.total, parse.by_status, parse.retries) == (5, {"completed": 4, "skipped": 1}, 1)
    times = parse.durations
    assert times is not None and times.count == 4
    assert 0 <= times.min <= times.p50 <= times.p95 <= times.max
    assert stats.run_durations is not None and stats.run_durations.count == 5
    with pytest.raises(RunGroupNotFound):
        history.run_group_stats(settings, 3)


def test_what_was_reused_has_no_duration_of_its_own(worked: Mill) -> None:
    mill = worked
    for number in range(3):
        (mill.folder / f"note-{number:03d}.md").rename(mill.folder / f"moved-{number}.md")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="docs")
    running.start(mill.settings, mill.reporter, "docs", overrides=list(TRAPS))
    stats = history.run_group_stats(mill.settings, 2)
    reused = {step.name: (step.reused, step.durations is None) for step in stats.step_types}
    assert reused["parse"] == (3, True)
    assert reused["store"] == (0, False)
    assert stats.reused == sum(step.reused for step in stats.step_types)


def test_percentiles_are_by_nearest_rank() -> None:
    times = history.durations([float(number) for number in range(1, 21)])
    assert times is not None
    assert (times.min, times.p50, times.p95, times.max, times.total) == (1.0, 10.0, 19.0, 20.0, 210.0)
    assert history.durations([]) is None
    one = history.durations([3.0])
    assert one is not None and (one.p50, one.p95) == (3.0, 3.0)


def create(mill: Mill, name: str, **more: Any) -> int:
    return batches.create_batch(mill.settings, name=name, **more).batch_id


def test_batches_are_filtered_sorted_and_aggregated(mill: Mill) -> None:
    create(mill, "Zebra", description="Die ÄRZTE 100% [x]", priority="high")
    create(mill, "apple", type="manual")
    create(mill, "Birne", type="manual", priority="low", description="under_score")
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE batch SET created_at = '2026-01-0' || id || 'T00:00:00.500Z', updated_at = '2027' || (9 - id)")
    state.close()

    def names(**options: Any) -> list[str]:
        return [each.name for each in history.list_batches(mill.settings, **{**PAGE, **options}).batches]

    assert names() == ["Birne", "apple", "Zebra"]
    assert names(sort="name") == ["apple", "Birne", "Zebra"]
    assert names(sort="name", descending=True) == ["Zebra", "Birne", "apple"]
    assert names(sort="updated_at") == ["Zebra", "apple", "Birne"]
    assert names(sort="created_at", descending=False) == ["Zebra", "apple", "Birne"]
    assert names(search="ärzte") == ["Zebra"]
    assert names(search="100%") == ["Zebra"] and names(search="0%0") == []
    assert names(search="r_s") == ["Birne"] and names(search="e_s") == []
    assert names(search="[X]") == ["Zebra"] and names(search="BIR") == ["Birne"]
    assert names(priority="high") == ["Zebra"]
    assert names(created_after="2026-01-02") == ["Birne", "apple"]
    assert names(created_after="2026-01-02T00:00:00.500Z") == ["Birne", "apple"]
    assert names(created_before="2026-01-02T01:00:00+01:00") == ["Zebra"]
    with pytest.raises(UsageError):
        names(created_after="soon")
    page = history.list_batches(mill.settings, limit=1, offset=1, type="manual")
    assert (page.total, [each.name for each in page.batches]) == (2, ["apple"])
    assert page.aggregations.by_type == {"manual": 2}
    assert page.aggregations.by_status == {"created": 2}


def test_active_shows_what_is_running_or_paused(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.05")
    assert history.list_active(mill.settings, **PAGE).batches == []
    mill.write_many(12)
    create(mill, "docs")
    create(mill, "idle")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="docs")
    work = Working(lambda: running.start(mill.settings, mill.reporter, "docs", overrides=list(TRAPS)))
    wait_for(lambda: mill.noted("embed"))
    [one] = history.list_active(mill.settings, **PAGE).batches
    assert (one.name, one.status, one.run_group_id, one.engine_at_work) == ("docs", "running", 1, True)
    assert one.progress.total_files == 12 and one.started_at is not None
    for refused in (
        lambda: pruning.delete_run_group(mill.settings, 1),
        lambda: pruning.delete_batch(mill.settings, "docs", with_documents=True),
        lambda: pruning.delete_batch(mill.settings, "docs", dry_run=True),
    ):
        with pytest.raises(InvalidState) as error:
            refused()
        assert error.value.context["current_status"] == "running"
        assert "completed" in error.value.context["valid_statuses"]
    stopping.pause(mill.settings, "docs")
    work.result()
    active = history.list_active(mill.settings, **PAGE)
    assert active.engine is None
    [one] = active.batches
    assert (one.status, one.engine_at_work) == ("paused", False)
    assert one.paused_at is not None
    with pytest.raises(InvalidState):
        pruning.delete_run_group(mill.settings, 1)
    stopping.cancel(mill.settings, "docs")
    assert pruning.delete_run_group(mill.settings, 1).statistics.deleted_runs == 12


def test_deleting_a_group_takes_its_records_and_nothing_else(worked: Mill) -> None:
    mill, settings = worked, worked.settings
    mill.write("later.md", "# Later\n\nIt came later.\n")
    ingesting.ingest(settings, [str(mill.folder)], batch="docs")
    running.start(settings, mill.reporter, "docs", overrides=list(TRAPS))
    deliver_something(mill, 1)
    before, passages = rows_in(mill), mill.rows()
    kept = mill.state("SELECT * FROM run_step WHERE run_group_id = 2")
    would = pruning.delete_run_group(settings, 1, dry_run=True)
    assert would.dry_run and rows_in(mill) == before
    done = pruning.delete_run_group(settings, 1)
    assert done.statistics == would.statistics
    assert lose(before, rows_in(mill)) == {
        "run_step": done.statistics.deleted_steps,
        "lifecycle_event": done.statistics.deleted_lifecycle_events,
        "delivery": 1,
        "run": 5,
        "run_group": 1,
    }
    assert done.statistics.total_deleted == sum(lose(before, rows_in(mill)).values())
    assert mill.state("SELECT * FROM run_step WHERE run_group_id = 2") == kept
    assert mill.rows() == passages
    assert mill.state("PRAGMA foreign_key_check") == []
    assert mill.value("SELECT status FROM batch") == "completed"
    with pytest.raises(RunGroupNotFound):
        pruning.delete_run_group(settings, 1)
    assert history.list_runs(settings, **PAGE).total == 1
    pruning.delete_run_group(settings, 2)
    assert rows_in(mill, *WORK) == dict.fromkeys(WORK, 0)
    assert mill.state("SELECT status, started_at, completed_at FROM batch") == [("created", None, None)]
    assert mill.rows() == passages


def test_ids_never_come_back(worked: Mill) -> None:
    mill, settings = worked, worked.settings
    pruning.delete_run_group(settings, 1)
    mill.write("later.md", "# Later\n\nIt came later.\n")
    ingesting.ingest(settings, [str(mill.folder)], batch="docs")
    running.start(settings, mill.reporter, "docs", overrides=list(TRAPS))
    assert mill.state("SELECT id, run_group_id FROM run") == [(6, 2)]
    pruning.delete_batch(settings, "docs", with_documents=True)
    assert create(mill, "docs") == 2


def test_a_batch_with_documents_is_not_deleted_by_accident(worked: Mill) -> None:
    before = rows_in(worked)
    with pytest.raises(NotAllowedError) as refused:
        pruning.delete_batch(worked.settings, "docs")
    assert refused.value.context["documents"] == 5
    assert "--with-documents" in str(refused.value.hint)
    with pytest.raises(BatchNotFound):
        pruning.delete_batch(worked.settings, "other")
    assert rows_in(worked) == before


def test_deleting_a_batch_with_its_documents_takes_their_passages_out(worked: Mill) -> None:
    mill, settings = worked, worked.settings
    other = mill.root / "other"
    other.mkdir()
    (other / "kept.md").write_text("# Kept\n\nNotes that another batch has.\n")
    mill.sync(other)
    before = rows_in(mill)
    assert len(mill.texts()) == 5
    would = pruning.delete_batch(settings, "docs", with_documents=True, dry_run=True)
    assert rows_in(mill) == before
    done = pruning.delete_batch(settings, "docs", with_documents=True)
    assert done.statistics == would.statistics
    assert done.leaving == []
    assert list(mill.texts()) == ["kept.md"]
    assert mill.found("Notes") == ["kept.md"]
    lost = lose(before, rows_in(mill))
    assert (lost["batch"], lost["document"], lost["source"], lost["run"], lost["run_group"]) == (1, 5, 1, 5, 1)
    assert "artifact" not in lost
    assert lost.pop("placement") == 4
    assert sum(lost.values()) == done.statistics.total_deleted
    assert mill.state("PRAGMA foreign_key_check") == []
    assert (mill.folder / "slow.md").exists()
    again = mill.sync(overrides=["embed.batch_tokens=64"])
    assert (again.documents.completed, again.chunks.embedded, again.batch_id) == (4, 0, 3)
    assert len(mill.texts()) == 5


def test_a_source_follows_another_batch_that_has_documents_of_it(mill: Mill) -> None:
    mill.write("a.md", "# A\n\nFirst words.\n")
    first = mill.sync()
    second = create(mill, "second")
    added = mill.write("b.md", "# B\n\nOther words.\n")
    ingesting.ingest(mill.settings, [str(added)], batch=str(second), source=first.source)
    pruning.delete_batch(mill.settings, str(first.batch_id), with_documents=True)
    assert mill.state("SELECT name, batch_id FROM source") == [(first.source, second)]
    again = mill.sync()
    assert (again.batch_id, again.documents.completed) == (second, 2)
    assert sorted(mill.texts()) == ["a.md", "b.md"]


def test_documents_that_another_batch_is_at_hold_their_batch(traps: Mill) -> None:
    """An engine would wait for ever for a document whose row is gone."""
    mill = traps
    mill.write("a.md", "# A\n\nFirst words.\n")
    first = mill.sync()
    second = create(mill, "second")
    added = mill.write("b.md", "# B\n\nHANG for good.\n")
    ingesting.ingest(mill.settings, [str(added)], batch=str(second), source=first.source)
    work = Working(mill.sync)  # of the source, in its own batch: the new document belongs to the second one
    wait_for(lambda: "b.md" in mill.noted("parse"))
    with pytest.raises(InvalidState, match=f"under way in batch {first.batch_id}"):
        pruning.delete_batch(mill.settings, "second", with_documents=True)
    stopping.cancel(mill.settings, str(first.batch_id))
    work.result()
    assert pruning.delete_batch(mill.settings, "second", with_documents=True).statistics.deleted_documents == 1
    runs = history.list_runs(mill.settings, str(first.batch_id), include_document=True, **PAGE).runs
    assert {(run.uri, run.document is None) for run in runs} == {("a.md", False), (None, True)}


def test_where_an_engine_is_at_work_passages_leave_with_its_window(
    traps: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = traps
    mill.write("a.md", "# A\n\nFirst words.\n")
    first = mill.sync()
    other = mill.root / "other"
    other.mkdir()
    for number in range(8):
        (other / f"{number}.md").write_text(f"# Other {number}\n\nWords {number}.\n")
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.05")
    work = Working(lambda: mill.sync(other))
    wait_for(lambda: len(mill.noted("embed")) > 2)
    assert pruning.delete_batch(mill.settings, str(first.batch_id), with_documents=True).leaving == ["default"]
    work.result()
    assert len(mill.texts()) == 8
    assert mill.value("SELECT COUNT(*) FROM placement WHERE state = 'leaving'") == 0


def test_a_retried_group_keeps_its_figures_straight(worked: Mill) -> None:
    mill = worked
    (mill.folder / "broken.pdf").write_bytes(b"this is no pdf\n")
    retrying.retry(mill.settings, mill.reporter, "docs", all_failed=True)
    group = history.show_run_group(mill.settings, 1).run_group
    assert (group.attempt, group.counts.failed, group.counts.total) == (2, 1, 5)
    [failed] = history.list_runs(mill.settings, statuses=["failed"], **PAGE).runs
    assert failed.attempt == 2
    told = history.run_lifecycle(mill.settings, failed.id, include_group=True).events
    assert [each.event for each in told].count("item_failed") == 2
    assert [each.event for each in told].count("group_end") == 2


def test_the_log_stays_within_its_bounds(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "KEPT_ENTRIES", 50)
    monkeypatch.setattr(logs, "TRIM_EVERY", 10)
    monkeypatch.setattr(logs.trim, "__defaults__", (50,))
    state = State(mill.home)
    with state.transaction() as tx:
        for number in range(123):
            logs.log(tx, LEVELS[number % 4], f"entry {number}", number=number, nothing=None)
        logs.log(tx, "info", "x" * 5000, long="y" * 9000, many=["z" * 100] * 100, count=3)
    state.close()
    numbers = [row[0] for row in mill.state("SELECT json_extract(context, '$.number') FROM log_entry ORDER BY id")]
    assert len(numbers) <= 60
    assert numbers[:-1] == list(range(123))[-len(numbers) + 1 :]
    message, context = mill.state("SELECT message, context FROM log_entry ORDER BY id DESC LIMIT 1")[0]
    assert len(message) == 1000 and message.endswith("…")
    assert len(context) < 4000
    assert '"count": 3' in context and '"left_out": ["long", "many"]' in context
    assert mill.value("SELECT COUNT(*) FROM log_entry WHERE context LIKE '%nothing%'") == 0
