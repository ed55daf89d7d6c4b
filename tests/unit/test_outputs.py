"""Files that a person asked for: whole or absent, never through a link or in the home, readable by whom he wants."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from docmill import privacy
from docmill.errors import UsageError
from docmill.stores.outputs import whole


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture(autouse=True)
def umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As the command line sets it, for a user whose own is 027."""
    before = os.umask(privacy.PRIVATE_UMASK)
    monkeypatch.setattr(privacy, "_found", [0o027])
    yield
    os.umask(before)


def write(path: Path, home: Path, text: str = "new") -> None:
    with whole(path, home) as place:
        place.write_text(text)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_file_goes_by_the_users_umask(tmp_path: Path, home: Path) -> None:
    write(tmp_path / "out", home)
    assert ((tmp_path / "out").read_text(), mode(tmp_path / "out")) == ("new", 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


def test_a_file_that_is_there_is_replaced_and_stays_as_private_as_it_was(tmp_path: Path, home: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    out.chmod(0o604)
    write(out, home)
    assert (out.read_text(), mode(out)) == ("new", 0o604)


def test_what_fails_leaves_what_was_there(tmp_path: Path, home: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(ValueError, match="half"), whole(out, home) as place:
        place.write_text("ha")
        assert mode(place) == 0o600
        raise ValueError("half of it")
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path, home: Path) -> None:
    target, out = tmp_path / "precious", tmp_path / "out"
    target.write_text("precious")
    out.symlink_to(target)
    write(out, home)
    assert (target.read_text(), out.read_text(), out.is_symlink()) == ("precious", "new", False)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "elsewhere")
    write(dangling, home)
    assert not (tmp_path / "elsewhere").exists() and dangling.read_text() == "new"


def test_nothing_is_written_into_the_home(tmp_path: Path, home: Path) -> None:
    (tmp_path / "way").symlink_to(home)
    (home / "state.db").write_text("state")
    for path in (
        home / "state.db",
        home / "new",
        tmp_path / "way" / "state.db",
        home,
        tmp_path / "x" / ".." / "home/a",
    ):
        with pytest.raises(UsageError, match="lies in the home"):
            write(path, home)
    assert [path.name for path in home.iterdir()] == ["state.db"] and (home / "state.db").read_text() == "state"


def test_devices_and_pipes_are_written_to_and_not_replaced(tmp_path: Path, home: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe, home)
    reader.join(30)
    assert read == ["new"] and stat.S_ISFIFO(pipe.stat().st_mode)
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    write(null, home)
    assert null.is_symlink()
    write(Path("/dev/null"), home)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_an_open_file_is_written_to(tmp_path: Path, home: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        write(Path(f"/dev/fd/{stream.fileno()}"), home)
    assert (tmp_path / "out").read_text() == "new"


def test_a_folder_is_not_replaced(tmp_path: Path, home: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "folder", home)
