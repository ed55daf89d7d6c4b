"""A parser and an embedder that misbehave when they are told to, published by entry points as third parties would.

The parser obeys the words of the file, so that one bad file can stand among good ones; the embedder obeys environment
variables. Both write down each call in the file that ``DOCMILL_TRAPS_LOG`` names, so that tests count real work.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docmill import registry
from docmill.domain.contracts import EmbeddingSession, SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import EmbedParams, ParseParams
from docmill.embedders import hashing
from docmill.errors import DocumentError, TemporaryFailure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOG, PARSE_S, EMBED_S, EMBED_FAILS, EMBED_BUSY = (
    f"DOCMILL_TRAPS_{name}" for name in ("LOG", "PARSE_S", "EMBED_S", "EMBED_FAILS", "EMBED_BUSY")
)


def note(what: str, of: str) -> None:
    if path := os.environ.get(LOG):
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(f"{what} {os.getpid()} {of}\n")


class Flaky(DocumentError):
    """What may pass by itself within seconds."""

    code = "FLAKY"
    permanent = False
    retried = True


class TrapParser:
    version = "1"
    types = frozenset({"text", "markdown"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        note("parse", file.name)
        time.sleep(float(os.environ.get(PARSE_S, "0")))
        text = file.path.read_text("utf-8")
        if "KILL THE WORKER" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "PRINT" in text:
            sys.stderr.write("printed by the parser\n")
        if "HANG" in text:
            time.sleep(3600)
        if "BURN" in text:
            while True:
                pass
        if found := re.search(r"FAIL (\d+) TIMES", text):
            calls = Path(os.environ[LOG]).read_text("utf-8").count(f" {file.name}\n")
            if calls <= int(found[1]):
                raise Flaky(f"attempt {calls} failed")
        if "KILL ONCE" in text and not (flag := Path(f"{os.environ[LOG]}.killed")).exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        parsed: ParsedDocument = registry.load("parsers", file.type).parse(file, params)
        return parsed


class TrapSession:
    def __init__(self, inner: EmbeddingSession) -> None:
        self.inner = inner

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            if "POISON" in text:
                os.kill(os.getpid(), signal.SIGKILL)
            note("embed", text.split("\n")[-1][:60])
            time.sleep(float(os.environ.get(EMBED_S, "0")))
        if os.environ.get(EMBED_BUSY):
            raise TemporaryFailure("the model is overloaded")
        if os.environ.get(EMBED_FAILS):
            raise OSError("the model is out of order")
        return self.inner.embed_passages(texts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.inner.embed_queries(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self.inner.embed_query(text)


class TrapEmbedder(hashing.HashingEmbedder):
    def load(self, params: EmbedParams, *, threads: int) -> Any:
        return TrapSession(super().load(params, threads=threads))


PARSER = TrapParser()
EMBEDDER = TrapEmbedder()
