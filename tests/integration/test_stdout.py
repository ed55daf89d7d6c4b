"""Data that goes to stdout: whatever is there already stays, and a reader that has left is no error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Mill
from docmill.service import home

COMMANDS = {
    "export": ("export", "docs"),
    "archive": ("archive", "docs", "-o", "-"),
    "report": ("report", "docs", "-o", "-"),
    "metrics": ("metrics", "-o", "-"),
    "graph": ("workflow", "graph", "batch", "--format", "svg", "-o", "-"),
    "queries": ("search", "--mode", "fts", "--queries", "questions.txt"),
    "pages": ("pages", "docs", "-o", "-"),
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Mill:
    mill = Mill(tmp_path_factory.mktemp("stdout"))
    home.init(mill.settings)
    mill.write_many(2)
    mill.sync()
    (mill.root / "questions.txt").write_text("Notes\nParagraph\n")
    return mill


def run(done: Mill, command: str, stdout: int) -> tuple[int, bytes]:
    arguments = [sys.executable, "-m", "docmill", "--home", str(done.home), *COMMANDS[command]]
    ran = subprocess.run(arguments, stdout=stdout, stderr=subprocess.PIPE, cwd=done.root, check=False)
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_it_goes_behind_what_is_there(done: Mill, tmp_path: Path, command: str) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"before\n")
    with file.open("ab") as stream:
        assert run(done, command, stream.fileno()) == (0, b"")
    data = file.read_bytes()
    assert data.startswith(b"before\n") and len(data) > len(b"before\n")
    assert sorted(each.name for each in done.root.iterdir()) == ["docs", "home", "questions.txt"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_left_is_no_error(done: Mill, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(done, command, writer) == (0, b"")
    finally:
        os.close(writer)
