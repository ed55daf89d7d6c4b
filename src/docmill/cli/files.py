"""``docmill files``: what became of each file of a batch."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup, names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import BatchName, DocumentType, Limit, Offset

if TYPE_CHECKING:
    from docmill.domain.results import FileList

group = typer.Typer(cls=HelpGroup, help="Show what became of each file of a batch.")


class Status(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    DEGRADED = "degraded"
    FAILED = "failed"


@command(
    group,
    "list",
    example="docmill files list papers --has-errors\n"
    "docmill files list papers --reason PAGES_WITHOUT_TEXT --type pdf --json",
)
def list_(
    invocation: Invocation,
    *,
    batch: BatchName,
    status: Annotated[
        Status | None,
        typer.Option("--status", metavar="STATUS", show_default=False, help=f"Only these: {names_of(Status, ', ')}."),
    ] = None,
    type: DocumentType = None,  # noqa: A002 - the option's name
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="STEP", show_default=False, help="Only those that failed at it, or are there."),
    ] = None,
    has_errors: Annotated[
        bool, typer.Option("--has-errors", help="Those that failed or are degraded, grouped by their codes.")
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="CODE", show_default=False, help="Only those that failed or degraded by it."),
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> "FileList":
    """List the files of a batch: how each ended, why, and how much text it gave.

    Degraded files are completed ones that lost some of their text, or may have. docs/outcomes.md explains every code.
    """
    from docmill.service import documents

    return documents.list_files(
        invocation.settings(),
        batch,
        limit=limit,
        offset=offset,
        status=status.value if status else None,
        type=type,
        stage=stage,
        has_errors=has_errors,
        reason=reason.strip().upper() if reason else None,
    )
