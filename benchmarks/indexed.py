"""Retrieval through the whole of docmill: real files, a real ``sync``, and the ranking that ``search`` gives."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docmill import settings as settings_module
from docmill.domain.events import SilentReporter
from docmill.service.home import init
from docmill.service.searching import Searcher
from docmill.service.syncing import sync


@dataclass(frozen=True, slots=True)
class Indexed:
    """A home that a folder has been synced into, and what the sync said."""

    home: Path
    documents: int
    chunks: int
    seconds: float

    def runs(
        self,
        queries: Mapping[str, str],
        modes: Sequence[str],
        name_of: Callable[[str], str],
        *,
        per_document: bool = True,
        collapse: bool = True,
    ) -> dict[str, dict[str, list[str]]]:
        """For each mode the ten best documents of each query, by their best passage. ``name_of`` a URI judges know.

        Without ``per_document`` the documents of the ten best passages. collapse: those that say the same count once.
        """
        searcher = Searcher(self.home, "default")
        found: dict[str, dict[str, list[str]]] = {mode: {} for mode in modes}
        for mode in modes:
            for query, text in queries.items():
                rows = searcher.rank(text, mode=mode, limit=10, per_document=per_document, collapse=collapse)
                found[mode][query] = [name_of(row["uri"]) for row in rows[:10]]
        return found


def index(folder: Path, work: Path, *, include: list[str], overrides: list[str]) -> Indexed:
    """Sync ``folder`` into a new home below ``work``. Raises where a document fails: a benchmark over less is none."""
    home = Path(tempfile.mkdtemp(dir=work)) / "home"
    settings = settings_module.build(home=home)
    init(settings)
    result = sync(settings, SilentReporter(), [folder], include=include, overrides=overrides)
    if result.documents.failed or not result.documents.completed:
        raise RuntimeError(f"{result.documents.failed} of the files in {folder} failed: {result.errors[:3]}")
    return Indexed(home, result.documents.completed, result.chunks.total, result.seconds)


def write_markdown(corpus: Mapping[str, tuple[str, str]], folder: Path) -> None:
    """One file a document: its title as the heading, its text below."""
    for name, (title, text) in corpus.items():
        (folder / f"{name}.md").write_text(f"# {title}\n\n{text}\n" if title else f"{text}\n", encoding="utf-8")
