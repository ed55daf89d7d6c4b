"""docmill as a library: what is promised is there, typed, light, and the same as the command line."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import docmill
from conftest import QUICK, Mill
from docmill.domain.questions import Question
from docmill.errors import HomeNotFound
from docmill.library import Home
from docmill.service import exporting, syncing

UNGUARDED = """
import docmill

print("once")


class Told:
    def emit(self, event: docmill.Event) -> None:
        kinds.add(event.type)

    def close(self) -> None:
        pass


kinds: set[str] = set()
home: docmill.Home = docmill.create_home(".")
synced = home.sync("docs", overrides=["embed.method=hashing", "embed.model=hashing-64"], reporter=Told())
completed: int = synced.documents.completed
assert (completed, "progress" in kinds) == (1, True)
hit = home.search("walnut", mode="fts").hits[0]
uri: str = hit.uri
assert uri == "a.md", uri
try:
    home.search("walnut", database="none")
except docmill.DocmillError as error:
    hint: str | None = error.hint
    assert error.exit_code == 4
"""


def test_every_name_is_there() -> None:
    for name in docmill.__all__:
        assert getattr(docmill, name) is not None
    assert set(docmill.__all__) == {*docmill._MODULES, "__version__"}
    assert set(docmill.__all__) <= set(dir(docmill))
    with pytest.raises(AttributeError):
        docmill.no_such_name  # noqa: B018 - that is the point
    assert (Path(docmill.__file__).parent / "py.typed").is_file()


def test_to_import_it_costs_nothing() -> None:
    program = "import sys; before = set(sys.modules); import docmill; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    own = [name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert own == ["docmill"]


def test_to_open_a_home_imports_nothing_heavy(mill: Mill) -> None:
    program = "import sys, docmill; docmill.open_home(sys.argv[1]).status(); print(*sys.modules)"
    command = [sys.executable, "-c", program, str(mill.home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {"sqlmodel", "sqlalchemy", "lancedb", "pyarrow", "typer", "rich"} & set(done.stdout.split())


def test_a_program_that_guards_nothing_runs_once_and_is_typed(tmp_path: Path) -> None:
    """Spawned workers would run its top level again, which would sync again."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Walnut\n\nWalnut oil dries slowly.\n")
    (tmp_path / "program.py").write_text(UNGUARDED)
    run = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False, "timeout": 100}
    done = subprocess.run([sys.executable, "program.py"], **run)  # type: ignore[call-overload] # a dict of options
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr


def test_users_programs_are_checked_by_types(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    (tmp_path / "good.py").write_text(UNGUARDED)
    (tmp_path / "bad.py").write_text(
        textwrap.dedent("""
        import docmill
        home = docmill.open_home()
        home.search("x", mode="psychic")
        number: int = home.search("x").hits[0].uri
        """)
    )
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(Path(".mypy_cache").absolute())]
    out, _err, code = api.run([*options, str(tmp_path / "good.py")])
    assert code == 0, out
    out, _err, _code = api.run([*options, str(tmp_path / "bad.py")])
    assert 'bad.py:4: error: Argument "mode"' in out and "bad.py:5: error: Incompatible types" in out


def test_a_home_is_found_as_on_the_command_line(mill: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCMILL_HOME", raising=False)
    made = docmill.create_home(tmp_path / "own")
    assert made.path == tmp_path / "own" / ".docmill" == docmill.open_home(tmp_path / "own").path
    assert docmill.open_home(made.path, document_workers=1).settings.document_workers == 1
    monkeypatch.chdir(tmp_path / "own")
    assert docmill.open_home().path == made.path
    monkeypatch.setenv("DOCMILL_HOME", str(mill.home))
    assert docmill.open_home().path == mill.home
    with pytest.raises(HomeNotFound):
        docmill.open_home(tmp_path / "nowhere")


def test_methods_give_what_the_service_gives(mill: Mill, tmp_path: Path) -> None:
    mill.write_many(2)
    own = docmill.open_home(mill.home, document_workers=1, embed_workers=1)
    assert own.plan(mill.folder, overrides=QUICK).sources
    assert own.sync(mill.folder, overrides=QUICK).documents.completed == 2
    assert own.search("note", mode="fts").hits == mill.search("note", mode="fts").hits != []
    assert own.status().home == str(mill.home)
    assert own.batch_status(1).batch.name == own.batch_status("docs").batch.name == "docs"
    listed = own.documents(batch="docs")
    assert listed.total == 2
    assert own.document(listed.documents[0].uri).document == listed.documents[0]
    assert own.database().chunks.count == 2 == own.export(tmp_path / "x.parquet", batch=1).rows
    assert [each.name for each in own.databases().databases] == ["default"]


@pytest.mark.parametrize(
    ("method", "function", "others"),
    [
        (Home.search, Question, {"sources", "source", "database"}),
        (Home.export, exporting.export, {"per_document"}),
        (Home.sync, syncing.sync, {"folders", "paths", "password_file", "manifest", "still", "stop"}),
    ],
)
def test_a_method_takes_what_its_function_takes(method: object, function: object, others: set[str]) -> None:
    """And has the same defaults."""
    own = inspect.signature(method).parameters  # type: ignore[arg-type] # a function
    served = inspect.signature(function).parameters  # type: ignore[arg-type] # a function
    assert (set(own) - {"self"}) ^ (set(served) - {"settings"}) == others
    for name in set(own) & set(served) - {"reporter", "output", "query"}:
        assert (own[name].default or None) == (served[name].default or None)
