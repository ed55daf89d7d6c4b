"""Answers a question from a database. Imports neither the state's toolkit nor anything that writes."""

from __future__ import annotations

import json
import threading
import time
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from docmill import registry
from docmill.domain import filter_grammar, likeness
from docmill.domain.contracts import Embedder, EmbeddingSession, Tokenizer
from docmill.domain.params import EmbedParams
from docmill.domain.questions import Question, question
from docmill.domain.results import AlsoIn, Hit, Neighbour, SearchResult
from docmill.errors import DefinitionError, NotFoundError
from docmill.service import filtering
from docmill.settings import Settings, find_home
from docmill.stores import database_folders, reading
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import CHUNKS, POOL, Database, Scope

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EVERYWHERE = Scope()
MOST_CANDIDATES = 10_000  # that are looked at for enough hits that differ

Row = dict[str, Any]


def search(settings: Settings, query: str, *, database: str = "default", **asked: Any) -> SearchResult:
    """The best passages, best first. ``asked``: see :class:`docmill.domain.questions.Question`.

    per_document: the best passage of each document only. min_score: in the mode's own measure (see Hit).
    exact: every vector is compared, also where there is an index that needs to look at few.
    filter: in the language of :mod:`docmill.domain.filters`; passages are chosen among those that it lets through.
    Raises DatabaseNotFound, UsageError for an empty query and an unusable filter, NotAllowedError where the model is
    not the database's.
    """
    started = time.perf_counter()
    put = question({"query": query, **asked})
    return found(opened(settings, database, put), put, started)


def opened(settings: Settings, database: str, put: Question) -> Searcher:
    """Ready to answer such questions. A filter that cannot be read is refused before anything is opened."""
    if put.filter is not None:
        filter_grammar.parse(put.filter)
    home = find_home(settings)
    if not database_folders.databases(home):
        raise NotFoundError("nothing has been stored in this home yet", hint="docmill sync FOLDER")
    return Searcher(home, database, model=put.mode != "fts")


def found(searcher: Searcher, put: Question, started: float, vector: NDArray[np.float32] | None = None) -> SearchResult:
    """What a search gives. ``started``: by the performance counter. ``vector``: the query's, where it is known."""
    rows = searcher.answer(put, vector)
    hits = [_hit(rank, row) for rank, row in enumerate(rows, start=1)]
    if put.context > 0:
        hits = [_with_neighbours(searcher.table, row, hit, put.context) for row, hit in zip(rows, hits, strict=True)]
    return SearchResult(
        query=put.query,
        mode=put.mode,
        database=searcher.database.name,
        hits=hits,
        seconds=round(time.perf_counter() - started, 3),
    )


class Searcher:
    """A database at its published version and its model, opened once for any number of questions.

    Several threads may ask, with vectors that one of them has had made.
    """

    def __init__(self, home: Path, database: str, *, model: bool = True) -> None:
        # Importing the model's libraries takes about as long as importing LanceDB: the one is done beside the other.
        warming = _warm_up() if model else None
        self._home = home
        try:
            self.database = Database(home, database)
            self.table = self.database.table(CHUNKS)
        finally:  # also where there is no such database: a program that ends during an import is aborted
            if warming:
                warming.join()
        self._session: EmbeddingSession | None = None
        self._tokenizer: Tokenizer | None = None
        self._condition = lru_cache(maxsize=64)(
            lambda text: filtering.condition(self.database, filter_grammar.parse(text))
        )
        if model:
            self._load()

    def vectors(self, queries: list[str]) -> NDArray[np.float32]:
        """``(len(queries), dimension)``. Loads the model where that has not been done."""
        return self._load().embed_queries(queries)

    def tokenizer(self) -> Tokenizer:
        """The model's own; the model itself is not loaded for it."""
        if self._tokenizer is None:
            embedder, params = _embedder(self._home, self.database)
            self._tokenizer = embedder.tokenizer(params)
        return self._tokenizer

    @cached_property
    def model(self) -> str:
        """The name of the model that the database was made with."""
        return self.database.settings()["model"]

    def scope(self, put: Question) -> Scope:
        """Raises UsageError for a filter that cannot be used."""
        narrowed = self._condition(put.filter) if put.filter is not None else None
        return Scope(tuple(put.source or ()), put.uri_prefix, filter=narrowed)

    def answer(self, put: Question, vector: NDArray[np.float32] | None = None) -> list[Row]:
        """The rows of a question's hits. Each has its ``score``, and ``also_in``: rows that say nearly the same."""
        rows = self.rank(
            put.query,
            mode=put.mode,
            limit=put.limit,
            scope=self.scope(put),
            per_document=put.per_document,
            exact=put.exact,
            collapse=put.collapse,
            vector=vector,
        )
        least = put.min_score
        return [row for row in rows if least is None or row["score"] >= least][: put.limit]

    def rank(
        self,
        query: str,
        *,
        mode: str = "hybrid",
        limit: int = 10,
        scope: Scope = EVERYWHERE,
        per_document: bool = False,
        exact: bool = False,
        collapse: bool = True,
        vector: NDArray[np.float32] | None = None,
    ) -> list[Row]:
        """Rows of passages, best first; at least ``limit`` where there are so many. Each has its ``score``."""
        if self.table is None:
            return []
        if mode != "fts" and vector is None:
            vector = self.vectors([query])[0]
        wanted = max(POOL, limit * (5 if per_document else 1))
        while True:
            rankings = []
            if vector is not None and mode != "fts":
                rankings.append(reading.vector_hits(self.table, vector, wanted, scope, exact=exact))
            if mode != "vector":
                rankings.append(reading.text_hits(self.table, query, wanted, scope))
            rows = reading.fuse(rankings) if mode == "hybrid" else rankings[0]
            rows = _best_of_each(rows) if per_document else rows
            rows = _collapsed(rows) if collapse else rows
            if len(rows) >= limit or all(len(each) < wanted for each in rankings) or wanted >= MOST_CANDIDATES:
                return rows
            wanted = min(wanted * 4, MOST_CANDIDATES)

    def _load(self) -> EmbeddingSession:
        """The model that the database was made with."""
        if self._session is None:
            embedder, params = _embedder(self._home, self.database)
            self._session = embedder.load(params, threads=1)
        return self._session


