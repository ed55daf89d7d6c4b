"""How long work will take, by how long this home's own work took. And how far off such predictions were.

Seconds = those of a start + those of a document * documents + those of an embedding * texts to embed. Each rate is the
median over the finished run groups that it dominates, so that one odd day does not count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from docmill.domain.events import now
from docmill.domain.results import Prediction
from docmill.errors import DocmillError
from docmill.stores import forecasts
from docmill.stores.queries import Queries, Row

_START_S, _DOCUMENT_S, _TEXT_S = 2.0, 0.02, 0.02  # a guess, for a home without a history
_SMALL, _MANY = 3, 20
_KEPT = "predictions"
_MOST_KEPT = 50


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds of a start, of a document, and of a text to embed. ``groups``: how many they are taken from."""

    start: float = _START_S
    document: float = _DOCUMENT_S
    text: float = _TEXT_S
    groups: int = 0

    def seconds(self, documents: int, embedded: int) -> float:
        return self.start + self.document * documents + self.text * embedded if documents else 0.0


def learn(groups: Sequence[Row]) -> Rates:
    """From finished groups."""
    small = [g["seconds"] for g in groups if 0 < g["documents"] <= _SMALL and g["chunks_embedded"] <= _MANY]
    start = median(small) if small else _START_S
    light = [
        max(g["seconds"] - start, 0.0) / g["documents"]
        for g in groups
        if g["documents"] >= _MANY and g["chunks_embedded"] * 10 <= g["documents"]
    ]
    document = median(light) if light else _DOCUMENT_S
    heavy = [
        max(g["seconds"] - start - document * g["documents"], 0.0) / g["chunks_embedded"]
        for g in groups
        if g["chunks_embedded"] >= _MANY
    ]
    text = median(heavy) if heavy else _TEXT_S
    return Rates(start, document, text, len(small) + len(light) + len(heavy))


def predict(queries: Queries, documents: int, embedded: int) -> Prediction:
    """How long a group of so many documents, with so many texts to embed, will take."""
    groups = forecasts.finished_groups(queries)
    rates = learn(groups)
    missed = _missed(queries, groups)
    return Prediction(
        seconds=round(rates.seconds(documents, embedded), 1),
        basis="history" if rates.groups else "guess",
        groups=len(groups) if rates.groups else 0,
        off=round(median(missed), 2) if missed else None,
        compared=len(missed),
    )


def keep(home: Path, queries: Queries, predictions: Sequence[tuple[int, int, float]]) -> None:
    """Remember what was predicted: batch, documents and seconds of each. Where nothing may be written, nothing is."""
    kept = [
        {"batch_id": batch_id, "documents": documents, "seconds": seconds, "at": now()}
        for batch_id, documents, seconds in predictions
        if batch_id and documents
    ]
    if not kept:
        return
    from docmill.stores.state import State

    value = json.dumps([*_kept(queries), *kept][-_MOST_KEPT:])
    try:
        state = State(home)
        try:
            with state.transaction() as tx:
                tx.run("INSERT OR REPLACE INTO home_meta (key, value) VALUES (?, ?)", [_KEPT, value])
        finally:
            state.close()
    except DocmillError:
        return  # a plan is worth more than its place in the statistics


def _missed(queries: Queries, groups: Sequence[Row]) -> list[float]:
    """Of each prediction that has come to pass: how far off it was, as a share of the real time.

    It is held against the first group of its batch that began after it, where that did what had been planned.
    """
    missed = []
    for told in _kept(queries):
        later = [g for g in groups if g["batch_id"] == told["batch_id"] and g["created_at"] >= told["at"]]
        first = min(later, key=lambda g: g["id"], default=None)
        if first is not None and first["documents"] == told["documents"]:
            missed.append(abs(told["seconds"] - first["seconds"]) / first["seconds"])
    return missed


def _kept(queries: Queries) -> list[dict[str, Any]]:
    text = queries.value("SELECT value FROM home_meta WHERE key = ?", [_KEPT])
    found: list[dict[str, Any]] = json.loads(text) if text else []
    return found
