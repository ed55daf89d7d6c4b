"""``docmill stats``: how long work took, step by step, and how much it got through."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import InBatch

if TYPE_CHECKING:
    from docmill.domain.results import StatsDurations, StatsSteps, StatsThroughput

group = typer.Typer(
    cls=HelpGroup, help="Tell how long the work of a run group took, and how much it got through: the latest, or any."
)
Group = Annotated[
    int | None, typer.Argument(metavar="RUN_GROUP", show_default=False, help="A run group, by its id; else the latest.")
]


@command(group, "durations", example="docmill stats durations\ndocmill stats durations 7 --slowest 20 --json")
def durations(
    invocation: Invocation,
    *,
    run_group: Group = None,
    batch: InBatch = None,
    slowest: Annotated[
        int, typer.Option("--slowest", metavar="N", min=0, max=500, help="So many of the slowest documents.")
    ] = 5,
) -> "StatsDurations":
    """Tell how long documents took, by type, and which took longest.

    From a document's first step to its end: the waiting for its turn is included, as what a person waits for.
    """
    from docmill.service import stats

    return stats.durations(invocation.settings(), run_group, batch=batch, slowest=slowest)


@command(group, "steps", example="docmill stats steps\ndocmill stats steps --batch papers --json")
def steps(invocation: Invocation, *, run_group: Group = None, batch: InBatch = None) -> "StatsSteps":
    """Tell how often each step was done and reused, and how long it took.

    Times are of steps that were done, not of those whose output was there; of an embedding, from its document's first
    text to its last. Percentiles by nearest rank.
    """
    from docmill.service import stats

    return stats.steps(invocation.settings(), run_group, batch=batch)


@command(group, "throughput", example="docmill stats throughput\ndocmill stats throughput 7 --json")
def throughput(invocation: Invocation, *, run_group: Group = None, batch: InBatch = None) -> "StatsThroughput":
    """Tell how many documents, pages and chunks a run group, and each of its steps, got through.

    A step's rates are of the time from its first begin to its last end; steps overlap, so they do not add up.
    """
    from docmill.service import stats

    return stats.throughput(invocation.settings(), run_group, batch=batch)
