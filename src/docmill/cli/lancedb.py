"""``docmill lancedb``: the vector databases of a home."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DryRun, Limit, Offset, Yes

if TYPE_CHECKING:
    from docmill.domain.results import (
        DatabaseDropped,
        DatabaseInfo,
        DatabaseList,
        IndexResult,
        StoredDocumentList,
        VacuumResult,
    )

group = typer.Typer(cls=HelpGroup, help="List, show, index, compact and drop the LanceDB databases of this home.")

Name = Annotated[str, typer.Argument(metavar="DATABASE", help="A database's name.")]


@command(group, "list", example="docmill lancedb list")
def list_(invocation: Invocation, *, limit: Limit = 50, offset: Offset = 0) -> "DatabaseList":
    """List the databases."""
    from docmill.service import databases

    return databases.list_databases(invocation.settings(), limit=limit, offset=offset)


@command(group, "info", example="docmill lancedb info default --json")
def info(invocation: Invocation, *, database: Name = "default") -> "DatabaseInfo":
    """Show a database: its size, its model, its tables and indexes."""
    from docmill.service import databases

    return databases.info(invocation.settings(), database)


@command(
    group,
    "documents",
    example="""docmill lancedb documents default --limit 20
docmill lancedb documents --filter "uri like '%report%' and meta.year >= 2024\"""",
)
def documents(
    invocation: Invocation,
    *,
    database: Name = "default",
    limit: Limit = 50,
    offset: Offset = 0,
    filter: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(
            "--filter",
            metavar="TEXT",
            show_default=False,
            help="Only documents such as: uri like '%report%', chunk_count > 100.",
        ),
    ] = None,
) -> "StoredDocumentList":
    """List the documents in a database."""
    from docmill.service import databases

    return databases.documents(invocation.settings(), database, limit=limit, offset=offset, filter=filter)


@command(group, "index", lock=True, example="docmill lancedb index default")
def index(
    invocation: Invocation,
    *,
    database: Name = "default",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="From all passages as they are now, instead of adding what is missing.")
    ] = False,
) -> "IndexResult":
    """Make the full text index and the vector index cover every passage.

    Runs do so by themselves, once a tenth is missing. With few passages there is no vector index: see the setting
    vector_index_rows.
    """
    from docmill.service import databases

    return databases.index(invocation.settings(), database, rebuild=rebuild)


@command(group, "vacuum", lock=True, example="docmill lancedb vacuum default")
def vacuum(invocation: Invocation, *, database: Name = "default") -> "VacuumResult":
    """Merge small files and drop versions that no search can still be reading. No document is lost."""
    from docmill.service import databases

    return databases.vacuum(invocation.settings(), database)


@command(group, "drop", lock=True, example="docmill lancedb drop old --dry-run\ndocmill lancedb drop old --yes")
def drop(
    invocation: Invocation,
    *,
    database: Annotated[str, typer.Argument(metavar="DATABASE", show_default=False, help="A database's name.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> "DatabaseDropped":
    """Delete a database. Documents, outputs and cached vectors stay: the next sync fills it again from those.

    So it is made anew with nothing embedded again; to be rid of it for good, let no source store there any more.
    """
    from docmill.service import dropping

    settings = invocation.settings()
    if not dry_run and invocation.asks(yes=yes):
        would = dropping.drop(settings, database, dry_run=True)
        invocation.confirm(
            f"Delete database {database}, with {would.documents:,} documents, {would.space_freed_human}?", yes=yes
        )
    return dropping.drop(settings, database, dry_run=dry_run)
