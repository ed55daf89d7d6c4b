"""``docmill pages``: how the pages of documents look, and what was read of them."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command
from docmill.cli.options import PasswordFile
from docmill.cli.running import PANEL

if TYPE_CHECKING:
    from docmill.domain.results import PagesResult

commands = typer.Typer()


@command(
    commands,
    "pages",
    panel=PANEL,
    example="docmill pages 2024/report.pdf -o report.zip\ndocmill pages scans --output - | bsdtar -tf -",
)
def pages(
    invocation: Invocation,
    *,
    target: Annotated[
        str,
        typer.Argument(
            metavar="BATCH|URI",
            show_default=False,
            help="A batch, by its id or its name; or a document, by its URI or its id.",
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", show_default=False, help="The zip; - is stdout.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="NAME", show_default=False, help="The document's source; it is no batch then."
        ),
    ] = None,
    password_file: PasswordFile = None,
) -> "PagesResult | None":
    """Write the pages of PDFs and images into a zip: each as a picture and as the text that was read of it.

    Beside them lie the images and the results of OCR that were kept, and a manifest.json says what there is. On stdout
    the zip is the data, so that --json, which describes it, needs a file.
    """
    from docmill.cli.output import NOT_CLEAN, written
    from docmill.service import paging

    settings = invocation.settings()
    result = written(
        lambda: paging.write_pages(settings, target, output=output, source=source, password_file=password_file),
        invocation,
        "the zip",
        to_stdout=output == "-",
    )
    if output != "-":
        return result
    if result is not None and result.problems:
        from docmill.cli.console import stderr_console, write_text
        from docmill.cli.text import View, render

        write_text(stderr_console(), render(result, View()))
        raise typer.Exit(NOT_CLEAN)
    return None
