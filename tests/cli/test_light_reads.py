"""What only reads starts fast: without the database toolkit, the vector store and the library of models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docmill import settings
from docmill.service import batches
from docmill.service.home import init

HEAVY = ("sqlmodel", "sqlalchemy", "lancedb", "pyarrow", "fastembed", "onnxruntime")
READS = (
    ("--help",),
    ("status",),
    ("status", "notes"),
    ("batch", "list"),
    ("batch", "list", "--search", "notes", "--sort", "name"),
    ("batch", "show", "notes"),
    ("runs", "list", "--include-steps", "--include-document"),
    ("steps", "list", "notes"),
    ("run-groups", "list"),
    ("active",),
    ("logs", "notes"),
    ("events", "notes"),
    ("documents", "list", "--batch", "notes"),
    ("files", "list", "notes", "--has-errors"),
    ("files", "list", "notes", "--type", "pdf"),
    ("quarantine", "list"),
    ("lancedb", "list"),
    ("workflow", "list"),
    ("params", "list"),
    ("models", "list"),
)
PROGRAM = """
import sys
from docmill.cli.app import run
code = run(sys.argv[1:])
print(code, *sorted(set(sys.modules) & set({heavy!r})), sep=",", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    built = settings.build(home=folder / "home")
    init(built)
    batches.create_batch(built, name="notes")
    return folder / "home"


@pytest.mark.parametrize("command", READS, ids=" ".join)
@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
def test_reading_imports_nothing_heavy(home: Path, command: tuple[str, ...], json: bool) -> None:
    arguments = [*command, *(["--json"] if json and command != ("--help",) else [])]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *arguments],
        env={**os.environ, "DOCMILL_HOME": str(home), "DOCMILL_MODEL_CACHE": str(home / "models")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "0"
