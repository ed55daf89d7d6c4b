"""Workers that start while a folder is looked at: only for what is to be read, and none of them outlives its sync."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Mill, children_of, is_alive, wait_for
from docmill.engine.head_start import HeadStart
from docmill.engine.lock import EngineLock
from docmill.engine.pools import Pools
from docmill.errors import NotAllowedError

HOLE_BYTES = 64 * 1024**3  # a sparse file that takes a minute to hash


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Pools]:
    """Pools that a head start has begun."""
    found: list[Pools] = []
    take = HeadStart.take

    def taken(self: HeadStart) -> Pools | None:
        pools = take(self)
        found.extend([pools] if pools is not None else [])
        return pools

    monkeypatch.setattr(HeadStart, "take", taken)
    return found


def test_the_engine_takes_them(mill: Mill, started: list[Pools]) -> None:
    mill.write_many(3)
    assert mill.sync().documents.completed == 3
    assert len(started) == 1 and not started[0]._pools


def test_none_start_where_nothing_is_to_be_read(mill: Mill, started: list[Pools]) -> None:
    mill.write_many(3)
    mill.sync()
    started.clear()
    for path in mill.folder.iterdir():
        path.touch()
    assert mill.sync().scan.unchanged == 3
    (mill.folder / "note-001.md").unlink()
    assert mill.sync().scan.deleted == 1
    assert started == []


def test_one_starts_for_what_has_changed(mill: Mill, started: list[Pools]) -> None:
    mill.write_many(3)
    mill.sync()
    started.clear()
    mill.write("note-001.md", "# Another\n\nAltogether another text.\n")
    assert mill.sync().documents.completed == 1
    assert len(started) == 1


def test_they_end_where_the_sync_is_refused(mill: Mill, started: list[Pools]) -> None:
    mill.write_many(30)
    mill.sync()
    started.clear()
    for path in list(mill.folder.iterdir())[:25]:
        path.unlink()
    mill.write("new.md", "# New\n\nIt is not read, as the others are gone.\n")
    with pytest.raises(NotAllowedError):
        mill.sync()
    assert len(started) == 1 and not started[0]._pools


def test_none_start_where_another_engine_is_at_work(mill: Mill) -> None:
    with EngineLock(mill.home) as lock, HeadStart(mill.home, mill.settings) as head_start:
        assert lock.acquire()
        head_start.found()
        assert head_start.take() is None


def test_ctrl_c_while_a_folder_is_looked_at_leaves_nothing_behind(mill: Mill) -> None:
    mill.write("first.md", "# First\n\nOne worker starts for it.\n")
    with (mill.folder / "hole.txt").open("wb") as stream:
        stream.truncate(HOLE_BYTES)
    command = [sys.executable, "-m", "docmill", "--home", str(mill.home), "sync", str(mill.folder), "--json"]
    process = subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    family = wait_for(lambda: workers_of(process.pid))
    time.sleep(0.07)  # it runs Python by now, and is at its imports
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers that have only just started hear it too
    out, err = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["error"]["code"]) == (130, "INTERRUPTED")
    assert "Traceback" not in err
    wait_for(lambda: not any(map(is_alive, family)), seconds=10)
    assert mill.value("SELECT COUNT(*) FROM document") == 0


def workers_of(pid: int) -> list[int]:
    return [each for each in children_of(pid) if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
