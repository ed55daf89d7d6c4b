"""``docmill plan`` and ``docmill why``: what would be done, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.everyday import PANEL
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import (
    Checksum,
    Exclude,
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
    from docmill.domain.results import PlanResult, WhyResult
    from docmill.domain.sources import Wishes

commands = typer.Typer()


@command(
    commands,
    "plan",
    panel=PANEL,
    events=True,
    example="docmill plan ~/papers\ndocmill plan --budget-minutes 30\ndocmill plan papers --manifest papers.plan.json",
)
def plan(
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
    no_prune: NoPrune = False,
    checksum: Checksum = False,
    budget_minutes: Annotated[
        float | None,
        typer.Option("--budget-minutes", metavar="N", min=0, show_default=False, help="Exit 3 where it takes longer."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", show_default=False, help="Write it down for `sync --manifest`."),
    ] = None,
) -> "PlanResult":
    """Say what a sync would do, why, and how long it would take. No document is touched."""
    from docmill.domain.sources import Wishes

    wishes = Wishes(workflow, params, overrides or None, include or None, exclude or None, password_file=password_file)
    return planned(
        invocation,
        folders,
        source,
        wishes,
        prune=not no_prune,
        checksum=checksum,
        budget_minutes=budget_minutes,
        manifest=manifest,
    )


def planned(
    invocation: Invocation,
    folders: list[Path] | None,
    source: str | None,
    wishes: "Wishes",
    *,
    prune: bool,
    checksum: bool,
    budget_minutes: float | None = None,
    manifest: Path | None = None,
) -> "PlanResult":
    """Also what ``sync --dry-run`` does."""
    from docmill.service import planning

    return planning.plan(
        invocation.settings(),
        invocation.reporter(),
        folders or [],
        source=source,
        wishes=wishes,
        prune=prune,
        checksum=checksum,
        budget_minutes=budget_minutes,
        manifest=manifest,
    )


@command(
    commands, "why", panel=PANEL, example="docmill why 2024/report.pdf\ndocmill why notes.md --source notes --json"
)
def why(
    invocation: Invocation,
    *,
    uri: Annotated[str, typer.Argument(metavar="URI", show_default=False, help="A document, by its URI or its id.")],
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", show_default=False, help="Its source, where several have the URI."),
    ] = None,
) -> "WhyResult":
    """Say why a document was processed, whether the next sync would, and which of its passages changed."""
    from docmill.service import explaining

    return explaining.why(invocation.settings(), invocation.reporter(), uri, source=source)
