"""How help looks: usage, what it does, options by group, an example. Plain columns, coloured on a terminal only."""

import os
import shutil
import sys
from collections.abc import Iterable
from enum import Enum
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

OPTIONS, COMMANDS = "Options", "Commands"
WIDTH = 100  # columns at most; lines longer than that are hard to read
COLUMN = 32  # of them for the names

Row = tuple[str, str]


class HelpCommand(TyperCommand):
    """A command whose help and usage are written here."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return _usage(self, ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _write(self, ctx, formatter)


class HelpGroup(TyperGroup):
    """A group of commands whose help and usage are written here."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*_usage(self, ctx), "COMMAND"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _write(self, ctx, formatter)


def _usage(command: Any, ctx: Any) -> list[str]:
    names = [_argument(each) for each in command.get_params(ctx) if each.param_type_name == "argument"]
    return ["[OPTIONS]", *names]


def _write(command: Any, ctx: Any, formatter: Any) -> None:
    formatter.width = min(shutil.get_terminal_size().columns, WIDTH)
    formatter.write_usage(ctx.command_path, " ".join(command.collect_usage_pieces(ctx)), _bold("Usage: "))
    formatter.write_paragraph()
    formatter.indent()
    formatter.write_text(_paragraphs(command.help or ""))
    formatter.dedent()
    sections = _sections(command, ctx)
    column = min(COLUMN, max((len(left) for rows in sections.values() for left, _ in rows), default=0))
    for title, rows in sections.items():
        formatter.write(f"\n{_bold(title)}\n")
        formatter.indent()
        formatter.write_dl([(_cyan(left.ljust(column)), text) for left, text in rows], col_max=COLUMN)
        formatter.dedent()
    if command.epilog:
        formatter.write(f"\n{_bold('Example')}\n")
        formatter.write("".join(f"  {line}\n" for line in command.epilog.splitlines()))


def _sections(command: Any, ctx: Any) -> dict[str, list[Row]]:
    """Rows by their heading: arguments, commands, the command's own options, those of every command."""
    params = [each for each in command.get_params(ctx) if not getattr(each, "hidden", False)]
    arguments = [each for each in params if each.param_type_name == "argument"]
    sections: dict[str, list[Row]] = {}
    if arguments:
        sections["Arguments"] = [(_argument(each).strip("[]"), _described(each)) for each in arguments]
    if isinstance(command, TyperGroup):
        for name in command.list_commands(ctx):
            each = command.get_command(ctx, name)
            if each is not None and not each.hidden:
                title = getattr(each, "rich_help_panel", None)
                row = (name, (each.help or "").partition("\n\n")[0].replace("\n", " "))
                sections.setdefault(title if isinstance(title, str) else COMMANDS, []).append(row)
    own: list[Row] = []
    common: dict[str, list[Row]] = {}
    for each in params:
        if each.param_type_name == "argument":
            continue
        title = getattr(each, "rich_help_panel", None)
        row = (_option(each), _described(each))
        (common.setdefault(title, []) if isinstance(title, str) else own).append(row)
    if own:
        sections[OPTIONS] = own
    return {**sections, **common}


def _argument(param: Any) -> str:
    name = param.metavar or param.name.upper()
    return str(name) if param.required else f"[{name}]"


def _option(param: Any) -> str:
    """``-m, --mode MODE``: short names first, as people read them."""
    names = ", ".join(sorted(param.opts, key=len))
    flag = param.is_flag or param.metavar is None
    return names if flag else f"{names} {param.metavar}"


def _described(param: Any) -> str:
    text = param.help or ""
    default = param.default.value if isinstance(param.default, Enum) else param.default
    shown = getattr(param, "show_default", False) and default not in (None, False, "", (), [])
    needed = param.required and param.param_type_name != "argument"
    extra = "required" if needed else f"default: {default}" if shown and not callable(default) else ""
    return f"{text} {_dim(f'({extra})')}" if extra else text


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _bold(text: str) -> str:
    return typer.style(text, bold=True) if _coloured() else text


def _cyan(text: str) -> str:
    return typer.style(text, fg="cyan") if _coloured() else text


def _dim(text: str) -> str:
    return typer.style(text, dim=True) if _coloured() else text


def names_of(choices: Iterable[Enum], between: str = "|") -> str:
    """``hybrid|vector|fts``, as the metavar of an option that takes one of them."""
    return between.join(str(each.value) for each in choices)
