"""Settings, built once by the command line and handed down; no module keeps a copy of its own.

Values come from flags first, then from ``DOCMILL_*`` environment variables, then from the home's ``docmill.toml``, then
from the defaults here. A key that is not known is refused, wherever it stands: it would be a wish that nobody hears.
"""

from __future__ import annotations

import json
import os
import re
import time
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from docmill.errors import HomeNotFound, SettingsError, StateLost

HOME_NAME = ".docmill"
FILE_NAME = "docmill.toml"
PREFIX = "DOCMILL_"
# Read elsewhere, as they are no matter of one home: where models lie, and the tests' own.
OTHER_VARIABLES = ("DOCMILL_MODEL_CACHE", "DOCMILL_FAILPOINTS", "DOCMILL_FAILPOINTS_FIRED")


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
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

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
    def origins(self) -> dict[str, str]:
        """Where each value that is not the default comes from: ``flag``, ``DOCMILL_NAME``, ``docmill.toml:LINE``."""
        return self._origins

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
    """Settings from flags that are not None, over the environment, over the home's file.

    Raises SettingsError naming each bad value and where it stands, and for keys that are not known.
    """
    given: dict[str, tuple[Any, str]] = _from_environment()
    given |= {name: (value, "flag") for name, value in flags.items() if value is not None}
    file = settings_file(given["home"][0] if "home" in given else None)
    if file is not None:
        given = _from_file(file) | given
    try:
        made = Settings(**{name: value for name, (value, _) in given.items()})
    except ValidationError as error:
        raise _unusable(error, {name: origin for name, (_, origin) in given.items()}) from None
    made.origins.update({name: origin for name, (_, origin) in given.items()})
    return made


def settings_file(home: str | Path | None) -> Path | None:
    """The ``docmill.toml`` of the home that is named, or of the nearest one upwards; None where there is none."""
    if home is not None:
        nearest: Path | None = Path(home).expanduser()
    else:
        try:
            here = Path.cwd()
        except OSError:  # the folder that one stands in is gone
            return None
        homes = (folder / HOME_NAME for folder in (here, *here.parents))
        nearest = next((each for each in homes if (each / "state.db").is_file()), None)
    file = nearest / FILE_NAME if nearest is not None else None
    return file if file is not None and file.is_file() else None


def _from_environment() -> dict[str, tuple[Any, str]]:
    """A variable that looks like a known one, misspelt, is refused. Others are the user's own: a token, say."""
    names = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    for each in os.environ:
        if each.startswith(PREFIX) and each not in names and each not in OTHER_VARIABLES:
            close = get_close_matches(each, names, n=1, cutoff=0.9)
            if close:
                raise SettingsError(f"{each} is no setting", hint=f"did you mean {close[0]}?", variable=each)
    return {names[each]: (value, each) for each, value in os.environ.items() if each in names}


def _from_file(file: Path) -> dict[str, tuple[Any, str]]:
    """Raises SettingsError with the file and the line."""
    import tomllib

    try:
        text = file.read_text("utf-8")
        values = tomllib.loads(text)
    except (OSError, ValueError) as error:  # tomllib says the line
        raise SettingsError(f"{file} cannot be read: {error}", hint="it is TOML: NAME = VALUE, a line each") from None
    known = [name for name in Settings.model_fields if name != "home"]
    for key in values:
        if key not in known:
            line, close = _line_of(text, key), get_close_matches(key, known, n=1)
            raise SettingsError(
                f"{file}:{line}: {key!r} is no setting" + (" of a file" if key == "home" else ""),
                hint=f"did you mean {close[0]!r}?" if close else "`docmill settings show` lists them all",
                file=str(file),
                line=line,
            )
    return {key: (value, f"{file}:{_line_of(text, key)}") for key, value in values.items()}


def _line_of(text: str, key: str) -> int:
    """The line that gives a key of the top, or begins a table of that name. 1-based."""
    wanted = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if wanted.match(line)), 1)


def _unusable(error: ValidationError, origins: dict[str, str]) -> SettingsError:
    findings = []
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else ""
        origin = f" ({origins[name]})" if origins.get(name, "flag") != "flag" else ""
        findings.append(f"{'.'.join(map(str, item['loc']))}: {item['msg']}{origin}")
    return SettingsError(
        f"unusable settings: {'; '.join(findings)}", hint="`docmill settings --help` says where values come from"
    )


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
