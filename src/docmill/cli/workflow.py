"""``docmill workflow``: the YAML that says which steps a document passes."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.help import HelpGroup, names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import DefinitionTarget, Limit, Offset

if TYPE_CHECKING:
    from docmill.domain.results import DefinitionList, DefinitionShown, ValidationResult, WorkflowGraph

KIND = "workflow"
group = typer.Typer(cls=HelpGroup, help="List, show, check and draw workflows: which steps a document passes.")


class Form(StrEnum):
    TEXT = "text"
    SVG = "svg"


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


@command(
    group,
    "graph",
    example="docmill workflow graph batch\ndocmill workflow graph batch --params fast --format svg -o batch.svg",
)
def graph(
    invocation: Invocation,
    *,
    id_: Annotated[
        str, typer.Argument(metavar="ID|FILE", show_default=False, help="A workflow, by its id or its YAML file.")
    ],
    params: Annotated[
        str | None,
        typer.Option("--params", metavar="ID", show_default=False, help="With the values of a param set, too."),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        Form,
        typer.Option("--format", "-f", metavar=names_of(Form), help="Boxes and arrows of characters, or a picture."),
    ] = Form.TEXT,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", show_default=False, help="Where the SVG goes.")
    ] = None,
) -> "WorkflowGraph | None":
    """Draw a workflow: its steps in order, which process runs each, and what goes from one to the next.

    Without -o the SVG goes to stdout, so that --json, which describes the graph, needs a file or no SVG.
    """
    from docmill.cli.output import written
    from docmill.errors import UsageError
    from docmill.service import graphing

    if format is Form.TEXT and output is not None:
        raise UsageError("--output is for --format svg", hint="text goes to stdout")
    settings = invocation.settings()
    made = graphing.graph(settings, id_, params=params)
    if format is Form.TEXT:
        return made
    target = output or "-"
    result = written(lambda: graphing.write_svg(settings, made, target), invocation, "the SVG", to_stdout=target == "-")
    return result if target != "-" else None
