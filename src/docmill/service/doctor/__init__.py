"""``doctor``: looks at all that docmill rests on, and says what to do about what is amiss. Changes nothing.

A check is a function that returns one :class:`Check`. It says ``problem`` only where docmill cannot work like this, and
``warning`` where it will work worse, or may stop working. None goes to the network or imports LanceDB.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from docmill import settings as configuration
from docmill.domain.results import Check, DoctorResult
from docmill.errors import HomeNotFound, SettingsError, StateLost
from docmill.service.doctor import homes, installation, machine, models
from docmill.settings import Settings

__all__ = ["examine"]


def examine(named: Path | None) -> DoctorResult:
    """``named``: the home that was asked for; else the usual one. Never raises for what it finds."""
    started = time.perf_counter()
    given, settings = _settings(named)
    found, home = _home(settings)
    checks = [*(_guarded(*each) for each in _everywhere(given, settings, home)), found]
    if home is not None:
        checks += homes.checks(home)
    problems = sum(each.status == "problem" for each in checks)
    warnings = sum(each.status == "warning" for each in checks)
    return DoctorResult(
        home=str(home) if home else None,
        status="problem" if problems else "warning" if warnings else "ok",
        checks=checks,
        warnings=warnings,
        problems=problems,
        reason=f"{problems} problem{'' if problems == 1 else 's'}" if problems else None,
        seconds=round(time.perf_counter() - started, 3),
    )


def _everywhere(given: Check, settings: Settings, home: Path | None) -> Iterator[tuple[str, Callable[[], Check]]]:
    yield "python", installation.python
    yield "docmill", installation.docmill
    yield "libraries", installation.libraries
    yield "extras", installation.extras
    yield "sqlite", installation.sqlite
    yield "settings", lambda: given
    yield "variables", installation.variables
    yield "encoding", installation.encoding
    yield "cores", lambda: machine.cores(settings)
    yield "memory", lambda: machine.memory(settings)
    yield "open_files", machine.open_files
    yield "inotify", machine.inotify
    yield "temporary_folder", machine.temporary_folder
    yield "clock", machine.clock
    yield "sandbox", machine.sandbox
    yield "model", models.default_model
    yield "model_cache", models.model_cache
    if home is None:
        yield "file_system", lambda: homes.place(Path.cwd())


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """What cannot be looked at is told of, and the others go on: an odd system is what this command is for."""
    try:
        return check()
    except OSError as error:
        return Check(name=name, status="warning", message=f"could not be looked at: {error}")


def _settings(named: Path | None) -> tuple[Check, Settings]:
    try:
        settings = configuration.build(home=named)
    except SettingsError as error:
        usual = Settings(home=named or os.environ.get(f"{configuration.PREFIX}HOME"))
        return Check(name="settings", status="problem", message=error.message, hint=error.hint), usual
    changed = sorted(settings.model_fields_set)
    said = f"changed from what is usual: {', '.join(changed)}" if changed else "as usual"
    return Check(name="settings", status="ok", message=said, details=settings.model_dump(mode="json")), settings


def _home(settings: Settings) -> tuple[Check, Path | None]:
    try:
        home = configuration.find_home(settings)
    except StateLost as error:
        return Check(name="home", status="problem", message=error.message, hint=error.hint), None
    except HomeNotFound as error:
        asked = settings.home is not None
        status = "problem" if asked else "ok"
        hint = error.hint if asked else "`docmill init` makes one here"
        return Check(name="home", status=status, message=error.message, hint=hint), None
    return homes.permissions(home), home
