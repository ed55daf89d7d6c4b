"""docs/tutorial.md is what happens: its commands are run, in order, and what they print is held against the page.

With DOCMILL_UPDATE_SNAPSHOTS the page gets what they print now.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from docmill.cli.app import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def steady(text: str, folder: Path) -> str:
    """Without what differs from run to run: the folder, times, speeds, sizes of files on disk."""
    text = text.replace(str(folder), "~/ferries")
    text = re.sub(r"about \d[\d.]* (s|ms|min)\b", "about 2.0 s", text)
    text = re.sub(r"\b\d[\d.]* s\b", "1.5 s", text)
    text = re.sub(r"\d+ a second", "6 a second", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-31 12:00:00", text)
    return re.sub(r"\d[\d.]* [KM]iB", "8.5 KiB", text)


def test_the_page_is_what_happens(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("t")  # a short name: long ones would fold lines
    shutil.copytree(ROOT / "examples", folder / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("DOCMILL_HOME", raising=False)
    monkeypatch.setattr("docmill.cli.console.PIPE_WIDTH", 96)

    def done(command: str) -> str:
        words = shlex.split(command)
        if words[0] != "docmill":
            subprocess.run(command, shell=True, check=True)
            return ""
        capsys.readouterr()
        code = run(words[1:])
        told = capsys.readouterr()
        damaged = Path("examples/library/scan.pdf").exists()
        assert code == (3 if damaged and words[1] == "sync" else 0), told.err
        return told.out

    def replayed(block: re.Match[str]) -> str:
        commands = [line[2:] for line in block[1].splitlines() if line.startswith("$ ")]
        parts = [f"$ {command}\n{done(command)}" for command in commands]
        joined = "".join(f"{part.rstrip()}\n" + ("\n" if "\n" in part.rstrip() else "") for part in parts)
        return f"```console\n{joined.rstrip()}\n```"

    written = PAGE.read_text("utf-8")
    now = steady(BLOCK.sub(replayed, written), folder)
    if os.environ.get("DOCMILL_UPDATE_SNAPSHOTS"):
        PAGE.write_text(now, "utf-8")
    assert now == PAGE.read_text("utf-8")
