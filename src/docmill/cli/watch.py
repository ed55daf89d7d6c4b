"""``docmill watch``: the foreground service that follows folders."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.everyday import PANEL
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import (
    AllowMassDelete,
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
    from docmill.domain.results import WatchResult

commands = typer.Typer()


@command(
    commands,
    "watch",
    panel=PANEL,
    events=True,
    lock=True,
    limit=True,
    example="docmill watch ~/papers ~/notes\ndocmill watch\ndocmill watch /mnt/share --poll 60",
)
def watch(
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
    debounce: Annotated[
        float,
        typer.Option("--debounce", metavar="SECONDS", min=0.05, max=60, help="Without an event, before it syncs."),
    ] = 0.3,
    max_wait: Annotated[
        float,
        typer.Option("--max-wait", metavar="SECONDS", min=0.05, max=3600, help="At most, where events never end."),
    ] = 2.0,
    rescan: Annotated[
        float,
        typer.Option("--rescan", metavar="SECONDS", min=1, max=86_400, help="Between two looks without an event."),
    ] = 600.0,
    poll: Annotated[
        float | None,
        typer.Option(
            "--poll", metavar="SECONDS", min=0.1, max=86_400, show_default=False, help="Look so often; use no events."
        ),
    ] = None,
    fail_on_degraded: FailOnDegraded = False,
) -> "WatchResult":
    """Keep the index like folders: what changes is searchable within seconds. A signal ends it in good order, exit 0.

    A folder that goes away keeps its documents and is waited for. What `sync` would refuse is told once and tried
    again.
    """
    from docmill.cli.degraded import judged
    from docmill.service import watching

    options = watching.SyncOptions(
        source=source,
        workflow=workflow,
        params=params,
        overrides=overrides,
        password_file=password_file,
        include=include,
        exclude=exclude,
        allow_mass_delete=allow_mass_delete,
        prune=not no_prune,
    )
    result = watching.watch(
        invocation.settings(),
        invocation.reporter(),
        folders or [],
        options,
        debounce=debounce,
        max_wait=max_wait,
        rescan=rescan,
        poll=poll,
    )
    return judged(result, fail_on_degraded=fail_on_degraded)
