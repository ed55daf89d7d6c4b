"""An ONNX graph with its matrix products in 8-bit integers, such that a text's vector depends on that text alone.

Dynamic quantisation as ONNX Runtime's tools write it scales a whole batch by its largest activation, so each text's
vector depends on its neighbours. Here each row of activations, which is one token of one text, has a scale of its own
(Yao et al., ZeroQuant, 2022). Integer sums are exact in whatever order, and a row never meets another's numbers:

    scale[row]    = max |x[row, :]| / 127
    x8[row, :]    = round(x[row, :] / scale[row]) + 128          uint8
    product[row]  = (x8[row, :] - 128) @ w8 * column scale * scale[row]

Weights have a scale for each column, and only 64 steps on either side of zero: processors without VNNI add two
products of eight bits each in sixteen, which more steps would overflow. So the integers are the same on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPH_VERSION = "int8-1"
"""Raise when the graph would compute another vector for the same tokens. It is part of the fingerprint."""

_WEIGHT_STEPS = 64
_ACTIVATION_STEPS = 127
_ZERO = 128  # what stands for 0 among the activations: the quick kernels take them without a sign
_TINY = 1e-12  # a row of nothing but zeros has a scale, too
_QUANTIZE_ROWS_OPSET = 13  # the first in which QuantizeLinear has an axis
_AXES_INPUT_OPSET = 18  # from which on ReduceMax takes its axes as an input
_CONTRIBUTED = "com.microsoft"


class NotQuantizable(Exception):
    """The graph has nothing that can be computed in integers."""


def write_int8(source: Path, target: Path) -> int:
    """Write the graph in ``source`` to ``target``, with its matrix products in integers; gives how many those are.

    Only products with constant two-dimensional float32 weights are changed. Raises NotQuantizable where there are none.
    """
    import onnx

    model = onnx.load(source)
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < _QUANTIZE_ROWS_OPSET:
        raise NotQuantizable(f"its graph is of ONNX opset {opset}; {_QUANTIZE_ROWS_OPSET} is needed")
    graph = _Graph(model.graph, opset)
    graph.rewrite()
    if not graph.products:
        raise NotQuantizable("its graph has no matrix product with constant float32 weights")
    if all(each.domain != _CONTRIBUTED for each in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(_CONTRIBUTED, 1))
    onnx.save_model(model, str(target))
    return graph.products


class _Graph:
    """Rewrites the nodes of one graph. Rows that several products read are quantised once."""

    def __init__(self, graph: Any, opset: int) -> None:
        self.graph = graph
        self.opset = opset
        self.products = 0
        self._weights = {each.name: each for each in graph.initializer if _is_matrix(each)}
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._rows: dict[str, tuple[str, str]] = {}

    def rewrite(self) -> None:
        for node in self.graph.node:
            if node.op_type == "MatMul" and node.domain in ("", "ai.onnx") and node.input[1] in self._weights:
                self._product(node.input[0], node.input[1], node.output[0])
                self.products += 1
            else:
                self._nodes.append(node)
        outputs = {each.name for each in self.graph.output}
        needed = {name for node in self._nodes for name in _names(node)} | outputs
        kept = [each for each in self.graph.initializer if each.name in needed]
        del self.graph.node[:]
        del self.graph.initializer[:]
        self.graph.node.extend(self._nodes)
        self.graph.initializer.extend([*kept, *self._constants.values()])

    def _product(self, value: str, weight: str, output: str) -> None:
        import numpy as np
        from onnx import numpy_helper

        steps, scales = quantized_columns(numpy_helper.to_array(self._weights[weight]))
        rows, row_scales = self._quantized_rows(value, steps.shape[0])
        inputs = [
            rows,
            self._constant(f"{weight}.int8", steps),
            self._constant("int8.one", np.array(1, np.float32)),
            self._constant(f"{weight}.scales", scales),
            self._constant("int8.zero", np.array(_ZERO, np.uint8)),
        ]
        product = self._node("MatMulIntegerToFloat", inputs, f"{output}.int8", domain=_CONTRIBUTED)
        self._node("Mul", [product, row_scales], output)

    def _quantized_rows(self, value: str, width: int) -> tuple[str, str]:
        """uint8 of the shape of ``value``, and the scale of each of its rows: the same shape with a last axis of 1."""
        import numpy as np

        if value not in self._rows:
            scales = self._row_scales(value)
            flat = self._constant("int8.flat", np.array([-1], np.int64))
            flat_rows = self._constant(f"int8.rows.{width}", np.array([-1, width], np.int64))
            flat_scales = self._node("Reshape", [scales, flat], f"{value}.int8.flat_scales")
            rows = self._node("Reshape", [value, flat_rows], f"{value}.int8.flat_rows")
            steps = self._node("QuantizeLinear", [rows, flat_scales, self._zeros(flat_scales)], f"{rows}.steps", axis=0)
            shape = self._node("Shape", [value], f"{value}.int8.shape")
            self._rows[value] = self._node("Reshape", [steps, shape], f"{value}.int8.steps"), scales
        return self._rows[value]

    def _row_scales(self, value: str) -> str:
        import numpy as np

        sizes = self._node("Abs", [value], f"{value}.int8.sizes")
        if self.opset < _AXES_INPUT_OPSET:
            most = self._node("ReduceMax", [sizes], f"{value}.int8.most", axes=[-1], keepdims=1)
        else:
            axes = self._constant("int8.last_axis", np.array([-1], np.int64))
            most = self._node("ReduceMax", [sizes, axes], f"{value}.int8.most", keepdims=1)
        least = self._constant("int8.least", np.array(_TINY, np.float32))
        steps = self._constant("int8.activation_steps", np.array(_ACTIVATION_STEPS, np.float32))
        return self._node("Div", [self._node("Max", [most, least], f"{most}.some"), steps], f"{value}.int8.scales")

    def _zeros(self, scales: str) -> str:
        """The zero point of each row; QuantizeLinear wants as many as there are scales."""
        from onnx import TensorProto, helper

        zero = helper.make_tensor("value", TensorProto.UINT8, [1], [_ZERO])
        return self._node(
            "ConstantOfShape", [self._node("Shape", [scales], f"{scales}.n")], f"{scales}.zeros", value=zero
        )

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        import numpy as np
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def quantized_columns(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Steps and the scale of each column: ``steps * scales`` is the matrix again, within half a scale."""
    import numpy as np

    scales = np.maximum(np.abs(matrix).max(axis=0), np.float32(_TINY)) / np.float32(_WEIGHT_STEPS)
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


def _is_matrix(tensor: Any) -> bool:
    from onnx import TensorProto

    return bool(tensor.data_type == TensorProto.FLOAT) and len(tensor.dims) == 2


def _names(node: Any) -> Iterator[str]:
    """What a node reads, also in the branches and loops inside it."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _names(inner)
            yield from (each.name for each in graph.output)
