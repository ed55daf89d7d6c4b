"""What else goes through a folder to see whether something changed: the least that it takes, and git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def walk(folder: Path) -> int:
    """The least that finding out takes: every entry seen, every file's stat read; not git's own folder, as for ours."""
    found, pending = 0, [os.fspath(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    if not entry.name.startswith("."):
                        pending.append(entry.path)
                else:
                    entry.stat()
                    found += 1
    return found


def git_status(folder: Path) -> None:
    subprocess.run(["git", "-C", os.fspath(folder), "status", "--porcelain"], check=True, stdout=subprocess.DEVNULL)


def commit_all(folder: Path) -> None:
    for words in (
        ["init", "-q"],
        ["config", "gc.auto", "0"],
        ["config", "maintenance.auto", "false"],
        ["add", "."],
        ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"],
    ):
        subprocess.run(["git", "-C", os.fspath(folder), *words], check=True, stdout=subprocess.DEVNULL)
