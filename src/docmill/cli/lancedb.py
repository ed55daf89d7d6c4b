"""``docmill lancedb``: the vector databases of a home."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import Limit, Offset

if TYPE_CHECKING:
    from docmill.domain.results import DatabaseInfo, DatabaseList, IndexResult, StoredDocumentList, VacuumResult

group = typer.Typer(cls=HelpGroup, help="List, show, index and compact the LanceDB databases of this home.")

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


@command(group, "documents", example="docmill lancedb documents default --limit 20")
def documents(
    invocation: Invocation, *, database: Name = "default", limit: Limit = 50, offset: Offset = 0
) -> "StoredDocumentList":
    """List the documents in a database."""
    from docmill.service import databases

    return databases.documents(invocation.settings(), database, limit=limit, offset=offset)


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
