"""What shells offer after a Tab: asked of bash and fish themselves, and of what answers them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docmill import settings
from docmill.cli.app import run
from docmill.cli.completing import VARIABLE
from docmill.domain.sources import Wishes
from docmill.service import batches, registering
from docmill.service.home import init

Offers = Callable[..., list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home: batches of plain and of odd names, a source, a database, YAML of its own."""
    folder = tmp_path_factory.mktemp("shell")
    built = settings.build(home=folder / ".docmill")
    init(built)
    for name in ("papers", "my notes", "pap$(touch oops)"):
        batches.create_batch(built, name=name)
    (folder / "docs").mkdir()
    registering.add(built, "library", folder / "docs", Wishes())
    (folder / ".docmill" / "param-sets" / "mine.yaml").write_text("id: mine\n")
    (folder / ".docmill" / "lancedb" / "default").mkdir()
    return folder


@pytest.fixture
def offers(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Offers:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DOCMILL_HOME", raising=False)
    monkeypatch.setenv(VARIABLE, "complete_bash")

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", "\n".join(("docmill", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        run([])
        told = capfd.readouterr()
        assert told.err == ""
        return told.out.split("\n")[:-1]

    return ask


def test_commands_options_and_choices(offers: Offers) -> None:
    assert sorted(offers("sta")) == ["start", "stats", "status"]
    assert {"create", "list", "delete", "show"} <= set(offers("batch", ""))
    assert offers("search", "x", "--da") == ["--database"]
    assert offers("search", "x", "--mode", "") == ["hybrid", "vector", "fts"]
    assert "sync" in offers("")


def test_names_of_what_there_is_in_the_home(offers: Offers) -> None:
    assert offers("status", "") == ["library", "3", "2", "papers"]  # by ids where a name would have to be quoted
    assert offers("status", "p") == ["papers"]
    assert offers("source", "show", "") == offers("search", "x", "--source", "l") == ["library"]
    assert offers("lancedb", "info", "") == offers("export", "-d", "") == ["default"]
    assert {"mine", "default"} <= set(offers("start", "1", "--params", ""))
    assert offers("params", "show", "mi") == ["mine"]
    assert "batch" in offers("start", "1", "--workflow", "")


def test_the_home_that_the_line_names_is_the_one(offers: Offers, tmp_path: Path) -> None:
    assert offers("--home", str(tmp_path), "status", "") == [""]
    assert offers("status", "--home", str(tmp_path), "") == [""]


def test_nothing_is_offered_where_a_home_is_damaged(offers: Offers, tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all" * 100)
    for words in (("status", ""), ("source", "show", ""), ("documents", "show", "a"), ("run-groups", "show", "")):
        assert offers("--home", str(tmp_path), *words) == [""]
    assert offers("serch", "'")[0] in ("", "init")


def test_what_is_not_asked_for_is_no_value(cli) -> None:
    assert cli("completion", "tcsh").code == 2
    assert cli("completion", "bash", "--json").json["script"] == cli("completion", "bash").out.rstrip("\n")


BASH = """
source <(docmill completion bash)
COMP_WORDS=(docmill status pa); COMP_CWORD=2
_docmill_completion docmill
printf '%s\\n' "${COMPREPLY[@]}"
complete -p docmill
"""
FISH = 'docmill completion fish | source; complete -C "docmill status pa"; complete -C "docmill resu"'
ZSH = """
autoload -Uz compinit; compinit -u -D
eval "$(docmill completion zsh)"
_arguments() { print -r -- "$@" }
words=(docmill status pa); CURRENT=3
$_comps[docmill]
"""


@pytest.mark.parametrize(
    ("shell", "options", "program", "offered"),
    [
        ("bash", ["--norc"], BASH, ["papers\n", "complete -o default -F _docmill_completion docmill"]),
        ("fish", ["--no-config"], FISH, ["papers\tcreated", "resume\tGo on with a paused or interrupted batch."]),
        ("zsh", ["-f"], ZSH, ['"papers":"created"']),
    ],
)
def test_the_shells_themselves(shell: str, options: list[str], program: str, offered: list[str], folder: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    stand_in = folder / "bin" / "docmill"
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m docmill "$@"\n')
    stand_in.chmod(0o755)
    path = f"PATH={stand_in.parent}:$PATH" if shell != "fish" else f"set -x PATH {stand_in.parent} $PATH"
    told = subprocess.run(
        [shell, *options, "-c", f"{path}\n{program}"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert all(each in told.stdout for each in offered), (told.stdout, told.stderr)
    assert not (folder / "oops").exists()
