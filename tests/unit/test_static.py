"""The static model: the same vectors as its package computes, and none from files that are not the published ones."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from docmill import registry, settings
from docmill.domain.contracts import EmbeddingSession
from docmill.domain.events import Reporter
from docmill.embedders.static import StaticParams
from docmill.errors import ModelMissing
from docmill.models import wordllama
from docmill.service import models

TEXTS = [
    "The parser reads the file; the chunker cuts it.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "日本語のテキストと emoji 🎉🏽",
    "invoice " * 300,
    "?",
]

installed = pytest.mark.skipif(wordllama.folder() is None, reason=f"needs {wordllama.HINT}")


class Silent(Reporter):
    def emit(self, event: object) -> None:
        """Nothing is said."""

    def close(self) -> None:
        """Nothing to put back."""


@pytest.fixture
def session() -> EmbeddingSession:
    found: EmbeddingSession = registry.load("embedders", "static").load(StaticParams(), threads=1)
    return found


@installed
def test_vectors_are_those_of_the_package_itself(session: EmbeddingSession) -> None:
    """In a process of its own: importing the package sets up logging for all."""
    code = (
        "import json, sys\nfrom wordllama import WordLlama\nfrom pathlib import Path\n"
        "model = WordLlama.load(cache_dir=Path(sys.argv[1]), disable_download=True)\n"
        "print(json.dumps([model.embed([text], norm=True)[0].tolist() for text in json.loads(sys.argv[2])]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(wordllama.folder()), json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert np.allclose(session.embed_passages(TEXTS), np.array(json.loads(ran.stdout)), atol=1e-5)


@installed
def test_texts_of_a_kind_are_nearer_than_others(session: EmbeddingSession) -> None:
    cat, kitten, tax = session.embed_passages(["a cat sleeps", "the kitten naps", "the income tax return is due"])
    assert cat @ kitten > cat @ tax + 0.2


@installed
def test_several_threads_get_the_same_vectors(session: EmbeddingSession) -> None:
    expected = session.embed_passages(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(session.embed_passages, [TEXTS] * 64):
            assert np.array_equal(found, expected)


@installed
def test_other_bytes_are_not_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = wordllama.folder()
    assert place is not None
    for name in wordllama.DIGESTS:
        (tmp_path / name).parent.mkdir()
        shutil.copyfile(place / name, tmp_path / name)
    monkeypatch.setattr(wordllama, "folder", lambda: tmp_path)
    assert models.verify(settings.build(), wordllama.NAME).clean
    with (tmp_path / wordllama.WEIGHTS).open("r+b") as stream:
        stream.seek(10_000)
        stream.write(b"\xff")
    [finding] = models.verify(settings.build(), wordllama.NAME).findings
    assert finding.file == wordllama.WEIGHTS
    for use in (
        lambda: models.install(settings.build(), Silent(), wordllama.NAME),
        lambda: registry.load("embedders", "static").load(StaticParams(), threads=1),
    ):
        with pytest.raises(ModelMissing, match="not the published file"):
            use()


@installed
def test_it_is_listed_as_installed() -> None:
    assert models.install(settings.build(), Silent(), wordllama.NAME).already_installed
    entry = models.list_models(settings.build(), limit=1000, offset=0).models[-1]
    assert (entry.name, entry.installed, entry.dimension) == (wordllama.NAME, True, 256)
    assert entry.fingerprint == registry.load("embedders", "static").describe(StaticParams()).fingerprint


def test_without_its_package_the_hint_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordllama, "folder", lambda: None)
    plugin = registry.load("embedders", "static")
    for use in (
        lambda: plugin.describe(StaticParams()),
        lambda: plugin.load(StaticParams(), threads=1),
        lambda: models.install(settings.build(), Silent(), wordllama.NAME),
    ):
        with pytest.raises(ModelMissing) as caught:
            use()
        assert caught.value.hint == "pip install 'docmill[static]'"
    entry = models.list_models(settings.build(), limit=1000, offset=0).models[-1]
    assert (entry.name, entry.installed, entry.available) == (wordllama.NAME, False, False)
    assert not models.verify(settings.build(), wordllama.NAME).clean


def test_it_has_no_other_form() -> None:
    with pytest.raises(ModelMissing, match="has no int8 form"):
        models.install(settings.build(), Silent(), wordllama.NAME, "int8")
