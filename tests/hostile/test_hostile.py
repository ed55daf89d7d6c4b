"""One sync of a folder full of files that are made to hurt: each ends as it must, and its neighbours do not notice."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from conftest import PLUGINS, QUICK, Mill, is_alive, wait_for
from docmill import settings
from docmill.service import home
from hostile.files import FILES, NO_DOCUMENT, READ, SECRET, Place

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is promised here, only Linux can keep")

GOOD = 20
MOST_MEMORY = 600 * 1024**2  # of the engine alone
SLOWEST = 600.0  # seconds; then it hangs
LIMITS = ("parse.max_seconds=3", "parse.max_expanded_bytes=134217728", "parse.max_characters=200000")
WORKFLOW = """
id: hostile
name: Hostile
steps:
  - {name: parse, type: parse, method: auto, timeout_s: 12}
  - {name: chunk, type: chunk, method: structure, timeout_s: 3}
  - {name: embed, type: embed, method: hashing, timeout_s: 60}
  - {name: store, type: store}
"""
PROGRAM = """
import atexit
import sys
from pathlib import Path
from docmill.__main__ import main
def note():
    Path(sys.argv[0]).with_suffix(".status").write_text(Path("/proc/self/status").read_text())
if __name__ == "__main__":
    atexit.register(note)
    main()
