"""The units in docs/service.md are ones that systemd takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "service.md"


def units() -> dict[str, str]:
    """Each unit's text by its name: an indented block that begins with the unit's path."""
    block = r"^    # /etc/systemd/system/(\S+)\n((?:    .*\n|\n)+?)(?=    # /etc|\S)"
    found = re.findall(block, PAGE.read_text("utf-8"), re.M)
    return {name: re.sub(r"^    ", "", text, flags=re.M) for name, text in found}


def test_every_unit_is_found() -> None:
    names = ["docmill-sync.service", "docmill-sync.timer", "docmill-watch.service", "docmill.service"]
    assert sorted(units()) == names


def test_the_commands_in_them_are_ours() -> None:
    for text in units().values():
        for command in re.findall(r"^ExecStart=\S+ (.*)$", text, re.M):
            words = [word for word in command.split() if word.startswith("-") or word.islower()]
            asked = subprocess.run(
                [sys.executable, "-m", "docmill", words[0], "--help"], capture_output=True, text=True, check=True
            )
            for option in (word for word in words if word.startswith("--")):
                assert option in asked.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_them(tmp_path: Path) -> None:
    for name, text in units().items():
        (tmp_path / name).write_text(text.replace("/usr/local/bin/docmill", "/bin/true").replace("User=docs\n", ""))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
