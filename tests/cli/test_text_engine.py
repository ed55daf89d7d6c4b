"""Who is at work in a home, as ``status`` shows it and as errors and followers say it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from docmill.cli.console import stdout_console, write_text
from docmill.cli.text import View, render
from docmill.domain import results as r
from docmill.engine.lock import EngineLock
from docmill.service.holding import describe

AT = "2026-01-31T12:00:00.125Z"
RUNNING = r.EngineHolder(pid=4242, started_at=AT, command="docmill sync papers", host="mill", process_began=77)
HOLDERS = {
    "idle": None,
    "running": RUNNING,
    "stopped": RUNNING.model_copy(
        update={"state": "stopped", "silent_seconds": 75.0, "hint": "`kill -CONT 4242` lets it go on"}
    ),
    "unresponsive": RUNNING.model_copy(
        update={"state": "unresponsive", "silent_seconds": 7200.0, "hint": "look at it"}
    ),
    "gone": RUNNING.model_copy(update={"state": "gone", "silent_seconds": 12.5, "hint": "end it: kill 99"}),
    "hostile": RUNNING.model_copy(update={"command": "docmill sync \x1b[31mred\x1b[0m [bold]x\n"}),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_status_says_who_is_at_work_and_how_it_stands(
    name: str, snapshot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    result = r.HomeStatus(
        home="/h/.docmill", engine=HOLDERS[name], batches=[], documents=2, chunks=9, failed_documents=0, databases=[]
    )
    console = stdout_console(width=100)
    write_text(console, render(result, View(width=100, terminal=False)))
    text = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO of above
    snapshot("text", f"engine-{name}", text)
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("running", ""),
        ("stopped", ", which is stopped"),
        ("unresponsive", ", which has given no sign of life for 7200 s"),
        ("gone", ", which has ended, but something holds its lock still"),
    ],
)
def test_the_same_words_everywhere(name: str, ending: str) -> None:
    holder = HOLDERS[name]
    assert holder is not None
    assert describe(holder) == f"process 4242 (docmill sync papers), since {AT}{ending}"


def test_json_names_all_that_identifies_it(cli: Any, home: Path) -> None:
    assert cli("status", "--json").json["engine"] is None
    with EngineLock(home) as lock:
        assert lock.acquire()
        engine = cli("status", "--json").json["engine"]
    assert (engine["state"], engine["hint"]) == ("running", None)
    assert set(engine) == {
        "pid", "started_at", "command", "state", "host", "process_began", "silent_seconds", "hint",
    }  # fmt: skip


def test_a_lock_that_is_held_is_exit_5_with_the_holder(cli: Any, home: Path) -> None:
    assert cli("lancedb", "vacuum", "--lock-timeout", "0").code == 4  # there is no database yet
    (home.parent / "docs").mkdir()
    (home.parent / "docs" / "a.txt").write_text("Some words.\n")
    sets = ("--set", "embed.method=hashing", "--set", "embed.model=hashing-64")
    with EngineLock(home) as lock:
        assert lock.acquire()
        ran = cli("sync", str(home.parent / "docs"), *sets, "--lock-timeout", "0", "--json")
    error = ran.json["error"]
    assert (ran.code, error["code"], error["holder"]["state"]) == (5, "ENGINE_BUSY", "running")
    assert "--take-over" in error["hint"] and "--lock-timeout" in error["hint"]
    assert cli("status", "--json").json["batches"][0]["status"] == "running"
    assert cli("wait", "1", "--timeout", "0", "--json").json["error"]["code"] == "WAIT_TIMED_OUT"
    assert cli("wait", "1", "--timeout", "0").code == 8
    ended = cli("resume", "1", "--max-minutes", "5", "--json")
    assert (ended.code, ended.json["status"]) == (0, "completed")
    assert cli("wait", "docs", "--json").json["status"] == "completed"
