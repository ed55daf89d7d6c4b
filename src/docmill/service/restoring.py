"""``restore``: a home made of a backup, beside its place, and moved there once all of it has been checked."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import time
from contextlib import nullcontext
from pathlib import Path

from docmill import failpoints
from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import RestoreResult
from docmill.domain.sizes import human_size
from docmill.durable import fsync
from docmill.errors import AlreadyExists, NotFoundError, StorageError
from docmill.service.backing_up import databases_of, reason_of
from docmill.service.home import FOLDERS, free_name
from docmill.settings import FILE_NAME, HOME_NAME, Settings
from docmill.stores import agreement, archive, filesystem, schema_version, snapshot, unfinished
from docmill.stores.archive import Header
from docmill.stores.faults import storage_error

_EMPTY = ("batch", "document", "source", "run_group")  # tables: a home with rows in none of them has not been used


def restore(
    settings: Settings, reporter: Reporter, source: str, *, force: bool = False, dry_run: bool = False
) -> RestoreResult:
    """Into the home that the settings name, else ``.docmill`` here, where there is none that has been used.

    force: a home that has been used is set aside. Raises NotFoundError, AlreadyExists, StorageError, EngineBusy where
    somebody is at work in the home that would be set aside.
    """
    started, path = time.perf_counter(), Path(source).expanduser().absolute()
    home = (settings.home or Path.cwd() / HOME_NAME).expanduser().resolve()
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", hint="name a file that `docmill backup` has written")
    try:
        header = archive.header_of(path)
        _require_known(path, header)
        aside = None
        if dry_run:
            archive.unpack(path, None)
        else:
            _require_free(home, force=force)
            aside = _restore(settings, reporter, path, home, header, force=force)
    except OSError as error:
        doing = f"{home} cannot be restored from {path}"
        raise storage_error(error, doing) or StorageError(f"{doing}: {error.strerror or error}") from error
    return RestoreResult(
        dry_run=dry_run,
        message=f"{path} is whole" if dry_run else f"restored and verified {home}",
        path=str(path),
        home=str(home),
        created_at=header.created_at,
        created_by=f"docmill {header.docmill}",
        content_bytes=header.content_bytes,
        content_human=human_size(header.content_bytes),
        files=header.files,
        batches=header.batches,
        documents=header.documents,
        databases=databases_of(header),
        schema_version=header.schema_version,
        with_cache=header.with_cache,
        verified=True,
        set_aside=str(aside) if aside else None,
        findings=header.findings,
        reason=reason_of(header),
        seconds=round(time.perf_counter() - started, 3),
    )


def _require_known(path: Path, header: Header) -> None:
    if header.schema_version > schema_version.CURRENT or header.schema_version < 1:
        raise StorageError(
            f"{path} holds a home of schema {header.schema_version}; this docmill knows {schema_version.CURRENT}",
            hint="use the docmill that wrote it, or a newer one",
        )


def _require_free(home: Path, *, force: bool) -> None:
    """Only what is a home is ever set aside, and one that has been used only where that is asked for."""
    if not home.exists() or _is_empty(home):
        return
    if not _is_home(home):
        raise AlreadyExists(f"{home} is no docmill home, and not empty", hint="name another place with --home PATH")
    if not force and _is_used(home):
        raise AlreadyExists(
            f"{home} is a home in use", hint="name another place with --home PATH, or set it aside with --force"
        )


def _restore(
    settings: Settings, reporter: Reporter, path: Path, home: Path, header: Header, *, force: bool
) -> Path | None:
    """Returns where the home that was there lies now."""
    filesystem.require_local(home)
    home.parent.mkdir(parents=True, exist_ok=True)
    for leftover in home.parent.glob(f".{glob.escape(home.name)}.*.restoring"):
        unfinished.discard(leftover)
    fresh = home.with_name(f".{home.name}.{secrets.token_hex(6)}.restoring")
    with unfinished.made(fresh, folder=True):
        filesystem.require_fit(fresh)
        free = shutil.disk_usage(fresh).free
        if free < header.content_bytes:
            raise StorageError(
                f"{home.parent} has {human_size(free)} free, and the home takes {human_size(header.content_bytes)}",
                hint="make room, or name another place with --home PATH",
            )
        reporter.emit(MessageEvent("info", f"unpacking {human_size(header.content_bytes)} in {header.files:,} files"))
        with failpoints.around("restore.unpack"):
            archive.unpack(path, fresh)
        reporter.emit(MessageEvent("info", "comparing the databases with the state"))
        _verify(fresh, header)
        for name in FOLDERS:
            (fresh / name).mkdir(exist_ok=True)
        os.sync()
        return _put_in_place(settings, fresh, home, force=force)


def _verify(fresh: Path, header: Header) -> None:
    """It opens, and holds what the backup says it holds. Raises StorageError."""
    found = agreement.look(fresh)
    said = (header.schema_version, header.batches, header.documents, header.databases, header.findings)
    if (found.schema, found.batches, found.documents, found.databases, found.findings) != said:
        what = "; ".join(each for each in found.findings if each not in header.findings)
        raise StorageError(
            f"what was unpacked is not what the backup says that it holds{f': {what}' if what else ''}",
            hint="nothing was put in place; take another backup file",
        )


def _put_in_place(settings: Settings, fresh: Path, home: Path, *, force: bool) -> Path | None:
    from docmill.service.engines import exclusively

    there = home.exists() and not _is_empty(home)
    with exclusively(home, settings) if there else nullcontext():
        _require_free(home, force=force)  # much may have happened since it was looked at
        used = there and _is_used(home)
        aside = free_name(home.with_name(f"{home.name}.old")) if there else None
        if aside is not None:
            with failpoints.around("restore.aside"):
                home.rename(aside)
        with failpoints.around("restore.place"):
            fresh.rename(home)  # over an empty folder too
    fsync(home.parent)
    if aside is not None and not used:
        shutil.rmtree(aside, ignore_errors=True)  # it was made, and never used
        return None
    return aside


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _is_home(folder: Path) -> bool:
    """Also one that has lost its state."""
    files = any((folder / name).is_file() for name in (snapshot.STATE, snapshot.CACHE))
    return files or any(folder.glob("lancedb/*/settings.lance"))


def _is_used(home: Path) -> bool:
    """Whether anything would be missed: what cannot be read counts as used."""
    import sqlite3
    from contextlib import closing
    from urllib.parse import quote

    kept = (home / FILE_NAME, *(path for kind in snapshot.KEPT for path in (home / kind).glob("*")))
    if any(path.is_file() for path in kept):
        return True
    try:
        with closing(sqlite3.connect(f"file:{quote(str(home / 'state.db'))}?mode=ro", uri=True)) as state:
            return any(state.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in _EMPTY)  # noqa: S608 - names of our own
    except sqlite3.DatabaseError:
        return True
