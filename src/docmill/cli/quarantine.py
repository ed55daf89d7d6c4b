"""``docmill quarantine``: documents that took workers down, or had to be ended."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DryRun, InBatch, Limit, Offset

if TYPE_CHECKING:
    from docmill.domain.results import QuarantineList, QuarantineReleased, QuarantineShown

group = typer.Typer(
    cls=HelpGroup, help="Show and release documents that took workers down, or had to be ended for time or memory."
)
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", show_default=False, help="Its source, where several have the URI."),
]


@command(group, "list", example="docmill quarantine list\ndocmill quarantine list --batch papers --json")
def list_(invocation: Invocation, *, batch: InBatch = None, limit: Limit = 50, offset: Offset = 0) -> "QuarantineList":
    """List what is in quarantine: WORKER_CRASHED, TIMEOUT and OUT_OF_MEMORY; how often, and how workers died.

    They are not tried again until they are released, or change, or the definitions do.
    """
    from docmill.service import quarantine

    return quarantine.list_quarantine(invocation.settings(), limit=limit, offset=offset, batch=batch)


@command(group, "show", example="docmill quarantine show 2024/report.pdf")
def show(
    invocation: Invocation,
    *,
    uri: Annotated[str, typer.Argument(metavar="URI", show_default=False, help="A document, by its URI or its id.")],
    source: Source = None,
) -> "QuarantineShown":
    """Show one of them: each death of a worker, its last words, and what was logged."""
    from docmill.service import quarantine

    return quarantine.show(invocation.settings(), uri, source=source)


@command(
    group,
    "release",
    example="docmill quarantine release 2024/report.pdf && docmill sync\ndocmill quarantine release --all --dry-run",
)
def release(
    invocation: Invocation,
    *,
    uris: Annotated[
        list[str] | None,
        typer.Argument(metavar="URI...", show_default=False, help="Documents, by their URIs or ids; or --all."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that is in quarantine.")] = False,
    batch: InBatch = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", show_default=False, help="Only of this source.")
    ] = None,
    dry_run: DryRun = False,
) -> "QuarantineReleased":
    """Let documents be tried again: by the next sync, start or worker.

    It destroys nothing: what takes workers down again is back in quarantine after three of them.
    """
    from docmill.service import quarantine

    return quarantine.release(
        invocation.settings(), uris or [], every=every, source=source, batch=batch, dry_run=dry_run
    )
