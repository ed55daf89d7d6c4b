"""``docmill summary``, ``report`` and ``archive``: what a batch came to, to be read, to be shown, and to be kept."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command
from docmill.cli.options import AnyBatch, BatchName, RunGroup
from docmill.cli.running import PANEL

if TYPE_CHECKING:
    from docmill.domain.results import ArchiveResult, ReportResult, SummaryResult

commands = typer.Typer()


@command(
    commands,
    "summary",
    panel=PANEL,
    example="docmill summary papers\ndocmill summary --run-group 7 --json",
)
def summary(invocation: Invocation, *, batch: AnyBatch = None, run_group: RunGroup = None) -> "SummaryResult":
    """Say what a batch came to: totals, time, storage, types, the largest and slowest documents, and what to do next.

    Documents are told as they stand now; the run is the newest one, or the run group that is named. Each recommendation
    names the figure that it follows from; docs/report.md lists the rules.
    """
    from docmill.service import summarizing

    return summarizing.summary(invocation.settings(), batch, run_group=run_group)


@command(
    commands,
    "report",
    panel=PANEL,
    example="docmill report papers -o papers.html\ndocmill report --run-group 7 --output - | gzip > report.html.gz",
)
def report(
    invocation: Invocation,
    *,
    batch: AnyBatch = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", show_default=False, help="The page; - is stdout.")
    ],
    run_group: RunGroup = None,
) -> "ReportResult | None":
    """Write the summary as one HTML page with charts, to be looked at, printed, or sent to somebody.

    It needs no network and no other file, and runs no script.
    """
    from docmill.cli.output import written
    from docmill.service import reporting

    settings, to_stdout = invocation.settings(), output == "-"
    result = written(
        lambda: reporting.report(settings, batch, output=output, run_group=run_group),
        invocation,
        "the page",
        to_stdout=to_stdout,
    )
    return None if to_stdout else result


@command(
    commands,
    "archive",
    panel=PANEL,
    example="docmill archive papers -o papers.zip\ndocmill archive papers --format csv -o papers.zip",
)
def archive(
    invocation: Invocation,
    *,
    batch: BatchName,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", show_default=False, help="The zip; - is stdout.")
    ],
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option("--format", "-f", metavar="NAME", help="How passages are written, as `export` has them.")
    ] = "jsonl",
    include_embeddings: Annotated[bool, typer.Option("--include-embeddings", help="The vectors too.")] = False,
    include_metadata: Annotated[bool, typer.Option("--include-metadata", help="The documents' metadata too.")] = False,
) -> "ArchiveResult | None":
    """Put all that is known of a batch into one zip: report, summary, documents, log, events, definitions and passages.

    Its manifest.json has the size and the SHA-256 of each file. The documents' own files are not in it.
    """
    from docmill.cli.output import written
    from docmill.service import archiving

    settings, to_stdout = invocation.settings(), output == "-"
    result = written(
        lambda: archiving.archive(
            settings,
            batch,
            output=output,
            format=format,
            include_embeddings=include_embeddings,
            include_metadata=include_metadata,
        ),
        invocation,
        "the zip",
        to_stdout=to_stdout,
    )
    return None if to_stdout else result
