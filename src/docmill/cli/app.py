"""The root of the command line, and the boundary at which every error becomes a message and an exit code."""

import sys
from typing import Annotated, Any

import typer

from docmill import privacy
from docmill.cli import (
    batch,
    deliver,
    documents,
    everyday,
    files,
    following,
    history,
    lancedb,
    models,
    pages,
    params,
    plan,
    quarantine,
    running,
    source,
    upkeep,
    watch,
    worker,
    workflow,
)
from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Home, Invocation, Json, Quiet, Verbose

app = typer.Typer(
    name="docmill",
    help="Keeps folders of documents parsed, chunked, embedded and searchable in a local LanceDB: make for documents.",
    epilog="docmill sync ~/papers\ndocmill search 'what limits battery life'",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,
    add_completion=False,
    cls=HelpGroup,
)
STORES = "Definitions, models and databases"
app.add_typer(everyday.commands)
app.add_typer(plan.commands)
app.add_typer(watch.commands)
app.add_typer(batch.group, name="batch", rich_help_panel=running.PANEL)
app.add_typer(running.commands)
app.add_typer(worker.commands)
app.add_typer(deliver.commands)
app.add_typer(documents.group, name="documents", rich_help_panel=running.PANEL)
app.add_typer(files.group, name="files", rich_help_panel=running.PANEL)
app.add_typer(pages.commands)
app.add_typer(quarantine.group, name="quarantine", rich_help_panel=running.PANEL)
app.add_typer(source.group, name="source", rich_help_panel=running.PANEL)
app.add_typer(following.commands)
app.add_typer(upkeep.commands)
app.add_typer(history.runs, name="runs", rich_help_panel=history.PANEL)
app.add_typer(history.steps, name="steps", rich_help_panel=history.PANEL)
app.add_typer(history.groups, name="run-groups", rich_help_panel=history.PANEL)
app.add_typer(workflow.group, name="workflow", rich_help_panel=STORES)
app.add_typer(params.group, name="params", rich_help_panel=STORES)
app.add_typer(models.group, name="models", rich_help_panel=STORES)
app.add_typer(lancedb.group, name="lancedb", rich_help_panel=STORES)


def _version(ctx: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - the signature of a typer callback
    if wanted:
        from docmill import __version__

        sys.stdout.write(f'{{"version": "{__version__}"}}\n' if ctx.obj.json else f"docmill {__version__}\n")
        raise typer.Exit(0)


@app.callback()
def root(
    ctx: typer.Context,
    *,
    home: Home = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    version: Annotated[  # noqa: ARG001 - its callback does it all
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    ctx.obj.update(home=home, json=json, quiet=quiet, verbose=verbose)


def run(arguments: list[str]) -> int:
    """Run docmill with these arguments and return its exit code. Prints; raises nothing."""
    from docmill.cli import boundary
    from docmill.cli.console import tolerate_names

    privacy.keep_private()
    tolerate_names(sys.stdout, sys.stderr)
    invocation = Invocation.guess(arguments)
    try:
        code: Any = typer.main.get_command(app).main(
            args=arguments, prog_name="docmill", standalone_mode=False, obj=invocation
        )
    except boundary.PARSER_ERROR as error:
        return boundary.wrong_usage(error, invocation)
    except typer.Abort:
        return boundary.fail(KeyboardInterrupt(), invocation)
    except Exception as error:  # noqa: BLE001 - the boundary: nothing but a message and a code gets past it
        return boundary.fail(error, invocation)
    return code if isinstance(code, int) else 0
