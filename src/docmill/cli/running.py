"""``ingest``, ``start``, ``pause``, ``resume``, ``cancel``, ``retry`` and ``wait``: batches step by step."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import (
    AnyBatch,
    BatchName,
    DryRun,
    FailOnDegraded,
    Overrides,
    Params,
    PasswordFile,
    RunGroup,
    Workflow,
    Yes,
)

if TYPE_CHECKING:
    from docmill.domain.results import CancelResult, DetachedResult, IngestResult, PauseResult, RunResult

PANEL = "Batches"
commands = typer.Typer()


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class ManifestFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


@command(
    commands,
    "ingest",
    panel=PANEL,
    events=True,
    example="docmill ingest report.pdf notes/ --batch 3\n"
    "docmill ingest https://example.org/report.pdf --meta project=apollo\n"
    "find . -name '*.pdf' | docmill ingest -\ndocmill ingest --manifest papers.csv --map uri=Link --map title=Name",
)
def ingest(
    invocation: Invocation,
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH|URL...",
            show_default=False,
            help="Files, folders and web addresses; - reads them from stdin.",
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            "--manifest", metavar="FILE", show_default=False, help="A list with metadata, a row each; - is stdin."
        ),
    ] = None,
    manifest_format: Annotated[
        ManifestFormat | None,
        typer.Option(
            "--manifest-format", metavar=names_of(ManifestFormat), show_default=False, help="Else as its name says."
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="KEY=COLUMN",
            show_default=False,
            help="Which column holds uri, title or another key. May be repeated.",
        ),
    ] = None,
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
) -> "IngestResult":
    """Put files, and what web addresses give, into a batch, without processing them yet.

    A file or an address that is known is new only where its content or its metadata is; nothing is deleted. A manifest
    is csv with a header, or a JSON object a line: `uri` names a file, relative to the manifest, or an address; other
    columns become metadata.
    """
    from docmill.service import ingesting, naming

    return ingesting.ingest(
        invocation.settings(),
        paths or [],
        batch=batch,
        source=source,
        meta=meta,
        priority=priority.value if priority else None,
        stdin=sys.stdin if "-" in (paths or []) else None,
        manifest=naming.manifest(
            manifest,
            manifest_format.value if manifest_format else None,
            mapping or [],
            sys.stdin.buffer if manifest == "-" else None,
        ),
        reporter=invocation.reporter(),
    )


@command(
    commands,
    "start",
    panel=PANEL,
    events=True,
    lock=True,
    limit=True,
    example="docmill start 3\ndocmill start papers --params high_quality --set chunk.size=200",
)
def start(
    invocation: Invocation,
    *,
    batch: BatchName,
    workflow: Workflow = None,
    params: Params = None,
    overrides: Overrides = None,
    password_file: PasswordFile = None,
    documents: Annotated[
        list[str] | None,
        typer.Option("--document", metavar="URI", show_default=False, help="Only this one. May be repeated."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what is up to date, and all of it computed anew.")
    ] = False,
    no_cache: Annotated[
        list[str] | None,
        typer.Option(
            "--no-cache",
            metavar="STEP",
            show_default=False,
            help="Compute anew: parse, chunk or embed. May be repeated.",
        ),
    ] = None,
    override_schedule: Annotated[
        bool, typer.Option("--override-schedule", help="A scheduled batch now, before its time.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; a process in the background does the work.")
    ] = False,
    fail_on_degraded: FailOnDegraded = False,
) -> "RunResult | DetachedResult":
    """Process a batch's documents and wait for the end, or leave them to the background with --detach."""
    from docmill.cli.degraded import judged
    from docmill.domain.results import DetachedResult
    from docmill.service import running

    result = running.start(
        invocation.settings(),
        invocation.reporter(),
        batch,
        workflow=workflow,
        params=params,
        overrides=overrides,
        password_file=password_file,
        documents=documents,
        force=force,
        no_cache=no_cache,
        override_schedule=override_schedule,
        detach=detach,
    )
    if isinstance(result, DetachedResult):
        return result
    return judged(result, fail_on_degraded=fail_on_degraded)


