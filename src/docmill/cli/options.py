"""Options that several commands share, each said once."""

from pathlib import Path
from typing import Annotated

import typer


def _absolute(path: str) -> str:
    """A path that also means the same file to a process in the background."""
    return str(Path(path).expanduser().absolute())


Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="So many at most.")]
Offset = Annotated[int, typer.Option("--offset", metavar="N", min=0, help="Leave out the first N.")]
BatchName = Annotated[str, typer.Argument(metavar="BATCH", show_default=False, help="A batch, by its id or its name.")]
AnyBatch = Annotated[
    str | None,
    typer.Argument(metavar="BATCH", show_default=False, help="A batch, by its id or its name; or --run-group."),
]
RunGroup = Annotated[
    int | None,
    typer.Option("--run-group", metavar="ID", show_default=False, help="One run group, instead of all of a batch."),
]
DefinitionTarget = Annotated[
    str | None, typer.Argument(metavar="ID|FILE", show_default=False, help="One of them; else all there are.")
]
Database = Annotated[str, typer.Option("--database", "-d", metavar="NAME", help="A database of this home.")]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter", metavar="TEXT", show_default=False, help="Only passages such as: source = 'a', page >= 3."
    ),
]
Workflow = Annotated[
    str | None,
    typer.Option("--workflow", metavar="ID", show_default=False, help="The steps; else the batch's own, or `batch`."),
]
Params = Annotated[
    str | None,
    typer.Option("--params", metavar="ID", show_default=False, help="Their values; else the batch's, or `default`."),
]
Folders = Annotated[
    list[Path] | None, typer.Argument(metavar="FOLDER...", show_default=False, help="Folders; else all sources.")
]
SourceName = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", show_default=False, help="The source's name; else the folder's."),
]
AllowMassDelete = Annotated[
    bool, typer.Option("--allow-mass-delete", help="Go on though most files, or all of them, are gone.")
]
SyncWorkflow = Annotated[
    str | None, typer.Option("--workflow", metavar="ID", show_default=False, help="The steps; else `batch`.")
]
SyncParams = Annotated[
    str | None, typer.Option("--params", metavar="ID", show_default=False, help="Their values; else `default`.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="TYPE.NAME=VALUE", show_default=False, help="One value, over both. May be repeated."),
]
PasswordFile = Annotated[
    str | None,
    typer.Option(
        "--password-file",
        parser=_absolute,
        metavar="FILE",
        show_default=False,
        help="Passwords that locked PDFs are tried with, one a line.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="PATTERN", show_default=False, help="Only such files. May be repeated."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", show_default=False, help="No such files. May be repeated."),
]
NoPrune = Annotated[
    bool, typer.Option("--no-prune", help="Delete nothing: documents whose files are gone stay in the index.")
]
Checksum = Annotated[bool, typer.Option("--checksum", help="Read every file, whatever its times and its size say.")]
InBatch = Annotated[
    str | None, typer.Option("--batch", "-b", metavar="BATCH", show_default=False, help="Only of this batch.")
]
DocumentType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", show_default=False, help="Only these, such as pdf or markdown.")
]
ReportOnCompletion = Annotated[
    bool,
    typer.Option("--report-on-completion", help="Write a report and a summary each time that a run group ends."),
]
ReportFolder = Annotated[
    str | None,
    typer.Option(
        "--report-folder",
        parser=_absolute,
        metavar="FOLDER",
        show_default=False,
        help="Where to; else reports/ in the home.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
FailOnDegraded = Annotated[
    bool, typer.Option("--fail-on-degraded", help="Exit 3 also where a document lost some of its text.")
]
