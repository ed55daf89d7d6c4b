"""What the APIs have in common: the model that is served, what may be asked of it, and how a request is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docmill.domain.contracts import ModelInfo
from docmill.models.known import Quantization
from docmill.serving.batching import EmbeddingQueue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_TEXTS = 2048  # of one request, as OpenAI has it
_DECIMALS = 8  # what float32 holds of a number below 1


@dataclass(frozen=True, slots=True)
class Served:
    """A loaded model, which reads texts as they come.

    query_prefix, passage_prefix: what it wants before a question and before a passage; put there where a request says
    which of them its texts are. installed_at: Unix seconds.
    """

    info: ModelInfo
    queue: EmbeddingQueue
    size_bytes: int
    installed_at: float
    quantization: Quantization
    query_prefix: str = ""
    passage_prefix: str = ""

    def answers_to(self, name: str) -> bool:
        """By its full name, or by what comes after the slash, however written; Ollama's clients add ``:latest``."""
        asked, own = name.lower().removesuffix(":latest"), self.info.name.lower()
        return asked in (own, own.rpartition("/")[2])


class Refused(Exception):
    """A request that gets no vectors. ``param``: the field of it that is wrong."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class Embedded:
    """``vectors``: ``(texts, dimension)`` float32. ``tokens``: that the model read."""

    vectors: NDArray[np.float32]
    tokens: int

    def numbers(self) -> list[list[float]]:
        """The vectors as JSON has them, rounded to what float32 holds: that halves an answer."""
        import numpy as np

        rounded: list[list[float]] = np.round(self.vectors.astype(np.float64), _DECIMALS).tolist()
        return rounded


def embed(served: Served, texts: Sequence[str], *, whole: bool = False, param: str = "input") -> Embedded:
    """``whole``: refuse a text of which the model would read the beginning only."""
    counts = served.queue.count(texts)
    most = served.info.max_tokens
    if whole and max(counts, default=0) > most:
        raise Refused(
            400, f"the input length exceeds the context length: {max(counts)} tokens, not {most}", param=param
        )
    vectors = served.queue.embed(texts, counts)
    return Embedded(vectors, sum(min(count, most) for count in counts))


def require_model(served: Served, asked: dict[str, Any]) -> str:
    """The model's name, as it was asked for."""
    name = asked.get("model")
    if not isinstance(name, str) or not name:
        raise Refused(400, "model is required", param="model")
    if not served.answers_to(name):
        raise Refused(
            404,
            f"the model {name[:100]!r} is not served here, {served.info.name} is",
            param="model",
            code="model_not_found",
        )
    return name


def require_texts(given: Any, param: str = "input") -> list[str]:
    """The texts of a request: one, or a list of them."""
    texts = [given] if isinstance(given, str) else given
    if texts is None:
        raise Refused(400, f"{param} is required", param=param)
    if isinstance(texts, list) and texts and all(type(each) in (int, list) for each in texts):
        raise Refused(400, f"{param} must be text: token ids are of another model's vocabulary", param=param)
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise Refused(400, f"{param} must be a string or a list of strings", param=param)
    if len(texts) > MOST_TEXTS:
        raise Refused(400, f"{param} has {len(texts)} texts; a request may have {MOST_TEXTS}", param=param)
    return texts


def require_dimensions(served: Served, asked: dict[str, Any]) -> None:
    """A model's vectors have the length that they have; whoever names it must name that one."""
    given = asked.get("dimensions")
    if given is not None and given != served.info.dimension:
        raise Refused(400, f"{served.info.name} gives {served.info.dimension} dimensions only", param="dimensions")
