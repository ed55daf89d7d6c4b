"""``docmill source``: the named folders that this home follows."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import (
    DryRun,
    Exclude,
    Include,
    Limit,
    Offset,
    Overrides,
    PasswordFile,
    ReportFolder,
    ReportOnCompletion,
    SyncParams,
    SyncWorkflow,
    Yes,
)

if TYPE_CHECKING:
    from docmill.domain.results import SourceChanged, SourceList, SourceRecord, SourceRemoved, SourceStatus

group = typer.Typer(cls=HelpGroup, help="Add, list, move and remove the folders that this home follows.")

Name = Annotated[str, typer.Argument(metavar="SOURCE", show_default=False, help="A source, by its name.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False, help="Its folder.")]


@command(
    group,
    "add",
    example="docmill source add papers ~/papers --exclude 'drafts/**'\n"
    "docmill source add notes ~/notes --set-for '*.md:chunk.size=160' --meta-for 'legal/**:team=legal'",
)
def add(
    invocation: Invocation,
    *,
    name: Name,
    folder: Folder,
    workflow: SyncWorkflow = None,
    params: SyncParams = None,
    overrides: Overrides = None,
    password_file: PasswordFile = None,
    include: Include = None,
    exclude: Exclude = None,
    set_for: Annotated[
        list[str] | None,
        typer.Option(
            "--set-for",
            metavar="PATTERN:TYPE.NAME=VALUE",
            show_default=False,
            help="One value for such files. May be repeated.",
        ),
    ] = None,
    meta_for: Annotated[
        list[str] | None,
        typer.Option(
            "--meta-for",
            metavar="PATTERN:KEY=VALUE",
            show_default=False,
            help="Metadata of such files. May be repeated.",
        ),
    ] = None,
    report_on_completion: ReportOnCompletion = False,
    report_folder: ReportFolder = None,
) -> "SourceChanged":
    """Make a folder known, with what shall hold for it; `docmill sync` then follows it with all others.

    Given again, it replaces what held.
    """
    from docmill.domain.sources import Wishes
    from docmill.service import completion_reports, registering

    rules = registering.rules(set_for or [], meta_for or [])
    wishes = Wishes(workflow, params, overrides or (), include or (), exclude or (), rules, password_file)
    reports = completion_reports.configuration(on_completion=report_on_completion, folder=report_folder)
    return registering.add(invocation.settings(), name, folder, wishes, reports=reports)


@command(group, "list", example="docmill source list")
def list_(invocation: Invocation, *, limit: Limit = 50, offset: Offset = 0) -> "SourceList":
    """List the sources, with their folders and how many documents they have."""
    from docmill.service import registering

    return registering.list_sources(invocation.settings(), limit=limit, offset=offset)


@command(group, "show", example="docmill source show papers --json")
def show(invocation: Invocation, *, name: Name) -> "SourceRecord":
    """Show what holds for a source."""
    from docmill.service import registering

    return registering.show(invocation.settings(), name)


@command(group, "relocate", example="docmill source relocate papers /mnt/new/papers")
def relocate(invocation: Invocation, *, name: Name, folder: Folder) -> "SourceChanged":
    """Say where a source's folder lies now. Nothing is parsed or embedded again."""
    from docmill.service import registering

    return registering.relocate(invocation.settings(), name, folder)


@command(group, "remove", example="docmill source remove papers --dry-run")
def remove(invocation: Invocation, *, name: Name, dry_run: DryRun = False, yes: Yes = False) -> "SourceRemoved":
    """Forget a source: its documents leave the index, its files stay where they are."""
    from docmill.service import registering

    settings = invocation.settings()
    if not dry_run:
        invocation.confirm(f"Take all documents of source {name!r} out of the index?", yes=yes)
    return registering.remove(settings, name, dry_run=dry_run)


@command(
    group,
    "status",
    example="docmill source status papers\ndocmill source status papers --hashes hashes.json --json",
)
def status(
    invocation: Invocation,
    *,
    name: Name,
    hashes: Annotated[
        str | None,
        typer.Option(
            "--hashes",
            metavar="FILE",
            show_default=False,
            help="Hold these against what is known, a JSON map of URI to SHA-256, - for stdin; else its folder.",
        ),
    ] = None,
) -> "SourceStatus":
    """Tell what is new, changed, renamed, deleted or the same. Nothing is written."""
    from docmill.service import registering

    return registering.status(invocation.settings(), name, _text(hashes))


def _text(file: str | None) -> str | None:
    from docmill.errors import NotFoundError

    if file is None:
        return None
    try:
        return sys.stdin.read() if file == "-" else Path(file).expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{file} cannot be read: {error}") from error
