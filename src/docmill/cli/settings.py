"""``docmill settings``: which there are, what they are, and where that comes from."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from docmill.domain.results import SettingsShown

group = typer.Typer(cls=HelpGroup, help="Show the settings, and where each comes from.")


@command(group, "show", example="docmill settings show\ndocmill settings show embed_workers --json")
def show(
    invocation: Invocation,
    *,
    key: Annotated[str | None, typer.Argument(metavar="KEY", show_default=False, help="One of them; else all.")] = None,
) -> "SettingsShown":
    """Show the settings: what each is, and where that comes from.

    From a flag, else from the environment as DOCMILL_NAME, else from docmill.toml in the home, else the default. That
    file has a line NAME = VALUE for each; people edit it. A key that is not known is refused, with exit 6.
    """
    from docmill.service import settings

    return settings.show(invocation.settings(), key)
