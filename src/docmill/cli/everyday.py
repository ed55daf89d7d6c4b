"""``init``, ``sync`` and ``status``: what most people need, beside ``search`` and ``export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command
from docmill.cli.options import (
    AllowMassDelete,
    Checksum,
    Exclude,
    FailOnDegraded,
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
    from docmill.domain.results import BatchStatus, HomeStatus, InitResult, PlanResult, StatusWatched, SyncResult

PANEL = "Everyday"
commands = typer.Typer()


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
    "status",
    panel=PANEL,
    events=True,
    example="docmill status\ndocmill status papers --json\ndocmill status papers --watch",
)
def status(
    invocation: Invocation,
    *,
    batch: Annotated[
        str | None, typer.Argument(metavar="BATCH", show_default=False, help="A batch, by its id or its name.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on showing it until the batch's work has ended; exit as that did.")
    ] = False,
) -> "BatchStatus | HomeStatus | StatusWatched":
    """Show how a batch stands, or the home at a glance.

    With --watch it shows stages, speed, time left and errors by reason as they change, whoever does the work: on a
    terminal in place, else a line a change. Without a batch, all that is at work, until Ctrl-C.
    """
    from docmill.cli.text import get_ready
    from docmill.service import batches

    if watch:
        from docmill.cli.live import watched

        return watched(invocation, batch)
    if not invocation.json:
        get_ready("HomeStatus")
    if batch is None:
        return batches.home_status(invocation.settings())
    return batches.status(invocation.settings(), batch)
