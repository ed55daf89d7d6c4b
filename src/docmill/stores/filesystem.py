"""Whether a home's promises can be kept on a file system: tried out, not believed.

LanceDB commits by hard links, one engine per home rests on flock, and SQLite's write-ahead log on memory that processes
share. A network file system may pass every trial on one machine and fail between two: those are told by their type.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from docmill.errors import StorageError

MOUNTINFO = Path("/proc/self/mountinfo")
_HINT = "choose a folder on a local disk with `docmill init --home PATH`; the documents may stay where they are"

# As the kernel names them; whatever FUSE programs call themselves stands behind "fuse.".
_NETWORK = {
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs"
}  # fmt: skip
_NETWORK_FUSE = {
    "blobfuse", "blobfuse2", "ceph-fuse", "curlftpfs", "davfs", "davfs2", "gcsfuse", "geesefs", "glusterfs",
    "goofys", "google-drive-ocamlfuse", "hdfs", "juicefs", "lizardfs", "mfs", "moosefs", "mount-s3",
    "mountpoint-s3", "objectivefs", "onedriver", "rclone", "s3backer", "s3fs", "s3ql", "seaweedfs", "smbnetfs",
    "sshfs", "weed"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a folder's file system is mounted, and its type as the kernel names it."""

    point: str
    type: str

    @property
    def is_network(self) -> bool:
        kind, _, program = self.type.partition(".")
        return kind in _NETWORK or (kind in ("fuse", "fuseblk") and program in _NETWORK_FUSE)


def find_mount(folder: Path, mountinfo: str) -> Mount | None:
    """The mount that an absolute path without links lies on. ``mountinfo``: the text of /proc/self/mountinfo."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        place, _, source = line.partition(" - ")
        fields, kind = place.split(), source.split()
        if len(fields) < 5 or not kind:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = Path(os.fsdecode(point.encode("latin-1", "replace")))
        # A later mount on the same folder lies over the earlier one.
        if folder.is_relative_to(inside) and (found is None or len(str(inside)) >= len(found.point)):
            found = Mount(str(inside), kind[0])
    return found


def require_local(folder: Path, mountinfo: str | None = None) -> None:
    """Raises StorageError where the folder, or the one that it is to be made in, lies on a network file system."""
    if mountinfo is None:
        try:
            mountinfo = MOUNTINFO.read_text("latin-1")
        except OSError:
            return  # not Linux: what can be tried out is tried out all the same
    there = next(each for each in (folder, *folder.parents) if each.exists())
    mount = find_mount(there.resolve(), mountinfo)
    if mount is not None and mount.is_network:
        raise StorageError(
            f"{folder} lies on a network file system ({mount.type}, mounted at {mount.point}), on which neither SQLite"
            " nor file locks can be relied upon",
            hint=_HINT,
            file_system=mount.type,
            mount_point=mount.point,
        )


def require_fit(folder: Path) -> None:
    """Try hard links, file locks and SQLite in ``folder``, and leave nothing there. Raises StorageError or OSError."""
    probe = folder / f"probe-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        _try_link(folder, probe)
        _try_lock(folder, probe)
        probe.unlink()
        _try_sqlite(folder, probe)
    finally:
        for leftover in folder.glob(f"{probe.name}*"):
            with contextlib.suppress(OSError):
                leftover.unlink()


def _try_link(folder: Path, probe: Path) -> None:
    try:
        os.link(probe, f"{probe}.link")
    except OSError as error:
        raise StorageError(
            f"the file system of {folder} has no hard links ({error.strerror}), which LanceDB's commits need",
            hint=_HINT,
        ) from error


def _try_lock(folder: Path, probe: Path) -> None:
    with probe.open("rb") as first, probe.open("rb") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"the file system of {folder} has no file locks ({error.strerror}), on which one engine a home rests",
                hint=_HINT,
            ) from error
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    raise StorageError(f"the file locks of the file system of {folder} lock nothing", hint=_HINT)


def _try_sqlite(folder: Path, probe: Path) -> None:
    """What one connection has written in WAL mode, another one reads, while the first still has it open."""
    said: object = None
    try:
        with (
            contextlib.closing(sqlite3.connect(probe, timeout=5.0)) as writer,
            contextlib.closing(sqlite3.connect(probe, timeout=5.0)) as reader,
        ):
            [mode] = writer.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode == "wal":
                writer.execute("CREATE TABLE probe (number INTEGER)")
                with writer:
                    writer.execute("INSERT INTO probe VALUES (42)")
                said = reader.execute("SELECT number FROM probe").fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise
        raise _unfit(folder, str(error)) from error
    if said != (42,):
        raise _unfit(folder, "no write-ahead log" if said is None else "a reader does not see what was written")


def _unfit(folder: Path, why: str) -> StorageError:
    return StorageError(f"SQLite does not work on the file system of {folder} ({why})", hint=_HINT)
