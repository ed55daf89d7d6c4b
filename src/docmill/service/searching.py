"""Answers a question from a database. Imports neither the state's toolkit nor anything that writes."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from docmill import registry
from docmill.domain import filter_grammar
from docmill.domain.contracts import Embedder, EmbeddingSession
from docmill.domain.params import EmbedParams
from docmill.domain.results import Hit, Neighbour, SearchResult
from docmill.errors import DefinitionError, NotFoundError, UsageError
from docmill.service import filtering
from docmill.settings import Settings, find_home
from docmill.stores import reading
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import CHUNKS, POOL, Database, Scope

MODES = ("hybrid", "vector", "fts")
EVERYWHERE = Scope()


def search(
    settings: Settings,
    query: str,
    *,
    mode: str = "hybrid",
    limit: int = 10,
    source: list[str] | None = None,
    uri_prefix: str | None = None,
    database: str = "default",
    context: int = 0,
    per_document: bool = False,
    min_score: float | None = None,
    exact: bool = False,
    filter: str | None = None,  # noqa: A002 - the option's name
) -> SearchResult:
    """The best passages, best first.

    per_document: the best passage of each document only. min_score: in the mode's own measure (see Hit).
    exact: every vector is compared, also where there is an index that needs to look at few.
    filter: in the language of :mod:`docmill.domain.filters`; passages are chosen among those that it lets through.
    Raises DatabaseNotFound, UsageError for an empty query and an unusable filter, NotAllowedError where the model is
    not the database's.
    """
    started = time.perf_counter()
    if not query.strip():
        raise UsageError("the query is empty")
    if mode not in MODES:
        raise UsageError(f"unknown mode {mode!r}", hint=f"one of {', '.join(MODES)}")
    wanted = filter_grammar.parse(filter) if filter is not None else None
    home = find_home(settings)
    if not reading.databases(home):
        raise NotFoundError("nothing has been stored in this home yet", hint="docmill sync FOLDER")
    searcher = Searcher(home, database, model=mode != "fts")
    scope = Scope(
        tuple(source or ()), uri_prefix, filter=filtering.condition(searcher.database, wanted) if wanted else None
    )
    rows = searcher.rank(query, mode=mode, limit=limit, scope=scope, per_document=per_document, exact=exact)
    if min_score is not None:
        rows = [row for row in rows if row["score"] >= min_score]
    hits = [_hit(rank, row) for rank, row in enumerate(rows[:limit], start=1)]
    if context > 0:
        hits = [_with_neighbours(searcher.table, row, hit, context) for row, hit in zip(rows, hits, strict=False)]
    return SearchResult(
        query=query, mode=mode, database=database, hits=hits, seconds=round(time.perf_counter() - started, 3)
    )


class Searcher:
    """A database at its published version and its model, opened once for any number of questions."""

    def __init__(self, home: Path, database: str, *, model: bool = True) -> None:
        # Importing the model's libraries takes about as long as importing LanceDB: the one is done beside the other.
        warming = _warm_up() if model else None
        try:
            self.database = Database(home, database)
            self.table = self.database.table(CHUNKS)
        finally:  # also where there is no such database: a program that ends during an import is aborted
            if warming:
                warming.join()
        self._session = _query_session(home, self.database) if model else None

    def rank(
        self,
        query: str,
        *,
        mode: str = "hybrid",
        limit: int = 10,
        scope: Scope = EVERYWHERE,
        per_document: bool = False,
        exact: bool = False,
    ) -> list[dict[str, Any]]:
        """Rows of passages, best first; at least ``limit`` where there are so many. Each has its ``score``."""
        if self.table is None:
            return []
        wanted = max(POOL, limit * (5 if per_document else 1))
        rankings = []
        if mode != "fts":
            assert self._session is not None
            vector = self._session.embed_query(query)
            rankings.append(reading.vector_hits(self.table, vector, wanted, scope, exact=exact))
        if mode != "vector":
            rankings.append(reading.text_hits(self.table, query, wanted, scope))
        rows = reading.fuse(rankings) if mode == "hybrid" else rankings[0]
        return _best_of_each(rows) if per_document else rows


def _best_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of each document."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        best.setdefault(row["document_id"], row)
    return list(best.values())


def _query_session(home: Path, opened: Database) -> EmbeddingSession:
    """The model that the database was made with, loaded."""
    stored = opened.settings()
    embedder: Embedder = registry.load("embedders", stored["embedder"])
    params = _embed_params(embedder, stored, home, opened.name)
    reading.require_model(stored, embedder.describe(params).fingerprint, opened.name)
    return embedder.load(params, threads=1)


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


def _hit(rank: int, row: dict[str, Any]) -> Hit:
    fields = {name: row[name] for name in Hit.model_fields if name in row}
    return Hit(**{**fields, "rank": rank, "score": round(row["score"], 6), "headings": list(row["headings"] or [])})


def _with_neighbours(table: Any, row: dict[str, Any], hit: Hit, reach: int) -> Hit:
    around = reading.neighbours(table, row, reach)
    names = Neighbour.model_fields
    before = [Neighbour(**{n: each[n] for n in names}) for each in around if each["position"] < row["position"]]
    after = [Neighbour(**{n: each[n] for n in names}) for each in around if each["position"] > row["position"]]
    return hit.model_copy(update={"before": before, "after": after})
