"""The worker: what it takes up, what it starts, when it ends, and that it locks nobody out while it idles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill, Working, is_alive, wait_for
from docmill.cli import output
from docmill.domain.changes import FoundFile, HashedFile
from docmill.domain.events import MessageEvent
from docmill.domain.results import DetachedResult
from docmill.domain.sources import Wishes
from docmill.engine.background import ServiceLock
from docmill.engine.lock import holder
from docmill.errors import HomeNotFound
from docmill.service import batches, ingesting, looking, running, stopping, working
from docmill.service.detached import NAME, find_worker
from docmill.stores.state import State

QUICK_SET = "id: quick\nname: Quick\nconfig:\n  embed: {method: hashing, model: hashing-64}\n"
PAST = "2020-01-01T00:00:00Z"
START = "from docmill.service import running\nrunning.start(mill.settings, mill.reporter, {!r}, params='quick')"

LIGHT = (
    "from types import SimpleNamespace\nfrom pathlib import Path\nfrom docmill import settings\n"
    "from docmill.domain.events import SilentReporter\n"
    "mill = SimpleNamespace(settings=settings.build(home=Path({!r})), reporter=SilentReporter())"
)


@pytest.fixture
def planned(mill: Mill) -> Mill:
    (mill.home / "param-sets" / "quick.yaml").write_text(QUICK_SET)
    return mill


@pytest.fixture
def service(planned: Mill) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "docmill", "--home", str(planned.home), "worker", "--poll", "0.1", "--events"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def batch(mill: Mill, name: str, documents: int = 2, **options: Any) -> str:
    folder = mill.root / name
    folder.mkdir()
    for number in range(documents):
        (folder / f"{name}-{number}.md").write_text(f"# {name}\n\nThe words of {name} {number}.\n")
    batches.create_batch(mill.settings, name=name, params="quick", **options)
    ingesting.ingest(mill.settings, [str(folder)], batch=name, source=name)
    return name


def statuses(mill: Mill) -> dict[str, str]:
    return dict(mill.state("SELECT name, status FROM batch"))  # type: ignore[arg-type] # pairs


def abandoned(mill: Mill, name: str) -> None:
    """A batch that is running, and whose engine was killed before it did anything."""
    state = State(mill.home)
    wish = running._Wish(Wishes(), None, False, [], False)
    running._begin(mill.home, mill.settings, mill.reporter, name, wish)
    state.close()


def test_once_it_does_what_is_due_and_what_was_left_and_ends(planned: Mill) -> None:
    mill = planned
    abandoned(mill, batch(mill, "left"))
    batch(mill, "due", scheduled_start=PAST)
    batch(mill, "later", scheduled_start="2999-01-01")
    batch(mill, "never")
    result = working.work(mill.settings, mill.reporter, once=True)
    assert (result.status, result.run_groups, result.documents.completed) == ("completed", 2, 4)
    assert statuses(mill) == {"left": "completed", "due": "completed", "later": "scheduled", "never": "created"}
    assert working.work(mill.settings, mill.reporter, once=True).run_groups == 0


def test_once_with_failures_says_so(planned: Mill) -> None:
    mill = planned
    name = batch(mill, "broken", scheduled_start=PAST)
    (mill.root / name / "empty.txt").write_text("")
    ingesting.ingest(mill.settings, [str(mill.root / name)], batch=name, source=name)
    shown = subprocess.run(
        [sys.executable, "-m", "docmill", "--home", str(mill.home), "worker", "--once", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 3, shown.stderr
    assert json.loads(shown.stdout)["reason"] == "1 document failed"


def test_as_a_service_it_takes_up_what_comes_and_ends_cleanly(planned: Mill, service: subprocess.Popen[str]) -> None:
    mill = planned
    assert service.stdout is not None
    said = json.loads(service.stdout.readline())
    assert (said["type"], said["message"]) == ("message", "nothing to do; waiting for work")
    assert holder(mill.home) is None, "a worker that idles holds the lock"
    assert mill.sync() is not None  # others work beside it
    batch(mill, "due", scheduled_start=PAST)
    wait_for(lambda: statuses(mill).get("due") == "completed")
    wait_for(lambda: holder(mill.home) is None)
    service.send_signal(signal.SIGTERM)
    out, err = service.communicate(timeout=30)
    assert service.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert (result["status"], result["stopped_by"]) == ("stopped", "SIGTERM")


def test_it_starts_what_comes_due_while_it_is_at_work(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    (mill.home / "param-sets" / "quick.yaml").write_text(QUICK_SET.replace("method: hashing", "method: traps"))
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.4")
    monkeypatch.setattr(working, "DUE_SECONDS", 0.0)
    abandoned(mill, batch(mill, "long", documents=8))
    batch(mill, "urgent", priority="high", scheduled_start=PAST)
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE run_group SET scheduled_for = '2999-01-01T00:00:00.000Z' WHERE status = 'scheduled'")
    work = Working(lambda: working.work(mill.settings, mill.reporter, once=True))
    wait_for(lambda: len(mill.noted("embed")) >= 2)
    with state.transaction() as tx:
        tx.run("UPDATE run_group SET scheduled_for = '2020-01-01T00:00:00.000Z' WHERE status = 'scheduled'")
    state.close()
    assert work.result().run_groups == 2
    [started] = mill.state("SELECT started_at FROM run_group WHERE batch_id = 2")
    [ended] = mill.state("SELECT completed_at FROM run_group WHERE batch_id = 1")
    assert started < ended


def test_a_second_worker_takes_over_when_the_first_is_killed(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    (mill.home / "param-sets" / "quick.yaml").write_text(QUICK_SET.replace("method: hashing", "method: traps"))
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.3")
    abandoned(mill, batch(mill, "long", documents=8))
    code = "from docmill.service import working\nworking.work(mill.settings, mill.reporter, poll=0.1)"
    first, second = mill.process(code), None
    try:
        wait_for(lambda: mill.noted("embed"))
        second = mill.process(code)
        first.kill()
        first.communicate()
        wait_for(lambda: statuses(mill)["long"] == "completed", seconds=60)
        assert len(set(mill.noted("embed"))) == 8
        assert len(mill.texts()) == 8
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=30)
        assert second.returncode == 0
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.kill()
                process.communicate()


def test_detached_it_outlives_the_command_that_called_for_it(planned: Mill) -> None:
    mill = planned
    batch(mill, "away")
    shown = subprocess.run(
        [sys.executable, "-m", "docmill", "--home", str(mill.home), "start", "away", "--detach", "--json"],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    answer = json.loads(shown.stdout)
    assert answer["status"] == "running"
    assert os.getsid(0) != answer["pid"]
    wait_for(lambda: statuses(mill)["away"] == "completed")
    wait_for(lambda: not is_alive(answer["pid"]))
    assert "nothing is left to do" in Path(answer["log"]).read_text()
    again = running.start(mill.settings, mill.reporter, "away", detach=True)
    assert isinstance(again, DetachedResult)
    assert (again.pid, again.status) == (None, "completed")


def test_detached_beside_an_engine_it_leaves_the_work_to_that_and_stands_by(
    traps: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = traps
    (mill.home / "param-sets" / "quick.yaml").write_text(QUICK_SET.replace("method: hashing", "method: traps"))
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.3")
    batch(mill, "first", documents=6)
    batch(mill, "second")
    process = mill.process(START.format("first"))
    wait_for(lambda: mill.noted("embed"))
    answer = running.start(mill.settings, mill.reporter, "second", detach=True)
    assert isinstance(answer, DetachedResult)
    assert (answer.pid, answer.log) == (process.pid, None)
    standing_by = wait_for(lambda: find_worker(mill.home))
    assert str(standing_by) in answer.message
    process.kill()
    process.communicate()
    wait_for(lambda: statuses(mill) == {"first": "completed", "second": "completed"}, seconds=60)
    wait_for(lambda: not is_alive(standing_by))


def test_many_detached_starts_need_one_worker(planned: Mill) -> None:
    mill = planned
    lock = ServiceLock(mill.home, NAME)
    assert lock.acquire() and lock.acquire()
    assert not ServiceLock(mill.home, NAME).acquire()
    assert find_worker(mill.home) == os.getpid()
    for name in ("one", "two"):
        answer = running.start(mill.settings, mill.reporter, batch(mill, name), detach=True)
        assert isinstance(answer, DetachedResult)
        assert (answer.pid, answer.status, answer.log) == (os.getpid(), "running", None)
    lock.release()
    assert find_worker(mill.home) is None
    assert working.work(mill.settings, mill.reporter, once=True).run_groups == 2


def test_what_is_left_after_its_last_look_is_done_too(planned: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = planned
    name = batch(mill, "late")
    looked = working._Worker.run

    def run(worker: working._Worker, *, once: bool, poll: float) -> None:
        looked(worker, once=once, poll=poll)
        if statuses(mill) == {"late": "created"}:  # the lock is held still: whoever leaves work now relies on it
            answer = running.start(mill.settings, mill.reporter, name, detach=True)
            assert isinstance(answer, DetachedResult) and answer.pid == os.getpid()

    monkeypatch.setattr(working._Worker, "run", run)
    assert working.work(mill.settings, mill.reporter, once=True).documents.completed == 2


def test_it_says_what_it_does_line_by_line(planned: Mill) -> None:
    mill = planned
    batch(mill, "due", scheduled_start=PAST)
    working.work(mill.settings, mill.reporter, once=True)
    said = [event.message for event in mill.reporter.events if isinstance(event, MessageEvent)]
    assert said == [
        "batch 1 (due) is due and begins",
        "batch 1, run group 1: 2 documents to do",
        "batch 1, run group 1: completed, 2 documents",
    ]


def test_a_batch_that_cannot_start_is_no_clean_end(planned: Mill) -> None:
    mill = planned
    batches.create_batch(mill.settings, name="lost", params="quick", source="nowhere", scheduled_start=PAST)
    result = working.work(mill.settings, mill.reporter, once=True)
    assert (result.run_groups, result.reason) == (1, "batch 1: there is no source 'nowhere'")
    assert output.exit_code(result) == 3


def test_the_time_limit_of_one_that_only_waited_is_a_clean_end(planned: Mill) -> None:
    planned.flags = {"max_minutes": 0.003}
    result = working.work(planned.settings, planned.reporter, poll=0.1)
    assert (result.status, result.stopped_by, output.exit_code(result)) == ("completed", None, 0)


def test_a_home_that_is_replaced_ends_it(planned: Mill) -> None:
    work = Working(lambda: working.work(planned.settings, planned.reporter, poll=0.1))
    wait_for(lambda: find_worker(planned.home))
    planned.home.rename(planned.root / "elsewhere")
    with pytest.raises(HomeNotFound, match="moved or replaced"):
        work.result()


def test_one_that_idles_is_light(planned: Mill) -> None:
    code = (
        "import sys\nfrom docmill.service import working\nworking.work(mill.settings, mill.reporter, once=True)\n"
        "print(sorted({'sqlmodel', 'sqlalchemy', 'lancedb', 'croniter', 'httpx'} & set(sys.modules)))"
    )
    batch(planned, "later", cron="@yearly")
    alone = subprocess.run(
        [sys.executable, "-c", f"{LIGHT.format(str(planned.home))}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert alone.stdout.strip() == "[]"


def test_an_engine_goes_on_while_a_large_folder_is_read(planned: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = planned
    mill.write_many(2)
    mill.sync()
    mill.write("large.md", "# Large\n\nThis takes long to read.\n")
    abandoned(mill, batch(mill, "quick one"))
    batches.create_batch(mill.settings, name="nightly", params="quick", source="docs", scheduled_start=PAST)
    monkeypatch.setattr(working, "DUE_SECONDS", 0.0)
    monkeypatch.setattr(working.due, "anything_due", lambda _queries: working_now(mill))
    done, hash_file = threading.Event(), looking.folders.hash_file

    def slowly(file: FoundFile) -> HashedFile:
        assert done.wait(30), "the engine waits for a folder to be read"
        return hash_file(file)

    monkeypatch.setattr(looking.folders, "hash_file", slowly)
    work = Working(lambda: working.work(mill.settings, mill.reporter, once=True))
    wait_for(lambda: statuses(mill)["quick one"] == "completed")
    done.set()
    assert work.result().run_groups == 2
    assert statuses(mill)["nightly"] == "completed"


def working_now(mill: Mill) -> bool:
    return bool(holder(mill.home)) and "scheduled" in statuses(mill).values()


def test_a_scheduled_batch_that_is_cancelled_is_left_alone(planned: Mill) -> None:
    mill = planned
    batch(mill, "due", scheduled_start=PAST)
    stopping.cancel(mill.settings, "due")
    assert working.work(mill.settings, mill.reporter, once=True).run_groups == 0
    assert statuses(mill) == {"due": "cancelled"}
