"""Sees to it that handlers are told, without waiting for any: a process of its own delivers what the outbox holds.

The engine writes progress into the outbox and looks whether something is due there; if so, and nobody delivers, it
starts ``docmill deliver`` in the background. Nothing here may fail or hold up a run.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from docmill.domain.events import now
from docmill.domain.payloads import PROGRESS
from docmill.domain.results import EngineHolder
from docmill.engine import background
from docmill.engine.ledger import Ledger
from docmill.engine.work import GroupWork
from docmill.settings import Settings
from docmill.stores.queries import Queries, reading
from docmill.stores.state import outbox

NAME = "deliver"
PROGRESS_SECONDS = 5.0  # between two progress notices of a group
START_SECONDS = 5.0  # between two tries to start a deliverer
_BEGIN_SECONDS = 1.0  # what a deliverer may need until it holds its lock
_DUE = "SELECT 1 FROM delivery WHERE status = 'pending' AND next_at <= ? LIMIT 1"


def deliverer(home: Path) -> EngineHolder | None:
    """The process that delivers now."""
    return background.at_work(home, NAME)


def wake(home: Path, settings: Settings) -> bool:
    """Start a deliverer where something is due and none is at work: for commands that end a group without an engine."""
    with contextlib.suppress(OSError, subprocess.SubprocessError, sqlite3.Error), reading(home) as queries:
        if queries.value(_DUE, [now()]) and deliverer(home) is None:
            _start(home, settings)
            return True
    return False


class Notices:
    """The engine's side of the outbox."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._wanted: dict[int, bool] = {}
        self._told: dict[int, tuple[float, str]] = {}
        self._started = -START_SECONDS

    def look(self, queries: Queries, ledger: Ledger, groups: Iterable[GroupWork]) -> None:
        """Called a few times a second."""
        for group in groups:
            self._tell_progress(queries, ledger, group)
        self._send(queries, START_SECONDS)

    def close(self, queries: Queries) -> None:
        """The engine ends: what it wrote last is sent too."""
        self._send(queries, _BEGIN_SECONDS)

    def _tell_progress(self, queries: Queries, ledger: Ledger, group: GroupWork) -> None:
        if group.id not in self._wanted:
            handlers = queries.value("SELECT handlers FROM run_group WHERE id = ?", [group.id])
            self._wanted[group.id] = PROGRESS in json.loads(handlers or "{}")
            self._told[group.id] = (time.monotonic(), "")
        if not self._wanted[group.id]:
            return
        at, before = self._told[group.id]
        message = _how_far(group)
        if time.monotonic() - at < PROGRESS_SECONDS or message == before:
            return
        self._told[group.id] = (time.monotonic(), message)
        group_id, percent = group.id, int(100 * _done(group) / group.total) if group.total else 0
        ledger.after(lambda tx: outbox.tell_progress(tx, group_id, percent=percent, message=message))

    def _send(self, queries: Queries, pause: float) -> None:
        if time.monotonic() - self._started < pause:
            return
        with contextlib.suppress(OSError, subprocess.SubprocessError, sqlite3.Error):
            if queries.value(_DUE, [now()]) and deliverer(self._home) is None:
                self._started = time.monotonic()
                _start(self._home, self._settings)


def _start(home: Path, settings: Settings) -> None:
    """A deliverer that outlives the engine; no one waits for it."""
    allowed = json.dumps(list(settings.allowed_hosts))
    background.start(home, NAME, ["--follow", "--json"], {"DOCMILL_ALLOWED_HOSTS": allowed})


def _done(group: GroupWork) -> int:
    return group.runs["completed"] + group.runs["failed"]


def _how_far(group: GroupWork) -> str:
    stages = ((name, counts["done"] + counts["failed"]) for name, counts in group.stages.items())
    stage = next((name for name, passed in stages if passed < group.total), "finishing")
    return f"{stage}: {_done(group)} of {group.total} documents done"
