"""One engine per home: who it is, how it stands, and how another takes its place for certain."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill, Working, children_of, is_alive, wait_for
from docmill.engine import lock, processes, taking_over
from docmill.engine.lock import EngineLock, holder
from docmill.engine.runner import Runner, StopFlag
from docmill.errors import EngineBusy, StaleEngine, StorageError
from docmill.service import databases, home, resuming, stopping
from docmill.service.contending import Contender
from docmill.service.holding import busy, explained, find_holder
from docmill.stores.state import State, database

pytestmark = pytest.mark.skipif(not processes.has_proc(), reason="looks at processes in /proc")

DOCUMENTS = 6
SYNC = """
from docmill.errors import DocmillError
try:
    mill.sync()
except DocmillError as error:
    print(error.code)
    sys.exit(error.exit_code)
""".strip()
COMPARED = ("chunk_id", "document_id", "uri", "text", "vector")


@pytest.fixture
def busy_mill(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """Documents that take a while each."""
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.1")
    traps.overrides = (*traps.overrides, "store.window_documents=2", "embed.batch_tokens=64")
    traps.write_many(16, "Walnut")
    return traps


def rows_of(mill: Mill) -> list[dict[str, Any]]:
    return [{name: row[name] for name in COMPARED} for row in mill.rows()]


def quick() -> None:
    """From here on new workers lose no time. The fixture's monkeypatch puts the variable back."""
    os.environ.pop("DOCMILL_TRAPS_EMBED_S", None)


def undisturbed(mill: Mill) -> Mill:
    other = Mill(mill.root / "peace", mill.overrides)
    other.root.mkdir()
    other.folder.symlink_to(mill.folder)
    quick()
    home.init(other.settings)
    other.sync()
    return other


def stopped_at(mill: Mill, monkeypatch: pytest.MonkeyPatch, point: str, action: str = "stop") -> subprocess.Popen[str]:
    """An engine that has stopped itself there."""
    monkeypatch.setenv("DOCMILL_FAILPOINTS", f"{point}={action}")
    process = mill.process(SYNC)
    monkeypatch.delenv("DOCMILL_FAILPOINTS")
    wait_for(lambda: (found := holder(mill.home)) and found.state == lock.STOPPED)
    return process


def check_end(mill: Mill, expected: Mill | None = None) -> None:
    assert set(mill.texts()) == {path.name for path in mill.folder.iterdir()}
    assert expected is None or rows_of(mill) == rows_of(expected)
    for table in ("run_step", "run", "run_group"):
        assert mill.state(f"SELECT DISTINCT status FROM {table}") == [("completed",)], table
    assert mill.value("SELECT COUNT(*) FROM placement WHERE state != 'stored'") == 0
    assert holder(mill.home) is None
    assert mill.sync().run_group_id is None


HOLD = """
from docmill.engine.lock import EngineLock
import time
held = EngineLock(mill.home)
assert held.acquire()
print("held", flush=True)
time.sleep(60)
""".strip()


class child:  # noqa: N801 - reads as a word in a with
    """Python that says a line when it is ready, and is ended at the end."""

    def __init__(self, mill: Mill, code: str) -> None:
        self.process = mill.process(code)

    def __enter__(self) -> subprocess.Popen[str]:
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        assert self.said, self.process.communicate()[1]
        return self.process

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.communicate()


# ---- taking over -----------------------------------------------------------------------------------------------------


