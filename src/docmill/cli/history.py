"""``docmill runs``, ``steps`` and ``run-groups``: what was done, and the deletion of its records."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup, names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DryRun, Limit, Offset, RunGroup, Yes

if TYPE_CHECKING:
    from docmill.domain.results import (
        RunGroupDeleted,
        RunGroupList,
        RunGroupShown,
        RunGroupStats,
        RunLifecycle,
        RunList,
        RunShown,
        StepList,
    )

PANEL = "History"
runs = typer.Typer(cls=HelpGroup, help="List and show runs: one document's way through a workflow.")
steps = typer.Typer(cls=HelpGroup, help="List steps: the pieces of runs.")
groups = typer.Typer(cls=HelpGroup, help="List, show and delete run groups: the starts of a workflow on a batch.")


class RunStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class StepType(StrEnum):  # as domain.workflow's, whose import takes longer than all of help
    VALIDATE = "validate"
    PARSE = "parse"
    ENRICH = "enrich"
    CHUNK = "chunk"
    EMBED = "embed"
    STORE = "store"


class GroupStatus(StrEnum):
    CREATED = "created"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def _only(choices: type[StrEnum]) -> str:
    return f"Only these: {names_of(choices, ', ')}. May be repeated."


OfBatch = Annotated[
    str | None,
    typer.Argument(metavar="BATCH", show_default=False, help="Of this batch, by its id or its name; else of all."),
]
RunId = Annotated[int, typer.Argument(metavar="RUN", show_default=False, help="A run, by its id.")]
GroupId = Annotated[int, typer.Argument(metavar="ID", show_default=False, help="A run group, by its id.")]


@command(
    runs,
    "list",
    example="docmill runs list papers --status failed\ndocmill runs list --run-group 7 --include-steps --json",
)
def list_runs(
    invocation: Invocation,
    *,
    batch: OfBatch = None,
    run_group: RunGroup = None,
    status: Annotated[
        list[RunStatus] | None,
        typer.Option("--status", metavar="STATUS", show_default=False, help=_only(RunStatus)),
    ] = None,
    include_steps: Annotated[bool, typer.Option("--include-steps", help="With each run's steps.")] = False,
    include_document: Annotated[bool, typer.Option("--include-document", help="With each run's document.")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> "RunList":
    """List runs, those of the newest run group first."""
    from docmill.service import history

    return history.list_runs(
        invocation.settings(),
        batch,
        run_group=run_group,
        statuses=[each.value for each in status or []],
        include_steps=include_steps,
        include_document=include_document,
        limit=limit,
        offset=offset,
    )


@command(runs, "show", example="docmill runs show 42")
def show_run(invocation: Invocation, *, run: RunId) -> "RunShown":
    """Show a run with its steps and its document."""
    from docmill.service import history

    return history.show_run(invocation.settings(), run)


@command(runs, "lifecycle", example="docmill runs lifecycle 42\ndocmill runs lifecycle 42 --include-group --json")
def lifecycle(
    invocation: Invocation,
    *,
    run: RunId,
    include_group: Annotated[
        bool, typer.Option("--include-group", help="With the start and the end of its run group.")
    ] = False,
) -> "RunLifecycle":
    """Show what happened to a run, event by event."""
    from docmill.service import history

    return history.run_lifecycle(invocation.settings(), run, include_group=include_group)


@command(steps, "list", example="docmill steps list papers --status error\ndocmill steps list --type parse --json")
def list_steps(
    invocation: Invocation,
    *,
    batch: OfBatch = None,
    run_group: RunGroup = None,
    status: Annotated[
        list[StepStatus] | None,
        typer.Option("--status", metavar="STATUS", show_default=False, help=_only(StepStatus)),
    ] = None,
    type: Annotated[  # noqa: A002 - the option's name
        list[StepType] | None, typer.Option("--type", metavar="TYPE", show_default=False, help=_only(StepType))
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> "StepList":
    """List steps, run by run, those of the newest run group first."""
    from docmill.service import history

    return history.list_steps(
        invocation.settings(),
        batch,
        run_group=run_group,
        statuses=[each.value for each in status or []],
        types=[each.value for each in type or []],
        limit=limit,
        offset=offset,
    )


@command(groups, "list", example="docmill run-groups list papers\ndocmill run-groups list --status failed --json")
def list_groups(
    invocation: Invocation,
    *,
    batch: OfBatch = None,
    status: Annotated[
        list[GroupStatus] | None,
        typer.Option("--status", metavar="STATUS", show_default=False, help=_only(GroupStatus)),
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> "RunGroupList":
    """List run groups, newest first."""
    from docmill.service import history

    return history.list_run_groups(
        invocation.settings(), batch, statuses=[each.value for each in status or []], limit=limit, offset=offset
    )


@command(groups, "show", example="docmill run-groups show 7")
def show_group(invocation: Invocation, *, run_group: GroupId) -> "RunGroupShown":
    """Show a run group, and the definitions that it runs."""
    from docmill.service import history

    return history.show_run_group(invocation.settings(), run_group)


@command(groups, "stats", example="docmill run-groups stats 7")
def stats(invocation: Invocation, *, run_group: GroupId) -> "RunGroupStats":
    """Count a run group's runs and steps, and say how long they took.

    Durations are of work that was done, not of what was found done; of an embedding, from its first text to its last.
    """
    from docmill.service import history

    return history.run_group_stats(invocation.settings(), run_group)


@command(groups, "delete", example="docmill run-groups delete 7 --dry-run\ndocmill run-groups delete 7 --yes --json")
def delete_group(
    invocation: Invocation, *, run_group: GroupId, dry_run: DryRun = False, yes: Yes = False
) -> "RunGroupDeleted":
    """Delete the records of a run group that has ended: its runs, steps, events and deliveries.

    What it made stays: documents, passages, vectors, and all that is kept to make them again.
    """
    from docmill.service import pruning

    settings = invocation.settings()
    if not dry_run and invocation.asks(yes=yes):
        would = pruning.delete_run_group(settings, run_group, dry_run=True).statistics
        invocation.confirm(f"Delete run group {run_group} and its {would.total_deleted - 1:,} records?", yes=yes)
    return pruning.delete_run_group(settings, run_group, dry_run=dry_run)
