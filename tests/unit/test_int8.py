"""The int8 form of a model: what the graph becomes, that a text's vector is its own, and how it gets into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from docmill import registry
from docmill.domain.params import EmbedParams
from docmill.embedders.fastembed import FastembedParams
from docmill.errors import ModelMissing
from docmill.models import assembly, installed, store
from docmill.models.int8 import NotQuantizable, quantized_columns, write_int8
from docmill.models.known import MINILM
from docmill.models.session import OnnxSession

FOLDER = "sentence-transformers--all-MiniLM-L6-v2"
TEXTS = [
    "",
    "Walnut.",
    "A sentence of a few more words than that.",
    "invoice " * 40,
    "die Mühle mahlt 小麦 при ветре",
    "The parser reads the file; the chunker cuts it; the embedder turns each passage into a vector. " * 12,
]


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that other test modules share; as int8, too."""
    cache = tmp_path_factory.mktemp("int8") / "models"
    shutil.copytree(
        store.ensure(MINILM, tmp_path_factory.getbasetemp() / "model-cache").folder,
        cache / FOLDER,
        copy_function=os.link,
    )
    store.ensure(MINILM, cache, "int8")
    return cache


@pytest.fixture
def cache(shared_cache: Path, tmp_path: Path) -> Path:
    """A cache that a test may damage, as long as it replaces files and does not write into them."""
    shutil.copytree(shared_cache, tmp_path / "models", copy_function=os.link)
    return tmp_path / "models"


@pytest.fixture(scope="module")
def session(shared_cache: Path) -> OnnxSession:
    return OnnxSession(store.get(MINILM, shared_cache, "int8"), threads=1)


# ---- vectors ---------------------------------------------------------------------------------------------------------


def test_a_vector_depends_on_its_text_alone(shared_cache: Path, session: OnnxSession) -> None:
    alone = np.concatenate([session.embed_passages([text]) for text in TEXTS])
    two_threads = OnnxSession(store.get(MINILM, shared_cache, "int8"), threads=2)
    for each in (session, two_threads):
        for order in ([0, 1, 2, 3, 4, 5], [5, 1], [2, 4, 0], [3, 3, 1]):
            together = each.embed_passages([TEXTS[index] for index in order])
            assert np.abs(together - alone[order]).max() <= 1e-4


def test_vectors_are_near_those_of_fp32_and_not_the_same(shared_cache: Path, session: OnnxSession) -> None:
    words = TEXTS[1:]  # what a model makes of no text at all means nothing
    exact = OnnxSession(store.get(MINILM, shared_cache), threads=1).embed_passages(words)
    found = session.embed_passages(words)
    cosines = np.einsum("td,td->t", exact, found)
    assert cosines.min() > 0.985
    assert cosines.max() < 0.99999


def test_weights_are_at_most_64_steps_from_zero_and_within_half_a_step() -> None:
    matrix = np.random.default_rng(3).normal(size=(40, 6)).astype(np.float32)
    matrix[:, 2] = 0
    matrix[7, 4] = 900
    steps, scales = quantized_columns(matrix)
    assert (steps.dtype, scales.dtype, scales.shape) == (np.int8, np.float32, (6,))
    assert np.abs(steps).max() == 64
    assert np.all(np.abs(steps * scales - matrix) <= scales * 0.5001)
    # Two products of an activation without a sign and such a weight fit into 16 bits.
    assert 2 * 255 * 64 < 2**15


# ---- graphs ----------------------------------------------------------------------------------------------------------


def graph_of(path: Path, *nodes: Any, opset: int = 17, weights: np.ndarray[Any, Any] | None = None) -> Path:
    """``x (rows, 4) → y``, with the initializer ``w (4, 3)`` unless told otherwise."""
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3) - 5 if weights is None else weights
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(matrix, "w")],
    )
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
    return path


