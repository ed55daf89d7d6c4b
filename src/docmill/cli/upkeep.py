"""``docmill gc`` and ``docmill cleanup``: what nobody needs any more."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DryRun, Yes

if TYPE_CHECKING:
    from docmill.domain.results import GcResult, JobsCleaned

PANEL = "Upkeep"
commands = typer.Typer()


@command(commands, "gc", panel=PANEL, lock=True, example="docmill gc --dry-run\ndocmill gc")
def gc(invocation: Invocation, *, dry_run: DryRun = False) -> "GcResult":
    """Remove outputs, vectors and copies that no document leads to any more. Nothing that can be searched goes."""
    from docmill.service import collecting

    return collecting.gc(invocation.settings(), dry_run=dry_run)


@command(
    commands,
    "cleanup",
    panel=PANEL,
    example="docmill cleanup --older-than 30d --dry-run\ndocmill cleanup --older-than 7d --status completed,failed",
)
def cleanup(
    invocation: Invocation,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", show_default=False, help="As 7d, 12h, 30m or 2w.")
    ],
    status: Annotated[
        str, typer.Option("--status", metavar="STATUS,...", help="How they ended.")
    ] = "completed,failed,cancelled",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> "JobsCleaned":
    """Delete the records of old run groups, with their logs. No document or passage goes.

    What is still in use stays: the last run group of each batch and the last that completed, for each database; those
    of documents that are failed, for `retry`; and those that a handler is still to be told of.
    """
    from docmill.service import cleaning

    settings = invocation.settings()
    if not dry_run:
        invocation.confirm(f"Delete the records of run groups that ended more than {older_than} ago?", yes=yes)
    statuses = [each.strip() for each in status.split(",") if each.strip()]
    return cleaning.cleanup(settings, older_than=older_than, statuses=statuses, dry_run=dry_run)
