"""What is secret in addresses and on command lines does not come out again: in errors, logs, lists, lock files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from docmill.cli.app import run
from docmill.engine.lock import Record
from docmill.engine.printed import WorkerLog
from docmill.stores.queries import reading
from docmill.stores.state import State, logs

SECRET = "hunter2hunter2"
ADDRESSES = (f"https://ada:{SECRET}@127.0.0.1:1/x", f"http://127.0.0.1:1/x?token={SECRET}", f"ftp://u:{SECRET}@h/")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("way", ["--json", "--events", "-v"])
def test_addresses(cli, home: Path, address: str, way: str) -> None:
    for command in (
        ("ingest", address, way),
        ("batch", "create", "b", "--webhook-url", address, *(() if way == "--events" else (way,))),
        ("documents", "show", address, *(() if way == "--events" else (way,))),
    ):
        done = cli(*command)
        assert SECRET not in done.out + done.err, command
    shown = cli("batch", "show", "b", "--json")
    assert SECRET not in shown.out


def test_settings(cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_ALLOWED_HOSTS", f"ada:{SECRET}@example.org")
    done = cli("status")
    assert done.code == 6 and SECRET not in done.err


def test_lock_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["docmill", "ingest", ADDRESSES[0]])
    assert SECRET not in Record.mine().command


def test_logs(cli, home: Path) -> None:
    state = State(home)
    with state.transaction() as tx:
        logs.log(tx, "error", f"failed at {ADDRESSES[1]}", output=f"PASSWORD={SECRET}", count=3)
    state.close()
    with reading(home) as queries:
        row = queries.row("SELECT message, context FROM log_entry")
    assert row is not None and row["message"] == "failed at http://127.0.0.1:1/x?token=***"
    assert json.loads(row["context"]) == {"output": "PASSWORD=***", "count": 3}


def test_what_libraries_print(tmp_path: Path) -> None:
    WorkerLog(tmp_path / "logs" / "workers.log").add(
        "a\n\x1b[31mb.pdf", f"cannot open {ADDRESSES[0]}\nPASSWORD={SECRET}\n"
    )
    written = (tmp_path / "logs" / "workers.log").read_text("utf-8")
    assert SECRET not in written and "\x1b" not in written
    assert written.splitlines()[0].endswith(" a b.pdf")


def test_surprises(cli, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError(f"could not reach {ADDRESSES[0]}")

    monkeypatch.setattr("docmill.service.batches.home_status", fail)
    assert run(["status", "-v"]) == 1
    said = capsys.readouterr().err
    assert "could not reach" in said and SECRET not in said
