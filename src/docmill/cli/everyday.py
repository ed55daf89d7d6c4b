"""``init``, ``sync``, ``search``, ``status`` and ``export``: what most people need."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import (
    AllowMassDelete,
    Checksum,
    Database,
    Exclude,
    FailOnDegraded,
    Filter,
    Folders,
    Include,
    NoPrune,
    Overrides,
    PasswordFile,
    SourceName,
    SyncParams,
    SyncWorkflow,
)

if TYPE_CHECKING:
    from docmill.domain.results import (
        BatchStatus,
        ExportResult,
        HomeStatus,
        InitResult,
        PlanResult,
        SearchResult,
        SyncResult,
    )

PANEL = "Everyday"
commands = typer.Typer()


class Mode(StrEnum):
    HYBRID = "hybrid"
    VECTOR = "vector"
    FTS = "fts"


class Format(StrEnum):
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"


@command(commands, "init", panel=PANEL, example="docmill init\ndocmill init ~/library --json")
def init(
    invocation: Invocation,
    *,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", show_default=False, help="Where .docmill goes; else here.")
    ] = None,
) -> "InitResult":
    """Create a home: the folder that holds state, artifacts and databases."""
    from docmill.service import home

    return home.init(invocation.settings(), folder)


@command(
    commands,
    "sync",
    panel=PANEL,
    events=True,
    lock=True,
    limit=True,
    example="docmill sync ~/papers\ndocmill sync\ndocmill sync notes --exclude 'drafts/**' --set chunk.size=160",
)
def sync(
    invocation: Invocation,
    *,
    folders: Folders = None,
    source: SourceName = None,
    workflow: SyncWorkflow = None,
    params: SyncParams = None,
    overrides: Overrides = None,
    password_file: PasswordFile = None,
    include: Include = None,
    exclude: Exclude = None,
    allow_mass_delete: AllowMassDelete = False,
    no_prune: NoPrune = False,
    checksum: Checksum = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, as `plan` does.")] = False,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", show_default=False, help="Do what `plan --manifest` wrote there."),
    ] = None,
    fail_on_degraded: FailOnDegraded = False,
) -> "SyncResult | PlanResult":
    """Make the index follow folders: new, changed, renamed and deleted files.

    Running it again does only what is still to do; nothing is parsed or embedded twice. A source remembers definitions,
    values and patterns that were named, until others are.
    """
    from docmill.cli.degraded import judged
    from docmill.domain.sources import Wishes
    from docmill.errors import UsageError
    from docmill.service import syncing

    if dry_run:
        from docmill.cli.plan import planned

        if manifest is not None or allow_mass_delete:
            raise UsageError("--dry-run takes no --manifest and no --allow-mass-delete", hint="docmill plan --help")
        patterns = include or None, exclude or None
        wishes = Wishes(workflow, params, overrides or None, *patterns, password_file=password_file)
        return planned(invocation, folders, source, wishes, prune=not no_prune, checksum=checksum)
    result = syncing.sync(
        invocation.settings(),
        invocation.reporter(),
        folders or [],
        source=source,
        workflow=workflow,
        params=params,
        overrides=overrides,
        password_file=password_file,
        include=include,
        exclude=exclude,
        allow_mass_delete=allow_mass_delete,
        prune=not no_prune,
        checksum=checksum,
        manifest=manifest,
    )
    return judged(result, fail_on_degraded=fail_on_degraded)


@command(
    commands,
    "search",
    panel=PANEL,
    example="docmill search 'what limits battery life'\ndocmill search invoice --mode fts --uri-prefix 2024/ --json"
    "\ndocmill search 'cell ageing' --filter \"source = 'papers' and page >= 3\"",
)
def search(
    invocation: Invocation,
    *,
    query: Annotated[str, typer.Argument(metavar="QUERY", show_default=False, help="A question, or words.")],
    mode: Annotated[
        Mode, typer.Option("--mode", "-m", metavar=names_of(Mode), help="By meaning (vector), by words (fts), or both.")
    ] = Mode.HYBRID,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=1000, help="Hits at most.")] = 10,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", show_default=False, help="Only this source. May be repeated."),
    ] = None,
    uri_prefix: Annotated[
        str | None,
        typer.Option("--uri-prefix", metavar="TEXT", show_default=False, help="Only URIs that begin so."),
    ] = None,
    filter: Filter = None,  # noqa: A002 - the option's name
    database: Database = "default",
    context: Annotated[
        int, typer.Option("--context", "-C", metavar="N", min=0, max=20, help="Passages before and after each hit.")
    ] = 0,
    per_document: Annotated[bool, typer.Option("--per-document", help="The best passage of each document.")] = False,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", metavar="SCORE", show_default=False, help="Nothing below; in the mode's measure."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every vector, also where there is a vector index.")
    ] = False,
) -> "SearchResult":
    """Search the passages of all synced documents.

    Scores: cosine for vector, BM25 for fts, reciprocal rank fusion for hybrid. Higher is better.

    A filter compares the fields uri, source, title, type, text, heading, page, position, tokens, document_id, chunk_id
    and meta.NAME by = != < <= > >=, in (…), like '…' and is null, joined by and, or, not and parentheses.
    """
    from docmill.service import searching

    return searching.search(
        invocation.settings(),
        query,
        mode=mode.value,
        limit=limit,
        source=source,
        uri_prefix=uri_prefix,
        database=database,
        context=context,
        per_document=per_document,
        min_score=min_score,
        exact=exact,
        filter=filter,
    )


@command(commands, "status", panel=PANEL, example="docmill status\ndocmill status papers --json")
def status(
    invocation: Invocation,
    *,
    batch: Annotated[
        str | None, typer.Argument(metavar="BATCH", show_default=False, help="A batch, by its id or its name.")
    ] = None,
) -> "BatchStatus | HomeStatus":
    """Show how a batch stands, or the home at a glance."""
    from docmill.cli.text import get_ready
    from docmill.service import batches

    if not invocation.json:
        get_ready("HomeStatus")
    if batch is None:
        return batches.home_status(invocation.settings())
    return batches.status(invocation.settings(), batch)


@command(
    commands,
    "export",
    panel=PANEL,
    example="docmill export papers -o papers.jsonl\ndocmill export --database default --format csv | head",
)
def export(
    invocation: Invocation,
    *,
    batch: Annotated[
        str | None, typer.Argument(metavar="BATCH", show_default=False, help="A batch, by its id or its name.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", "-d", metavar="NAME", show_default=False, help="All of a database instead."),
    ] = None,
    filter: Filter = None,  # noqa: A002 - the option's name
    format: Annotated[  # noqa: A002 - the option's name
        Format, typer.Option("--format", "-f", metavar=names_of(Format), help="How it is written.")
    ] = Format.JSONL,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where it goes; - is stdout.")] = "-",
    include_embeddings: Annotated[bool, typer.Option("--include-embeddings", help="The vectors too.")] = False,
    include_metadata: Annotated[bool, typer.Option("--include-metadata", help="The documents' metadata too.")] = False,
) -> "ExportResult | None":
    """Write stored passages to a file or to stdout.

    On stdout they are the data, so that --json, which describes the export, needs a file.
    """
    from docmill.errors import UsageError
    from docmill.service import exporting

    to_stdout = output == "-"
    if to_stdout and invocation.json:
        raise UsageError("--json would mix its document into the exported data", hint="name a file: -o FILE")
    try:
        result = exporting.export(
            invocation.settings(),
            batch=batch,
            database=database,
            filter=filter,
            format=format.value,
            output=output,
            include_embeddings=include_embeddings,
            include_metadata=include_metadata,
        )
    except BrokenPipeError:  # whoever read it, such as head, has had enough
        if not to_stdout:
            raise
        from docmill.cli.output import leave_quietly

        leave_quietly()
        return None
    if not to_stdout:
        return result
    if not invocation.quiet and sys.stderr.isatty():
        from docmill.cli.console import safe

        sys.stderr.write(f"exported {result.rows:,} chunks of {safe(result.database)}\n")
    return None
