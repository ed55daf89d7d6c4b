"""What is to be said of a home: its disk, its state, its databases, and who is at work in it. Reads only.

Nothing is brought forward here: state.db is opened as it is.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from docmill.domain import uris
from docmill.domain.events import now
from docmill.domain.results import Check
from docmill.domain.sizes import human_size
from docmill.engine import lock
from docmill.errors import StorageError
from docmill.models import store
from docmill.models.catalog import find_known
from docmill.service.holding import describe, find_holder
from docmill.stores import filesystem, schema_version
from docmill.stores.database_folders import is_published, is_whole

_LITTLE, _TOO_LITTLE = 1024**3, 100 * 1024**2
_FEW_INODES = 10_000
_LARGE_LOG = 1024**3
_AHEAD = timedelta(minutes=5)


def checks(home: Path) -> list[Check]:
    made = [place(home), disk(home), engine(home)]
    try:
        with closing(_opened(home)) as state:
            made.append(_state(home, state))
            if schema_version.version_of(state) == schema_version.CURRENT:
                made += _of_state(home, state)
    except sqlite3.DatabaseError as error:
        hint = "restore it from a backup with `docmill restore`"
        made.append(Check(name="state", status="problem", message=f"state.db cannot be read: {error}", hint=hint))
    return made


def permissions(home: Path) -> Check:
    found = home.stat()
    details = {"path": str(home), "mode": f"{stat.S_IMODE(found.st_mode):04o}", "owner": found.st_uid}
    if not os.access(home, os.W_OK | os.X_OK):
        hint = f"sudo chown -R $(id -u) {home}"
        return Check(name="home", status="problem", message=f"{home} cannot be written", hint=hint, details=details)
    if found.st_uid != os.geteuid():
        said, hint = f"{home} belongs to another user", "let one user do all the work in a home"
        return Check(name="home", status="warning", message=said, hint=hint, details=details)
    if stat.S_IMODE(found.st_mode) & 0o077:
        said, hint = f"{home} is open to others", f"chmod -R go= {home}"
        return Check(name="home", status="warning", message=said, hint=hint, details=details)
    return Check(name="home", status="ok", message=f"{home}, closed to others", details=details)


def place(folder: Path) -> Check:
    """The file system: of a home it is tried out, of a place where one might be made it is looked at."""
    is_home = (folder / "state.db").is_file()
    try:
        mount = filesystem.find_mount(folder.resolve(), filesystem.MOUNTINFO.read_text("latin-1"))
    except OSError:
        mount = None
    details = {
        "path": str(folder),
        "type": mount.type if mount else None,
        "mount_point": mount.point if mount else None,
    }
    kind = mount.type if mount else "of an unknown kind"
    try:
        filesystem.require_local(folder)
        if is_home and os.access(folder, os.W_OK):
            filesystem.require_fit(folder)
    except (StorageError, OSError) as error:
        hint = getattr(error, "hint", None)
        status = "problem" if is_home else "warning"
        return Check.model_validate(
            {"name": "file_system", "status": status, "message": str(error), "hint": hint, "details": details}
        )
    tried = "; links, locks and SQLite's log work" if is_home else ", a local one"
    return Check(name="file_system", status="ok", message=f"{kind}{tried}", details=details)


def disk(home: Path) -> Check:
    usage, found = shutil.disk_usage(home), os.statvfs(home)
    few = found.f_files > 0 and found.f_favail < _FEW_INODES
    details = {"free_bytes": usage.free, "total_bytes": usage.total, "free_inodes": found.f_favail}
    said = f"{human_size(usage.free)} free of {human_size(usage.total)}"
    said += f", and room for {found.f_favail:,} files only" if few else ""
    status = "problem" if usage.free < _TOO_LITTLE else "warning" if usage.free < _LITTLE or few else "ok"
    hint = None if status == "ok" else "make room; `docmill gc` frees what no document leads to any more"
    return Check.model_validate({"name": "disk", "status": status, "message": said, "hint": hint, "details": details})


def engine(home: Path) -> Check:
    found = find_holder(home)
    if found is None:
        return Check(name="engine", status="ok", message="nobody is at work here", details={"state": None})
    well = found.state == lock.RUNNING
    return Check(
        name="engine",
        status="ok" if well else "warning",
        message=f"at work: {describe(found)}",
        hint=found.hint,
        details={"state": found.state, "pid": found.pid},
    )


def _opened(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(home / 'state.db'))}?mode=ro", uri=True, timeout=5.0)


def _state(home: Path, state: sqlite3.Connection) -> Check:
    found = schema_version.version_of(state)
    [mode] = state.execute("PRAGMA journal_mode").fetchone()
    log = home / "state.db-wal"
    log_bytes = log.stat().st_size if log.exists() else 0
    size = (home / "state.db").stat().st_size
    details = {
        "schema_version": found,
        "known_schema_version": schema_version.CURRENT,
        "journal_mode": mode,
        "size_bytes": size,
        "log_bytes": log_bytes,
    }
    said = f"schema {found}, {human_size(size)}, {mode}"
    if found > schema_version.CURRENT or found < 1:
        said, hint = f"schema {found}; this docmill knows {schema_version.CURRENT}", "use the docmill that wrote it"
        return Check(name="state", status="problem", message=said, hint=hint, details=details)
    if found < schema_version.CURRENT:
        said += f"; the next command brings it to {schema_version.CURRENT}, and keeps a copy"
    if mode != "wal" or log_bytes > _LARGE_LOG:
        said += f", with a log of {human_size(log_bytes)}"
        hint = "end programs that hold state.db open; the next engine writes the log into it"
        return Check(name="state", status="warning", message=said, hint=hint, details=details)
    return Check(name="state", status="ok", message=said, details=details)


def _of_state(home: Path, state: sqlite3.Connection) -> Iterator[Check]:
    yield _times(state)
    yield _sources(state)
    known = state.execute("SELECT name, model, fingerprint FROM database ORDER BY name").fetchall()
    lost = [
        name
        for name, _model, _fingerprint in known
        if state.execute("SELECT 1 FROM placement WHERE database = ? AND state = 'stored' LIMIT 1", [name]).fetchone()
        and not (is_whole(home, name) and is_published(home, name))
    ]
    yield Check(
        name="databases",
        status="warning" if lost else "ok",
        message=f"gone, or not whole: {', '.join(lost)}" if lost else f"{len(known)} in place",
        hint="`docmill sync` makes them anew, and embeds nothing again" if lost else None,
        details={"known": [name for name, *_ in known], "lost": lost},
    )
    yield _models(known)


def _times(state: sqlite3.Connection) -> Check:
    """A clock that was put back: what was planned by the other one lies in the future."""
    newest = state.execute("SELECT MAX(at) FROM log_entry").fetchone()[0]
    limit = (datetime.now(UTC) + _AHEAD).isoformat()
    ahead = newest is not None and newest > limit
    return Check(
        name="times",
        status="warning" if ahead else "ok",
        message=f"the state's newest entry is of {newest}" if newest else "nothing has been written yet",
        hint=f"it is {now()} by this clock: set it, or wait" if ahead else None,
        details={"newest": newest},
    )


def _sources(state: sqlite3.Connection) -> Check:
    rows = state.execute("SELECT name, folder FROM source WHERE folder IS NOT NULL ORDER BY name").fetchall()
    gone = [name for name, folder in rows if not os.path.isdir(uris.decode(folder))]  # noqa: PTH112 - bytes or text
    return Check(
        name="sources",
        status="warning" if gone else "ok",
        message=f"folders that are not there: {', '.join(gone)}" if gone else f"{len(rows)} in place",
        hint="mount them, or `docmill source relocate`" if gone else None,
        details={"known": [name for name, _folder in rows], "gone": gone},
    )


def _models(known: list[tuple[str, str, str]]) -> Check:
    """Of the models that databases were made with: those that lie in the model cache."""
    cache, missing = store.default_cache(), {}
    for database, model, fingerprint in known:
        if find_known(model) is None:
            continue  # of a server or of a package
        forms = [store.find(model, cache, each) for each in store.QUANTIZATIONS]
        if not any(each is not None and each.info.fingerprint == fingerprint for each in forms):
            missing[database] = model
    return Check(
        name="database_models",
        status="warning" if missing else "ok",
        message="not installed as they were: " + ", ".join(f"{m} ({d})" for d, m in missing.items())
        if missing
        else "all that the databases were made with are installed",
        hint="`docmill models install MODEL`; until then these databases can be searched by text only"
        if missing
        else None,
        details={"missing": missing},
    )
