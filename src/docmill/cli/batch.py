"""``docmill batch``: named sets of documents."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup, names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import BatchName, Limit, Offset
from docmill.cli.running import Priority

if TYPE_CHECKING:
    from docmill.domain.results import Result

group = typer.Typer(cls=HelpGroup, help="Create, list and show batches: named sets of documents.")


class Type(StrEnum):
    BATCH_PROCESSING = "batch_processing"
    INCREMENTAL = "incremental"
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    REAL_TIME = "real_time"


class Status(StrEnum):
    CREATED = "created"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@command(
    group,
    "create",
    example="docmill batch create --name 'Q4 reports' --filter-type pdf,docx\n"
    "docmill batch create --name nightly --key nightly-2026-01-31 --json",
)
def create(
    invocation: Invocation,
    *,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", show_default=False, help="What people call it.")],
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", show_default=False, help="What it is.")
    ] = "",
    type: Annotated[  # noqa: A002 - the option's name
        Type, typer.Option("--type", metavar="TYPE", help=f"What it is for: {names_of(Type, ', ')}.")
    ] = Type.BATCH_PROCESSING,
    priority: Annotated[
        Priority, typer.Option("--priority", metavar=names_of(Priority), help="Higher ones go first.")
    ] = Priority.NORMAL,
    workflow: Annotated[str, typer.Option("--workflow", metavar="ID", help="The steps.")] = "batch",
    params: Annotated[str, typer.Option("--params", metavar="ID", help="Their values.")] = "default",
    filter_type: Annotated[
        list[str] | None,
        typer.Option("--filter-type", metavar="TYPES", show_default=False, help="Only such documents: pdf,docx."),
    ] = None,
    created_after: Annotated[
        str | None,
        typer.Option("--created-after", metavar="TIME", show_default=False, help="Only newer ones; ISO-8601."),
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option("--webhook-url", metavar="URL", show_default=False, help="Kept with the batch.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="TEXT", show_default=False, help="The same key gives the same batch again."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", show_default=False, help="Where its documents come from.")
    ] = None,
) -> "Result":
    """Create a batch."""
    from docmill.service import batches

    types = [part.strip().lower() for each in filter_type or [] for part in each.split(",") if part.strip()]
    return batches.create_batch(
        invocation.settings(),
        name=name,
        description=description,
        type=type.value,
        priority=priority.value,
        workflow=workflow,
        params=params,
        filter_types=types,
        created_after=created_after,
        webhook_url=webhook_url,
        key=key,
        source=source,
    )


@command(group, "list", example="docmill batch list\ndocmill batch list --status running --json")
def list_(
    invocation: Invocation,
    *,
    status: Annotated[
        Status | None,
        typer.Option("--status", metavar="STATUS", show_default=False, help=f"Only these: {names_of(Status, ', ')}."),
    ] = None,
    type: Annotated[  # noqa: A002 - the option's name
        Type | None,
        typer.Option("--type", metavar="TYPE", show_default=False, help=f"Only these: {names_of(Type, ', ')}."),
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> "Result":
    """List batches, newest first."""
    from docmill.service import batches

    return batches.list_batches(
        invocation.settings(),
        limit=limit,
        offset=offset,
        status=status.value if status else None,
        type=type.value if type else None,
    )


@command(group, "show", example="docmill batch show papers")
def show(invocation: Invocation, *, batch: BatchName) -> "Result":
    """Show a batch: what it is, how it was set up, and its run groups."""
    from docmill.service import batches

    return batches.show_batch(invocation.settings(), batch)
