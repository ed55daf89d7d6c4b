"""``docmill search`` and ``docmill show``: finding passages, and looking at one of them or at a whole document."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docmill.cli.everyday import PANEL
from docmill.cli.help import names_of
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import Database, Filter

if TYPE_CHECKING:
    from docmill.domain.results import ContextResult, DocumentText, PassageShown, QueriesResult, SearchResult

commands = typer.Typer()


class Mode(StrEnum):
    HYBRID = "hybrid"
    VECTOR = "vector"
    FTS = "fts"


class Form(StrEnum):
    HITS = "hits"
    CONTEXT = "context"


@command(
    commands,
    "search",
    panel=PANEL,
    libraries=True,
    example="docmill search 'what limits battery life'\ndocmill search invoice --mode fts --uri-prefix 2024/ --json"
    "\ndocmill search 'cell ageing' --filter \"source = 'papers' and page >= 3\""
    "\ndocmill search 'who signs a lease' --format context --max-tokens 2000"
    "\ndocmill search --queries questions.jsonl --limit 5 > answers.jsonl",
)
def search(
    invocation: Invocation,
    *,
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", show_default=False, help="A question, or words.")
    ] = None,
    mode: Annotated[
        Mode, typer.Option("--mode", "-m", metavar=names_of(Mode), help="By meaning (vector), by words (fts), or both.")
    ] = Mode.HYBRID,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=1000, help="Hits at most.")] = 10,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", show_default=False, help="Only this source. May be repeated."),
    ] = None,
    uri_prefix: Annotated[
        str | None,
        typer.Option("--uri-prefix", metavar="TEXT", show_default=False, help="Only URIs that begin so."),
    ] = None,
    filter: Filter = None,  # noqa: A002 - the option's name
    database: Database = "default",
    context: Annotated[
        int, typer.Option("--context", "-C", metavar="N", min=0, max=20, help="Passages before and after each hit.")
    ] = 0,
    per_document: Annotated[bool, typer.Option("--per-document", help="The best passage of each document.")] = False,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", metavar="SCORE", show_default=False, help="Nothing below; in the mode's measure."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every vector, also where there is a vector index.")
    ] = False,
    no_collapse: Annotated[
        bool, typer.Option("--no-collapse", help="List hits that say nearly the same each by itself.")
    ] = False,
    format: Annotated[  # noqa: A002 - the option's name
        Form,
        typer.Option("--format", "-f", metavar=names_of(Form), help="context: quoted with citations, for a prompt."),
    ] = Form.HITS,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens", metavar="N", min=1, show_default=False, help="Of a context, by the model's tokenizer."
        ),
    ] = None,
    queries: Annotated[
        str | None,
        typer.Option(
            "--queries",
            metavar="FILE",
            show_default=False,
            help="Many questions, one a line, as text or as JSON objects; - reads stdin. The answers are JSONL.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where the answers of --queries go; - is stdout.")
    ] = "-",
) -> "SearchResult | QueriesResult | ContextResult | None":
    """Search the passages of all synced documents.

    Scores: cosine for vector, BM25 for fts, reciprocal rank fusion for hybrid. Higher is better.

    A filter compares the fields uri, source, title, type, text, heading, page, position, tokens, document_id, chunk_id
    and meta.NAME by = != < <= > >=, in (…), like '…' and is null, joined by and, or, not and parentheses.

    Each line of --queries may say otherwise: {"id": 7, "query": "oak", "limit": 3, "filter": "page > 2"}.
    """
    from docmill.errors import UsageError

    if (query is None) == (queries is None):
        raise UsageError(
            "name one question, or a file of questions", hint="docmill search QUERY, or docmill search --queries FILE"
        )
    if max_tokens is not None and format is not Form.CONTEXT:
        raise UsageError("--max-tokens is for --format context", hint="--limit bounds a list of hits")
    if queries is None and output != "-":
        raise UsageError("--output is for --queries", hint="the answer to one question goes to stdout")
    asked: dict[str, Any] = {
        "mode": mode.value,
        "limit": limit,
        "source": source,
        "uri_prefix": uri_prefix,
        "filter": filter,
        "context": context,
        "per_document": per_document,
        "min_score": min_score,
        "exact": exact,
        "collapse": not no_collapse,
    }
    if queries is not None:
        many = {"database": database, "as_context": format is Form.CONTEXT, "max_tokens": max_tokens, **asked}
        return _many(invocation, queries, output, many)
    if format is Form.CONTEXT:
        from docmill.service import prompting

        return prompting.context(invocation.settings(), query or "", database=database, max_tokens=max_tokens, **asked)
    from docmill.service import searching

    return searching.search(invocation.settings(), query or "", database=database, **asked)


def _many(invocation: Invocation, queries: str, output: str, asked: dict[str, Any]) -> "QueriesResult | None":
    """On stdout the answers are the data, so that the summary goes to stderr, and only the exit code tells the rest."""
    from docmill.cli.output import exit_code, written
    from docmill.service import questions

    settings, streams = invocation.settings(), (sys.stdin.buffer, sys.stdout.buffer)
    result = written(
        lambda: questions.answer_all(settings, queries, *streams, output=output, **asked),
        invocation,
        "the answers",
        to_stdout=output == "-",
    )
    if output != "-" or result is None:
        return result
    if not invocation.quiet and (result.failed or sys.stderr.isatty()):
        from docmill.cli.console import stderr_console, write_text
        from docmill.cli.text import View, render

        write_text(stderr_console(), render(result, View()))
    raise typer.Exit(exit_code(result))


@command(
    commands,
    "show",
    panel=PANEL,
    example="docmill show 3fa09c\ndocmill show 2024/report.pdf --chunks | less -R\ndocmill show 3fa09c --vector --json",
)
def show(
    invocation: Invocation,
    *,
    target: Annotated[
        str,
        typer.Argument(
            metavar="CHUNK|URI",
            show_default=False,
            help="A passage, by its id; or a document, by its URI or its id. Six digits of an id may do.",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", show_default=False, help="Its source, where several have the URI."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", "-d", metavar="NAME", show_default=False, help="A database; else where it lies."),
    ] = None,
    context: Annotated[
        int, typer.Option("--context", "-C", metavar="N", min=0, max=20, help="Passages before and after a passage.")
    ] = 1,
    chunks: Annotated[bool, typer.Option("--chunks", help="Where a document's passages begin and end.")] = False,
    vector: Annotated[bool, typer.Option("--vector", help="A passage's vector, too.")] = False,
) -> "PassageShown | DocumentText":
    """Show a passage with what stands around it, or the text of a document as it was read."""
    from docmill.service import showing

    return showing.show(
        invocation.settings(),
        target,
        source=source,
        database=database,
        context=context,
        chunks=chunks,
        vector=vector,
    )