"""


@dataclass
class Ended:
    """A sync that has ended. ``peak_bytes``: the most memory that its own process had, without its workers."""

    exit_code: int
    result: dict[str, Any]
    peak_bytes: int


@dataclass
class Scene:
    mill: Mill
    place: Place
    calls: list[Any]
    first: Ended
    second: Ended

    def outcome(self, uri: str) -> str:
        return self.outcomes()[uri]

    def outcomes(self) -> dict[str, str]:
        """What became of each document, by its URI."""
        rows = self.mill.state("SELECT uri, outcome, degraded, error_code FROM document")
        return {
            uri: "degraded" if outcome == "completed" and degraded else error or outcome
            for uri, outcome, degraded, error in rows
        }

    def message(self, uri: str) -> str:
        return str(self.mill.value("SELECT error_message FROM document WHERE uri = ?", uri))

    def text(self, uri: str) -> str:
        return "\n".join(self.mill.texts()[uri])


def sync(mill: Mill) -> Ended:
    program = mill.root / "program.py"
    program.write_text(PROGRAM)
    overrides = [part for each in (*QUICK, *LIMITS) for part in ("--set", each)]
    command = [sys.executable, str(program), "--home", str(mill.home), "sync", str(mill.folder), "--json", "--quiet"]
    ended = subprocess.run(
        [*command, "--workflow", "hostile", *overrides],
        capture_output=True,
        text=True,
        timeout=SLOWEST,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(PLUGINS), *sys.path]),
            "HOSTILE_API_KEY": SECRET,
            "DOCMILL_WORKER_MEMORY_BYTES": str(1024**3),
            "DOCMILL_WORKER_FILE_BYTES": str(64 * 1024**2),
            "DOCMILL_WORKER_CPU_S": "15",
            "DOCMILL_DOCUMENT_WORKERS": "2",
        },
    )
    assert ended.stdout, ended.stderr
    found = re.search(r"VmHWM:\s*(\d+) kB", program.with_suffix(".status").read_text())
    assert found
    return Ended(ended.returncode, json.loads(ended.stdout), int(found[1]) * 1024)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("hostile")
    mill = Mill(root)
    mill.folder.mkdir()
    home.init(settings.build(home=mill.home))
    (mill.home / "workflows" / "hostile.yaml").write_text(WORKFLOW)
    (root / "secret.txt").write_text(SECRET)
    (root / "children").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        place = Place(root / "secret.txt", root / "target", root / "children", listener.getsockname()[1])
        for name, (make, _outcomes) in FILES.items():
            make(mill.folder / name, place)
        for number in range(GOOD):
            mill.write(f"{chr(97 + number)}-good.md", f"# Good {number}\n\nThe good neighbour number {number}.\n")
        first, second = sync(mill), sync(mill)
        calls = []
        with contextlib.suppress(BlockingIOError):
            calls.append(listener.accept())
        yield Scene(mill, place, calls, first, second)


@pytest.mark.parametrize("name", FILES)
def test_each_file_ends_as_it_must(scene: Scene, name: str) -> None:
    expected = FILES[name][1]
    outcomes = scene.outcomes()
    if expected == NO_DOCUMENT:
        assert name not in outcomes
    else:
        assert outcomes[name] in expected, scene.message(name)


def test_every_good_neighbour_is_there(scene: Scene) -> None:
    for number in range(GOOD):
        uri = f"{chr(97 + number)}-good.md"
        assert scene.outcome(uri) == "completed"
        assert f"The good neighbour number {number}." in scene.text(uri)


def test_the_engine_itself_stays_small(scene: Scene) -> None:
    assert scene.first.peak_bytes < MOST_MEMORY
    assert scene.second.peak_bytes < MOST_MEMORY


def test_a_second_sync_finds_the_same_failures_and_nothing_to_do(scene: Scene) -> None:
    failed = {uri for uri, outcome in scene.outcomes().items() if outcome not in READ}
    for ended in (scene.first, scene.second):
        assert ended.exit_code == 3
        told = {error["uri"] for error in ended.result["errors"]}
        assert told == failed | {"loop.md"}, "a link that leads nowhere is told of by each look at the folder"
    assert scene.mill.value("SELECT COUNT(*) FROM run_group WHERE status != 'completed'") == 0
    assert scene.mill.state("SELECT document_id FROM run GROUP BY 1 HAVING COUNT(*) > 1") == []


def test_messages_say_what_happened(scene: Scene) -> None:
    assert "assertion failed: page != NULL" in scene.message("segfault.hostile")
    assert "SIGSEGV" in scene.message("segfault.hostile")
    assert "memory allocation of 8589934592 bytes failed" in scene.message("abort.hostile")
    assert "1,024 MiB" in scene.message("blame.hostile")
    assert "docmill_hostile.HostileParser breaks its contract" in scene.message("outside.hostile")
    assert "may not hold os.system" in scene.message("forged.hostile")
    for uri, outcome in scene.outcomes().items():
        if outcome not in READ:
            assert scene.message(uri).isprintable(), uri
            assert "/proc/" not in scene.message(uri), uri


def test_nobody_was_called_and_nothing_was_written(scene: Scene) -> None:
    assert scene.calls == []
    assert "connected" not in scene.text("network.hostile")
    assert scene.text("network.hostile").count("refused PermissionError") == 2
    assert not scene.place.target.exists()
    assert (scene.place.children / "write.written").stat().st_size <= 64 * 1024**2


def test_no_secret_got_out(scene: Scene) -> None:
    assert "PATH" in scene.text("secrets.hostile"), "it was not asked"
    for uri, passages in scene.mill.texts().items():
        assert not any(SECRET in passage for passage in passages), uri
    for path in scene.mill.home.rglob("*"):
        if path.is_file() and path.name != "engine.lock":
            data = path.read_bytes()
            if path.parent.parent.name == "artifacts":
                data = zlib.decompress(data)
            assert SECRET.encode() not in data, path


def test_a_worker_holds_nothing_of_the_home_open(scene: Scene) -> None:
    text = scene.text("descriptors.hostile")
    assert "socket:" in text, "it was not asked"
    assert str(scene.mill.home) not in text


def test_what_was_left_running_has_ended(scene: Scene) -> None:
    for name in ("child", "orphan"):
        child = int((scene.place.children / name).read_text())
        wait_for(lambda pid=child: not is_alive(pid))


def test_what_was_printed_is_in_the_log_and_bounded(scene: Scene) -> None:
    logs = scene.mill.home / "logs"
    written = "".join(path.read_text() for path in logs.glob("workers.log*"))
    assert "flood.hostile" in written
    assert re.search(r"2,0\d\d,\d{3},\d{3} bytes left out", written)
    assert sum(path.stat().st_size for path in logs.iterdir()) < 10 * 1024**2
