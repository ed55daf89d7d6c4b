"""Who is at work in a home, in words: for errors, for followers, and for ``status``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from docmill.domain.results import EngineHolder
from docmill.engine import lock
from docmill.errors import EngineBusy, HomeNotFound, StorageError
from docmill.settings import Settings, find_home


def find_holder(home: Path) -> EngineHolder | None:
    """Who holds the engine's lock, with a hint where it is not simply at work. None where nobody does."""
    found = lock.holder(home)
    return found.model_copy(update={"hint": _hint(home, found)}) if found is not None else None


def describe(found: EngineHolder) -> str:
    """``process 4242 (docmill sync papers), since 2026-01-31T12:00:00.000Z``, and what is the matter with it."""
    who = f"process {found.pid} ({found.command}), since {found.started_at}"
    match found.state:
        case lock.STOPPED:
            return f"{who}, which is stopped"
        case lock.UNRESPONSIVE:
            return f"{who}, which has given no sign of life for {found.silent_seconds or 0:.0f} s"
        case lock.GONE:
            return f"{who}, which has ended, but something holds its lock still"
    return who


def busy(home: Path, found: EngineHolder | None = None) -> EngineBusy:
    """The error for whoever cannot wait any longer."""
    found = found or find_holder(home)
    if found is None:
        return EngineBusy("another engine was at work in this home until now", hint="run the same command again")
    return EngineBusy(
        f"this home is being worked on by {describe(found)}",
        hint=found.hint or "wait for it, raise --lock-timeout, or end it with --take-over",
        holder=found.model_dump(),
    )


def _hint(home: Path, found: EngineHolder) -> str | None:
    match found.state:
        case lock.STOPPED:
            return f"`kill -CONT {found.pid}` lets it go on; --take-over ends it and goes on here"
        case lock.UNRESPONSIVE:
            return "it may be at one long piece of work, or hang: look at it; --take-over ends it and goes on here"
        case lock.GONE:
            kept = " ".join(str(pid) for pid, _command in lock.keepers(home))
            return f"end whoever holds the lock: kill {kept}" if kept else "end whoever holds the lock"
    return None


def explained(error: StorageError, settings: Settings) -> StorageError:
    """The error, with who is in the way, where an engine was stopped or hangs while it held SQLite's own lock."""
    if not error.context.get("locked"):
        return error
    with suppress(HomeNotFound):
        found = find_holder(find_home(settings))
        if found is not None and found.state != lock.RUNNING:
            message = f"{error.message}; the engine of this home is {describe(found)}"
            return StorageError(message, hint=found.hint, holder=found.model_dump(), **error.context)
    return error
