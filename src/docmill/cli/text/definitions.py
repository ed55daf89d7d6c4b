"""Workflows and param sets as text: lists, YAML as it is written, and findings with their lines."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe, safe_lines
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, more, table
from docmill.domain.results import (
    DefinitionAdded,
    DefinitionDeleted,
    DefinitionList,
    DefinitionShown,
    DefinitionSummary,
    ParamTargets,
    Problem,
    ValidationResult,
)

_NOUNS = {"workflow": "workflow", "param_set": "param set"}


def finding(problem: Problem) -> list[Text]:
    """``file:line  key.path: what is wrong``, and below it what to do."""
    where = f"{safe(problem.file)}:{problem.line}" if problem.line else safe(problem.file)
    path = f"{safe(problem.path)}: " if problem.path else ""
    style = "red" if problem.level == "error" else "yellow"
    lines = [Text.assemble((f"{problem.level}  ", style), (where, "bold"), f"  {path}{safe(problem.message)}")]
    if problem.suggestion:
        lines.append(Text(f"       {safe(problem.suggestion)}", style="cyan"))
    return lines


@render.register
def _(result: DefinitionList, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    noun = _NOUNS.get(result.kind, result.kind)
    parts: list[RenderableType] = [_table(result.definitions), *more(result, len(result.definitions), noun)]
    if result.problems:
        parts += ["", *(line for problem in result.problems for line in finding(problem))]
    return parts


@render.register
def _(result: ParamTargets, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    if not result.total:
        return [Text(f"no param set writes the database {safe(result.database)}")]
    return [_table(result.param_sets), *more(result, len(result.param_sets), "param set")]


@render.register
def _(result: DefinitionShown, view: View) -> list[RenderableType]:
    """The file's own text, fit to be redirected into a file of one's own."""
    text = safe_lines(result.yaml).rstrip("\n")
    if not view.terminal:
        return [Text(text)]
    from rich.syntax import Syntax

    return [Syntax(text, "yaml", theme="ansi_dark", background_color="default"), _from(result)]


@render.register
def _(result: ValidationResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    parts: list[RenderableType] = [line for problem in result.problems for line in finding(problem)]
    noun = _NOUNS.get(result.kind, result.kind)
    errors = sum(problem.level == "error" for problem in result.problems)
    checked = count(len(result.checked), noun)
    if errors:
        parts.append(Text(f"{checked} checked, {count(errors, 'error')}", style="bold red"))
    else:
        parts.append(Text.assemble((f"{checked} checked", "bold green"), ", no errors"))
    return parts


@render.register
def _(result: DefinitionAdded, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = [Text.assemble(safe(result.message), (f"  {safe(result.file_path)}", "dim"))]
    if view.terminal:
        parts.append(Text.assemble(("use it: ", "dim"), f"docmill sync FOLDER --params {safe(result.id)}"))
    return parts


@render.register
def _(result: DefinitionDeleted, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [Text(safe(result.message))]


def _table(definitions: list[DefinitionSummary]) -> RenderableType:
    made = table("id", "source", "description")
    for each in definitions:
        source = Text(each.source, style="dim" if each.source == "app" else "cyan")
        made.add_row(Text(safe(each.id), style="bold"), source, safe(each.description or each.name))
    return made


def _from(result: DefinitionShown) -> Text:
    return Text(f"\n{safe(result.file)}", style="dim")
