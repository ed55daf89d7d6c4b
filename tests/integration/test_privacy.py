"""Nothing in a home is for others to read, whatever the umask; what the user asks for elsewhere goes by it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

UMASK = 0
QUICK = ("--set", "embed.method=hashing", "--set", "embed.model=hashing-64")
WORKFLOW = """
id: told
name: Told
description: Tells a command of its end.
steps:
  - {name: parse, type: parse}
  - {name: chunk, type: chunk}
  - {name: embed, type: embed}
  - {name: store, type: store}
lifecycle:
  group_end:
    - {type: command, command: 'umask > ../umask'}
"""
PROGRAM = """
import json, sys
from docmill.cli.app import run
for arguments, wanted in json.loads(sys.argv[1]):
    code = run(arguments)
    assert code in wanted, (code, arguments)
"""


def _run(root: Path, *commands: tuple[list[str], list[int]]) -> None:
    environment = {**os.environ, "DOCMILL_HOME": str(root / ".docmill"), "DOCMILL_MODEL_CACHE": str(root / "models")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)], env=environment, cwd=root, umask=UMASK, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_home_is_its_users_alone(tmp_path: Path) -> None:
    docs, home = tmp_path / "docs", tmp_path / ".docmill"
    docs.mkdir()
    for number in range(3):
        (docs / f"note-{number}.md").write_text(f"# Note {number}\n\nAbout walnuts.\n")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    _run(tmp_path, (["init"], [0]))
    workflow = home / "workflows" / "told.yaml"
    workflow.write_text(WORKFLOW)
    workflow.chmod(0o600)  # the user's own file, with the user's own mode
    _run(tmp_path, (["sync", str(docs), "--workflow", "told", *QUICK], [3]), (["deliver", "--wait"], [0]))
    (docs / "note-1.md").write_text("# Another\n\nAbout hazels.\n")
    (docs / "note-0.md").unlink()
    _run(
        tmp_path,
        (["watch", str(docs), "--max-minutes", "0.02"], [0, 8]),
        (["worker", "--once"], [0]),
        (["gc"], [0]),
        (["lancedb", "vacuum"], [0]),
        (["export", "--database", "default", "-o", str(tmp_path / "out.jsonl")], [0]),
        (["plan", "--manifest", str(tmp_path / "plan.json")], [0]),
    )
    found = [home, *home.rglob("*")]
    wide = [f"{stat.filemode(path.lstat().st_mode)} {path}" for path in found if path.lstat().st_mode & 0o077]
    assert not wide
    names = {path.name for path in found}
    assert {"state.db", "cache.db", "engine.lock", "lancedb", "deliver.lock", "deliver.log"} <= names
    for name in ("out.jsonl", "plan.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~UMASK
    assert int((tmp_path / "umask").read_text(), 8) == UMASK
