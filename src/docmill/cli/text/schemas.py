"""Schemas and scripts as text: as they are, for another program."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import table
from docmill.domain.results import CompletionScript, JsonSchema, SchemaList
from docmill.domain.terminal import json_text


@render.register
def _(result: SchemaList, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    made = table("command", "gives", "")
    for each in result.commands:
        made.add_row(Text(each.command, style="bold"), ", ".join(each.results), "--events" if each.events else "")
    return [made]


@render.register
def _(result: JsonSchema, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [_as_it_is(json_text(result.model_dump(mode="json"), indent=2))]


@render.register
def _(result: CompletionScript, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [_as_it_is(result.script)]


def _as_it_is(text: str) -> Text:
    """Not folded at the width of a terminal, from which it may be copied."""
    return Text(text, no_wrap=True, overflow="ignore")