def test_a_stopped_engine_is_taken_over_with_one_generation_of_rows(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill.write_many(DOCUMENTS, "Walnut")
    mill.sync()
    for number in range(DOCUMENTS):  # the second generation: old rows must go as new ones come
        mill.write(f"note-{number:03d}.md", f"# Oak {number}\n\nParagraph {number} tells of oak now.\n")
    process = stopped_at(mill, monkeypatch, "store.tag.before")
    family = children_of(process.pid)
    mill.flags = {"take_over": True}
    quick()
    result = mill.sync()
    assert (result.status, result.errors) == ("completed", [])
    assert process.wait(10) == -signal.SIGKILL
    assert not any(map(is_alive, family))
    process.communicate()
    assert any("is ended at once" in getattr(event, "message", "") for event in mill.reporter.events)
    check_end(mill, undisturbed(mill))


def test_an_engine_that_was_stopped_while_it_held_the_state_is_told_of_and_taken_over(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own lock is held too, so that nobody can write down what is wanted before it is ended."""
    mill.write_many(DOCUMENTS)
    process = stopped_at(mill, monkeypatch, "state.commit.before", "stop@6")
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    with pytest.raises(StorageError) as locked:
        State(mill.home).raise_epoch()
    told = explained(locked.value, mill.settings)
    assert f"process {process.pid}" in told.message and "stopped" in told.message
    assert told.hint is not None and "--take-over" in told.hint
    command = [sys.executable, "-m", "docmill", "--home", str(mill.home), "sync", str(mill.folder), "--take-over"]
    sets = [word for override in mill.overrides for word in ("--set", override)]
    done = subprocess.run([*command, *sets], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    check_end(mill)


def test_a_stopped_engine_that_is_continued_goes_on_and_so_does_its_follower(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill.write_many(DOCUMENTS, "Walnut")
    process = stopped_at(mill, monkeypatch, "store.tag.before")
    found = find_holder(mill.home)
    assert found is not None
    assert (found.pid, found.state) == (process.pid, "stopped")
    assert f"kill -CONT {process.pid}" in (found.hint or "") and "--take-over" in (found.hint or "")
    follower = Working(mill.sync)
    told = f"waiting for process {process.pid} "
    wait_for(lambda: any(told in getattr(event, "message", "") for event in mill.reporter.events))
    process.send_signal(signal.SIGCONT)
    assert follower.result().status == "completed"
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, ""), err
    check_end(mill, undisturbed(mill))


def test_a_healthy_engine_puts_its_work_away_first(busy_mill: Mill) -> None:
    mill = busy_mill
    process = mill.process(SYNC)
    wait_for(lambda: len(mill.noted("embed")) >= 3)
    family = children_of(process.pid)
    mill.flags = {"take_over": True}
    quick()
    result = mill.sync()
    assert (result.status, result.errors) == ("completed", [])
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out.strip()) == (8, "STOPPED"), err
    assert family and not any(map(is_alive, family))
    assert sorted(mill.noted("embed")) == sorted(set(mill.noted("embed"))), "a text was embedded twice"
    check_end(mill)


def test_one_that_does_not_end_when_asked_is_ended(busy_mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = busy_mill
    monkeypatch.setattr(taking_over, "DRAIN_SECONDS", 0.3)
    process = mill.process(f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SYNC}")
    wait_for(lambda: mill.noted("embed"))
    family = children_of(process.pid)
    mill.flags = {"take_over": True}
    quick()
    assert mill.sync().status == "completed"
    assert process.wait(10) == -signal.SIGKILL
    process.communicate()
    assert family and not any(map(is_alive, family))
    check_end(mill)


def test_one_that_is_stopped_while_it_drains_is_not_waited_for(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_over, "DRAIN_SECONDS", 300.0)
    told: list[str] = []
    with child(mill, f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{HOLD}") as process:

        def tell(text: str) -> None:
            told.append(text)
            process.send_signal(signal.SIGSTOP)

        assert taking_over.take_over(mill.home, tell)
        assert process.wait(10) == -signal.SIGKILL
    assert [text.rpartition(") ")[2].split(",")[0] for text in told] == ["is asked to end", "is ended at once"]
    assert not taking_over.take_over(mill.home, tell), "there is nobody any more"


def test_whatever_needs_the_engine_is_told_and_can_take_over(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(DOCUMENTS)
    mill.sync()
    mill.write("late.md", "# Late\n\nA late one.\n")
    process = stopped_at(mill, monkeypatch, "store.mark.before")
    mill.flags = {"lock_timeout": 0.0}
    with pytest.raises(EngineBusy, match="which is stopped") as refused:
        databases.vacuum(mill.settings, "default")
    assert refused.value.context["holder"]["state"] == "stopped"
    mill.flags = {}
    with pytest.raises(EngineBusy, match=r"has not obeyed: .* which is stopped; it is asked to pause") as late:
        stopping.pause(mill.settings, "1")
    assert f"kill -CONT {process.pid}" in (late.value.hint or "")
    mill.flags = {"lock_timeout": 0.0, "take_over": True}
    assert stopping.pause(mill.settings, "1").status == "paused"
    assert process.wait(10) == -signal.SIGKILL
    process.communicate()
    with child(mill, HOLD) as process:
        assert databases.vacuum(mill.settings, "default").status == "ok"
        assert process.wait(10) == -signal.SIGTERM
    assert resuming.resume(mill.settings, mill.reporter, "1").documents.completed == 1
    check_end(mill)


def test_other_definitions_get_past_a_stopped_engine(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(DOCUMENTS)
    process = stopped_at(mill, monkeypatch, "store.add.before")
    mill.flags = {"take_over": True}
    assert mill.sync(overrides=["chunk.context=false"]).documents.completed == DOCUMENTS
    assert process.wait(10) == -signal.SIGKILL
    process.communicate()
    assert mill.state("SELECT status FROM run_group ORDER BY id") == [("cancelled",), ("completed",)]


FAMILY = f"""
import subprocess, sys
for apart in (False, True):
    code = "import time; print(flush=True); time.sleep(60)"
    one = subprocess.Popen([sys.executable, "-c", code], start_new_session=apart, stdout=subprocess.PIPE)
    one.stdout.readline()
    print(one.pid, flush=True)
{HOLD}
""".strip()


def test_its_workers_end_with_it_and_services_of_their_own_do_not(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_over, "WORKER_SECONDS", 0.1)
    started = child(mill, FAMILY)
    with started as process:
        assert process.stdout is not None
        worker, service = int(started.said), int(process.stdout.readline())
        try:
            assert process.stdout.readline() == "held\n"
            assert taking_over.take_over(mill.home, print)
            assert not is_alive(worker)
            assert is_alive(service)
        finally:
            os.kill(service, signal.SIGKILL)


def test_a_healthy_engine_that_came_later_is_left_alone(mill: Mill) -> None:
    mill.flags = {"take_over": True, "lock_timeout": 0.0}
    waiting = Contender(mill.home, mill.settings, mill.reporter)
    waiting._took_over = True
    with child(mill, HOLD) as process:
        time.sleep(0.01)
        with pytest.raises(EngineBusy):
            wait_for(waiting.has_taken_over)
        assert process.poll() is None


# ---- a stale engine --------------------------------------------------------------------------------------------------


def test_an_engine_that_was_overtaken_by_force_settles_nothing(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another engine has run without the lock, as if that had failed; the epoch is what is left between them."""
    mill.write_many(DOCUMENTS, "Walnut")
    process = stopped_at(mill, monkeypatch, "store.mark.before")
    Runner(mill.home, mill.settings, mill.reporter, StopFlag()).run()
    rows, state = rows_of(mill), mill.state("SELECT id, status, completed_at FROM run_step ORDER BY id")
    assert len(rows) == DOCUMENTS
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out.strip()) == (5, "STALE_ENGINE"), err
    assert rows_of(mill) == rows
    assert mill.state("SELECT id, status, completed_at FROM run_step ORDER BY id") == state
    check_end(mill, undisturbed(mill))


def test_deleting_the_lock_file_lets_no_second_engine_in(busy_mill: Mill) -> None:
    mill = busy_mill
    process = mill.process(SYNC)
    wait_for(lambda: mill.noted("embed"))
    file = mill.home / lock.NAME
    inode = file.stat().st_ino
    for _time in range(3):
        file.unlink()
        assert not EngineLock(mill.home).acquire()
        wait_for(file.exists)
    assert not EngineLock(mill.home).acquire()
    found = wait_for(lambda: (seen := holder(mill.home)) and seen.pid and seen)
    assert (found.pid, found.state) == (process.pid, "running")
    assert file.stat().st_ino != inode or found.silent_seconds < 5
    mill.flags = {"lock_timeout": 0.0}
    with pytest.raises(EngineBusy):
        mill.sync()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err
    mill.flags = {}
    check_end(mill)


def test_an_engine_whose_lock_file_another_holds_ends(busy_mill: Mill) -> None:
    mill = busy_mill
    process = mill.process(SYNC)
    wait_for(lambda: mill.noted("embed"))
    quick()
    forged = mill.home / "forged"
    with forged.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        forged.replace(mill.home / lock.NAME)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out.strip()) == (5, "STALE_ENGINE"), err
    assert mill.sync().status == "completed"
    check_end(mill)


