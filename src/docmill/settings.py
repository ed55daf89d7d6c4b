"""Settings, built once by the command line and handed down; no module keeps a copy of its own.

Values come from flags first, then from ``DOCMILL_*`` environment variables, then from the defaults here.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from docmill.errors import HomeNotFound, SettingsError, StateLost

HOME_NAME = ".docmill"
PREFIX = "DOCMILL_"


def _cores() -> int:
    """Cores that this process may use, which containers and taskset make fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    home: Path | None = Field(None, description="the home folder; without it the nearest .docmill upwards")
    document_workers: int = Field(default_factory=_cores, ge=1, le=256, description="processes that parse and chunk")
    embed_workers: int = Field(default_factory=_cores, ge=1, le=256, description="processes that embed, a thread each")
    worker_memory_bytes: int = Field(2 * 1024**3, ge=512 * 1024**2, description="address space of a document worker")
    worker_file_bytes: int = Field(2 * 1024**3, ge=1024**2, description="largest file that a document worker may write")
    worker_env: tuple[str, ...] = Field(
        (),
        description="environment variables, or patterns, that document workers keep for plug-ins; JSON list or commas",
    )
    worker_network: bool = Field(default=False, description="document workers may use the network, for plug-ins")
    worker_cpu_s: int = Field(120, ge=1, description="processor seconds that one document may take")
    max_running_batches: int = Field(20, ge=1, description="batches that may run at once")
    vector_index_rows: int = Field(50_000, ge=1, description="passages from which on a database has a vector index")
    lock_timeout: float | None = Field(None, ge=0, description="seconds to wait for another engine; none: forever")
    take_over: bool = Field(default=False, description="end another engine that is at work in the home")
    max_minutes: float | None = Field(None, ge=0, description="minutes after which work stops cleanly; none: no limit")
    log_format: Literal["text", "json"] = Field("text", description="how log lines on stderr are written")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="hosts, or host:port, that may be asked though they are not public; JSON list or commas"
    )
    download_max_bytes: int = Field(256 * 1024**2, ge=1, description="what is larger is not fetched from the web")
    download_timeout_s: float = Field(120, gt=0, le=86_400, description="seconds that one address may take")
    _began: float = PrivateAttr(default_factory=time.monotonic)

    @field_validator("worker_env", mode="before")
    @classmethod
    def _variables(cls, given: Any) -> Any:
        """``["API_KEY", "TESSDATA_*"]`` or ``API_KEY, TESSDATA_*``."""
        names = _listed(given)
        wrong = next(
            (each for each in names if not re.fullmatch(r"[A-Za-z0-9_*?]+", each) or not each.strip("*?")), None
        )
        if wrong is not None:
            raise ValueError(f"{wrong!r} is no name of an environment variable and no pattern of such names")
        return names

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _hosts(cls, given: Any) -> Any:
        """``["a", "b:8080"]`` or ``a, b:8080``."""
        hosts = tuple(each.lower() for each in _listed(given))
        wrong = next((each for each in hosts if not each or re.search(r"[\s/@\"']", each)), None)
        if wrong is not None:
            shown = "one of them, with a user name or a password," if "@" in wrong else repr(wrong)
            raise ValueError(f"{shown} is no host and no host:port")
        return hosts

    @property
    def seconds_left(self) -> float | None:
        """Of ``max_minutes``, which count from when these settings were made; None where there is no limit."""
        return None if self.max_minutes is None else self._began + self.max_minutes * 60 - time.monotonic()


def _listed(given: Any) -> tuple[str, ...]:
    """A JSON list, or what commas part."""
    if isinstance(given, str):
        try:
            listed = json.loads(given)
        except ValueError:
            listed = None
        given = listed if isinstance(listed, list) else [each for each in given.split(",") if each.strip()]
    return tuple(str(each).strip() for each in given)


def build(**flags: Any) -> Settings:
    """Settings from flags that are not None, over the environment. Raises SettingsError naming each bad value."""
    names = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    given: dict[str, Any] = {names[each]: value for each, value in os.environ.items() if each in names}
    given |= {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        findings = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise SettingsError(
            f"unusable settings: {'; '.join(findings)}", hint="check the flags and the DOCMILL_* variables"
        ) from None


def find_home(settings: Settings, start: Path | None = None, *, though_lost: bool = False) -> Path:
    """The home: the one that is named, else the nearest ``.docmill`` upwards from ``start``.

    Raises HomeNotFound; StateLost where there is one that has been in use and has no state.db any more, unless
    ``though_lost``.
    """
    if settings.home is not None:
        home = settings.home.expanduser().absolute()
        if not _is_home(home, though_lost=though_lost):
            raise HomeNotFound(f"no docmill home at {home}", hint=f"create it with `docmill init --home {home}`")
        return home
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if _is_home(folder / HOME_NAME, though_lost=though_lost):
            return folder / HOME_NAME
    raise HomeNotFound(f"no {HOME_NAME} folder in {here} or above it")


def _is_home(folder: Path, *, though_lost: bool) -> bool:
    """Raises StateLost for one that has been in use, so that nobody begins anew beside what it holds by mistake."""
    if (folder / "state.db").is_file():
        return True
    used = (folder / "cache.db", folder / "sources.json")
    if any(each.is_file() for each in used) or any((folder / "lancedb").glob("*/settings.lance")):
        if though_lost:
            return True
        raise StateLost(f"{folder / 'state.db'} is gone")
    return False
