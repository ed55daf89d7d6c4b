"""``embed.quantization``: another model to keys, vectors kept for reuse and databases; the same one to searches."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from conftest import Mill
from docmill.errors import ModelMismatch
from docmill.models import store
from docmill.models.known import MINILM

FOLDER = "sentence-transformers--all-MiniLM-L6-v2"
INT8 = ("embed.quantization=int8",)


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the real model, in which a sync may make another form of it."""
    cache = tmp_path / "models"
    shutil.copytree(
        store.ensure(MINILM, tmp_path_factory.getbasetemp() / "model-cache").folder,
        cache / FOLDER,
        copy_function=os.link,
    )
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", str(cache))
    return cache


def test_a_sync_makes_the_form_once_and_searches_ask_it(mill: Mill, own_cache: Path) -> None:
    mill.overrides = INT8
    mill.write("cats.md", "# Pets\n\nOur kitten sleeps all day and purrs.\n")
    mill.write("cars.md", "# Garage\n\nThe engine needs a new gearbox and fresh oil.\n")
    assert mill.sync().documents.completed == 2
    made = (own_cache / f"{FOLDER}@int8" / "model.onnx").stat()
    assert mill.sync().run_group_id is None
    [database] = mill.state("SELECT model, fingerprint FROM database")
    assert database == (MINILM, store.get(MINILM, own_cache, "int8").info.fingerprint)
    assert mill.search("a young feline", mode="vector").hits[0].uri == "cats.md"
    assert mill.search("repair of a vehicle").hits[0].uri == "cars.md"
    assert (own_cache / f"{FOLDER}@int8" / "model.onnx").stat() == made


def test_a_database_takes_vectors_of_one_form_only(mill: Mill, own_cache: Path) -> None:
    mill.overrides = ()
    mill.write("cats.md", "# Pets\n\nOur kitten sleeps all day and purrs.\n")
    first = mill.sync()
    with pytest.raises(ModelMismatch):
        mill.sync(overrides=[*INT8])
    other = mill.sync(overrides=[*INT8, "store.database=quick"])
    assert (first.chunks.embedded, other.chunks.embedded, other.chunks.reused) == (1, 1, 0)
    assert mill.search("a young feline", mode="vector").hits[0].uri == "cats.md"
    assert mill.search("a young feline", mode="vector", database="quick").hits[0].uri == "cats.md"
