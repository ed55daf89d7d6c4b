"""What only reads starts fast: without the database toolkit, the vector store and the library of models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docmill import settings
from docmill.domain import results
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
    ("summary", "notes"),
    ("quarantine", "list"),
    ("metrics",),
    ("lancedb", "list"),
    ("workflow", "list"),
    ("workflow", "graph", "batch"),
    ("params", "list"),
    ("params", "diff", "default", "fast"),
    ("models", "list"),
    ("doctor",),
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


def test_every_name_of_the_results_can_be_imported():
    for name in results.__all__:
        assert getattr(results, name).__name__ == name
    assert set(results.__all__) == set(results._MODULES)


@pytest.mark.parametrize("before", [[], ["--home", "status"], ["-q", "--home=x", "--json"]])
def test_a_command_imports_no_other_command(before: list[str]) -> None:
    """Also behind an option whose value is the name of one."""
    program = "import sys\nfrom docmill.cli.app import run\nrun(sys.argv[1:])\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *before, "active", "--help"], capture_output=True, text=True, check=True
    )
    assert "docmill active" in done.stdout
    loaded = done.stdout.splitlines()[-1].split()
    assert "docmill.cli.following" in loaded
    assert not {"docmill.cli.everyday", "docmill.cli.batch", "docmill.cli.plan"} & set(loaded)
