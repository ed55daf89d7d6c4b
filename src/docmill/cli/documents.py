"""``docmill documents``: what the home knows of each file."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup, names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DocumentType, DryRun, InBatch, Limit, Offset, Yes

if TYPE_CHECKING:
    from docmill.domain.results import (
        DocumentDeleted,
        DocumentHistory,
        DocumentList,
        DocumentRestored,
        DocumentShown,
        OrphansCleaned,
    )

group = typer.Typer(cls=HelpGroup, help="List, show, trace, delete and restore documents.")


class Status(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


Named = Annotated[str, typer.Argument(metavar="URI", show_default=False, help="A document, by its URI or its id.")]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", show_default=False, help="Its source, where several have the URI."),
]


@command(group, "list", example="docmill documents list --source papers\ndocmill documents list --status failed --json")
def list_(
    invocation: Invocation,
    *,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", show_default=False, help="Only of this source.")
    ] = None,
    batch: InBatch = None,
    status: Annotated[
        Status | None,
        typer.Option("--status", metavar="STATUS", show_default=False, help=f"Only these: {names_of(Status, ', ')}."),
    ] = None,
    type: DocumentType = None,  # noqa: A002 - the option's name
    uri_prefix: Annotated[
        str | None,
        typer.Option("--uri-prefix", metavar="TEXT", show_default=False, help="Only URIs that begin so."),
    ] = None,
    gone: Annotated[
        bool, typer.Option("--gone", help="Those that were deleted, instead of those that are there.")
    ] = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> "DocumentList":
    """List documents, by source and URI."""
    from docmill.service import documents

    return documents.list_documents(
        invocation.settings(),
        limit=limit,
        offset=offset,
        source=source,
        batch=batch,
        status=status.value if status else None,
        state="deleted" if gone else "active",
        prefix=uri_prefix,
        type=type,
    )


@command(group, "show", example="docmill documents show 2024/report.pdf")
def show(invocation: Invocation, *, uri: Named, source: Source = None) -> "DocumentShown":
    """Show one document: its file, its state, where its passages lie, and why it failed or is degraded."""
    from docmill.service import documents

    return documents.show_document(invocation.settings(), uri, source=source)


@command(group, "history", example="docmill documents history 2024/report.pdf --json")
def history(
    invocation: Invocation, *, uri: Named, source: Source = None, limit: Limit = 50, offset: Offset = 0
) -> "DocumentHistory":
    """Tell what happened to a document: its versions, renames, deletion and return."""
    from docmill.service import documents

    return documents.history(invocation.settings(), uri, source=source, limit=limit, offset=offset)


@command(group, "delete", example="docmill documents delete drafts/secret.md --source notes")
def delete(
    invocation: Invocation, *, uri: Named, source: Source = None, dry_run: DryRun = False, yes: Yes = False
) -> "DocumentDeleted":
    """Take a document out of the index for good, with its records. Its file stays, and is left alone from then on."""
    from docmill.service import forgetting

    settings = invocation.settings()
    if not dry_run:
        invocation.confirm(f"Take {uri!r} out of the index, with its history?", yes=yes)
    return forgetting.delete_document(settings, uri, source=source, dry_run=dry_run)


@command(group, "cleanup-orphans", example="docmill documents cleanup-orphans --dry-run")
def cleanup_orphans(
    invocation: Invocation,
    *,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", show_default=False, help="All of a source whose folder is gone."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> "OrphansCleaned":
    """Take documents out of the index whose source, batch or single file is not there any more."""
    from docmill.service import cleaning

    settings = invocation.settings()
    if not dry_run:
        invocation.confirm("Take documents out of the index that nothing stands behind?", yes=yes)
    return cleaning.cleanup_orphans(settings, source=source, dry_run=dry_run)


@command(group, "restore", example="docmill documents restore drafts/secret.md --source notes")
def restore(invocation: Invocation, *, uri: Named, source: Source = None) -> "DocumentRestored":
    """Let a deleted document come back: the next sync indexes its file again."""
    from docmill.service import forgetting

    return forgetting.restore_document(invocation.settings(), uri, source=source)
