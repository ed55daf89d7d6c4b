"""``docmill completion``: the script for a shell."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.schema import PANEL

if TYPE_CHECKING:
    from docmill.domain.results import CompletionScript

commands = typer.Typer()


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@command(
    commands,
    "completion",
    panel=PANEL,
    example="docmill completion bash > ~/.local/share/bash-completion/completions/docmill\n"
    'eval "$(docmill completion zsh)"    # in ~/.zshrc, after compinit\n'
    "docmill completion fish > ~/.config/fish/completions/docmill.fish",
)
def completion(
    invocation: Invocation,  # noqa: ARG001 - the signature of all commands
    *,
    shell: Annotated[Shell, typer.Argument(metavar=names_of(Shell), show_default=False, help="Whose.")],
) -> "CompletionScript":
    """Print the script that has a shell complete commands, options, and names of what there is in the home."""
    from docmill.cli import completing
    from docmill.domain.results import CompletionScript

    return CompletionScript(shell=shell.value, script=completing.script(shell.value))
