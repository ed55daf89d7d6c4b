"""``docmill backup`` and ``docmill restore``: a home in one file, and back."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DryRun, Yes

if TYPE_CHECKING:
    from docmill.domain.results import BackupResult, RestoreResult

PANEL = "Upkeep"
commands = typer.Typer()

File = Annotated[str, typer.Argument(metavar="FILE", show_default=False, help="A file, such as docmill.tar.zst.")]


@command(
    commands,
    "backup",
    panel=PANEL,
    example="docmill backup /mnt/backups/papers.tar.zst\ndocmill backup papers.tar.zst --without-cache --dry-run",
)
def backup(
    invocation: Invocation,
    *,
    file: File,
    without_cache: Annotated[
        bool,
        typer.Option("--without-cache", help="Leave out cached vectors: smaller, but changed parameters embed again."),
    ] = False,
    dry_run: DryRun = False,
) -> "BackupResult":
    """Write this home into one file, also while an engine is at work in it; then read that again and check it.

    The file holds the home as it was at one instant. One that is there is replaced once the new one has been checked.
    Documents that lie in folders are not in it.
    """
    from docmill.service import backing_up

    settings, reporter = invocation.settings(), invocation.reporter()
    return backing_up.backup(settings, reporter, file, with_cache=not without_cache, dry_run=dry_run)


@command(
    commands,
    "restore",
    panel=PANEL,
    lock=True,
    example="docmill restore papers.tar.zst --home ~/papers/.docmill\ndocmill restore papers.tar.zst --dry-run",
)
def restore(
    invocation: Invocation,
    *,
    file: File,
    force: Annotated[
        bool, typer.Option("--force", help="Set a home that is there aside, as PATH.old-1, and take its place.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file, and say what it holds.")] = False,
    yes: Yes = False,
) -> "RestoreResult":
    """Make a home of a backup: at --home PATH, else .docmill here. Only where there is no home in use.

    Every file is checked by its sum, and every database against the state, before anything is put in place. Restore
    only what you trust: commands that handlers run are in it.
    """
    from docmill.service import restoring

    settings = invocation.settings()
    if force and not dry_run:
        invocation.confirm("Set aside the home that is there, if there is one?", yes=yes)
    return restoring.restore(settings, invocation.reporter(), file, force=force, dry_run=dry_run)
