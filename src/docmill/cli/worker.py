"""``docmill worker``: the foreground service."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command
from docmill.cli.options import FailOnDegraded
from docmill.cli.running import PANEL

if TYPE_CHECKING:
    from docmill.domain.results import WorkerResult

commands = typer.Typer()


@command(
    commands,
    "worker",
    panel=PANEL,
    events=True,
    lock=True,
    limit=True,
    example="docmill worker\ndocmill worker --once --max-minutes 50",
)
def worker(
    invocation: Invocation,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is running or due any more.")] = False,
    poll: Annotated[
        float, typer.Option("--poll", metavar="SECONDS", min=0.1, max=3600, help="Between two looks while idle.")
    ] = 1.0,
    fail_on_degraded: FailOnDegraded = False,
) -> "WorkerResult":
    """Run what is due or unfinished, and wait for more. A signal ends it in good order, with exit 0."""
    from docmill.cli.degraded import judged
    from docmill.service import working

    result = working.work(invocation.settings(), invocation.reporter(), once=once, poll=poll)
    return judged(result, fail_on_degraded=fail_on_degraded)
