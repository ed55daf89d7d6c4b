"""The root of the command line, and the boundary at which every error becomes a message and an exit code.

A command imports its own module and no other: to make all of them takes as long as most commands do.
"""

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from docmill import privacy
from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Home, Invocation, Json, Quiet, Verbose
from docmill.cli.log_lines import LogFormat

BATCHES, HISTORY, STORES = "Batches", "History", "Definitions, models and databases"

_Part = tuple[str, str] | tuple[str, str, str]

# In the order of the help: a module and its commands, or a group's name, where it is, and its heading.
_PARTS: tuple[_Part, ...] = (
    ("everyday", "init sync"),
    ("search", "search show"),
    ("everyday", "status"),
    ("exporting", "export"),
    ("plan", "plan why"),
    ("watch", "watch"),
    ("batch", "batch.group", BATCHES),
    ("running", "ingest start pause resume cancel retry wait"),
    ("worker", "worker"),
    ("deliver", "deliver"),
    ("documents", "documents.group", BATCHES),
    ("files", "files.group", BATCHES),
    ("pages", "pages"),
    ("summary", "summary report archive"),
    ("quarantine", "quarantine.group", BATCHES),
    ("source", "source.group", BATCHES),
    ("following", "active logs events"),
    ("metrics", "metrics"),
    ("upkeep", "gc cleanup"),
    ("backup", "backup restore"),
    ("doctor", "doctor"),
    ("verify", "verify"),
    ("runs", "history.runs", HISTORY),
    ("steps", "history.steps", HISTORY),
    ("run-groups", "history.groups", HISTORY),
    ("stats", "stats.group", HISTORY),
    ("workflow", "workflow.group", STORES),
    ("params", "params.group", STORES),
    ("models", "models.group", STORES),
    ("lancedb", "lancedb.group", STORES),
    ("settings", "settings.group", STORES),
    ("schema", "schema"),
    ("completion", "completion"),
)


def build(command: str | None = None) -> typer.Typer:
    """The command line; of that one command alone, where it is named and there is such a one."""
    if not any(command in _names(part) for part in _PARTS):
        command = None
    root = typer.Typer(
        name="docmill",
        help="Keeps folders of documents parsed, chunked, embedded and searchable in a local LanceDB: "
        "make for documents.",
        epilog="docmill sync ~/papers\ndocmill search 'what limits battery life'",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
        rich_markup_mode=None,
        add_completion=False,
        cls=HelpGroup,
    )
    root.callback()(_root)
    for part in _PARTS:
        if command is None or command in _names(part):
            _add(root, part, command)
    return root


def _add(root: typer.Typer, part: _Part, command: str | None) -> None:
    if len(part) == 3:
        name, place, panel = part
        module, _, attribute = place.partition(".")
        root.add_typer(getattr(import_module(f"docmill.cli.{module}"), attribute), name=name, rich_help_panel=panel)
        return
    commands: typer.Typer = import_module(f"docmill.cli.{part[0]}").commands
    wanted = typer.Typer()
    wanted.registered_commands = [each for each in commands.registered_commands if command in (None, each.name)]
    root.add_typer(wanted)


def _names(part: _Part) -> list[str]:
    return [part[0]] if len(part) == 3 else part[1].split()


def _named(arguments: list[str]) -> str | None:
    """The command that is called. Of the root's own options, these take a value."""
    words = iter(arguments)
    for word in words:
        if word in ("--home", "--log-format"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _version(ctx: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - the signature of a typer callback
    if wanted:
        from docmill import __version__

        sys.stdout.write(f'{{"version": "{__version__}"}}\n' if ctx.obj.json else f"docmill {__version__}\n")
        raise typer.Exit(0)


def _root(
    ctx: typer.Context,
    *,
    home: Home = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    log_format: Annotated[LogFormat | None, typer.Option("--log-format", hidden=True)] = None,
    version: Annotated[  # noqa: ARG001 - its callback does it all
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    ctx.obj.update(home=home, json=json, quiet=quiet, verbose=verbose, log_format=log_format)


def run(arguments: list[str]) -> int:
    """Run docmill with these arguments and return its exit code. Prints; raises nothing."""
    from docmill.cli import boundary, completing
    from docmill.cli.console import replace_closed, tolerate_names

    if completing.VARIABLE in os.environ:
        return completing.answer(build, _named)

    privacy.keep_private()
    replace_closed()
    tolerate_names(sys.stdout, sys.stderr)
    invocation = Invocation.guess(arguments)
    try:
        code: Any = typer.main.get_command(build(_named(arguments))).main(
            args=arguments, prog_name="docmill", standalone_mode=False, obj=invocation
        )
    except boundary.PARSER_ERROR as error:
        return boundary.wrong_usage(error, invocation)
    except typer.Abort:
        return boundary.fail(KeyboardInterrupt(), invocation)
    except Exception as error:  # noqa: BLE001 - the boundary: nothing but a message and a code gets past it
        return boundary.fail(error, invocation)
    return code if isinstance(code, int) else 0