def computed(path: Path, rows: np.ndarray[Any, Any]) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": rows})[0]


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_products_are_those_of_the_formula(opset: int, tmp_path: Path) -> None:
    source = graph_of(tmp_path / "a.onnx", helper.make_node("MatMul", ["x", "w"], ["y"]), opset=opset)
    assert write_int8(source, tmp_path / "b.onnx") == 1
    rows = np.array([[1, -2, 0.5, 4], [0, 0, 0, 0], [1000, 3, 0, -7], [1e-6, 0, 0, 1e-6]], np.float32)
    steps, scales = quantized_columns(np.arange(12, dtype=np.float32).reshape(4, 3) - 5)
    row_scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12) / 127
    expected = np.rint(rows / row_scales) @ steps.astype(np.float64) * scales * row_scales
    found = computed(tmp_path / "b.onnx", rows)
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-12)
    assert np.array_equal(computed(tmp_path / "b.onnx", rows[:1]), found[:1]), "a row met another's numbers"


def test_rows_that_several_products_read_are_quantised_once(shared_cache: Path) -> None:
    graph = onnx.load(store.get(MINILM, shared_cache, "int8").folder / "model.onnx").graph
    operators = [node.op_type for node in graph.node]
    # Six layers: query, key and value of the same rows, the attention's output, and two of the feed-forward part.
    assert operators.count("MatMulIntegerToFloat") == 6 * 6
    assert operators.count("QuantizeLinear") == 6 * 4
    assert operators.count("MatMul") == 6 * 2, "scores and context have no constant weights, and stay as they are"
    assert {tuple(each.dims) for each in graph.initializer if len(each.dims) == 2 and each.data_type == 1} == {
        (30522, 384),
        (512, 384),
        (2, 384),
    }, "a matrix was left in float32"


def test_weights_that_something_else_reads_are_kept(tmp_path: Path) -> None:
    source = graph_of(
        tmp_path / "a.onnx",
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("ReduceSum", ["w"], ["sum"], keepdims=0),
        helper.make_node("Add", ["product", "sum"], ["y"]),
    )
    write_int8(source, tmp_path / "b.onnx")
    rows = np.array([[1, 2, 3, 4]], np.float32)
    assert np.allclose(computed(tmp_path / "b.onnx", rows), computed(source, rows), rtol=0.02)


@pytest.mark.parametrize(
    ("node", "options", "why"),
    [
        (helper.make_node("MatMul", ["w", "x"], ["y"]), {}, "no matrix product"),
        (helper.make_node("Identity", ["x"], ["y"]), {}, "no matrix product"),
        (helper.make_node("MatMul", ["x", "w"], ["y"]), {"weights": np.ones((2, 4, 3), np.float32)}, "no matrix"),
        (helper.make_node("MatMul", ["x", "w"], ["y"]), {"opset": 12}, "opset 12; 13 is needed"),
    ],
)
def test_what_cannot_be_quantised_is_refused(node: Any, options: dict[str, Any], why: str, tmp_path: Path) -> None:
    source = graph_of(tmp_path / "a.onnx", node, **options)
    with pytest.raises(NotQuantizable, match=why):
        write_int8(source, tmp_path / "b.onnx")
    assert not (tmp_path / "b.onnx").exists()


# ---- the cache -------------------------------------------------------------------------------------------------------


def test_it_is_a_model_of_its_own_beside_the_other(shared_cache: Path) -> None:
    exact, quantized = store.get(MINILM, shared_cache), store.get(MINILM, shared_cache, "int8")
    assert quantized.folder.name == f"{FOLDER}@int8"
    assert quantized.info.fingerprint != exact.info.fingerprint
    assert (quantized.info.name, quantized.info.dimension) == (exact.info.name, exact.info.dimension)
    assert (quantized.weights_digest, quantized.tokenizer_digest) == (exact.weights_digest, exact.tokenizer_digest)
    assert store.verify(MINILM, shared_cache, "int8") == []
    assert store.ensure(MINILM, shared_cache, "int8") == quantized
    assert quantized.size_bytes < exact.size_bytes * 0.7


def test_fingerprint_is_fixed(shared_cache: Path) -> None:
    """Databases and caches are bound to it."""
    found = store.get(MINILM, shared_cache, "int8").info.fingerprint
    assert found == "ea88c5c8e51f16c09223a88aae999864343a57ccda8c3d51bf1a1ac44ca20592"


