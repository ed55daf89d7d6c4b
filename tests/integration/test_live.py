"""``status --watch``: another process works, and this one sees it, without a lock and until the end."""

from __future__ import annotations

import io
import sqlite3
import subprocess

import pytest
from rich.console import Console

from conftest import Mill, Working, wait_for
from docmill.cli import app, live
from docmill.cli.output import exit_code
from docmill.domain.events import ProgressEvent, StageProgress
from docmill.domain.results import EngineHolder, Outcomes
from docmill.errors import BatchNotFound
from docmill.service import batches, ingesting, resuming, stopping
from docmill.service import live as watching
from docmill.service.live import BatchMoment, Moment, Speed
from docmill.stores.state import State

DOCUMENTS = 6
START = """
from docmill.service import running
running.start(mill.settings, mill.reporter, '1', overrides=list(mill.overrides))
""".strip()
STAGES = (StageProgress("parse", 120, 3, 236), StageProgress("store", 117, 0, 236))
EVENT = ProgressEvent(1, 7, 236, 120, 3, STAGES, chunks_total=1840, chunks_reused=1840, remaining_seconds=14.0)
RUNNING = BatchMoment(
    1,
    "papers\x1b[31m",
    "running",
    EVENT,
    Outcomes(failed_documents=3, failed={"CORRUPTED_FILE": 2, "TIMEOUT": 1}, degraded_documents=1, degraded={"X": 1}),
    running_seconds=75.0,
    documents_per_second=8.07,
    chunks_per_second=131.4,
)
ENGINE = EngineHolder(pid=4242, started_at="2026-01-31T12:00:00.000Z", command="docmill sync papers")


@pytest.fixture
def slow(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """A batch ``papers`` that nobody has started; one of its files is broken."""
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.1")
    traps.overrides = (*traps.overrides, "store.window_documents=2", "embed.batch_tokens=64")
    traps.write_many(DOCUMENTS, "Walnut")
    traps.write("broken.pdf", "this is no pdf\n")
    batches.create_batch(traps.settings, name="papers")
    ingesting.ingest(traps.settings, [str(traps.folder)], batch="papers")
    return traps


def started(mill: Mill) -> subprocess.Popen[str]:
    process = mill.process(START)
    wait_for(lambda: mill.noted("embed"))
    return process


def test_it_shows_another_process_at_work_and_exits_as_that_does(
    slow: Mill, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mill = slow
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    process = started(mill)
    home_moments: list[Moment] = []

    def look_once(moment: Moment) -> None:
        home_moments.append(moment)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # it has no other end
        watching.watch_home(mill.settings, look_once)
    assert [each.name for each in home_moments[0].batches] == ["papers"]
    moments: list[Moment] = []
    result = Working(lambda: watching.watch_batch(mill.settings, "papers", moments.append)).result()
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert (result.status, result.progress.processed_files, result.reason) == ("completed", 7, "1 document failed")
    assert exit_code(result) == 3
    seen = [each.batches[0] for each in moments]
    done = [each.progress.processed_files for each in seen if each.progress is not None]
    assert done == sorted(done) and done[0] < DOCUMENTS + 1
    assert moments[0].engine is not None and moments[0].engine.pid == process.pid
    assert seen[-1].outcomes.failed == {"CORRUPTED_FILE": 1}
    assert "embed" in [stage.name for stage in seen[0].progress.stages]  # type: ignore[union-attr]
    capfd.readouterr()
    assert app.run(["--home", str(mill.home), "status", "papers", "--watch"]) == 3
    shown = capfd.readouterr().out
    assert "papers" in shown and "CORRUPTED_FILE" in shown
    assert app.run(["--home", str(mill.home), "status", "papers", "--watch", "--events"]) == 3
    last = capfd.readouterr().out.splitlines()[-1]
    assert '"reason": "1 document failed"' in last


def test_paused_work_ends_it_with_8_and_a_writer_does_not_hold_it_up(slow: Mill) -> None:
    mill = slow
    process = started(mill)
    watch = Working(lambda: watching.watch_batch(mill.settings, "papers", lambda _moment: None))
    stopping.pause(mill.settings, "papers")
    result = watch.result()
    process.communicate(timeout=30)
    assert (result.status, exit_code(result)) == ("paused", 8)
    State(mill.home).close()
    writer = sqlite3.connect(mill.home / "state.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert watching.watch_batch(mill.settings, "papers", lambda _moment: None).status == "paused"
    writer.execute("ROLLBACK")
    writer.close()
    resuming.resume(mill.settings, mill.reporter, "papers")
    assert exit_code(watching.watch_batch(mill.settings, "papers", lambda _moment: None)) == 3
    with pytest.raises(BatchNotFound):
        watching.watch_batch(mill.settings, "nothing", lambda _moment: None)


def test_what_does_not_go_together_is_refused_and_ctrl_c_is_130(
    slow: Mill, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(slow.home), "status"]
    assert app.run([*home, "papers", "--watch", "--json"]) == 2
    assert '"hint": "--events gives one object a line"' in capfd.readouterr().out
    assert app.run([*home, "--watch", "--events"]) == 2
    assert app.run([*home, "nothing", "--watch"]) == 4

    def interrupt(_began: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "_rest", interrupt)
    capfd.readouterr()
    assert app.run([*home, "--watch"]) == 130
    assert capfd.readouterr().out == "papers: created\n"


def test_speed_is_of_the_last_half_minute() -> None:
    speed = Speed()

    def at(seconds: float, done: int, chunks: int) -> tuple[float | None, float | None]:
        return speed.of(ProgressEvent(1, 1, 1000, done, 0, (), chunks_total=chunks), seconds)

    assert at(0, 100, 1000) == (None, None)
    assert at(1, 150, 1500) == (None, None)  # too short to tell
    assert at(10, 200, 2000) == (10, 100)
    assert at(50, 240, 2400) == (None, None)  # nothing to compare with that is so young
    assert at(60, 260, 2600) == (2, 20)
    assert at(70, 260, 2600) == (1, 10)


def test_lines_come_only_with_changes() -> None:
    console = Console(file=io.StringIO(), width=200)
    lines = live._Lines(console, quiet=False)
    for _ in range(3):
        lines.show(Moment(ENGINE, [RUNNING]))
    waits = BatchMoment(2, "later", "scheduled", None, Outcomes(), begins="2026-01-31T12:00:00.000Z")
    lines.show(Moment(None, [waits], home="/h"))
    lines.show(Moment(None, [waits], home="/h"))
    quiet = Console(file=io.StringIO())
    live._Lines(quiet, quiet=True).show(Moment(ENGINE, [RUNNING]))
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "running: 120/236 documents (51 %), 3 failed, 1840 chunks, 14 s left,"
        " 8.1 documents and 131 chunks a second, at parse",
        "later: scheduled for 2026-01-31 12:00:00",
    ]
    assert quiet.file.getvalue() == ""  # type: ignore[attr-defined]


def test_the_picture() -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    for part in live.picture(Moment(None, [RUNNING], home="/h")):
        console.print(part)
    shown = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert shown == [
        "home    /h",
        "engine  idle",
        "",
        "papers  batch 1  running for 1 min 15 s",
        "120/236 documents (51 %), 3 failed, 1840 chunks, 14 s left, 8.1 documents and 131 chunks a second",
        "parse  ━━━━━━━━━━━━━━━━╸                 123/236  3 failed",
        "store  ━━━━━━━━━━━━━━━╸                  117/236",
        "failed    2 CORRUPTED_FILE, 1 TIMEOUT",
        "degraded  1 X",
        "no engine is at it; go on: docmill resume 1",
    ]
