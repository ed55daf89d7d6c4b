"""``ingest``, ``start``, ``pause``, ``resume``, ``cancel`` and ``retry``: batches step by step."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import BatchName, DryRun, FailOnDegraded, Overrides, Params, Workflow, Yes

if TYPE_CHECKING:
    from docmill.domain.results import Result

PANEL = "Batches"
commands = typer.Typer()


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@command(
    commands,
    "ingest",
    panel=PANEL,
    events=True,
    example="docmill ingest report.pdf notes/ --batch 3\nfind . -name '*.pdf' | docmill ingest - --meta project=apollo",
)
def ingest(
    invocation: Invocation,
    *,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", show_default=False, help="Files and folders; - reads them from stdin."),
    ],
    batch: Annotated[
        str | None,
        typer.Option("--batch", "-b", metavar="BATCH", show_default=False, help="Where to; else the source's own."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", show_default=False, help="The source they belong to.")
    ] = None,
    meta: Annotated[
        list[str] | None,
        typer.Option(
            "--meta", metavar="KEY=VALUE", show_default=False, help="Kept with each document. May be repeated."
        ),
    ] = None,
    priority: Annotated[
        Priority | None,
        typer.Option("--priority", metavar=names_of(Priority), show_default=False, help="Of the batch."),
    ] = None,
) -> "Result":
    """Put files into a batch, without processing them yet."""
    from docmill.service import batches

    return batches.ingest(
        invocation.settings(),
        paths,
        batch=batch,
        source=source,
        meta=meta,
        priority=priority.value if priority else None,
        stdin=sys.stdin if "-" in paths else None,
    )


@command(
    commands,
    "start",
    panel=PANEL,
    events=True,
    lock=True,
    example="docmill start 3\ndocmill start papers --params high_quality --set chunk.size=200",
)
def start(
    invocation: Invocation,
    *,
    batch: BatchName,
    workflow: Workflow = None,
    params: Params = None,
    overrides: Overrides = None,
    documents: Annotated[
        list[str] | None,
        typer.Option("--document", metavar="URI", show_default=False, help="Only this one. May be repeated."),
    ] = None,
    fail_on_degraded: FailOnDegraded = False,
) -> "Result":
    """Process a batch's documents and wait for the end."""
    from docmill.cli.degraded import judged
    from docmill.service import running

    result = running.start(
        invocation.settings(),
        invocation.reporter(),
        batch,
        workflow=workflow,
        params=params,
        overrides=overrides,
        documents=documents,
    )
    return judged(result, fail_on_degraded=fail_on_degraded)


@command(commands, "pause", panel=PANEL, example="docmill pause papers")
def pause(invocation: Invocation, *, batch: BatchName) -> "Result":
    """Finish what is in flight, then hold the batch. Works from any shell."""
    from docmill.service import running

    return running.pause(invocation.settings(), batch)


@command(commands, "resume", panel=PANEL, events=True, lock=True, example="docmill resume papers")
def resume(
    invocation: Invocation,
    *,
    batch: BatchName,
    fail_on_degraded: FailOnDegraded = False,
) -> "Result":
    """Go on with a paused or interrupted batch."""
    from docmill.cli.degraded import judged
    from docmill.service import running

    result = running.resume(invocation.settings(), invocation.reporter(), batch)
    return judged(result, fail_on_degraded=fail_on_degraded)


@command(commands, "cancel", panel=PANEL, example="docmill cancel papers --reason 'wrong folder'")
def cancel(
    invocation: Invocation,
    *,
    batch: BatchName,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", show_default=False, help="Kept with the batch.")
    ] = None,
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="Remove partial results; finished documents stay.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> "Result":
    """Stop a batch at once, for good."""
    from docmill.service import running

    settings = invocation.settings()
    if cleanup and not dry_run:
        invocation.confirm(f"Cancel batch {batch!r} and remove its partial results?", yes=yes)
    return running.cancel(settings, batch, reason=reason, cleanup=cleanup, dry_run=dry_run)


@command(
    commands,
    "retry",
    panel=PANEL,
    events=True,
    lock=True,
    example="docmill retry papers --all-failed\ndocmill retry papers --file 2024/report.pdf",
)
def retry(
    invocation: Invocation,
    *,
    batch: BatchName,
    files: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="URI", show_default=False, help="This failed document. May be repeated."),
    ] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="Every failed document of the batch.")] = False,
    fail_on_degraded: FailOnDegraded = False,
) -> "Result":
    """Try failed documents again."""
    from docmill.cli.degraded import judged
    from docmill.errors import UsageError
    from docmill.service import running

    if bool(files) == all_failed:
        raise UsageError("say which: --file URI, or --all-failed", hint=f"docmill status {batch} shows what failed")
    result = running.retry(
        invocation.settings(), invocation.reporter(), batch, files=files or [], all_failed=all_failed
    )
    return judged(result, fail_on_degraded=fail_on_degraded)
