"""The settings, and where they come from."""

from __future__ import annotations

from typing import Any

from docmill.domain.results.shared import Result


class SettingShown(Result):
    """``origin``: ``flag``, ``environment``, ``file`` or ``default``; ``where``: the variable, or the file and line."""

    name: str
    value: Any
    default: Any
    origin: str
    where: str | None
    variable: str
    description: str


class SettingsShown(Result):
    """``file`` is the home's docmill.toml, where there is one. ``others``: DOCMILL_* variables that are no settings."""

    file: str | None
    settings: list[SettingShown]
    others: list[str]
