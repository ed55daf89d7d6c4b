"""``docmill batch``: named sets of documents."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup, names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import BatchName, DryRun, Limit, Offset, ReportFolder, ReportOnCompletion, Yes
from docmill.cli.running import Priority

if TYPE_CHECKING:
    from docmill.domain.results import BatchCreated, BatchDeleted, BatchList, BatchShown

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


class Sort(StrEnum):
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    NAME = "name"


class Order(StrEnum):
    ASC = "asc"
    DESC = "desc"


@command(
    group,
    "create",
    example="docmill batch create --name 'Q4 reports' --filter-type pdf,docx\n"
    "docmill batch create --name nightly --source papers --cron '30 2 * * *'",
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
        str | None, typer.Option("--webhook-url", metavar="URL", show_default=False, help="Told how the batch gets on.")
    ] = None,
    webhook_events: Annotated[
        list[str] | None,
        typer.Option(
            "--webhook-events", metavar="EVENTS", show_default=False, help="Of what; else group_end,progress."
        ),
    ] = None,
    webhook_token_env: Annotated[
        str | None,
        typer.Option(
            "--webhook-token-env", metavar="NAME", show_default=False, help="Variable that holds the bearer token."
        ),
    ] = None,
    webhook_secret_env: Annotated[
        str | None,
        typer.Option(
            "--webhook-secret-env", metavar="NAME", show_default=False, help="Variable that holds the signing secret."
        ),
    ] = None,
    webhook_job_id: Annotated[
        str | None, typer.Option("--webhook-job-id", metavar="TEXT", show_default=False, help="Sent along as jobId.")
    ] = None,
    report_on_completion: ReportOnCompletion = False,
    report_folder: ReportFolder = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="TEXT", show_default=False, help="The same key gives the same batch again."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", show_default=False, help="Where its documents come from.")
    ] = None,
    scheduled_start: Annotated[
        str | None,
        typer.Option("--scheduled-start", metavar="TIME", show_default=False, help="A worker starts it then."),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="EXPR", show_default=False, help="A worker starts it again and again."),
    ] = None,
    max_processing_time: Annotated[
        float | None,
        typer.Option(
            "--max-processing-time",
            metavar="SECONDS",
            min=0.001,
            max=31_622_400,
            show_default=False,
            help="More, and a run fails.",
        ),
    ] = None,
    max_retries: Annotated[
        int | None,
        typer.Option("--max-retries", metavar="N", min=0, max=20, show_default=False, help="Further tries; else 3."),
    ] = None,
    retry_delay: Annotated[
        float | None,
        typer.Option(
            "--retry-delay", metavar="SECONDS", min=0, max=86_400, show_default=False, help="Before the first; else 5."
        ),
    ] = None,
    backoff_multiplier: Annotated[
        float | None,
        typer.Option(
            "--backoff-multiplier",
            metavar="FACTOR",
            min=1,
            max=100,
            show_default=False,
            help="For each further one; else 2.",
        ),
    ] = None,
    jitter: Annotated[
        float | None,
        typer.Option(
            "--jitter", metavar="SHARE", min=0, max=1, show_default=False, help="Of the delay, at random; else 0.1."
        ),
    ] = None,
) -> "BatchCreated":
    """Create a batch, to be started by hand, at a time, or again and again."""
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
        webhook_events=[part.strip() for each in webhook_events or [] for part in each.split(",") if part.strip()],
        webhook_token_env=webhook_token_env,
        webhook_secret_env=webhook_secret_env,
        webhook_job_id=webhook_job_id,
        report_on_completion=report_on_completion,
        report_folder=report_folder,
        key=key,
        source=source,
        scheduled_start=scheduled_start,
        cron=cron,
        max_processing_time=max_processing_time,
        retries=batches.RetryOptions(max_retries, retry_delay, backoff_multiplier, jitter),
        reporter=invocation.reporter(),
    )


@command(
    group,
    "list",
    example="docmill batch list --status running\ndocmill batch list --search invoices --sort name --json",
)
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
    priority: Annotated[
        Priority | None,
        typer.Option("--priority", metavar=names_of(Priority), show_default=False, help="Only these."),
    ] = None,
    created_after: Annotated[
        str | None,
        typer.Option("--created-after", metavar="TIME", show_default=False, help="Made then or later; ISO-8601."),
    ] = None,
    created_before: Annotated[
        str | None, typer.Option("--created-before", metavar="TIME", show_default=False, help="Made before that.")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option("--search", metavar="TEXT", show_default=False, help="In names and descriptions, any case."),
    ] = None,
    sort: Annotated[Sort, typer.Option("--sort", metavar=names_of(Sort), help="By what.")] = Sort.CREATED_AT,
    order: Annotated[
        Order | None,
        typer.Option("--order", metavar=names_of(Order), show_default=False, help="Else newest first, names from a."),
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> "BatchList":
    """List batches, newest first, with their numbers by status and type."""
    from docmill.service import history

    return history.list_batches(
        invocation.settings(),
        limit=limit,
        offset=offset,
        status=status.value if status else None,
        type=type.value if type else None,
        priority=priority.value if priority else None,
        created_after=created_after,
        created_before=created_before,
        search=search,
        sort=sort.value,
        descending=None if order is None else order is Order.DESC,
    )


@command(
    group, "delete", example="docmill batch delete trial --dry-run\ndocmill batch delete trial --with-documents --yes"
)
def delete(
    invocation: Invocation,
    *,
    batch: BatchName,
    with_documents: Annotated[
        bool, typer.Option("--with-documents", help="Its documents too: they leave the index. Files stay.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> "BatchDeleted":
    """Delete a batch that has ended, with its run groups, runs, events and log.

    A batch that has documents is refused, as they would belong nowhere: --with-documents takes them out of the index,
    and forgets the folder that it followed. Files on disk are never touched.
    """
    from docmill.service import pruning

    settings = invocation.settings()
    if not dry_run and invocation.asks(yes=yes):
        would = pruning.delete_batch(settings, batch, with_documents=with_documents, dry_run=True).statistics
        what = f"{would.total_deleted:,} records, {would.deleted_documents:,} of them documents"
        invocation.confirm(f"Delete batch {batch!r}: {what}?", yes=yes)
    return pruning.delete_batch(settings, batch, with_documents=with_documents, dry_run=dry_run)


@command(group, "show", example="docmill batch show papers")
def show(invocation: Invocation, *, batch: BatchName) -> "BatchShown":
    """Show a batch: what it is, how it was set up, and its run groups."""
    from docmill.service import batches

    return batches.show_batch(invocation.settings(), batch)
