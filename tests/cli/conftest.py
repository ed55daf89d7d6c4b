"""How the tests of the command line run it: in this process, at a fixed width, without colours, away from any home."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import schemas
from docmill.cli.app import run
from docmill.cli.schema import leaves

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "DOCMILL_UPDATE_SNAPSHOTS"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON document that it must be."""
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("DOCMILL_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(list(arguments))
        captured = capsys.readouterr()
        if "--events" in arguments:
            schemas.check_lines(captured.out, _results_of(arguments))
        return Ran(code, captured.out, captured.err)

    return call


@lru_cache
def _commands() -> dict[tuple[str, ...], Any]:
    return leaves()


def _results_of(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The results of the command that is called; none where there is no such one."""
    words = tuple(each for each in arguments if not each.startswith("-"))
    return next((tuple(each.callback.results) for path, each in _commands().items() if words[: len(path)] == path), ())


@pytest.fixture
def home(cli: Cli, tmp_path: Path) -> Path:
    assert cli("init").code == 0
    return tmp_path / ".docmill"


def check_snapshot(folder: str, name: str, text: str) -> None:
    """Compare with the file, or write it where DOCMILL_UPDATE_SNAPSHOTS is set."""
    file = SNAPSHOTS / folder / f"{name}.txt"
    if os.environ.get(UPDATE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{file} is missing; run the tests with {UPDATE}=1"
    assert text == file.read_text(encoding="utf-8")


@pytest.fixture
def snapshot() -> Callable[[str, str, str], None]:
    return check_snapshot
