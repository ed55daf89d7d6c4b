"""What the machine, or the container, gives."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from docmill.domain.results import Check
from docmill.domain.sizes import human_size
from docmill.settings import Settings

_CGROUP = Path("/sys/fs/cgroup")
_INOTIFY = Path("/proc/sys/fs/inotify")
_UNLIMITED = 2**60  # what a cgroup of the first version says where there is no limit is a little less than 2**63
_GIB = 1024**3
_ENGINE_BYTES, _EMBED_BYTES, _DOCUMENT_BYTES = 400 * 1024**2, 450 * 1024**2, 250 * 1024**2  # of resident memory, about
_FEW_FILES, _TOO_FEW_FILES = 1024, 256
_FEW_WATCHES = 32_768
_LITTLE_TEMPORARY = 512 * 1024**2
_RELEASED = datetime(2025, 1, 1, tzinfo=UTC)
_TRY_SANDBOX = (
    "import json, os; from docmill.engine.sandbox import Sandbox, become_worker, enter; become_worker(os.getppid());"
    "print(json.dumps(enter(Sandbox(memory_bytes=4 * 1024**3, cpu_s=60, file_bytes=1024**2))))"
)


def cores(settings: Settings) -> Check:
    usable, there, quota = len(os.sched_getaffinity(0)), os.cpu_count() or 1, _quota()
    details = {
        "usable": usable,
        "machine": there,
        "quota": quota,
        "document_workers": settings.document_workers,
        "embed_workers": settings.embed_workers,
    }
    said = f"{usable} of {there} cores" + (f", of which the container may use {quota:g}" if quota else "")
    most = max(settings.document_workers, settings.embed_workers)
    room = min(usable, quota or usable)
    if most > max(room, 1) * 1.5:
        hint = f"DOCMILL_EMBED_WORKERS={max(int(room), 1)} and DOCMILL_DOCUMENT_WORKERS={max(int(room), 1)} would fit"
        said += f", for {most} workers"
        return Check(name="cores", status="warning", message=said, hint=hint, details=details)
    return Check(name="cores", status="ok", message=said, details=details)


def memory(settings: Settings) -> Check:
    total, available, limit = _of_machine("MemTotal"), _of_machine("MemAvailable"), _limit()
    needed = (
        _ENGINE_BYTES + settings.embed_workers * _EMBED_BYTES + settings.document_workers * _DOCUMENT_BYTES
    )  # of the default model; benchmarks/throughput.py measures it
    details = {"total_bytes": total, "available_bytes": available, "limit_bytes": limit, "needed_bytes": needed}
    if total is None or available is None:
        return Check(name="memory", status="ok", message="this system does not tell", details=details)
    said = f"{human_size(available)} free of {human_size(total)}"
    said += f", a container's limit of {human_size(limit)}" if limit else ""
    said += f"; a sync takes about {human_size(needed)}"
    if min(available, limit or available) < needed:
        hint = "close other programs, or run fewer workers with DOCMILL_EMBED_WORKERS and DOCMILL_DOCUMENT_WORKERS"
        return Check(name="memory", status="warning", message=said, hint=hint, details=details)
    return Check(name="memory", status="ok", message=said, details=details)


def open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = soft == resource.RLIM_INFINITY
    status = "ok"
    if not infinite and soft < _FEW_FILES:
        status = "problem" if soft < _TOO_FEW_FILES else "warning"
    return Check.model_validate(
        {
            "name": "open_files",
            "status": status,
            "message": "no limit" if infinite else f"{soft:,} at once",
            "hint": None if status == "ok" else "raise it with `ulimit -n 4096`",
            "details": {"soft": None if infinite else soft, "hard": None if hard == resource.RLIM_INFINITY else hard},
        }
    )


def inotify() -> Check:
    """What `watch` needs: a watch for each folder, an instance for each process that watches."""
    names = ("max_user_watches", "max_user_instances", "max_queued_events")
    found = {name: value for name in names if (value := _number(_INOTIFY / name)) is not None}
    if not found:
        return Check(name="inotify", status="ok", message="not on this system; `watch` looks by the clock")
    watches = found.get("max_user_watches", 0)
    few = watches < _FEW_WATCHES
    return Check(
        name="inotify",
        status="warning" if few else "ok",
        message=f"{watches:,} folders can be watched" + (", by all programs of this user" if few else ""),
        hint="sudo sysctl fs.inotify.max_user_watches=524288; without, `watch` looks by the clock" if few else None,
        details=found,
    )


def temporary_folder() -> Check:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    details = {"path": folder, "free_bytes": free}
    if not os.access(folder, os.W_OK):
        hint = "name another with TMPDIR"
        return Check(
            name="temporary_folder", status="problem", message=f"{folder} is closed", hint=hint, details=details
        )
    little = free < _LITTLE_TEMPORARY
    return Check(
        name="temporary_folder",
        status="warning" if little else "ok",
        message=f"{folder} has {human_size(free)} free",
        hint="large vector indexes are sorted there: make room, or name another with TMPDIR" if little else None,
        details=details,
    )


def clock() -> Check:
    now = datetime.now(UTC)
    wrong = now < _RELEASED
    return Check(
        name="clock",
        status="warning" if wrong else "ok",
        message=f"{now:%Y-%m-%d %H:%M:%S} UTC, the local zone is {time.strftime('%Z') or 'unknown'}",
        hint="set it: schedules and retries go by it" if wrong else None,
        details={"utc": now.isoformat(timespec="seconds").replace("+00:00", "Z")},
    )


def sandbox() -> Check:
    """Tried out, in a process of its own: nothing of it can be undone."""
    command = [sys.executable, "-c", _TRY_SANDBOX]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    try:
        refused = list(json.loads(done.stdout))
    except ValueError:
        refused = [f"it cannot be entered: {(done.stderr.strip().splitlines() or ['no word'])[-1][:200]}"]
    return Check(
        name="sandbox",
        status="warning" if refused else "ok",
        message="; ".join(refused) or "workers give up the network, other processes and their rights",
        hint="see docs/sandbox.md; a newer kernel, or another container profile, allows it" if refused else None,
        details={"refused": refused},
    )


# ---- what the kernel says --------------------------------------------------------------------------------------------


def _of_machine(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB", Path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _limit() -> int | None:
    """Of the container: the tightest of the groups that this process is in. None where there is none."""
    found = [
        value
        for group in _groups()
        for name in ("memory.max", "memory.limit_in_bytes")
        if (value := _number(group / name)) is not None and value < _UNLIMITED
    ]
    return min(found, default=None)


def _quota() -> float | None:
    """Cores that the container may use in the long run."""
    found = []
    for group in _groups():
        try:
            share, period = (group / "cpu.max").read_text("ascii").split()
            found.append(int(share) / int(period))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return round(min(found), 2) if found else None


def _groups() -> list[Path]:
    """The control groups of this process, up to the root, of both versions."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _hierarchy, kinds, path = line.split(":", 2)
        root = _CGROUP / kinds if kinds else _CGROUP
        group = root / path.lstrip("/")
        found += [each for each in (group, *group.parents) if each.is_relative_to(root)]
    return found


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
