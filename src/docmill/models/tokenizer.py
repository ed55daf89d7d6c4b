"""An installed model's own tokenizer: counting for the chunker, and ids for the session.

Each use gets its own tokenizer object, because truncation and padding are switched on the object itself: what counts
must do neither, what feeds the model must do both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from docmill.models.installed import TOKENIZER, InstalledModel

# Texts are cut into windows of this many characters before their tokens are located: what the library keeps for each
# token is some hundred bytes, which a text of millions of characters would multiply beyond a worker's memory.
_WINDOW = 65_536
_LONG_TOKEN = 12  # characters
_PIECE = 4
_SURROGATE = re.compile("[\ud800-\udfff]")


class ModelTokenizer:
    """Fits ``contracts.Tokenizer``."""

    def __init__(self, path: Path, *, max_tokens: int, special_tokens: int) -> None:
        self.max_tokens = max_tokens
        self.special_tokens = special_tokens
        self._tokenizer = open_tokenizer(path)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token. A word that the vocabulary cannot spell is one token, however long."""
        return list(located(self._tokenizer, text))

    def counts(self, texts: Sequence[str]) -> list[int]:
        encodings = self._tokenizer.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
        return [len(encoding) for encoding in encodings]


class StandInTokenizer(ModelTokenizer):
    """Counts for a model whose own tokenizer is not at hand: rather too many tokens than too few.

    What one vocabulary has as a single token may be many to another: a long name, a key, a word of another language
    that this one cannot spell at all. So a long token counts as one for every few of its characters.
    """

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [piece for span in ModelTokenizer.spans(self, text) for piece in _pieces(*span)]

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(self.spans(text)) for text in texts]

    def cut(self, text: str) -> str:
        """As much of ``text`` as ``max_tokens`` allows, special tokens counted."""
        most = self.max_tokens - self.special_tokens
        if len(text) <= most:  # no token of these is shorter than a character
            return text
        spans = self.spans(text)
        return text if len(spans) <= most else text[: spans[most - 1][1]]


def tokenizer_of(model: InstalledModel) -> ModelTokenizer:
    """The tokenizer of a model, loaded once in a process."""
    return _loaded(model.folder / TOKENIZER, model.tokenizer_digest, model.info.max_tokens, model.info.special_tokens)


@lru_cache(maxsize=4)
def _loaded(path: Path, _digest: str, max_tokens: int, special_tokens: int) -> ModelTokenizer:
    return ModelTokenizer(path, max_tokens=max_tokens, special_tokens=special_tokens)


def open_tokenizer(path: Path) -> Any:
    """A ``tokenizers.Tokenizer`` with neither truncation nor padding, working on one thread unless told otherwise.

    One process a core is docmill's way; a pool of threads inside each would only fight over the same cores.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def located(tokenizer: Any, text: str) -> Iterator[tuple[int, int]]:
    """Character span of each token that is not white space, in a text of any length."""
    for window, window_end in _windows(text):
        piece = encodable(text[window:window_end])
        for start, end in tokenizer.encode(piece, add_special_tokens=False).offsets:
            if start < end and (piece[start].isspace() or piece[end - 1].isspace()):
                start, end = _trimmed(piece, start, end)
            if start < end:
                yield window + start, window + end


def encodable(text: str) -> str:
    """The text with each lone surrogate, which the library refuses, as U+FFFD; offsets stay the same."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Pieces of at most ``_WINDOW`` characters that end after white space, where no token can be cut in two."""
    start = 0
    while len(text) - start > _WINDOW:
        limit = start + _WINDOW
        cut = max(text.rfind("\n", start, limit), text.rfind(" ", limit - 4096, limit)) + 1 or limit
        yield start, cut
        start = cut
    yield start, len(text)


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    step = _PIECE if end - start > _LONG_TOKEN else end - start
    return ((at, min(at + step, end)) for at in range(start, end, step))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space that some vocabularies count as part of the next word."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
