"""Which file systems a home is refused on, by their type and by trying; and that a refusal leaves nothing behind."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from docmill import settings
from docmill.errors import HomeNotFound, StateLost, StorageError
from docmill.service import home
from docmill.stores import filesystem
from docmill.stores.filesystem import find_mount

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /mnt/team rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2
31 22 0:27 / /mnt/team/local rw shared:3 master:1 - xfs /dev/sdb1 rw
32 22 0:28 / /mnt/with\040space rw - cifs //server/share rw
33 22 0:29 / /srv rw - ext4 /dev/sdc1 rw
34 33 0:30 / /srv rw - fuse.sshfs me@server: rw
35 22 0:31 / /mnt/teamwork rw - fuse.portal portal rw
a line that says nothing
"""


@pytest.mark.parametrize(
    ("folder", "type_", "network"),
    [
        ("/home/me", "ext4", False),
        ("/mnt/team", "nfs4", True),
        ("/mnt/team/a/b", "nfs4", True),
        ("/mnt/team/local/a", "xfs", False),
        ("/mnt/with space/a", "cifs", True),
        ("/srv/a", "fuse.sshfs", True),  # mounted over another
        ("/mnt/teamwork/a", "fuse.portal", False),
    ],
)
def test_the_mount_of_a_folder(folder: str, type_: str, network: bool) -> None:
    mount = find_mount(Path(folder), MOUNTS)
    assert mount is not None
    assert (mount.type, mount.is_network) == (type_, network)


@pytest.mark.parametrize(
    "type_", ["nfs", "cifs", "smb3", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.s3fs", "fuse.glusterfs"]
)
def test_a_home_on_a_network_is_refused_with_what_to_do(tmp_path: Path, type_: str) -> None:
    mounts = f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:9 / {tmp_path.resolve()} rw - {type_} server rw\n"
    with pytest.raises(StorageError, match="network file system") as refused:
        home.init(settings.build(home=tmp_path / "deep" / "home"), mountinfo=mounts)
    assert refused.value.exit_code == 7
    assert "--home" in str(refused.value.hint)
    assert refused.value.context == {"file_system": type_, "mount_point": str(tmp_path.resolve())}
    assert not list(tmp_path.iterdir())


def refuse(number: int) -> Any:
    def refused(*_arguments: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize(
    ("module", "name", "number", "said"),
    [
        (os, "link", errno.EPERM, "no hard links"),
        (os, "link", errno.EOPNOTSUPP, "no hard links"),
        (fcntl, "flock", errno.ENOLCK, "no file locks"),
    ],
)
def test_a_file_system_that_cannot_do_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int, said: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(module, name, refuse(number))
        with pytest.raises(StorageError, match=said) as refused:
            home.init(settings.build(home=tmp_path / "deep" / "home"))
    assert "local disk" in str(refused.value.hint)
    assert not list(tmp_path.iterdir())
    assert home.init(settings.build(home=tmp_path / "deep" / "home")).created


def test_locks_that_lock_nothing_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda _file, _wish: None)
    with pytest.raises(StorageError, match="lock nothing"):
        filesystem.require_fit(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["no log", "blind reader", "broken"])
def test_a_disk_on_which_sqlite_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    real, opened = sqlite3.connect, []

    def connect(path: Path, **options: Any) -> sqlite3.Connection:
        opened.append(path)
        if mode == "broken":
            return real("/proc/cannot/be", **options)
        if mode == "no log":
            return real(":memory:", **options)
        connection = real(f"{path}-{len(opened)}", **options)  # the reader looks at another file
        if len(opened) == 2:
            connection.execute("CREATE TABLE probe (number INTEGER)")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(StorageError, match="SQLite does not work"):
        home.init(settings.build(home=tmp_path / "home"))
    monkeypatch.undo()
    assert opened
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from docmill.stores.state import tables

    def full(fresh: Path) -> None:
        fresh.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tables, "build", full)
    kept = tmp_path / "home" / "workflows" / "mine.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("name: mine\n")
    with pytest.raises(StorageError, match="the disk is full"):
        home.init(settings.build(home=tmp_path / "home"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    monkeypatch.undo()
    assert home.init(settings.build(home=tmp_path / "home")).created


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Not a directory"):
        home.init(settings.build(home=tmp_path / "file" / "home"))
    assert (tmp_path / "file").is_file()


def test_a_home_that_was_used_is_not_taken_for_none(tmp_path: Path) -> None:
    built = settings.build(home=tmp_path / "home")
    home.init(built)
    (tmp_path / "home" / "state.db").unlink()
    with pytest.raises(HomeNotFound):  # it holds nothing that could get lost
        settings.find_home(built)
    (tmp_path / "home" / "cache.db").touch()
    with pytest.raises(StateLost, match="is gone"):
        settings.find_home(built)
    with pytest.raises(StateLost):
        (tmp_path / "home").rename(tmp_path / ".docmill")
        settings.find_home(settings.build(), tmp_path / "below")
