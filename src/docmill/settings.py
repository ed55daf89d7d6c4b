"""Settings, built once by the command line and handed down; no module keeps a copy of its own.

Values come from flags first, then from ``DOCMILL_*`` environment variables, then from the defaults here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from docmill.errors import HomeNotFound, SettingsError

HOME_NAME = ".docmill"


def _cores() -> int:
    """Cores that this process may use, which containers and taskset make fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DOCMILL_", extra="ignore", frozen=True)

    home: Path | None = Field(None, description="the home folder; without it the nearest .docmill upwards")
    document_workers: int = Field(default_factory=_cores, ge=1, le=256, description="processes that parse and chunk")
    embed_workers: int = Field(default_factory=_cores, ge=1, le=256, description="processes that embed, a thread each")
    worker_memory_bytes: int = Field(2 * 1024**3, ge=512 * 1024**2, description="address space of a document worker")
    worker_cpu_s: int = Field(120, ge=1, description="processor seconds that one document may take")
    lock_timeout: float | None = Field(None, ge=0, description="seconds to wait for another engine; none: forever")


def build(**flags: Any) -> Settings:
    """Settings from flags that are not None, over the environment. Raises SettingsError naming each bad value."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        findings = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise SettingsError(
            f"unusable settings: {'; '.join(findings)}", hint="check the flags and the DOCMILL_* variables"
        ) from None


def find_home(settings: Settings, start: Path | None = None) -> Path:
    """The home: the one that is named, else the nearest ``.docmill`` upwards from ``start``. Raises HomeNotFound."""
    if settings.home is not None:
        home = settings.home.expanduser().absolute()
        if not (home / "state.db").is_file():
            raise HomeNotFound(f"no docmill home at {home}", hint=f"create it with `docmill init --home {home}`")
        return home
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / HOME_NAME / "state.db").is_file():
            return folder / HOME_NAME
    raise HomeNotFound(f"no {HOME_NAME} folder in {here} or above it")
