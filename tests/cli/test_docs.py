"""docs/cli.md says what the parser says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    checked = subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], check=False)
    assert checked.returncode == 0, "run `make docs`"


def test_every_command_is_on_the_page_with_an_example() -> None:
    sections = (ROOT / "docs" / "cli.md").read_text("utf-8").split("\n## ")[1:]
    names = [section.splitlines()[0] for section in sections]
    for expected in ("docmill sync", "docmill batch create", "docmill params targets", "docmill lancedb vacuum"):
        assert expected in names
    for section in sections:
        assert "Example:" in section, section.splitlines()[0]