def test_getting_it_says_how_to_have_it(cache: Path) -> None:
    shutil.rmtree(cache / f"{FOLDER}@int8")
    with pytest.raises(ModelMissing, match="not installed as int8") as caught:
        store.get(MINILM, cache, "int8")
    assert caught.value.hint == f"docmill models install {MINILM} --quantization int8"


def test_damage_is_found_and_mended(cache: Path) -> None:
    path = cache / f"{FOLDER}@int8" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(bytes(content))
    assert [finding.file for finding in store.verify(MINILM, cache, "int8")] == ["int8: model.onnx"]
    assert store.verify(MINILM, cache) == []
    store.ensure(MINILM, cache, "int8", reinstall=True)
    assert store.verify(MINILM, cache, "int8") == []


def test_nothing_is_made_of_a_damaged_model(cache: Path) -> None:
    shutil.rmtree(cache / f"{FOLDER}@int8")
    path = cache / FOLDER / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(bytes(content))
    with pytest.raises(ModelMissing, match="is damaged"):
        store.ensure(MINILM, cache, "int8")
    assert {each.name for each in cache.iterdir() if each.is_dir()} == {FOLDER}


def test_a_machine_on_which_it_would_depend_on_the_batch_has_none(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with scales of a whole batch; or where a runtime adds up a padded row in another order."""
    shutil.rmtree(cache / f"{FOLDER}@int8")
    embed = OnnxSession.embed_passages

    def by_company(self: OnnxSession, texts: Any) -> Any:
        return embed(self, texts) + np.float32(1e-3 * len(texts))

    monkeypatch.setattr(assembly.OnnxSession, "embed_passages", by_company)
    with pytest.raises(ModelMissing, match=r"would depend on its batch \(by 6\.0e-03\)") as caught:
        store.ensure(MINILM, cache, "int8")
    assert caught.value.hint is not None
    assert "embed.quantization=fp32" in caught.value.hint
    assert {each.name for each in cache.iterdir() if each.is_dir()} == {FOLDER}


def test_two_processes_making_it_at_once_both_end_well(cache: Path) -> None:
    shutil.rmtree(cache / f"{FOLDER}@int8")
    code = (
        "import sys, pathlib; from docmill.models import store;"
        "print(store.ensure(sys.argv[1], pathlib.Path(sys.argv[2]), 'int8').info.fingerprint)"
    )
    command = [sys.executable, "-c", code, MINILM, str(cache)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert said == [store.get(MINILM, cache, "int8").info.fingerprint + "\n"] * 2
    assert {each.name for each in cache.iterdir() if each.is_dir()} == {FOLDER, f"{FOLDER}@int8"}


def test_removing_a_model_removes_its_forms(cache: Path) -> None:
    [listed] = [entry for entry in store.list_models(cache) if entry.name == MINILM]
    assert listed.note == "also as int8"
    freed = store.remove(MINILM, cache)
    assert freed > (listed.size_bytes or 0)  # the records, too
    assert store.find(MINILM, cache) is store.find(MINILM, cache, "int8") is None


# ---- the parameter ---------------------------------------------------------------------------------------------------


def test_fp32_is_in_no_key() -> None:
    assert FastembedParams().key_fields() == EmbedParams().key_fields()
    assert FastembedParams(quantization="int8").key_fields()["quantization"] == "int8"


def test_the_embedder_takes_the_form_it_is_told(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", str(shared_cache))
    embedder = registry.load("embedders", "fastembed")
    described = {
        form: embedder.describe(FastembedParams(quantization=form)).fingerprint for form in store.QUANTIZATIONS
    }
    assert described == {form: store.get(MINILM, shared_cache, form).info.fingerprint for form in store.QUANTIZATIONS}
    assert embedder.describe(EmbedParams()).fingerprint == described["fp32"]
    vectors = [embedder.load(FastembedParams(quantization=form), threads=1).embed_query("corn") for form in described]
    assert not np.array_equal(*vectors)


@pytest.mark.parametrize("name", ["x@int8", "sentence-transformers/all-MiniLM-L6-v2@int8"])
def test_no_model_has_the_name_of_a_form(name: str) -> None:
    assert installed.folder_name(name) is None
