"""``docmill deliver``: the outbox of webhooks and commands."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command
from docmill.cli.running import PANEL

if TYPE_CHECKING:
    from docmill.domain.results import DeliverResult

commands = typer.Typer()


@command(commands, "deliver", panel=PANEL, example="docmill deliver --wait\ndocmill deliver --once --given-up --json")
def deliver(
    invocation: Invocation,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="One try each, also of what waits for its next one; then end.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Go on so long for what must be tried again.")
    ] = 60.0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on while an engine is at work here; the timeout begins at its end.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Where another process delivers already, let it end first.")
    ] = False,
    given_up: Annotated[bool, typer.Option("--given-up", help="Also send what was given up before.")] = False,
) -> "DeliverResult":
    """Send what waits in the outbox: webhooks and commands that were not reached yet.

    Whenever an engine works, this runs in the background by itself.
    """
    if follow:  # the engine goes first
        os.nice(5)
    from docmill.service import delivering

    options = delivering.Options(once=once, follow=follow, wait=wait, timeout=timeout)
    return delivering.deliver(invocation.settings(), options, given_up=given_up)
