"""``docmill params``: the YAML that says with which values the steps work."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DefinitionTarget, DryRun, Limit, Offset, Overrides, Yes

if TYPE_CHECKING:
    from docmill.domain.results import (
        DefinitionAdded,
        DefinitionDeleted,
        DefinitionList,
        DefinitionShown,
        ParamsDiff,
        ParamsTested,
        ParamTargets,
        ValidationResult,
    )

KIND = "param_set"
MOST_CHARACTERS = 1_000_000  # far more than a definition may have; what is longer is refused, not held in memory
group = typer.Typer(
    cls=HelpGroup, help="List, show, check, compare, try, add and delete param sets: the values that steps use."
)

Id = Annotated[str, typer.Argument(metavar="ID", show_default=False, help="The param set's id.")]
Workflow = Annotated[str, typer.Option("--workflow", metavar="ID", help="The steps that use the values.")]


@command(group, "list", example="docmill params list")
def list_(invocation: Invocation, *, limit: Limit = 50, offset: Offset = 0) -> "DefinitionList":
    """List the shipped param sets and this home's own."""
    from docmill.service import definitions

    return definitions.list_definitions(invocation.settings(), KIND, limit=limit, offset=offset)


@command(group, "show", example="docmill params show default > my_params.yaml")
def show(invocation: Invocation, *, id_: Id) -> "DefinitionShown":
    """Show a param set's YAML."""
    from docmill.service import definitions

    return definitions.show(invocation.settings(), KIND, id_)


@command(group, "validate", example="docmill params validate\ndocmill params validate my_params.yaml --json")
def validate(invocation: Invocation, *, target: DefinitionTarget = None) -> "ValidationResult":
    """Check param sets, and tell each finding with file, line and key. Exit 6 where there are errors."""
    from docmill.service import definitions

    return definitions.validate(invocation.settings(), KIND, target)


@command(group, "diff", example="docmill params diff default high_quality\ndocmill params diff default my_params.yaml")
def diff(
    invocation: Invocation,
    *,
    a: Annotated[str, typer.Argument(metavar="A", show_default=False, help="A param set, by its id or its file.")],
    b: Annotated[str, typer.Argument(metavar="B", show_default=False, help="Another one.")],
    workflow: Workflow = "batch",
) -> "ParamsDiff":
    """Compare two param sets, value by value, and tell which steps would run again if B came after A.

    What it would take for your documents is said by `docmill plan --params B`.
    """
    from docmill.service import params_diff

    return params_diff.diff(invocation.settings(), a, b, workflow=workflow)


@command(
    group,
    "test",
    example="docmill params test default report.pdf\ndocmill params test my_params.yaml notes.md --set chunk.size=100"
    "\ndocmill params test default scan.pdf --set parse.ocr=auto --limit 3 --json",
)
def test(
    invocation: Invocation,
    *,
    id_: Annotated[
        str, typer.Argument(metavar="ID|FILE", show_default=False, help="A param set, by its id or its YAML file.")
    ],
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", show_default=False, help="A file to try it on.")],
    workflow: Workflow = "batch",
    overrides: Overrides = None,
    limit: Limit = 10,
    offset: Offset = 0,
) -> "ParamsTested":
    """Parse and chunk one file as a run would, and show its passages. Nothing is stored, and nothing embedded.

    Exit 3 where the file fails, as a run would fail it.
    """
    from docmill.service import trying

    return trying.test(
        invocation.settings(),
        invocation.reporter(),
        id_,
        document,
        workflow=workflow,
        overrides=overrides or (),
        limit=limit,
        offset=offset,
    )


@command(group, "add", example="docmill params add my_params.yaml\ndocmill params add - < my_params.yaml")
def add(
    invocation: Invocation,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False, help="A YAML file; - reads stdin.")],
) -> "DefinitionAdded":
    """Check a param set and put it into this home."""
    from docmill.service import definitions

    given = sys.stdin.read(MOST_CHARACTERS) if file == "-" else Path(file)
    return definitions.add_params(invocation.settings(), given)


@command(group, "delete", example="docmill params delete my_params --yes")
def delete(
    invocation: Invocation,
    *,
    id_: Id,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> "DefinitionDeleted":
    """Delete one of this home's own param sets; shipped ones stay."""
    from docmill.service import definitions

    settings = invocation.settings()
    would = definitions.delete_params(settings, id_, dry_run=True)
    if dry_run:
        return would
    invocation.confirm(f"Delete the param set {id_!r}?", yes=yes)
    return definitions.delete_params(settings, id_)


@command(group, "targets", example="docmill params targets default")
def targets(
    invocation: Invocation,
    *,
    database: Annotated[str, typer.Argument(metavar="DATABASE", show_default=False, help="A database's name.")],
    limit: Limit = 50,
    offset: Offset = 0,
) -> "ParamTargets":
    """List the param sets that write to a database."""
    from docmill.service import definitions

    return definitions.targets(invocation.settings(), database, limit=limit, offset=offset)
