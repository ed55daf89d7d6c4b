"""Serves an installed embedding model on this machine until a signal ends it."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from os import getpid
from typing import TYPE_CHECKING, Any

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.params import EmbedParams
from docmill.domain.results import ModelServed
from docmill.errors import AddressTaken, ModelMissing, UsageError
from docmill.models import store, wordllama
from docmill.models.known import Quantization
from docmill.service.signals import stop_on_signals
from docmill.settings import Settings

if TYPE_CHECKING:
    from docmill.serving.asking import Served
    from docmill.serving.server import EmbeddingServer, Request

_LOOK_S = 0.1
_DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """``port``: 0 for a free one. ``allow_remote``: ``host`` may be one that other machines reach."""

    model: str
    quantization: Quantization = "fp32"
    host: str = "127.0.0.1"
    port: int = 0
    allow_remote: bool = False


def serve(settings: Settings, reporter: Reporter, options: Options, listening: Callable[[ModelServed], None]) -> None:
    """Load the model, tell ``listening`` where it can be asked, and answer until a signal comes.

    Raises UsageError for an address that is none or is not this machine's own, AddressTaken, ModelMissing.
    """
    family, address = _resolved(options)
    with stop_on_signals(reporter) as stop:
        served = _loaded(options, settings.embed_workers)
        told = _Tally(reporter)
        server = _listening(family, address, served, options, told)
        answering = threading.Thread(target=server.serve_forever, args=(_LOOK_S,), name="answering", daemon=True)
        answering.start()
        listening(_described(server, served, options, settings.embed_workers))
        while stop.reason is None:
            time.sleep(_LOOK_S)
        server.drain(_DRAIN_S)
        server.server_close()
        served.queue.close()
        said = f"texts embedded: {served.queue.embedded}; requests: {told.requests}, {told.refused} of them refused"
        reporter.emit(MessageEvent("info", said))


class _Tally:
    """Counts requests, which come from many threads, and tells of each where more is wanted."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()
        self.requests = 0
        self.refused = 0

    def __call__(self, request: Request) -> None:
        with self._lock:
            self.requests += 1
            self.refused += request.status >= 400
            said = f"{request.method} {request.path} {request.status} in {request.seconds:.3f} s"
            self._reporter.emit(MessageEvent("debug", said))


def _resolved(options: Options) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Where to listen. Raises UsageError."""
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{options.host!r} is no address of this machine: {error}") from None
    family, _type, _protocol, _name, address = found[0]
    if not options.allow_remote and not ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise UsageError(
            f"other machines can reach {options.host}, and nobody is asked for a key",
            hint="127.0.0.1 is this machine alone; --allow-remote allows others",
        )
    return family, address


def _listening(
    family: socket.AddressFamily, address: tuple[Any, ...], served: Served, options: Options, told: _Tally
) -> EmbeddingServer:
    from docmill.serving.server import EmbeddingServer

    try:
        return EmbeddingServer(family, address, served, anybody=options.allow_remote, told=told)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressTaken(f"another program listens on {options.host} port {options.port}") from None
        raise UsageError(f"{options.host} port {options.port} cannot be listened on: {error.strerror}") from None


def _loaded(options: Options, threads: int) -> Served:
    """Raises ModelMissing."""
    from docmill.serving.batching import EmbeddingQueue

    if options.model == wordllama.NAME:
        return _static(options, threads)
    from docmill.embedders.fastembed import FastembedParams
    from docmill.models.session import OnnxSession
    from docmill.models.tokenizer import tokenizer_of
    from docmill.serving.asking import Served

    model = store.get(options.model, store.default_cache(), options.quantization)
    # Prefixes are the client's affair, as with other servers; who asks for the model's own gets them put there.
    plain = replace(model, query_prefix="", passage_prefix="")
    queue = EmbeddingQueue(
        OnnxSession(plain, threads=1), tokenizer_of(model), model.info, FastembedParams(), threads=threads
    )
    installed_at = model.folder.stat().st_mtime
    return Served(
        model.info,
        queue,
        model.size_bytes,
        installed_at,
        options.quantization,
        model.query_prefix,
        model.passage_prefix,
    )


def _static(options: Options, threads: int) -> Served:
    """The model whose files stay in its package."""
    from docmill.embedders.static import PLUGIN, StaticParams
    from docmill.serving.asking import Served
    from docmill.serving.batching import EmbeddingQueue

    if options.quantization != "fp32":
        raise ModelMissing(f"{options.model} has no {options.quantization} form", hint="leave --quantization out")
    params: EmbedParams = StaticParams()
    session, info, place = PLUGIN.load(params, threads=1), wordllama.info(), wordllama.folder()
    assert place is not None
    queue = EmbeddingQueue(session, PLUGIN.tokenizer(params), info, params, threads=threads)
    return Served(info, queue, wordllama.size_bytes(place), place.stat().st_mtime, options.quantization)


def _described(server: EmbeddingServer, served: Served, options: Options, threads: int) -> ModelServed:
    host, port = str(server.server_address[0]), int(server.server_address[1])
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return ModelServed(
        address=address,
        host=host,
        port=port,
        openai_url=f"{address}/v1",
        ollama_url=address,
        model=served.info.name,
        quantization=options.quantization,
        dimension=served.info.dimension,
        max_tokens=served.info.max_tokens,
        fingerprint=served.info.fingerprint,
        threads=threads,
        pid=getpid(),
    )
