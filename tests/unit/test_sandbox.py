"""What a document worker may do is asked of real workers: each test looks from inside one, or at one from outside."""

from __future__ import annotations

import os
import platform
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import is_alive, wait_for
from docmill.engine import worker
from docmill.engine.sandbox import Sandbox
from docmill.engine.workers import Workers
from unit import odd_tasks

Make = Callable[..., Workers]

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can")
filtered = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="no filter is written for it"
)
LIMITS = {"memory_bytes": 2 * 1024**3, "cpu_s": 60, "file_bytes": 1024**2}


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Workers] = []

    def make(**changes: Any) -> Workers:
        limits = Sandbox(**{**LIMITS, "environment": ("PYTEST_*",), **changes})
        made.append(Workers(1, worker.start_document_worker, (os.getpid(), limits), done=lambda _tag, _future: None))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SOME_API_KEY", "swordfish")
    return "SOME_API_KEY"


def test_the_secrets_of_the_environment_are_not_there(make: Make, secret: str) -> None:
    pool = make()
    assert pool.submit(1, os.getenv, secret).result(60) is None
    assert pool.submit(2, os.getenv, "PATH").result(60) == os.environ["PATH"]


def test_a_variable_that_is_asked_for_is_kept(make: Make, secret: str) -> None:
    assert make(environment=("SOME_*",)).submit(1, os.getenv, secret).result(60) == "swordfish"


@linux
def test_nor_does_the_system_show_them(make: Make, secret: str) -> None:
    pid = make().submit(1, os.getpid).result(60)
    shown = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"swordfish" not in shown
    assert f"PATH={os.environ['PATH']}".encode() in shown


@filtered
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_no_network(make: Make, family: int) -> None:
    with pytest.raises(PermissionError):
        make().submit(1, odd_tasks.open_socket, family).result(60)


@filtered
def test_no_service_of_this_machine_either(make: Make, tmp_path: Path) -> None:
    pool = make()
    assert pool.submit(1, odd_tasks.open_socket, socket.AF_UNIX).result(60) is None
    assert pool.submit(2, odd_tasks.talk_to_oneself).result(60) == b"hello"
    with socket.socket(socket.AF_UNIX) as service:
        path = f"{tmp_path}/s"[-100:]
        service.bind(path)
        service.listen()
        with pytest.raises(PermissionError):
            pool.submit(3, odd_tasks.connect, path).result(60)


@filtered
def test_the_network_where_it_is_asked_for(make: Make) -> None:
    assert make(network=True).submit(1, odd_tasks.open_socket, socket.AF_INET).result(60) is None


@filtered
@pytest.mark.parametrize("network", [True, False])
def test_no_hand_on_other_processes(make: Make, network: bool) -> None:
    assert make(network=network).submit(1, odd_tasks.trace, os.getpid()).result(60) == "EPERM"


@linux
def test_the_engine_cannot_be_looked_into_or_signalled(make: Make) -> None:
    if not odd_tasks.has_landlock(6):
        pytest.skip("the kernel has no Landlock, or one that does not bound signals")
    pool = make()
    with pytest.raises(PermissionError):
        pool.submit(1, odd_tasks.read, f"/proc/{os.getpid()}/environ").result(60)
    with pytest.raises(PermissionError):
        pool.submit(2, os.kill, os.getpid(), 0).result(60)


def test_files_can_still_be_moved_between_folders(make: Make, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    make().submit(1, os.replace, str(tmp_path / "a" / "file"), str(tmp_path / "b" / "file")).result(60)
    assert (tmp_path / "b" / "file").exists()


def test_no_file_grows_beyond_its_bound(make: Make, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large"):
        make().submit(1, odd_tasks.write, str(tmp_path / "file"), 1024**2 + 1).result(60)
    assert (tmp_path / "file").stat().st_size <= 1024**2


@linux
def test_no_more_memory_than_its_bound(make: Make) -> None:
    with pytest.raises(MemoryError):
        make(memory_bytes=1024**3).submit(1, odd_tasks.fill_memory, 1024**3).result(60)


def test_no_core_is_left_and_no_right_is_gained(make: Make) -> None:
    pool = make()
    assert pool.submit(1, resource.getrlimit, resource.RLIMIT_CORE).result(60) == (0, 0)
    if sys.platform == "linux":
        pid = pool.submit(2, os.getpid).result(60)
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "500"


def test_where_processors_are_short_the_engine_goes_first(make: Make) -> None:
    assert make().submit(1, os.nice, 0).result(60) > os.nice(0)


@linux
def test_no_descriptor_is_inherited(make: Make, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w"):
        descriptors = make().submit(1, odd_tasks.descriptors).result(60)
    assert {name.partition(":")[0] for name in descriptors} <= {"/dev/null", "socket", "pipe", "/proc"}


@linux
def test_children_that_it_leaves_are_ended_with_it(make: Make) -> None:
    pool = make()
    child = pool.submit(1, odd_tasks.leave_a_child).result(60)
    assert is_alive(child)
    with pytest.raises(Exception, match="the worker died"):
        pool.submit(2, os._exit, 3).result(30)
    wait_for(lambda: not is_alive(child))
