"""Says which settings there are, what they are now, and where that comes from."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any

from pydantic.fields import FieldInfo

from docmill.domain.results import SettingShown, SettingsShown
from docmill.errors import NotFoundError
from docmill.settings import OTHER_VARIABLES, PREFIX, Settings, settings_file


def show(settings: Settings, key: str | None = None) -> SettingsShown:
    """All settings, or one. Raises NotFoundError for a name that none has."""
    fields = Settings.model_fields
    if key is not None and key not in fields:
        close = get_close_matches(key, fields, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "`docmill settings show` lists them all"
        raise NotFoundError(f"there is no setting {key!r}", hint=hint)
    shown = [_shown(settings, name, field) for name, field in fields.items() if key in (None, name)]
    file = settings_file(settings.home)
    known = {*OTHER_VARIABLES, *(f"{PREFIX}{name.upper()}" for name in fields)}
    others = sorted(each for each in os.environ if each.startswith(PREFIX) and each not in known)
    return SettingsShown(file=str(file) if file else None, settings=shown, others=others if key is None else [])


def _shown(settings: Settings, name: str, field: FieldInfo) -> SettingShown:
    where = settings.origins.get(name)
    variable = f"{PREFIX}{name.upper()}"
    origin = {None: "default", "flag": "flag", variable: "environment"}.get(where, "file")
    return SettingShown(
        name=name,
        value=_plain(getattr(settings, name)),
        default=_plain(field.get_default(call_default_factory=True)),
        origin=origin,
        where=where if origin in ("environment", "file") else None,
        variable=variable,
        description=field.description or "",
    )


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
