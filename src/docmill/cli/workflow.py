"""``docmill workflow``: the YAML that says which steps a document passes."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DefinitionTarget, Limit, Offset

if TYPE_CHECKING:
    from docmill.domain.results import DefinitionList, DefinitionShown, ValidationResult

KIND = "workflow"
group = typer.Typer(cls=HelpGroup, help="List, show and check workflows: which steps a document passes.")


@command(group, "list", example="docmill workflow list")
def list_(invocation: Invocation, *, limit: Limit = 50, offset: Offset = 0) -> "DefinitionList":
    """List the shipped workflows and this home's own."""
    from docmill.service import definitions

    return definitions.list_definitions(invocation.settings(), KIND, limit=limit, offset=offset)


@command(group, "show", example="docmill workflow show batch > my_workflow.yaml")
def show(
    invocation: Invocation,
    *,
    id_: Annotated[str, typer.Argument(metavar="ID", show_default=False, help="The workflow's id.")],
) -> "DefinitionShown":
    """Show a workflow's YAML."""
    from docmill.service import definitions

    return definitions.show(invocation.settings(), KIND, id_)


@command(group, "validate", example="docmill workflow validate\ndocmill workflow validate my_workflow.yaml --json")
def validate(invocation: Invocation, *, target: DefinitionTarget = None) -> "ValidationResult":
    """Check workflows, and tell each finding with file, line and key. Exit 6 where there are errors."""
    from docmill.service import definitions

    return definitions.validate(invocation.settings(), KIND, target)