# ---- the lock --------------------------------------------------------------------------------------------------------


def test_the_holder_is_told_with_all_that_identifies_it(mill: Mill) -> None:
    assert holder(mill.home) is None
    with EngineLock(mill.home) as held:
        assert held.acquire()
        found = holder(mill.home)
        me = processes.find(os.getpid())
        assert found is not None and me is not None
        assert (found.pid, found.state, found.host) == (os.getpid(), "running", os.uname().nodename)
        assert found.process_began == me.began
        record = json.loads((mill.home / lock.NAME).read_text())
        assert record["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        error = busy(mill.home)
        assert f"process {os.getpid()} (" in error.message and found.started_at in error.message
        assert "--take-over" in (error.hint or "")
        with pytest.raises(EngineBusy, match="this very process"):
            taking_over.take_over(mill.home, print)
    assert holder(mill.home) is None


def test_the_heart_beats(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    with EngineLock(mill.home) as held:
        assert held.acquire()
        first = json.loads((mill.home / lock.NAME).read_text())
        with held.beating():
            wait_for(lambda: json.loads((mill.home / lock.NAME).read_text())["heartbeat"] > first["heartbeat"] + 0.05)
        later = json.loads((mill.home / lock.NAME).read_text())
        assert {**later, "heartbeat": 0} == {**first, "heartbeat": 0}


def test_one_that_gives_no_sign_of_life_is_told_apart(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    with child(mill, HOLD) as process:
        assert (found := find_holder(mill.home)) and found.state == "running"
        monkeypatch.setattr(lock, "UNRESPONSIVE_SECONDS", 0.0)
        wait_for(lambda: (seen := find_holder(mill.home)) and seen.state == "unresponsive")
        assert "no sign of life" in busy(mill.home).message
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: (seen := find_holder(mill.home)) and seen.state == "stopped")
        assert taking_over.take_over(mill.home, print)
        assert process.wait(10) == -signal.SIGKILL
        assert holder(mill.home) is None


INHERITED = """
import os, subprocess, sys, time
from docmill.engine.lock import EngineLock
held = EngineLock(mill.home)
assert held.acquire()
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[held._folder, held._file])
print(left.pid, flush=True)
os._exit(0)
""".strip()


def test_a_lock_that_a_child_has_inherited_is_told_apart_and_the_child_is_named(mill: Mill) -> None:
    started = child(mill, INHERITED)
    with started as process:
        process.wait(10)
        heir = int(started.said)
        try:
            found = find_holder(mill.home)
            assert found is not None
            assert (found.pid, found.state) == (process.pid, "gone")
            assert found.hint == f"end whoever holds the lock: kill {heir}"
            with pytest.raises(EngineBusy, match="which is no engine") as refused:
                taking_over.take_over(mill.home, print)
            assert [each["pid"] for each in refused.value.context["keepers"]] == [heir]
            assert is_alive(heir), "whoever is not known to be an engine is left alone"
        finally:
            os.kill(heir, signal.SIGKILL)
    wait_for(lambda: holder(mill.home) is None)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("host", "elsewhere", "on host elsewhere"),
        ("namespace", "pid:[1]", "in another container"),
        ("boot", "another", "in another container or boot"),
        ("process_began", 1, "which is no engine"),
    ],
)
def test_what_cannot_be_known_for_that_engine_is_not_ended(mill: Mill, field: str, value: Any, words: str) -> None:
    with child(mill, HOLD) as process:
        file = mill.home / lock.NAME
        file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
        with pytest.raises(EngineBusy, match=words):
            taking_over.take_over(mill.home, print)
        assert process.poll() is None


