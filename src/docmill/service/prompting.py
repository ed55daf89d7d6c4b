"""What was found as text for a prompt, with citations, within a number of tokens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docmill.domain import quoting
from docmill.domain.questions import Question, question
from docmill.domain.quoting import Quote
from docmill.domain.results import Citation, ContextResult
from docmill.errors import UsageError
from docmill.service.searching import Row, Searcher, also_in, opened
from docmill.stores import reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docmill.domain.contracts import Tokenizer
    from docmill.settings import Settings


def context(
    settings: Settings, query: str, *, database: str = "default", max_tokens: int | None = None, **asked: Any
) -> ContextResult:
    """Raises as :func:`docmill.service.searching.search`, UsageError where ``max_tokens`` has room for no passage."""
    started = time.perf_counter()
    put = question({"query": query, **asked})
    return quoted(opened(settings, database, put), put, max_tokens, started)


def quoted(
    searcher: Searcher,
    put: Question,
    max_tokens: int | None,
    started: float,
    vector: NDArray[np.float32] | None = None,
) -> ContextResult:
    """The answer to a question as text. Passages are taken whole, the best first; one that has no room is left out."""
    rows = searcher.answer(put, vector)
    blocks = _blocks(searcher, rows, put.context)
    tokenizer = searcher.tokenizer()
    boundary = quoting.boundary(put.query, [block.quote for block in blocks])
    chosen = _fitting(blocks, boundary, tokenizer, max_tokens)
    text = _text(chosen, boundary)
    sizes = tokenizer.counts([quoting.written(n, block.quote, boundary) for n, block in enumerate(chosen, start=1)])
    return ContextResult(
        query=put.query,
        mode=put.mode,
        database=searcher.database.name,
        text=text,
        boundary=boundary,
        citations=[_citation(n, block, size) for n, (block, size) in enumerate(zip(chosen, sizes, strict=True), 1)],
        tokens=tokenizer.counts([text])[0],
        max_tokens=max_tokens,
        left_out=sum(len(block.hits) for block in blocks) - sum(len(block.hits) for block in chosen),
        model=searcher.model,
        seconds=round(time.perf_counter() - started, 3),
    )


@dataclass(slots=True)
class _Block:
    """Passages of one document that follow each other, in order, and the hits among them, the best first."""

    rows: list[Row]
    hits: list[Row]

    @property
    def quote(self) -> Quote:
        best = self.hits[0]
        pages = [row["page_start"] for row in self.rows if row["page_start"] is not None]
        ends = [row["page_end"] for row in self.rows if row["page_end"] is not None]
        return Quote(
            uri=best["uri"],
            source=best["source"],
            title=best["title"],
            headings=tuple(best["headings"] or ()),
            page_start=min(pages, default=None),
            page_end=max(ends, default=None),
            text=_joined(self.rows),
        )


def _blocks(searcher: Searcher, rows: list[Row], reach: int) -> list[_Block]:
    """A block for each hit; hits that share a passage around them share one, so that nothing is said twice."""
    blocks: list[_Block] = []
    for row in rows:
        around = reading.neighbours(searcher.table, row, reach) if reach else [row]
        ids = {each["chunk_id"] for each in around}
        near = [block for block in blocks if any(each["chunk_id"] in ids for each in block.rows)]
        if not near:
            blocks.append(_Block(around, [row]))
            continue
        first, *others = near
        everything = {each["chunk_id"]: each for block in near for each in block.rows}
        everything.update({each["chunk_id"]: each for each in around if each["chunk_id"] not in everything})
        first.rows = sorted(everything.values(), key=lambda each: each["position"])
        first.hits += [hit for block in others for hit in block.hits] + [row]
        blocks = [block for block in blocks if block not in others]
    return blocks


def _joined(rows: list[Row]) -> str:
    """The text of passages that follow each other, without what one repeats of the one before."""
    text, lead, end = "", "", 0
    for number, row in enumerate(rows):
        own = row["text"]
        repeated = own[: len(own) - (row["char_end"] - row["char_start"])]  # a table's header row
        body = own[len(repeated) :]
        if not number:
            text = own
        elif row["char_start"] < end:
            text += body[end - row["char_start"] :]
        else:
            text += "\n" + (body if repeated == lead else own)
        lead, end = repeated, max(end, row["char_end"])
    return text


def _fitting(blocks: list[_Block], boundary: str, tokenizer: Tokenizer, most: int | None) -> list[_Block]:
    """Raises UsageError where none fits."""
    if most is None or not blocks:
        return blocks
    room = most - tokenizer.counts([quoting.preface(boundary)])[0]
    sizes = tokenizer.counts([quoting.written(len(blocks), block.quote, boundary) for block in blocks])
    chosen: list[_Block] = []
    for block, size in zip(blocks, sizes, strict=True):
        if size <= room:
            chosen.append(block)
            room -= size
    # What is counted piece by piece may come to a little less than the whole, for some vocabularies.
    while chosen and tokenizer.counts([_text(chosen, boundary)])[0] > most:
        chosen.pop()
    if not chosen:
        least = most - room + min(sizes)
        raise UsageError(
            f"--max-tokens {most} has room for none of the passages", hint=f"the shortest of them needs {least}"
        )
    return chosen


def _text(chosen: list[_Block], boundary: str) -> str:
    """Nothing at all where nothing was found."""
    if not chosen:
        return ""
    parts = [quoting.written(number, block.quote, boundary) for number, block in enumerate(chosen, start=1)]
    return quoting.preface(boundary) + "".join(parts)


def _citation(number: int, block: _Block, tokens: int) -> Citation:
    best, quote = block.hits[0], block.quote
    others = [row["chunk_id"] for row in block.rows if row["chunk_id"] != best["chunk_id"]]
    return Citation(
        number=number,
        mark=quoting.mark(number),
        score=round(best["score"], 6),
        uri=quote.uri,
        source=quote.source,
        title=quote.title,
        headings=list(quote.headings),
        page_start=quote.page_start,
        page_end=quote.page_end,
        char_start=min(row["char_start"] for row in block.rows),
        char_end=max(row["char_end"] for row in block.rows),
        chunk_ids=[best["chunk_id"], *others],
        document_id=best["document_id"],
        tokens=tokens,
        also_in=[each for hit in block.hits for each in also_in(hit)],
    )
