"""What was done, as text and as JSON, and the commands that show it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from docmill.cli import history as history_commands
from docmill.cli import output
from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain import results as r
from docmill.domain.status import STATUSES, Entity
from docmill.domain.workflow import StepType
from docmill.service.controlling import writing
from docmill.stores.state import logs

AT, LATER = "2026-01-31T12:00:00.125Z", "2026-01-31T12:03:20.000Z"
PAGE = {"total": 120, "limit": 50, "offset": 0}
NONE = {"total": 0, "limit": 50, "offset": 0}
HASH = f"sha256-{'a' * 64}"


def step(number: int, name: str, status: str = "completed", **more: Any) -> r.StepRecord:
    given = {
        "id": 500 + number,
        "run_id": 42,
        "run_group_id": 7,
        "number": number,
        "name": name,
        "type": name,
        "status": status,
        "attempt": 1,
        "retry": 0,
        "retries": 2,
        "retry_at": None,
        "reused": False,
        "worker_id": "4242" if status == "completed" else None,
        "status_message": None,
        "status_meta": {},
        "started_at": AT,
        "completed_at": AT if status == "completed" else None,
        "duration": 0.034 if status == "completed" else None,
    }
    return r.StepRecord(**{**given, **more})


STEPS = [
    step(0, "validate", reused=True, duration=0.0),
    step(1, "parse", attempt=2, retry=1, duration=12.4, status_meta={"pages": 12}),
    step(2, "chunk", "error", retry=1, retry_at=LATER, status_message="TEMPORARY_FAILURE: the disk hangs"),
    step(3, "embed", "pending"),
    step(4, "evil\x1b[2J", "skipped", status_message="[red]\x1b]0;x\x07title"),
]


def run(number: int = 42, status: str = "completed", **more: Any) -> r.RunRecord:
    ended = status in ("completed", "failed")
    given = {
        "id": number,
        "run_group_id": 7,
        "batch_id": 3,
        "document_id": "ab" * 16,
        "uri": f"2024/report {number}.pdf",
        "version": 2,
        "content_hash": HASH,
        "workflow": "batch",
        "params": "default",
        "database": "default",
        "status": status,
        "status_message": None,
        "status_meta": {},
        "degraded": False,
        "chunk_count": 1234 if status == "completed" else 0,
        "priority": "normal",
        "attempt": 1,
        "created_at": AT,
        "started_at": AT if status != "pending" else None,
        "completed_at": LATER if ended else None,
        "duration": 199.875 if ended else None,
    }
    return r.RunRecord(**{**given, **more})


DOCUMENT = r.RunDocument(
    document_id="ab" * 16,
    uri="2024/report 42.pdf",
    filename="report 42.pdf",
    source="reports",
    type="pdf",
    version=3,
    content_hash=HASH,
    size_bytes=2_000_000,
    state="deleted",
    metadata={"author": "Ada"},
    first_seen_at=AT,
    updated_at=LATER,
)
FAILED = run(
    43, "failed", uri="evil\x1b[2J\n[red].pdf", status_message="CORRUPTED_FILE: \x1b]0;x\x07no page", attempt=2
)
GROUP = r.RunGroupRecord(
    id=7,
    batch_id=3,
    workflow="batch",
    params="high_quality",
    database="default",
    status="completed",
    status_message=None,
    priority="high",
    attempt=2,
    scheduled_for=None,
    control=None,
    counts=r.RunCounts(total=240, completed=230, failed=8, cancelled=2, degraded=3),
    chunks=r.GroupChunks(total=12345, embedded=12000, reused=345),
    created_at=AT,
    started_at=AT,
    paused_at=None,
    completed_at=LATER,
    duration=199.875,
    processing_seconds=180.5,
)
PAUSED = GROUP.model_copy(
    update={
        "id": 8,
        "status": "paused",
        "status_message": "paused",
        "control": "cancel",
        "paused_at": LATER,
        "completed_at": None,
        "duration": None,
        "attempt": 1,
        "counts": r.RunCounts(total=10, pending=4, completed=6),
    }
)
TIMES = r.Durations(count=230, min=0.0012, p50=0.034, p95=1.5, max=75.0, total=100.0)
PROGRESS = r.Progress(
    total_files=240,
    processed_files=180,
    failed_files=3,
    skipped_files=0,
    percentage=75.0,
    current_stage="embed",
    message="180 of 240 documents",
)


def active(batch_id: int, status: str, *, engine: bool) -> r.ActiveBatch:
    return r.ActiveBatch(
        batch_id=batch_id,
        name="Q4 [reports]\x1b[2J",
        status=status,
        priority="high",
        run_group_id=7,
        engine_at_work=engine,
        started_at=AT,
        paused_at=LATER if status == "paused" else None,
        progress=PROGRESS,
    )


def entry(level: str, message: str, **context: Any) -> r.LogRecord:
    return r.LogRecord(timestamp=AT, level=level, message=message, context=context, run_group_id=7)


DELETED = r.DeletionCounts(
    deleted_steps=1200, deleted_lifecycle_events=3300, deleted_runs=240, deleted_run_groups=1, total_deleted=4741
)
STAGE = r.StepStats(
    name="parse",
    type="parse",
    total=240,
    by_status={"completed": 230, "failed": 8, "cancelled": 2},
    reused=12,
    retries=3,
    durations=TIMES,
)
SAMPLES: dict[str, r.Result] = {
    "runs": r.RunList(runs=[run(), FAILED, run(44, "running", degraded=True), run(45, uri=None)], **PAGE),
    "runs with all": r.RunList(runs=[run(steps=STEPS, document=DOCUMENT), run(44, "pending", steps=[])], **PAGE),
    "runs none": r.RunList(runs=[], **NONE),
    "run": r.RunShown(run=run(steps=STEPS, document=DOCUMENT, attempt=2, status_meta={"crashes": 2})),
    "run failed": r.RunShown(run=FAILED),
    "lifecycle": r.RunLifecycle(
        run_id=42,
        run_group_id=7,
        batch_id=3,
        uri="evil\x1b[2J.pdf",
        total=4,
        events=[
            r.LifecycleRecord(
                id=number,
                event=event,
                attempt=attempt,
                run_group_id=7,
                run_id=42,
                step_id=501 if name else None,
                step=name,
                status="running",
                status_message=message,
                at=AT,
            )
            for number, (event, name, attempt, message) in enumerate(
                [
                    ("item_start", None, 1, None),
                    ("step_start", "parse", 1, None),
                    ("step_failed", "parse", 1, "FLAKY: \x1b[2Jno"),
                    ("step_end", "parse", 2, None),
                ]
            )
        ],
    ),
    "steps": r.StepList(steps=STEPS, **PAGE),
    "steps none": r.StepList(steps=[], **NONE),
    "run groups": r.RunGroupList(run_groups=[PAUSED, GROUP], **PAGE),
    "run groups none": r.RunGroupList(run_groups=[], **NONE),
    "run group": r.RunGroupShown(
        run_group=PAUSED,
        pipeline={
            "workflow": "batch",
            "steps": [
                {
                    "name": "parse",
                    "type": "parse",
                    "method": "auto",
                    "params": {"max_pages": 100, "pdf_engine": "auto"},
                },
                {"name": "store", "type": "store", "method": "lancedb", "params": {}},
            ],
        },
    ),
    "run group ended": r.RunGroupShown(run_group=GROUP, pipeline={"steps": []}),
    "stats": r.RunGroupStats(
        run_group_id=7,
        batch_id=3,
        status="completed",
        runs={"completed": 230, "failed": 8, "cancelled": 2},
        steps={"completed": 1150, "failed": 8, "skipped": 40},
        step_types=[STAGE, STAGE.model_copy(update={"name": "chunk", "durations": None, "by_status": {}})],
        run_durations=TIMES,
        retries=6,
        reused=12,
        duration=199.875,
    ),
    "stats empty": r.RunGroupStats(
        run_group_id=7,
        batch_id=3,
        status="completed",
        runs={},
        steps={},
        step_types=[],
        run_durations=None,
        retries=0,
        reused=0,
        duration=None,
    ),
    "active": r.ActiveBatches(
        engine=r.EngineHolder(pid=4242, started_at=AT, command="docmill sync a\x1b[2J"),
        batches=[active(3, "running", engine=True), active(4, "paused", engine=False)],
        total=2,
        limit=50,
        offset=0,
    ),
    "active alone": r.ActiveBatches(
        engine=None, batches=[active(3, "running", engine=False)], total=1, limit=50, offset=0
    ),
    "active none": r.ActiveBatches(engine=None, batches=[], **NONE),
    "logs": r.BatchLogs(
        batch_id=3,
        level="info",
        logs=[
            entry("info", "started", documents=240, workflow="batch"),
            entry("warning", "evil\x1b[2J\n.pdf: put off", uri="evil\x1b[2J\n.pdf", retry_at=LATER),
            entry("error", "[red].pdf: no page", error_code="CORRUPTED_FILE", many=[1, 2]),
        ],
        **PAGE,
    ),
    "logs none": r.BatchLogs(batch_id=3, level="warning", logs=[], **NONE),
    "followed": r.Followed(batch_id=3, status="completed", told=12),
    "events": r.BatchEvents(batch_id=3, run_group_id=7, status="completed", told=12),
    "run group deleted": r.RunGroupDeleted(
        run_group_id=7, batch_id=3, dry_run=False, message="deleted run group 7: 4741 records", statistics=DELETED
    ),
    "batch deleted": r.BatchDeleted(
        batch_id=3,
        name="Q4",
        dry_run=True,
        message="would delete batch 3: 4741 records",
        leaving=["default", "fine"],
        statistics=DELETED,
    ),
}


def text_of(result: r.Result, *, terminal: bool = True, verbose: bool = False, width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    write_text(console, render(result, View(width=width, terminal=terminal, verbose=verbose)))
    return stream.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
def test_text_looks_as_reviewed(name: str, snapshot: Any) -> None:
    text = text_of(SAMPLES[name])
    snapshot("text", f"history-{name.replace(' ', '-')}", text)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert not [character for character in text if ord(character) < 32 and character != "\n"]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_pipe_gets_no_advice_and_nothing_cut(name: str) -> None:
    text = text_of(SAMPLES[name], terminal=False, verbose=True, width=100_000)
    assert "docmill " not in text.replace("(docmill sync a)", "")
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("name", SAMPLES)
def test_json_is_one_document_that_reads_back(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = SAMPLES[name]
    output.show(result, SimpleNamespace(json=True, events=False, verbose=False))
    assert type(result).model_validate(json.loads(capsys.readouterr().out)) == result


def test_verbose_steps_name_their_worker_and_what_they_found() -> None:
    text = text_of(SAMPLES["run"], verbose=True)
    assert "worker 4242, pages=12" in text
    assert "2/3" in text


def test_the_command_line_knows_the_statuses_and_step_types_of_the_domain() -> None:
    pairs = {
        Entity.RUN: history_commands.RunStatus,
        Entity.STEP: history_commands.StepStatus,
        Entity.GROUP: history_commands.GroupStatus,
    }
    for entity, choices in pairs.items():
        assert {each.value for each in choices} == {each.value for each in STATUSES[entity]}
    assert {each.value for each in history_commands.StepType} == {each.value for each in StepType}


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "list"],
        ["runs", "list", "notes", "--status", "failed", "--status", "completed", "--include-steps"],
        ["steps", "list", "notes", "--type", "parse"],
        ["run-groups", "list", "notes"],
        ["active"],
        ["logs", "notes"],
        ["batch", "list", "--search", "NOT", "--sort", "name", "--order", "desc", "--priority", "normal"],
    ],
    ids=" ".join,
)
def test_every_list_has_a_page_and_a_total(arguments: list[str], cli: Any, home: Path) -> None:
    assert cli("batch", "create", "--name", "notes").code == 0
    ran = cli(*arguments, "--limit", "7", "--offset", "2", "--json")
    assert ran.code == 0
    assert (ran.json["limit"], ran.json["offset"], type(ran.json["total"])) == (7, 2, int)
    assert cli(*arguments).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["runs", "show", "9"], 4, "RUN_NOT_FOUND"),
        (["runs", "lifecycle", "9"], 4, "RUN_NOT_FOUND"),
        (["run-groups", "show", "9"], 4, "RUN_GROUP_NOT_FOUND"),
        (["run-groups", "stats", "9"], 4, "RUN_GROUP_NOT_FOUND"),
        (["run-groups", "delete", "9"], 4, "RUN_GROUP_NOT_FOUND"),
        (["runs", "list", "nothing"], 4, "BATCH_NOT_FOUND"),
        (["steps", "list", "--run-group", "9"], 4, "RUN_GROUP_NOT_FOUND"),
        (["batch", "delete", "nothing"], 4, "BATCH_NOT_FOUND"),
        (["logs", "nothing"], 4, "BATCH_NOT_FOUND"),
        (["events", "nothing"], 4, "BATCH_NOT_FOUND"),
        (["runs", "list", "--status", "odd"], 2, "USAGE"),
        (["runs", "show", "x"], 2, "USAGE"),
        (["steps", "list", "--type", "route"], 2, "USAGE"),
        (["logs", "notes", "--level", "loud"], 2, "USAGE"),
        (["logs", "notes", "--follow"], 2, "USAGE"),
        (["events", "notes", "--follow"], 2, "USAGE"),
        (["batch", "list", "--created-before", "soon"], 2, "USAGE"),
        (["batch", "list", "--sort", "size"], 2, "USAGE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_not_there_and_what_makes_no_sense(
    arguments: list[str], code: int, name: str, cli: Any, home: Path
) -> None:
    cli("batch", "create", "--name", "notes")
    ran = cli(*arguments, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (code, name)


def test_events_are_lines_and_one_document_with_json(cli: Any, home: Path) -> None:
    cli("batch", "create", "--name", "notes")
    result = {"batch_id": 1, "run_group_id": None, "status": "created", "told": 0}
    ran = cli("events", "notes")
    assert [json.loads(line) for line in ran.out.splitlines()] == [{**result, "events": None}]
    assert cli("events", "notes", "--json").json == {**result, "events": []}
    assert cli("events", "notes", "--events", "--json").code == 2


def test_verbose_logs_tell_more(cli: Any, home: Path) -> None:
    cli("batch", "create", "--name", "notes")
    with writing(home) as state, state.transaction() as tx:
        logs.log(tx, "debug", "a small thing", batch_id=1, size=3)
        logs.log(tx, "info", "a thing", batch_id=1)
    assert re.fullmatch(r"[-0-9]+ [:0-9]+  info     a thing\n", cli("logs", "notes").out)
    verbose = cli("logs", "notes", "-v").out.splitlines()
    assert [line[21:] for line in verbose] == ["debug    a small thing  size=3", "info     a thing"]
    assert cli("logs", "notes", "-v", "--level", "error").out == "nothing logged at level error\n"


def test_a_batch_is_deleted_and_gone(cli: Any, home: Path) -> None:
    cli("batch", "create", "--name", "notes")
    would = cli("batch", "delete", "notes", "--dry-run", "--json").json
    assert would["dry_run"] and would["statistics"]["deleted_batches"] == 1
    assert cli("batch", "delete", "notes", "--json").json["statistics"] == would["statistics"]
    assert cli("batch", "show", "notes").code == 4
