"""``docmill schema``: what programs may expect on stdout."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from docmill.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from docmill.domain.results import JsonSchema, SchemaList

PANEL = "Programs and shells"
commands = typer.Typer()


@command(
    commands,
    "schema",
    panel=PANEL,
    example="docmill schema\ndocmill schema search > search.schema.json\ndocmill schema sync --lines",
)
def schema(
    invocation: Invocation,  # noqa: ARG001 - the signature of all commands
    *,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND...", show_default=False, help="A command, or a group; else all there are."),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Of each line that --events gives; of all events, without a command.")
    ] = False,
) -> "SchemaList | JsonSchema":
    """Print the JSON Schema of what a command gives with --json: its result, or the error.

    Of draft 2020-12. Without a command, or for a group of commands: which there are, and what they give.
    """
    from docmill.domain.results import CommandSchema, SchemaList
    from docmill.service import schemas

    asked = list(words or [])
    found = _found(asked)
    if found is None and not lines:
        return SchemaList(
            commands=[
                CommandSchema(command=" ".join(path), results=each.callback.results, events=has_events(each))
                for path, each in sorted(leaves(*asked).items())
            ]
        )
    if found is None:
        return schemas.of_lines("docmill … --events, each line but the last", [])
    name, names = f"docmill {' '.join(asked)}", found.callback.results
    if not lines:
        return schemas.of_document(f"{name} --json", names)
    if not has_events(found):
        from docmill.errors import UsageError

        raise UsageError(f"`{name}` has no --events", hint=f"`docmill schema {' '.join(asked)}` is of its --json")
    return schemas.of_lines(f"{name} --events, each line", names)


def leaves(*group: str) -> dict[tuple[str, ...], Any]:
    """All commands that are no groups, or those of a group, by the words that call them."""
    from docmill.cli.app import build

    root = typer.main.get_command(build(group[0] if group else None))
    return {path: each for path, each in _walk(root, ()) if path[: len(group)] == group}


def has_events(each: Any) -> bool:
    return any("--events" in param.opts for param in each.params) and each.name != "schema"


def _walk(each: Any, path: tuple[str, ...]) -> "list[tuple[tuple[str, ...], Any]]":
    children: dict[str, Any] = getattr(each, "commands", {})
    if not children:
        return [(path, each)]
    return [found for name, child in children.items() for found in _walk(child, (*path, name))]


def _found(words: list[str]) -> Any:
    """The command of these words; None for all, and for a group. Raises NotFoundError for one that is not there."""
    of_group = leaves(*words)
    if not words or any(len(path) > len(words) for path in of_group):
        return None
    if tuple(words) in of_group:
        return of_group[tuple(words)]
    from difflib import get_close_matches

    from docmill.errors import NotFoundError

    asked = " ".join(words)
    close = get_close_matches(asked, [" ".join(path) for path in leaves()], n=1)
    hint = f"did you mean `{close[0]}`?" if close else "`docmill schema` lists all commands"
    raise NotFoundError(f"there is no command {asked!r}", hint=hint)
