"""Embedding by a server: through whole syncs and searches, and what becomes of documents when the server fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import QUICK, Mill, Working, wait_for
from docmill.embedders.hashing import HashingSession
from docmill.errors import DefinitionError, ModelMismatch, ModelRefused, ModelUnreachable
from docmill.models import store
from docmill.models.known import MINILM
from docmill.models.witness import TEXT
from docmill.service import working
from embedding_server import EmbeddingServer, failure, ok

KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the default model, whose tokenizer counts."""
    cache = tmp_path_factory.getbasetemp() / "model-cache"
    store.ensure(MINILM, cache)
    return cache


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    made = EmbeddingServer()
    yield made
    made.stop()


@pytest.fixture
def remote(mill: Mill, server: EmbeddingServer, model_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """A home that has its texts embedded by the server, with three documents in its folder."""
    cache = mill.root / "models"  # the models of the shared one, and a memory of servers of its own
    cache.mkdir()
    for each in model_cache.iterdir():
        if each.name != "remote":
            (cache / each.name).symlink_to(each)
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", str(cache))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    mill.overrides = (
        "embed.method=openai",
        "embed.model=m",
        f"embed.base_url={server.url}",
        "embed.retries=1",
        "embed.timeout_s=5",
    )
    for name in ("walnut", "hazelnut", "almond"):
        mill.write(f"{name}.md", f"# {name}\n\nThe {name} is a nut that grows in gardens.\n")
    return mill


def passages(server: EmbeddingServer) -> list[str]:
    return [text for text in server.texts if text != TEXT]


def statuses(mill: Mill) -> list[Any]:
    return [status for (status,) in mill.state("SELECT status FROM run ORDER BY id")]


# ---- as it should be -------------------------------------------------------------------------------------------------


