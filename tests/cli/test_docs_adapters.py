"""docs/adapters.md shows the programs as they are, and what they rely on of a database is there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Mill

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapters.md").read_text("utf-8")
PROGRAMS = sorted((ROOT / "examples" / "adapters").glob("*.py"))

# As another program does it: nothing of docmill is imported.
READER = """
import json, sys
import lancedb
database = lancedb.connect(sys.argv[1])
settings = {row["key"]: row["value"] for row in database.open_table("settings").to_arrow().to_pylist()}
assert settings["model"] == "hashing-64", settings
found = {}
for name in ("chunks", "documents"):
    table = database.open_table(name)
    newest = table.count_rows()
    table.checkout("published")
    found[name] = (newest, table.count_rows(), table.schema.names)
chunks = database.open_table("chunks")
chunks.checkout("published")
vector = chunks.to_arrow().column("vector")[0].as_py()
assert len(vector) == int(settings["vector_dim"])
assert abs(sum(each * each for each in vector) - 1) < 1e-5
[row] = chunks.search(vector, vector_column_name="vector").distance_type("cosine").limit(1).to_list()
assert row["_distance"] < 1e-5 and isinstance(row["headings"], list) and row["page_start"] is None
assert "docmill" not in sys.modules
print(json.dumps(found))
"""


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_page_shows_the_program(program: Path) -> None:
    shown = f"<!-- examples/adapters/{program.name} -->\n```python\n{program.read_text('utf-8')}```\n"
    assert shown in PAGE


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_program_reads_what_is_whole_and_does_not_need_docmill(program: Path) -> None:
    tree = ast.parse(program.read_text("utf-8"))
    imported = {each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    imported |= {name.name for each in ast.walk(tree) if isinstance(each, ast.Import) for name in each.names}
    assert not [name for name in imported if name.startswith("docmill")]
    assert 'checkout("published")' in program.read_text("utf-8")
    assert set(re.findall(r'row\["(\w+)"\]', program.read_text("utf-8"))) <= {*columns("chunks"), *SETTINGS}


SETTINGS = ("key", "value", "_distance")


def columns(table: str) -> list[str]:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{table}` |")]
    return re.findall(r"`(\w+)`", row)[1:]


def test_plain_lancedb_reads_what_the_programs_rely_on(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    import lancedb

    folder = mill.home / "lancedb" / "default"
    lancedb.connect(folder).open_table("chunks").delete("uri = 'note-000.md'")  # as in the midst of a window
    done = subprocess.run([sys.executable, "-c", READER, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["chunks"][:2] == [2, 3]
    for table in ("chunks", "documents"):
        assert set(columns(table)) <= set(found[table][2])
