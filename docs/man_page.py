"""docs/docmill.1, the manual page, from the command line's own parser, the errors and the settings. man(7) macros."""

from __future__ import annotations

import os
from typing import Any

from docmill.errors import DocmillError, DocumentError

EXITS = (
    (0, "clean"),
    (1, "a fault of docmill"),
    (2, "wrong usage"),
    (3, "finished, but not clean: documents failed, a check has findings, a plan is over its budget"),
    (4, "not found"),
    (5, "not allowed as things stand, taken, or locked"),
    (6, "a bad workflow, param set or setting"),
    (7, "something needed is missing: a model, disk space, a database"),
    (8, "stopped before the end: paused, cancelled, time limit, or a wait timed out"),
    (130, "interrupted"),
)
FILES = (
    (".docmill/", "The home: state, outputs of steps, databases, logs; docs/files.md tells of each file."),
    (".docmill/docmill.toml", "Settings of this home, NAME = VALUE a line."),
    (".docmill/workflows/, .docmill/param-sets/", "Definitions of your own, in YAML."),
    (".docmillignore", "In a followed folder: patterns of files to leave out, as in .gitignore."),
)


def page() -> str:
    """The whole page, as it should be. It carries no date and no version, so that it changes with its content only."""
    os.environ["NO_COLOR"] = "1"
    import typer

    from docmill.cli.app import build

    root: Any = typer.main.get_command(build())
    parts = [
        '.TH DOCMILL 1 "" "docmill" "User Commands"',
        ".SH NAME",
        "docmill \\- keeps folders of documents searchable in a local LanceDB: make for documents",
        ".SH SYNOPSIS",
        ".B docmill",
        "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]",
        ".SH DESCRIPTION",
        _text(root.help),
        ".SH OPTIONS",
        "Every command has \\fB\\-\\-home\\fR, \\fB\\-\\-json\\fR, \\fB\\-\\-quiet\\fR and \\fB\\-\\-verbose\\fR.",
        *_options(root),
        ".SH COMMANDS",
        *_commands(root, ["docmill"]),
        ".SH EXIT STATUS",
        *_list((str(code), meaning) for code, meaning in EXITS),
        ".SH ENVIRONMENT",
        *_list(_variables()),
        ".SH FILES",
        *_list(FILES),
        ".SH EXAMPLES",
        *_example(root.epilog)[1:],
    ]
    return "\n".join(parts) + "\n"


def exit_codes() -> set[int]:
    """Those of all errors, and those that results have: a test holds EXITS to it."""
    kinds, found = [DocmillError], {0, 3, 6, 8}
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if not issubclass(kind, DocumentError):
            found.add(kind.exit_code)
    return found


def _variables() -> list[tuple[str, str]]:
    from docmill.settings import PREFIX, Settings

    named = [(f"{PREFIX}{name.upper()}", field.description or "") for name, field in Settings.model_fields.items()]
    return [
        *((name, f"{text[0].upper()}{text[1:]}.") for name, text in named),
        ("DOCMILL_MODEL_CACHE", "Where embedding models lie; else in the user's cache folder."),
        ("NO_COLOR", "No colours."),
    ]


def _commands(command: Any, path: list[str]) -> list[str]:
    if getattr(command, "commands", None):
        return [line for name, child in sorted(command.commands.items()) for line in _commands(child, [*path, name])]
    arguments = " ".join(_argument(each) for each in command.params if each.param_type_name == "argument")
    heading = f"{' '.join(path)} {arguments}".strip()
    return [f".SS {_text(heading)}", _text(command.help or ""), *_options(command), *_example(command.epilog or "")]


def _argument(param: Any) -> str:
    name = param.metavar or param.name.upper()
    return name if param.required else f"[{name}]"


def _options(command: Any) -> list[str]:
    own = [
        each
        for each in command.params
        if each.param_type_name == "option" and each.name not in ("home", "json", "quiet", "verbose", "help")
    ]
    if command.name == "docmill":
        own = [each for each in command.params if each.param_type_name == "option"]
    return _list((_flags(each), each.help or "") for each in own)


def _flags(option: Any) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    return names if option.is_flag or option.metavar is None else f"{names} {option.metavar}"


def _list(rows: Any) -> list[str]:
    return [line for name, text in rows for line in (".TP", f".B {_text(name)}", _text(text))]


def _example(text: str) -> list[str]:
    return [".PP", ".nf", ".RS", *(_text(line) for line in text.splitlines()), ".RE", ".fi"] if text else []


def _text(text: str) -> str:
    """Text in which roff sees no request and no escape, and no hyphen is mended. Empty lines part paragraphs."""
    escaped = text.strip().replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    escaped = "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in escaped)
    paragraphs = [" ".join(part.split()) for part in escaped.split("\n\n")]
    return "\n.PP\n".join(f"\\&{each}" if each.startswith((".", "'")) else each for each in paragraphs)
