"""Four shells at once on one home, each with real commands in an order that dice decide.

``DOCMILL_SHELLS_SECONDS`` and ``DOCMILL_SHELLS_SEED`` make it longer, or another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conftest import QUICK, Mill
from docmill.domain import uris
from docmill.service import batches, home, ingesting, running

SHELLS = 4
SECONDS = float(os.environ.get("DOCMILL_SHELLS_SECONDS", "8"))
SEED = int(os.environ.get("DOCMILL_SHELLS_SEED", "20260131"))
FILES = 12
SETS = tuple(word for each in (*QUICK, "store.window_documents=3") for word in ("--set", each))
ALLOWED = {
    "sync": {0, 3, 5, 8},  # 5: the batch is paused; 8: it was paused meanwhile
    "ingest": {0},
    "start": {0, 3, 5, 8},
    "pause": {0, 5},
    "resume": {0, 3, 5, 8},
    "status": {0},
}


@dataclass
class Ran:
    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def check(self) -> None:
        """An expected end, said in one document, without anything that no user should ever see."""
        said = f"{self.arguments}: exit {self.code}\n{self.out}\n{self.err}"
        assert self.code in ALLOWED[self.arguments[0]], said
        assert not any(word in self.out + self.err for word in ("Traceback", "is locked", "UNEXPECTED")), said
        error = self.json.get("error")
        assert (error is not None) == (self.code == 5), said
        assert error is None or error["code"] in ("INVALID_BATCH_STATE", "CONCURRENT_BATCH_LIMIT"), said


@dataclass
class House:
    """A home, the folder ``docs`` that is synced, and the folder ``box`` whose files are ingested."""

    mill: Mill
    ran: list[Ran] = field(default_factory=list)

    def folder(self, name: str) -> Path:
        return self.mill.root / name

    def call(self, *arguments: str) -> Ran:
        command = [sys.executable, "-m", "docmill", "--home", str(self.mill.home), *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        ran = Ran(arguments, done.returncode, done.stdout, done.stderr)
        self.ran.append(ran)
        return ran

    def sync(self) -> Ran:
        return self.call("sync", str(self.folder("docs")), *SETS)

    def ingest(self) -> Ran:
        return self.call("ingest", str(self.folder("box")), "--batch", "box")

    def start(self) -> Ran:
        return self.call("start", "box", *SETS)


class Shell(threading.Thread):
    """One command after the other, until the time is over. What goes wrong is raised by ``result``."""

    def __init__(self, house: House, number: int, until: float) -> None:
        super().__init__()
        self.house = house
        self.number = number
        self.dice = random.Random(SEED * 10 + number)
        self.until = until
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            turn = 0
            while time.monotonic() < self.until:
                turn += 1
                self.act(f"{self.number}-{turn}").check()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
            self.error = error

    def act(self, name: str) -> Ran:
        batch = self.dice.choice(["docs", "box"])
        match self.dice.choice(["sync", "sync", "ingest", "start", "pause", "resume", "status"]):
            case "sync":
                self.edit("docs", name)
                return self.house.sync()
            case "ingest":
                self.edit("box", name)
                return self.house.ingest()
            case "start":
                return self.house.start()
            case "status":
                return self.house.call("status", *([batch] if self.dice.random() < 0.5 else []))
            case other:
                return self.house.call(other, batch)

    def edit(self, folder: str, name: str) -> None:
        """A new file, and another that changes. Whole at once, as an editor saves."""
        numbers = (f"new-{name}", f"note-{self.dice.randrange(FILES):03d}")
        for each in numbers[: self.dice.randint(1, 2)]:
            fresh = self.house.folder(folder) / f".{name}.tmp"
            fresh.write_text(text(f"{each} as {name} left it"))
            fresh.replace(self.house.folder(folder) / f"{each}.md")

    def result(self) -> None:
        self.join()
        if self.error is not None:
            raise self.error


def text(words: str) -> str:
    return f"# Notes\n\nParagraph of {words}.\n\n## More\n\nAnother of {words}.\n"


@pytest.fixture
def house(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("DOCMILL_DOCUMENT_WORKERS", "1")
    monkeypatch.setenv("DOCMILL_EMBED_WORKERS", "1")
    made = House(mill)
    for name in ("docs", "box"):
        made.folder(name).mkdir(exist_ok=True)
        for number in range(FILES):
            (made.folder(name) / f"note-{number:03d}.md").write_text(text(f"{name} {number}"))
    (made.folder("docs") / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    begin(made)
    return made


def begin(house: House) -> None:
    house.call("batch", "create", "--name", "box")
    assert house.sync().code == 3
    assert house.ingest().code == 0


def end(house: House) -> None:
    """Whatever was left paused or half done comes to its end."""
    for batch in ("docs", "box"):
        assert house.call("resume", batch).code in (0, 3, 5)
    assert house.ingest().code == 0
    assert house.start().code == 0
    last = house.sync()
    assert last.code == 3
    assert [error["uri"] for error in last.json["errors"]] == ["broken.pdf"]


def peaceful(house: House) -> House:
    """Another home, for the same folders as they are now, that nobody disturbs."""
    mill = Mill(house.mill.root / "peace", house.mill.overrides)
    mill.root.mkdir()
    for name in ("docs", "box"):
        (mill.root / name).symlink_to(house.folder(name))
    home.init(mill.settings)
    batches.create_batch(mill.settings, name="box")
    ingesting.ingest(mill.settings, [str(mill.root / "box")], batch="box")
    running.start(mill.settings, mill.reporter, "box", overrides=list(mill.overrides))
    mill.sync()
    return House(mill)


def documents(house: House) -> Counter[tuple[str, str, str]]:
    rows = house.mill.state("SELECT source, uri, content_hash FROM document WHERE state = 'active'")
    return Counter((str(source), str(uri), str(digest)) for source, uri, digest in rows)


def on_disk(house: House) -> Counter[tuple[str, str, str]]:
    return Counter(
        (name, uris.encode(path.name), f"sha256-{hashlib.sha256(path.read_bytes()).hexdigest()}")
        for name in ("docs", "box")
        for path in house.folder(name).iterdir()
    )


def passages(house: House) -> Counter[tuple[Any, ...]]:
    names = ("source", "uri", "position", "text", "title", "char_start", "char_end")
    return Counter(tuple(row[name] for name in names) for row in house.mill.rows())


def test_four_shells_at_once(house: House) -> None:
    until = time.monotonic() + SECONDS
    shells = [Shell(house, number, until) for number in range(SHELLS)]
    for shell in shells:
        shell.start()
    for shell in shells:
        shell.join()
    for shell in shells:
        shell.result()
    end(house)
    counts = Counter((ran.arguments[0], ran.code) for ran in house.ran)
    sys.stdout.write("".join(f"{name} exit {code}: {count}\n" for (name, code), count in sorted(counts.items())))

    assert documents(house) == on_disk(house), "an update was lost"
    assert max(passages(house).values()) == 1, "a row lies there twice"
    house.mill.texts()
    other = peaceful(house)
    assert passages(house) == passages(other)
    state = house.mill.state
    for table in ("run_step", "run", "run_group"):
        assert state(f"SELECT id, status FROM {table} WHERE status IN ('pending', 'running', 'error', 'paused')") == []
    assert state("SELECT document_id FROM placement WHERE state != 'stored'") == []
    stored = "SELECT COUNT(*) FROM document d JOIN placement p ON p.document_id = d.id WHERE d.state = 'active'"
    assert house.mill.value(stored) == sum(on_disk(house).values()) - 1  # without the broken one
    connection = sqlite3.connect(house.mill.home / "state.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
