"""``export``: what is stored, as files for other programs and for people."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import Filter

if TYPE_CHECKING:
    from docmill.domain.results import ExportResult

commands = typer.Typer()


class Compression(StrEnum):
    ZIP = "zip"
    GZ = "gz"
    ZST = "zst"


@command(
    commands,
    "export",
    libraries=True,
    panel="Everyday",
    example="docmill export papers -o papers.jsonl\n"
    "docmill export --database default -o all.parquet --include-embeddings\n"
    "docmill export papers --per-document papers/\ndocmill export papers --format csv --filter 'page = 1' | head",
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
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            show_default=False,
            help="jsonl, json, csv, parquet, lance, haiku, markdown or a plug-in's; else by FILE's ending, else jsonl.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where it goes, a folder for some; - is stdout.")
    ] = "-",
    per_document: Annotated[
        str | None,
        typer.Option(
            "--per-document",
            metavar="DIR",
            show_default=False,
            help="Instead a folder, with a Markdown and a JSON file of each document.",
        ),
    ] = None,
    include_embeddings: Annotated[bool, typer.Option("--include-embeddings", help="The vectors too.")] = False,
    include_metadata: Annotated[bool, typer.Option("--include-metadata", help="The documents' metadata too.")] = False,
    no_text: Annotated[bool, typer.Option("--no-text", help="Without the passages' text.")] = False,
    compression: Annotated[
        Compression | None,
        typer.Option(
            "--compression",
            metavar=names_of(Compression),
            show_default=False,
            help="Compress it; else as FILE's ending says.",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write FILE.report.json too: counts, failures, model, checksums.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the folder of an earlier export.")] = False,
) -> "ExportResult | None":
    """Write stored passages to a file, to a folder or to stdout.

    On stdout they are the data, so that --json, which describes the export, needs a file. All is read at one version of
    the database, whatever is stored meanwhile; a file or folder appears when it is whole.
    """
    from docmill.cli.output import written
    from docmill.service import exporting

    settings, to_stdout = invocation.settings(), output == "-" and per_document is None
    result = written(
        lambda: exporting.export(
            settings,
            batch=batch,
            database=database,
            filter=filter,
            format=format,
            output=output,
            per_document=per_document,
            include_embeddings=include_embeddings,
            include_metadata=include_metadata,
            include_text=not no_text,
            compression=compression.value if compression else None,
            report=report,
            replace=replace,
        ),
        invocation,
        "the exported data",
        to_stdout=to_stdout,
    )
    if not to_stdout or result is None:
        return result
    if not invocation.quiet and sys.stderr.isatty():
        from docmill.cli.console import safe

        sys.stderr.write(f"exported {result.rows:,} chunks of {safe(result.database)}\n")
    return None
