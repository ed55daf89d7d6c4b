"""Nothing in a home is for others to read, whatever the umask; what the user asks for elsewhere goes by it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = ("--set", "embed.method=hashing", "--set", "embed.model=hashing-64")


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_home_is_its_users_alone(tmp_path: Path, umask: int) -> None:
    docs, home = tmp_path / "docs", tmp_path / ".docmill"
    docs.mkdir()
    for number in range(3):
        (docs / f"note-{number}.md").write_text(f"# Note {number}\n\nAbout walnuts.\n")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    environment = {**os.environ, "DOCMILL_HOME": str(home), "DOCMILL_MODEL_CACHE": str(tmp_path / "models")}

    def docmill(*arguments: str, code: int = 0) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "docmill", *arguments],
            env=environment,
            cwd=tmp_path,
            umask=umask,
            capture_output=True,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)

    docmill("init")
    workflow = home / "workflows" / "told.yaml"
    workflow.write_text(
        "id: told\nname: Told\ndescription: With a handler.\nsteps:\n"
        "  - {name: parse, type: parse}\n  - {name: chunk, type: chunk}\n  - {name: embed, type: embed}\n"
        "  - {name: store, type: store}\nlifecycle:\n  group_end:\n"
        f"    - {{type: command, command: 'umask > {tmp_path}/umask'}}\n"
    )
    workflow.chmod(0o600)  # the user's own file, with the user's own mode
    docmill("sync", str(docs), "--workflow", "told", *QUICK, code=3)
    docmill("deliver", "--wait")
    (docs / "note-1.md").write_text("# Another\n\nAbout hazels.\n")
    docmill("watch", str(docs), "--max-minutes", "0.02", code=8)
    (docs / "note-0.md").unlink()
    docmill("sync", code=3)
    docmill("worker", "--once")
    docmill("gc")
    docmill("lancedb", "vacuum")
    docmill("params", "show", "default")
    docmill("export", "--database", "default", "-o", str(tmp_path / "out.jsonl"))
    docmill("plan", "--manifest", str(tmp_path / "plan.json"))

    found = [home, *home.rglob("*")]
    wide = [f"{stat.filemode(path.lstat().st_mode)} {path}" for path in found if path.lstat().st_mode & 0o077]
    assert not wide
    names = {path.name for path in found}
    assert {"state.db", "cache.db", "engine.lock", "workers.log", "lancedb", "deliver.lock"} <= names, names
    for name in ("out.jsonl", "plan.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask
    assert int((tmp_path / "umask").read_text(), 8) == umask