def _collapsed(rows: list[Row]) -> list[Row]:
    """Of rows that say nearly the same the first, with the others ``also_in`` it."""
    groups = likeness.grouped(rows, lambda row: likeness.unpaged(row["text"], row["page_start"], row["page_end"]))
    return [{**row, "also_in": others} if others else row for row, others in groups]


def _best_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of each document."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        best.setdefault(row["document_id"], row)
    return list(best.values())


def _embedder(home: Path, opened: Database) -> tuple[Embedder, EmbedParams]:
    """What made the database's vectors. Raises NotAllowedError where it would make others by now."""
    stored = opened.settings()
    embedder: Embedder = registry.load("embedders", stored["embedder"])
    params = _embed_params(embedder, stored, home, opened.name)
    reading.require_model(stored, embedder.describe(params).fingerprint, opened.name)
    return embedder, params


def _embed_params(embedder: Embedder, stored: dict[str, str], home: Path, database: str) -> EmbedParams:
    """As the last sync into the database had them."""
    with reading_state(home) as queries:
        asked = queries.asking(database, stored["fingerprint"])
    try:
        return embedder.params.model_validate_json(json.dumps({"model": stored["model"], **json.loads(asked)}))
    except ValidationError as error:
        said = f"the embedder {stored['embedder']!r} no longer takes the parameters that the database was made with"
        raise DefinitionError(f"{said}: {error}", hint="sync again") from None


def _warm_up() -> threading.Thread:
    import numpy  # noqa: F401 - both sides need it, and two threads that first import it at once may see half of it

    def work() -> None:
        import onnxruntime  # noqa: F401
        import tokenizers  # noqa: F401

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def also_in(row: Row) -> list[AlsoIn]:
    """Of a row that :meth:`Searcher.answer` gives."""
    return [AlsoIn(**{name: each[name] for name in AlsoIn.model_fields}) for each in row.get("also_in", ())]


def _hit(rank: int, row: Row) -> Hit:
    fields = {name: row[name] for name in Hit.model_fields if name in row}
    own = {"rank": rank, "score": round(row["score"], 6), "headings": list(row["headings"] or [])}
    return Hit(**{**fields, **own, "also_in": also_in(row)})


def _with_neighbours(table: Any, row: dict[str, Any], hit: Hit, reach: int) -> Hit:
    around = reading.neighbours(table, row, reach)
    names = Neighbour.model_fields
    before = [Neighbour(**{n: each[n] for n in names}) for each in around if each["position"] < row["position"]]
    after = [Neighbour(**{n: each[n] for n in names}) for each in around if each["position"] > row["position"]]
    return hit.model_copy(update={"before": before, "after": after})