@command(commands, "pause", panel=PANEL, lock=True, example="docmill pause papers\ndocmill pause --run-group 7")
def pause(invocation: Invocation, *, batch: AnyBatch = None, run_group: RunGroup = None) -> "PauseResult":
    """Finish what is in flight, then hold the batch. Works from any shell."""
    from docmill.service import stopping

    return stopping.pause(invocation.settings(), batch, run_group=run_group)


@command(
    commands,
    "resume",
    panel=PANEL,
    events=True,
    lock=True,
    limit=True,
    example="docmill resume papers\ndocmill resume --run-group 7",
)
def resume(
    invocation: Invocation,
    *,
    batch: AnyBatch = None,
    run_group: RunGroup = None,
    fail_on_degraded: FailOnDegraded = False,
) -> "RunResult":
    """Go on with a paused or interrupted batch."""
    from docmill.cli.degraded import judged
    from docmill.service import resuming

    result = resuming.resume(invocation.settings(), invocation.reporter(), batch, run_group=run_group)
    return judged(result, fail_on_degraded=fail_on_degraded)


@command(commands, "cancel", panel=PANEL, lock=True, example="docmill cancel papers --reason 'wrong folder'")
def cancel(
    invocation: Invocation,
    *,
    batch: AnyBatch = None,
    run_group: RunGroup = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", show_default=False, help="Kept with the batch.")
    ] = None,
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="Remove partial results; finished documents stay.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> "CancelResult":
    """Stop a batch at once, for good."""
    from docmill.service import stopping

    settings = invocation.settings()
    if cleanup and not dry_run:
        what = f"batch {batch!r}" if run_group is None else f"run group {run_group}"
        invocation.confirm(f"Cancel {what} and remove its partial results?", yes=yes)
    return stopping.cancel(settings, batch, run_group=run_group, reason=reason, cleanup=cleanup, dry_run=dry_run)


@command(
    commands,
    "retry",
    panel=PANEL,
    events=True,
    lock=True,
    limit=True,
    example="docmill retry papers --all-failed\ndocmill retry papers --file 2024/report.pdf --reset-retry-count",
)
def retry(
    invocation: Invocation,
    *,
    batch: AnyBatch = None,
    run_group: RunGroup = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="URI", show_default=False, help="This failed document. May be repeated."),
    ] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="Every failed document of the batch.")] = False,
    reset_retry_count: Annotated[
        bool, typer.Option("--reset-retry-count", help="With all automatic attempts ahead of them again; else one.")
    ] = False,
    fail_on_degraded: FailOnDegraded = False,
) -> "RunResult":
    """Try failed documents again."""
    from docmill.cli.degraded import judged
    from docmill.errors import UsageError
    from docmill.service import retrying

    if bool(files) == all_failed:
        raise UsageError("say which: --file URI, or --all-failed", hint="`docmill status BATCH` shows what failed")
    result = retrying.retry(
        invocation.settings(),
        invocation.reporter(),
        batch,
        run_group=run_group,
        files=files or [],
        all_failed=all_failed,
        reset_retry_count=reset_retry_count,
    )
    return judged(result, fail_on_degraded=fail_on_degraded)


@command(
    commands,
    "wait",
    panel=PANEL,
    events=True,
    example="docmill wait papers\ndocmill wait papers --timeout 3600 && ./publish",
)
def wait(
    invocation: Invocation,
    *,
    batch: AnyBatch = None,
    run_group: RunGroup = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", min=0, show_default=False, help="Then exit 8; the work goes on."),
    ] = None,
    fail_on_degraded: FailOnDegraded = False,
) -> "RunResult":
    """Wait until nothing of a batch is running or pending, and exit as its work ended."""
    from docmill.cli.degraded import judged
    from docmill.service import waiting

    settings, reporter = invocation.settings(), invocation.reporter()
    result = waiting.wait(settings, reporter, batch, run_group=run_group, timeout=timeout)
    return judged(result, fail_on_degraded=fail_on_degraded)
