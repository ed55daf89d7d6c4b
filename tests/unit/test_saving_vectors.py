"""The embed stage writes vectors into the cache before a window needs them there, and every second or two."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from docmill.domain.params import EmbedParams
from docmill.engine import embedding
from docmill.engine.embedding import EmbedStage
from docmill.engine.pools import Done

VECTOR = b"\0" * 16


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Cache:
    """Remembers what was written to it each time."""

    def __init__(self) -> None:
        self.saved: list[list[bytes]] = []

    def find(self, keys: list[bytes]) -> dict[bytes, bytes]:
        return {key: VECTOR for part in self.saved for key in part if key in keys}

    def add(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self.saved.append([key for key, _vector in rows])


class Executor:
    def submit(self, *_task: Any, timeout: float | None = None) -> Future[bytes]:
        future: Future[bytes] = Future()
        future.set_result(VECTOR)
        self.last = future
        return future


class Scene:
    """One document of one text after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        monkeypatch.setattr(embedding, "time", self.clock)
        self.cache, self.executor = Cache(), Executor()
        self.ready: list[Any] = []
        model = SimpleNamespace(fingerprint="f" * 64, dimension=4, special_tokens=2)
        embed = SimpleNamespace(method="hashing", timeout_s=None)
        pipeline = SimpleNamespace(model=model, embed=embed, embed_params=EmbedParams())
        nothing: Any = SimpleNamespace(
            start_step=lambda *_, **__: None, finish_step=lambda *_, **__: None, count_chunks=lambda *_, **__: None
        )
        self.stage = EmbedStage(
            pipeline,
            nothing,
            self.cache,
            lambda: self.executor,
            workers=1,
            ready=self.ready.append,
            failed=lambda *_: None,
        )
        self.group = SimpleNamespace(id=1, no_cache=frozenset(), chunks_embedded=0, chunks_reused=0)

    def work(self, text: str) -> Any:
        chunk = SimpleNamespace(embedded_text=text, context="", tokens=1)
        row = SimpleNamespace(name="embed", status="pending")
        return SimpleNamespace(
            group=self.group,
            content=SimpleNamespace(chunks=[chunk]),
            missing=set(),
            vectors={},
            embedded=0,
            failure=None,
            step=lambda _type: row,
        )

    def embed(self, text: str) -> None:
        self.stage.add([self.work(text)])
        self.stage.dispatch(more_to_come=False)
        self.stage.done(Done(self.stage, self.executor.last))

    def tick(self, seconds: float) -> int:
        """Time passes; how often the cache has been written to by then."""
        self.clock.now += seconds
        self.stage.dispatch(more_to_come=True)
        return len(self.cache.saved)


def test_after_a_second_or_once_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.embed("one")
    assert scene.tick(0.9) == 0
    assert scene.tick(0.2) == 1
    scene.embed("two")
    scene.stage.save()
    scene.embed("three")
    assert scene.tick(0.9) == 2, "the last time is what counts"
    assert scene.tick(0.2) == 3


def test_after_two_seconds_where_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    monkeypatch.setattr(embedding, "_MANY", 2)
    scene.embed("one")
    scene.embed("two")
    assert scene.tick(1.9) == 0
    assert scene.tick(0.2) == 1


def test_nothing_is_written_where_there_is_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.stage.save()
    scene.embed("one")
    scene.stage.save()
    scene.stage.save()
    assert len(scene.cache.saved) == scene.tick(9.0) == 1


def test_of_many_none_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    monkeypatch.setattr(embedding, "_MOST_UNSAVED", 3)
    for text in ("one", "two"):
        scene.embed(text)
    assert scene.tick(0.1) == 0
    scene.embed("three")
    assert scene.tick(0.1) == 1


def test_what_is_not_written_yet_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.embed("the same")
    scene.stage.add([scene.work("the same")])
    assert [each.embedded for each in scene.ready] == [1, 0]
    assert scene.cache.saved == []
    scene.stage.save()
    scene.stage.add([scene.work("the same")])
    assert [each.embedded for each in scene.ready] == [1, 0, 0]
