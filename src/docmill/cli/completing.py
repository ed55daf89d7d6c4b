"""Answers shells that ask what may come next, and prints the scripts by which they ask.

Shells, quoting and options are typer's; here is which words stand for what there is in a home. A parameter is known by
the word that its help shows for it, so that a new command is completed as soon as it is there.
"""

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

VARIABLE = "_DOCMILL_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

# What stands behind an option; what the word for an argument or a value means; what it means within one group.
_OPTIONS = {
    "--batch": "batches",
    "--database": "databases",
    "--source": "sources",
    "--workflow": "workflows",
    "--params": "param_sets",
    "--run-group": "run_groups",
}
_WORDS = {
    "BATCH": "batches",
    "BATCH|URI": "batches",
    "SOURCE": "sources",
    "DATABASE": "databases",
    "URI": "documents",
    "URI...": "documents",
}
_IDS = {"workflow": "workflows", "params": "param_sets", "run-groups": "run_groups"}


def script(shell: str) -> str:
    """What a shell has to be told once, for its Tab to ask docmill."""
    told: str = _typers().get_completion_script(prog_name="docmill", complete_var=VARIABLE, shell=shell)
    return told


def answer(build: Callable[[str | None], typer.Typer], called: Callable[[list[str]], str | None]) -> int:
    """Print what may come next, as the shell that asks wants it. Whatever goes wrong, nothing is offered."""
    completion = _typers()
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    try:
        completion.completion_init()
        root: Any = typer.main.get_command(build(called(line.split()[1:])))
        _teach(root, "")
        code: int = completion.shell_complete(root, {"obj": None}, "docmill", VARIABLE, os.environ[VARIABLE])
        return code
    except Exception:  # noqa: BLE001 - a message in the midst of typing helps nobody
        return 1


def _typers() -> Any:
    """Its module for completion, which exports nothing by its own account."""
    return import_module("typer.completion")


def _teach(command: Any, group: str) -> None:
    """Have each parameter that names something of a home offer what there is."""
    for name, child in getattr(command, "commands", {}).items():
        _teach(child, name if hasattr(child, "commands") else group)
    for param in command.params:
        kind = _kind(param, group)
        if kind is not None:
            param.shell_complete = partial(_suggest, kind)


def _kind(param: Any, group: str) -> str | None:
    if found := next((_OPTIONS[name] for name in param.opts if name in _OPTIONS), None):
        return found
    word = param.metavar or ""
    if group in _IDS and word in ("ID", "ID|FILE"):
        return _IDS[group]
    return _WORDS.get(word)


def _suggest(kind: str, ctx: Any, incomplete: str) -> list[Any]:
    from docmill.service import suggesting

    item = _typers().shell_completion.CompletionItem

    home = ctx.params.get("home") or ctx.find_root().params.get("home")
    found = suggesting.quietly(getattr(suggesting, kind), Path(home) if home else None, incomplete)
    return [item(value, help=about or None) for value, about in found]
