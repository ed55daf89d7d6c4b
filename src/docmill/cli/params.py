"""``docmill params``: the YAML that says with which values the steps work."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DefinitionTarget, DryRun, Limit, Offset, Yes

if TYPE_CHECKING:
    from docmill.domain.results import (
        DefinitionAdded,
        DefinitionDeleted,
        DefinitionList,
        DefinitionShown,
        ParamTargets,
        ValidationResult,
    )

KIND = "param_set"
MOST_CHARACTERS = 1_000_000  # far more than a definition may have; what is longer is refused, not held in memory
group = typer.Typer(cls=HelpGroup, help="List, show, check, add and delete param sets: the values that steps use.")

Id = Annotated[str, typer.Argument(metavar="ID", show_default=False, help="The param set's id.")]


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
