"""``backup``: a home in one file, taken while it is in use, and read again before it counts as one."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

from docmill import __version__, failpoints
from docmill.domain.events import MessageEvent, Reporter, now
from docmill.domain.results import BackupDatabase, BackupPart, BackupResult
from docmill.domain.sizes import human_size
from docmill.durable import fsync
from docmill.errors import DocmillError, StorageError, UsageError
from docmill.settings import FILE_NAME, Settings, find_home
from docmill.stores import agreement, archive, outputs, snapshot
from docmill.stores.agreement import Holdings
from docmill.stores.archive import Header
from docmill.stores.faults import storage_error
from docmill.stores.queries import reading
from docmill.stores.snapshot import Snapshot
from docmill.stores.state import sources_copy

_PARTS = {snapshot.STATE: "state", sources_copy.NAME: "state", snapshot.CACHE: "cache", FILE_NAME: "settings"}


def backup(
    settings: Settings, reporter: Reporter, target: str, *, with_cache: bool = True, dry_run: bool = False
) -> BackupResult:
    """The home at one instant, as a file that is whole and checked, or not there. Takes no lock; an engine goes on.

    Raises UsageError for a place in the home, StorageError where a disk does not allow it.
    """
    started, home = time.perf_counter(), find_home(settings)
    path = Path(target).expanduser().absolute()
    _require_file(path)
    outputs.require_outside(path, home)
    with reading(home):
        pass  # a home of an earlier schema is brought forward, and a newer one refused
    try:
        with snapshot.taken(home, cache=with_cache) as taken:
            holdings = agreement.look(taken.folder)
            header, parts = _described(home, taken, holdings, with_cache=with_cache)
            if not dry_run:
                _write(home, path, taken, header, reporter)
    except (OSError, sqlite3.DatabaseError) as error:
        raise _unwritten(error, path, home) from error
    size = None if dry_run else path.stat().st_size
    what = human_size(header.content_bytes if size is None else size)
    return BackupResult(
        dry_run=dry_run,
        message=f"would back up {what}, less once it is compressed" if dry_run else f"backed up and verified, {what}",
        path=str(path),
        home=str(home),
        size_bytes=size,
        size_human=None if size is None else human_size(size),
        content_bytes=header.content_bytes,
        content_human=human_size(header.content_bytes),
        files=header.files,
        parts=parts,
        batches=header.batches,
        documents=header.documents,
        databases=databases_of(header),
        schema_version=header.schema_version,
        verified=not dry_run,
        left_out=taken.left_out,
        findings=header.findings,
        reason=reason_of(header),
        seconds=round(time.perf_counter() - started, 3),
    )


def databases_of(header: Header) -> list[BackupDatabase]:
    return [BackupDatabase(name=name, **counts) for name, counts in header.databases.items()]


def reason_of(header: Header) -> str | None:
    """Why a backup, or a home that was made of it, is not clean."""
    many = len(header.findings)
    return f"{many} finding{'' if many == 1 else 's'} in the home that was backed up" if many else None


def _require_file(path: Path) -> None:
    """What is written is read again: so it has to be a file."""
    hint = f"name a file, such as docmill{archive.SUFFIX}"
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint=f"name a file in it, such as {path / f'docmill{archive.SUFFIX}'}")
    if not outputs.is_replaceable(path):
        raise UsageError(f"{path} is no file, and a backup is read again after it was written", hint=hint)
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it first")


def _described(home: Path, taken: Snapshot, holdings: Holdings, *, with_cache: bool) -> tuple[Header, list[BackupPart]]:
    counted: dict[str, list[int]] = {}
    for name, path in archive.files_of(taken.folder):
        part = counted.setdefault(_PARTS.get(name, name.partition("/")[0]), [0, 0])
        part[0] += 1
        part[1] += path.stat().st_size
    parts = [
        BackupPart(name=name, files=files, size_bytes=size, size_human=human_size(size))
        for name, (files, size) in sorted(counted.items())
    ]
    header = Header(
        docmill=__version__,
        schema_version=holdings.schema,
        created_at=now(),
        home=str(home),
        files=sum(each.files for each in parts),
        content_bytes=sum(each.size_bytes for each in parts),
        batches=holdings.batches,
        documents=holdings.documents,
        databases=holdings.databases,
        with_cache=with_cache,
        findings=holdings.findings,
    )
    return header, parts


def _write(home: Path, path: Path, taken: Snapshot, header: Header, reporter: Reporter) -> None:
    """Beside its place, checked there, and only then in the place of what may be an older backup."""
    room = shutil.disk_usage(path.parent).free
    if room < header.content_bytes // 2:  # what is compressed rarely becomes smaller than that
        said = f"{human_size(room)} are free there, and {human_size(header.content_bytes)} are to be backed up"
        reporter.emit(MessageEvent("warning", said))
    reporter.emit(MessageEvent("info", f"writing {human_size(header.content_bytes)} in {header.files:,} files"))
    with outputs.whole(path, home, private=True) as unfinished:
        archive.write(taken.folder, header, unfinished)
        reporter.emit(MessageEvent("info", "reading it again"))
        with failpoints.around("backup.verify"):
            archive.unpack(unfinished, None)
    fsync(path.parent)


def _unwritten(error: OSError | sqlite3.DatabaseError, path: Path, home: Path) -> DocmillError:
    doing = f"{home} cannot be backed up to {path}"
    known = storage_error(error, doing, home=home)
    return known or StorageError(f"{doing}: {error}", hint="check the disk, then run the same command again")