def test_documents_are_embedded_by_the_server_once_and_found(remote: Mill, server: EmbeddingServer) -> None:
    result = remote.sync()
    assert (result.documents.completed, result.chunks.embedded, result.errors) == (3, 3, [])
    assert len(passages(server)) == 3
    assert remote.sync().chunks.embedded == 0
    assert len(passages(server)) == 3
    hits = remote.search("The almond is a nut that grows", mode="vector").hits
    assert hits[0].uri == "almond.md"
    assert passages(server)[-1] == "The almond is a nut that grows"
    vectors = np.array([row["vector"] for row in remote.rows()], np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    texts = sorted(passages(server)[:3])
    assert np.allclose(np.sort(vectors[:, 0]), np.sort(HashingSession(64).embed_passages(texts)[:, 0]), atol=1e-6)


def test_nothing_is_asked_where_nothing_has_changed(remote: Mill, server: EmbeddingServer) -> None:
    remote.sync()
    server.stop()
    assert remote.sync().status == "completed"
    assert remote.found("walnut") == ["walnut.md"]


def test_prefixes_and_the_limit_of_tokens_hold(remote: Mill, server: EmbeddingServer) -> None:
    remote.write("long.md", " ".join(f"word{number}" for number in range(400)))
    remote.sync(overrides=["embed.passage_prefix='doc: '", "embed.query_prefix='ask: '", "embed.max_tokens=64"])
    assert all(text.startswith("doc: ") for text in passages(server))
    assert max(len(text.split()) for text in passages(server)) <= 64
    sent = " ".join(text.removeprefix("doc: ") for text in passages(server))
    assert sent.count("word") == 400, "no passage is longer than what is sent of it"
    remote.search("nut", mode="vector")
    assert passages(server)[-1] == "ask: nut"
    remote.search("word " * 400, mode="vector")
    assert 32 < len(passages(server)[-1].split()) <= 64


def test_a_server_may_move(remote: Mill, server: EmbeddingServer) -> None:
    remote.sync()
    server.stop()
    elsewhere = EmbeddingServer()
    try:
        moved = [f"embed.base_url={elsewhere.url}"]
        result = remote.sync(overrides=moved)
        assert (result.documents.completed, elsewhere.asked) == (0, [])
        assert remote.search("walnut", mode="vector").hits
        assert passages(elsewhere) == ["walnut"]
    finally:
        elsewhere.stop()


def test_a_sync_that_a_dead_server_ended_goes_on_with_another(remote: Mill, server: EmbeddingServer) -> None:
    remote.sync()
    remote.write("new.md", "# New\n\nSomething new.\n")
    server.stop()
    with pytest.raises(ModelUnreachable):
        remote.sync()
    elsewhere = EmbeddingServer()
    try:
        result = remote.sync(overrides=[f"embed.base_url={elsewhere.url}"])
        assert (result.status, result.documents.completed, result.errors) == ("completed", 1, [])
        assert sorted(remote.texts()) == ["almond.md", "hazelnut.md", "new.md", "walnut.md"]
    finally:
        elsewhere.stop()


def test_the_address_may_come_from_the_environment(
    remote: Mill, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/")
    remote.overrides = ("embed.method=openai", "embed.model=m")
    assert remote.sync().documents.completed == 3
    assert remote.search("walnut").hits[0].uri == "walnut.md"


def test_a_tokenizer_of_ones_own_counts(remote: Mill, model_cache: Path) -> None:
    own = remote.root / "tokenizer.json"
    own.write_bytes((store.get(MINILM, model_cache).folder / "tokenizer.json").read_bytes())
    assert remote.sync(overrides=[f"embed.tokenizer={own}"]).documents.completed == 3
    own.write_text("{}")
    with pytest.raises(DefinitionError, match="is no tokenizer"):
        remote.sync(overrides=[f"embed.tokenizer={own}", "embed.model=other", "store.database=other"])
    own.unlink()
    with pytest.raises(DefinitionError, match="cannot be read"):
        remote.sync(overrides=[f"embed.tokenizer={own}"])


# ---- the key ---------------------------------------------------------------------------------------------------------


def test_the_key_is_sent_and_kept_nowhere(
    remote: Mill, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = KEY
    monkeypatch.setenv("MY_KEY", KEY)
    remote.overrides = (*remote.overrides, "embed.api_key_env=MY_KEY")
    assert remote.sync().documents.completed == 3
    assert remote.search("walnut", mode="vector").hits
    assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)
    for path in (each for each in remote.root.rglob("*") if each.is_file() and not each.is_symlink()):
        if (remote.root / "models") not in path.parents or "remote" in path.parts:
            assert KEY.encode() not in path.read_bytes(), path


def test_without_its_key_nothing_is_begun(
    remote: Mill, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = KEY
    with pytest.raises(ModelRefused, match="answers 401") as caught:
        remote.sync()
    assert "embed.api_key_env" in str(caught.value.hint)
    with pytest.raises(ModelRefused, match="MY_KEY is not set"):
        remote.sync(overrides=["embed.api_key_env=MY_KEY"])
    monkeypatch.setenv("MY_KEY", "zwölf")
    with pytest.raises(ModelRefused, match="characters that cannot be sent"):
        remote.sync(overrides=["embed.api_key_env=MY_KEY"])
    assert statuses(remote) == []


def test_a_key_that_is_withdrawn_ends_the_sync_and_fails_no_document(remote: Mill, server: EmbeddingServer) -> None:
    remote.sync()
    server.key = KEY
    remote.write("new.md", "# New\n\nSomething new.\n")
    with pytest.raises(ModelRefused, match="answers 401"):
        remote.sync()
    server.key = None
    result = remote.sync()
    assert (result.documents.completed, result.documents.failed, result.errors) == (1, 0, [])


# ---- a server that fails ---------------------------------------------------------------------------------------------


def test_a_server_that_is_down_ends_the_sync_and_fails_no_document(remote: Mill, server: EmbeddingServer) -> None:
    remote.sync()
    remote.write("new.md", "# New\n\nSomething new.\n")
    server.stop()
    with pytest.raises(ModelUnreachable, match="cannot be reached") as caught:
        remote.sync()
    assert caught.value.exit_code == 7
    assert "run the same command again" in str(caught.value.hint)
    assert "failed" not in statuses(remote)
    assert remote.found("walnut") == ["walnut.md"], "what was there can be searched"
    server.start()
    result = remote.sync()
    assert (result.documents.completed, result.documents.failed, result.errors) == (1, 0, [])
    assert remote.found("new") == ["new.md"]


def test_a_server_that_is_down_from_the_start_is_told_of_at_once(remote: Mill, server: EmbeddingServer) -> None:
    server.stop()
    with pytest.raises(ModelUnreachable, match="cannot be reached"):
        remote.sync()
    assert statuses(remote) == []
    server.start()
    assert remote.sync().documents.completed == 3


def cut_short(remote: Mill, server: EmbeddingServer) -> None:
    """Have the server die in the middle of a sync of 43 documents."""
    remote.write_many(40)
    server.slow_s = 0.05
    syncing = Working(lambda: remote.sync(overrides=["embed.batch_texts=4", "embed.request_texts=2"]))
    wait_for(lambda: len(passages(server)) > 8)
    server.stop()
    with pytest.raises(ModelUnreachable):
        syncing.result()


def test_a_server_that_dies_under_the_work_costs_nothing(remote: Mill, server: EmbeddingServer) -> None:
    cut_short(remote, server)
    server.start()
    result = remote.sync()
    assert (result.documents.failed, result.errors) == (0, [])
    assert len(remote.texts()) == 43


def test_a_server_that_is_silent_keeps_nobody_from_other_work(remote: Mill, server: EmbeddingServer) -> None:
    cut_short(remote, server)
    other = Mill(remote.root, QUICK)
    (elsewhere := remote.root / "elsewhere").mkdir()
    (elsewhere / "elm.md").write_text("Of elm.\n")
    result = other.sync(elsewhere, overrides=["store.database=other"])
    assert (result.status, result.documents.completed) == ("completed", 1)
    assert sorted(status for (status,) in other.state("SELECT status FROM run_group")) == ["completed", "running"]
    server.start()
    assert remote.sync().documents.failed == 0
    assert len(remote.texts()) == 43


def test_a_worker_waits_for_a_silent_server(remote: Mill, server: EmbeddingServer) -> None:
    cut_short(remote, server)
    with pytest.raises(ModelUnreachable):
        working.work(remote.settings, remote.reporter, once=True)
    process = remote.process(
        "from docmill.service import working\nworking.SILENT_SECONDS = 0.2\nworking.work(mill.settings, mill.reporter)"
    )
    wait_for(lambda: (remote.home / "worker.lock").read_text())
    server.start()
    wait_for(lambda: remote.value("SELECT COUNT(*) FROM run_group WHERE status = 'running'") == 0)
    process.terminate()
    process.communicate(timeout=30)
    assert (process.returncode, len(remote.texts())) == (0, 43)


def test_too_many_requests_are_waited_out(remote: Mill, server: EmbeddingServer) -> None:
    server.misbehave = lambda _asked, number: failure(429, "slow down", Retry_After="1") if number % 2 == 1 else None
    result = remote.sync()
    assert (result.documents.completed, result.errors) == (3, [])


def test_one_text_that_the_server_fails_at_costs_only_its_document(remote: Mill, server: EmbeddingServer) -> None:
    def poisoned(asked: dict[str, Any], _number: int) -> Any:
        bad = any("hazelnut" in text for text in asked["input"])
        return failure(400, "the input length exceeds the context length") if bad else None

    server.misbehave = poisoned
    result = remote.sync()
    assert (result.documents.completed, result.documents.failed) == (2, 1)
    [error] = result.errors
    assert error.uri == "hazelnut.md"
    assert "exceeds the context length" in error.error_message
    server.misbehave = lambda _asked, _number: None
    assert remote.sync().documents.completed == 1, "it is not failed for good"


def test_one_text_that_the_server_answers_with_nonsense_costs_only_its_document(
    remote: Mill, server: EmbeddingServer
) -> None:
    def nonsense(asked: dict[str, Any], _number: int) -> Any:
        bad = any("hazelnut" in text for text in asked["input"])
        rows = server.data(asked)
        return ok([{**row, "embedding": [float("nan")] * 64} for row in rows]) if bad else None

    server.misbehave = nonsense
    result = remote.sync()
    assert (result.documents.completed, [error.uri for error in result.errors]) == (2, ["hazelnut.md"])


# ---- another model behind the same name ------------------------------------------------------------------------------


def test_another_model_by_the_same_name_is_seen(remote: Mill, server: EmbeddingServer) -> None:
    remote.sync()
    remote.write("new.md", "# New\n\nSomething new.\n")
    server.misbehave = lambda asked, _number: ok(
        server.data({**asked, "input": [f"another {text} of other words" for text in asked["input"]]})
    )
    with pytest.raises(ModelRefused, match="another model by now"):
        remote.sync()
    with pytest.raises(ModelRefused, match="another model by now"):
        remote.search("walnut", mode="vector")
    assert len(remote.texts()) == 3
    with pytest.raises(ModelMismatch):
        remote.sync(overrides=["embed.revision=2"])
    assert remote.sync(overrides=["embed.revision=2", "store.database=other"]).documents.completed == 4


def test_another_dimension_by_the_same_name_is_seen(remote: Mill, server: EmbeddingServer) -> None:
    remote.sync()
    server.dimension = 32
    with pytest.raises(ModelRefused, match="32 numbers, not 64"):
        remote.search("walnut", mode="vector")


@pytest.mark.parametrize(
    "wrong",
    [
        "base_url=ftp://here/v1",
        "base_url=http://me:secret@here/v1",
        "base_url=http://here/v1?a=b",
        "tokenizer=tokenizer.json",
        f"passage_prefix={'x' * 600}",
        "api_key_env=sk-123",
        "retries=-1",
    ],
)
def test_parameters_are_checked_before_anything_is_asked(remote: Mill, server: EmbeddingServer, wrong: str) -> None:
    with pytest.raises(DefinitionError):
        remote.sync(overrides=[f"embed.{wrong}"])
    assert server.asked == []


def test_the_usual_variable_of_the_key_is_read_and_its_value_is_kept_nowhere(
    remote: Mill, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert remote.sync().documents.completed == 3
    for path in (remote.home / "state.db", *(remote.home / "logs").iterdir()):
        assert KEY.encode() not in path.read_bytes()