def test_one_lock_at_a_time_and_lookers_are_not_in_the_way(mill: Mill) -> None:
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            holder(mill.home)

    lookers = [threading.Thread(target=look) for _number in range(3)]
    for each in lookers:
        each.start()
    try:
        for _time in range(300):
            with EngineLock(mill.home) as held:
                assert held.acquire(), "somebody who only looks is no engine"
                assert not EngineLock(mill.home).acquire()
    finally:
        ended.set()
        for each in lookers:
            each.join()


def test_a_home_that_is_moved_is_noticed(mill: Mill) -> None:
    with EngineLock(mill.home) as held:
        assert held.acquire()
        held.beat()
        mill.home.rename(mill.root / "moved")
        with pytest.raises(StaleEngine, match="moved or replaced"):
            held.beat()


# ---- processes -------------------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Any:
    process = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "checked kill"])
def test_a_signal_reaches_the_process_that_was_meant_or_nobody(
    sleeper: Any, monkeypatch: pytest.MonkeyPatch, *, pidfd: bool
) -> None:
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    found = processes.find(sleeper.pid)
    assert found is not None and found.parent == os.getpid()
    assert (found.pid, found.began) in [(each.pid, each.began) for each in processes.descendants(os.getpid())]
    before = processes.Process(found.pid, found.parent, found.began - 1, found.state)  # the same pid, another process
    with processes.Grip(before) as grip:
        assert grip.wait(0)
        assert not grip.signal(signal.SIGKILL)
    with processes.Grip(found) as grip:
        assert not grip.wait(0.05)
        assert grip.signal(signal.SIGSTOP)
        wait_for(lambda: (now := processes.find(found.pid)) and now.stopped)
        assert grip.signal(signal.SIGKILL)
        assert grip.wait(10)
        assert not grip.signal(signal.SIGKILL)
    assert processes.find(found.pid) is None, "a dead process that nobody has asked for is dead"


def test_ps_tells_the_same_where_there_is_no_proc(sleeper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    by_proc = processes.find(sleeper.pid)
    monkeypatch.setattr(processes, "_PROC", Path("/nowhere"))
    if processes.find(os.getpid()) is None:
        pytest.skip("there is no ps here")
    by_ps = processes.find(sleeper.pid)
    assert by_proc is not None and by_ps is not None
    assert (by_ps.pid, by_ps.parent) == (by_proc.pid, by_proc.parent)
    assert sleeper.pid in [each.pid for each in processes.descendants(os.getpid())]
    with processes.Grip(by_ps) as grip:
        assert grip.signal(signal.SIGKILL)
        assert grip.wait(10)
