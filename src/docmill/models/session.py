"""A loaded model: text in, unit vectors out.

The session runs ONNX Runtime directly. fastembed does the same arithmetic, but its import takes a third of a second
(the hub's client, HTTP, image code), which each embedding process and each search would pay again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from docmill.models.installed import ONNX, TOKENIZER, InstalledModel
from docmill.models.tokenizer import encodable, open_tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxSession:
    """Fits ``contracts.EmbeddingSession``. May be used from several threads: nothing of a call is kept in it."""

    def __init__(self, model: InstalledModel, *, threads: int) -> None:
        self._model = model
        self._tokenizer = open_tokenizer(model.folder / TOKENIZER)
        self._tokenizer.enable_truncation(max_length=model.info.max_tokens)
        self._tokenizer.enable_padding(pad_id=model.pad_id)
        self._session = _onnx_session(model, threads)
        self._inputs = frozenset(node.name for node in self._session.get_inputs())

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1, computed as one batch padded to its longest text.

        What is beyond the model's ``max_tokens`` is not read.
        """
        return self._embed([self._model.passage_prefix + text for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As :meth:`embed_passages`, with what the model wants before a question."""
        return self._embed([self._model.query_prefix + text for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """``(dimension,)`` float32 of length 1."""
        vector: NDArray[np.float32] = self.embed_queries([text])[0]
        return vector

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        import numpy as np

        if not texts:
            return np.empty((0, self._model.info.dimension), np.float32)
        encodings = self._tokenizer.encode_batch_fast([encodable(text) for text in texts])
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        feed = {
            "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        hidden: NDArray[Any] = self._session.run(None, {name: feed[name] for name in feed if name in self._inputs})[0]
        return _normalised(self._pooled(np.asarray(hidden, np.float32), mask))

    def _pooled(self, hidden: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """``(batch, dimension)`` from ``(batch, sequence, dimension)``; some models pool by themselves."""
        import numpy as np

        if hidden.ndim == 2:
            return hidden
        if self._model.pooling == "cls":
            return hidden[:, 0]
        # The mean over real tokens (Reimers and Gurevych, 2019). einsum, not matmul: no thread pool for so little.
        weights = mask.astype(np.float32)
        return np.asarray(np.einsum("bsd,bs->bd", hidden, weights) / weights.sum(axis=1, keepdims=True), np.float32)


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _onnx_session(model: InstalledModel, threads: int) -> Any:
    """Sequential, on ``threads`` threads.

    The memory pattern is off: it plans for one shape, and each batch has another. The arena stays on: without it each
    run allocates anew, which costs a seventh of the speed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(str(model.folder / ONNX), options, providers=["CPUExecutionProvider"])
