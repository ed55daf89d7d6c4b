"""Folders that a person asked for: whole or absent, and never in the place of what no export has written."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from docmill.errors import AlreadyExists, UsageError
from docmill.stores import outputs
from docmill.stores.outputs import MARK, whole, whole_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from docmill.stores.outputs import whole, whole_folder
place = Path(sys.argv[1])
writing = whole_folder if sys.argv[2] == "folder" else whole
with writing(place, Path("/nowhere")) as new:
    if new.is_dir():
        (new / "half").write_text("ha")
    else:
        new.write_text("ha")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


def export(path: Path, home: Path, text: str, *, replace: bool = False) -> None:
    with whole_folder(path, home, replace=replace) as folder:
        assert list(folder.iterdir()) == []
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "inner").mkdir()
        (folder / "inner" / "text").write_text(text)
        (folder / MARK).write_text("{}")


def test_a_new_folder_and_one_that_is_empty(tmp_path: Path, home: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        export(tmp_path / name, home, "one")
        assert (tmp_path / name / "inner" / "text").read_text() == "one"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["empty", "home", "new"]


@pytest.mark.parametrize("exchanging", [True, False])
def test_an_export_is_replaced_only_if_that_is_asked_for(
    exchanging: bool, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanging:
        monkeypatch.setattr(outputs, "_exchange", lambda one, other: False)
    out = tmp_path / "out"
    export(out, home, "old")
    with pytest.raises(AlreadyExists, match="export already"):
        export(out, home, "new")
    assert (out / "inner" / "text").read_text() == "old"
    export(out, home, "new", replace=True)
    assert (out / "inner" / "text").read_text() == "new"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home", "out"]


def test_what_no_export_has_written_is_never_replaced(tmp_path: Path, home: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("mine", "file", "link"):
        with pytest.raises(AlreadyExists):
            export(tmp_path / name, home, "new", replace=True)
    with pytest.raises(UsageError):
        export(home / "lancedb", home, "new", replace=True)
    assert (tmp_path / "mine" / "letter").read_text() == "dear"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "home", "link", "mine"]


def test_what_fails_leaves_what_was_there(tmp_path: Path, home: Path) -> None:
    export(tmp_path / "out", home, "old")
    with pytest.raises(ValueError, match="half"), whole_folder(tmp_path / "out", home, replace=True) as folder:
        (folder / "half").write_text("ha")
        raise ValueError("half of it")
    assert (tmp_path / "out" / "inner" / "text").read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home", "out"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_killed_it_leaves_nothing_half_and_the_next_one_clears_up(kind: str, tmp_path: Path, home: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", KILLED, str(out), kind], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    [left] = [each for each in tmp_path.iterdir() if each != home]
    assert left.name.startswith(".out.")
    with whole(tmp_path / "out", home) as own:
        assert not left.exists()
        with whole(tmp_path / "out", home):
            assert own.exists(), "one that is being written was taken for one that was left"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home", "out"]


def test_two_folders_change_names_at_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for each in (one, other):
        each.mkdir()
        (each / each.name).touch()
    exchanged = outputs._exchange(one, other)
    assert (one / "other").exists() == (other / "one").exists() == exchanged
    assert (one / "one").exists() == (other / "other").exists() == (not exchanged)
