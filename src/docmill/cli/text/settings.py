"""Settings as text."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import table
from docmill.domain.results import SettingShown, SettingsShown


@render.register
def _(result: SettingsShown, view: View) -> list[RenderableType]:
    if len(result.settings) == 1:
        return _one(result.settings[0])
    made = table("setting", "value", "from", *(["what it is"] if view.verbose else []))
    for each in result.settings:
        name = Text(each.name, style="bold" if each.origin != "default" else "")
        more = [each.description] if view.verbose else []
        made.add_row(name, _value(each.value), Text(_from(each), style="cyan"), *more)
    parts: list[RenderableType] = [made, Text(f"file: {safe(result.file or 'none')}", style="dim")]
    if result.others:
        parts.append(Text(f"no settings: {safe(', '.join(result.others))}", style="dim"))
    return parts


def _one(each: SettingShown) -> list[RenderableType]:
    return [
        Text.assemble((each.name, "bold"), f" = {_value(each.value)}  ", (_from(each), "cyan")),
        Text(each.description),
        Text(f"default {_value(each.default)}; {each.variable} in the environment", style="dim"),
    ]


def _from(each: SettingShown) -> str:
    """Of the file, its name and the line; where it lies is said below."""
    return safe(Path(each.where).name if each.where else each.origin)


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return safe(", ".join(map(str, value)) or "none" if isinstance(value, list) else value)
