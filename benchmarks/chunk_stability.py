"""How many passages one edit makes new: what an incremental index pays for a changed sentence.

    python benchmarks/chunk_stability.py [--chunker structure] [--edits 300] [--chunks 1000]

A document of about so many chunks is made, then edited again and again, each time from its first state: one sentence
(or table row) anywhere is changed, added or removed. A passage is new when the text to embed was not there before. The
structure chunker without overlap must stay within the limits below on every text; exits 1 where it does not.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from docmill import registry
from docmill.domain.assembly import DocumentBuilder
from docmill.domain.contracts import Chunker, Tokenizer
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ChunkParams, EmbedParams

MOST_NEW_MEAN, MOST_NEW_P95, MOST_NEW = 1.5, 3, 5
LEAST_MEAN_TOKENS = 135
TOKENS_A_CHUNK = 153  # about what the structure chunker makes of size 220; only sets the length of the texts
SIZE, OVERLAPS = 220, (0, 32)

_COMMON = (
    "the of to and in is for on that by this with you it not or be are from at as your all have new more an was we "
    "will home can us about if page my has search free but our one other do no information time they site he up may "
    "what which their news out use any there see only so his when contact here business who web also now help get "
    "view online first am been would how were services some these click its like service than find price date back "
    "top people had list name just over state year day into email two health world next used go work last most "
    "products music buy data make them should product system post her city add policy number such please available "
    "copyright support message after best software then good video well where info rights public books high school "
    "through each links she review years order very privacy book items company read group need many user said does "
    "set under general research university january mail full map reviews program life know games way days management "
    "part could great united hotel real item international center must store travel comments made development report"
)
WORDS = _COMMON.split()


# ---- texts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One block of a text under edit. ``kind`` is heading, paragraph, list_item or table; ``lines`` its sentences."""

    kind: str
    lines: tuple[str, ...]
    level: int = 0


def sentence(rng: random.Random) -> str:
    """6 to 32 tokens, about."""
    words = rng.choices(WORDS, k=rng.randint(5, 31))
    return f"{words[0].capitalize()} {' '.join(words[1:])}{rng.choice('...!?')}"


def row(rng: random.Random) -> str:
    return " | ".join(" ".join(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in range(5))


def unbroken(rng: random.Random, sentences: int) -> list[Part]:
    """One paragraph: nothing but sentence ends to go by."""
    return [Part("paragraph", tuple(sentence(rng) for _ in range(sentences)))]


def paragraphs(rng: random.Random, sentences: int) -> list[Part]:
    parts = []
    while sentences > 0:
        count = rng.randint(1, 8)
        parts.append(Part("paragraph", tuple(sentence(rng) for _ in range(count))))
        sentences -= count
    return parts


def headings(rng: random.Random, sentences: int) -> list[Part]:
    """Chapters, sections, paragraphs and lists, as a manual has them."""
    parts: list[Part] = []
    chapter = 0
    while sentences > 0:
        if chapter <= 0:
            chapter = rng.randint(60, 300)
            parts.append(Part("heading", (" ".join(rng.choices(WORDS, k=4)),), 1))
        parts.append(Part("heading", (" ".join(rng.choices(WORDS, k=rng.randint(1, 5))),), rng.choice((2, 2, 3, 4))))
        section = [*paragraphs(rng, rng.randint(1, 20))]
        if rng.random() < 0.4:
            section += [Part("list_item", (sentence(rng),), 1) for _ in range(rng.randint(2, 9))]
        parts += section
        used = sum(len(part.lines) for part in section)
        sentences, chapter = sentences - used, chapter - used
    return parts


def table(rng: random.Random, sentences: int) -> list[Part]:
    return [Part("table", ("name | place | date | amount | remark", *(row(rng) for _ in range(sentences))))]


TEXTS: dict[str, Callable[[random.Random, int], list[Part]]] = {
    "unbroken": unbroken,
    "paragraphs": paragraphs,
    "headings": headings,
    "table": table,
}


def built(parts: Sequence[Part]) -> ParsedDocument:
    builder = DocumentBuilder("markdown", max_characters=100_000_000)
    for part in parts:
        if part.kind == "heading":
            builder.heading(part.lines[0], part.level)
        elif part.kind == "list_item":
            builder.list_item(" ".join(part.lines), part.level)
        elif part.kind == "table":
            builder.table(part.lines, has_header=True)
        else:
            builder.paragraph(" ".join(part.lines))
    return builder.build(title="A text under edit")


def edited(parts: Sequence[Part], rng: random.Random) -> list[Part]:
    """The same text with one sentence or row, each as likely as the other, changed, added or removed."""
    places = [
        (index, line)
        for index, part in enumerate(parts)
        if part.kind != "heading"
        for line in range(part.kind == "table", len(part.lines))
    ]
    index, line = rng.choice(places)
    part = parts[index]
    new = row(rng) if part.kind == "table" else sentence(rng)
    kept, put = rng.choice(((0, (new,)), (1, (new,)), (0, ())))
    lines = (*part.lines[: line + kept], *put, *part.lines[line + 1 :])
    return [*parts[:index], *([replace(part, lines=lines)] if lines else []), *parts[index + 1 :]]


# ---- the measure -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class RememberingTokenizer:
    """Counts each text once: an edited document is nearly the same document."""

    tokenizer: Tokenizer
    max_tokens: int
    special_tokens: int
    known: dict[str, int] = field(default_factory=dict)

    def spans(self, text: str) -> list[tuple[int, int]]:
        return self.tokenizer.spans(text)

    def counts(self, texts: Sequence[str]) -> list[int]:
        unknown = [text for text in dict.fromkeys(texts) if text not in self.known]
        if unknown:
            self.known.update(zip(unknown, self.tokenizer.counts(unknown), strict=True))
        return [self.known[text] for text in texts]


@dataclass(frozen=True, slots=True)
class Stability:
    """Of one text: its chunks, their mean tokens, and the new texts to embed after each edit, ascending."""

    chunks: int
    mean_tokens: float
    new: list[int]

    @property
    def p95(self) -> int:
        return self.new[len(self.new) * 95 // 100]

    @property
    def is_within_limits(self) -> bool:
        return fmean(self.new) <= MOST_NEW_MEAN and self.p95 <= MOST_NEW_P95 and self.new[-1] <= MOST_NEW


def measure(
    chunker: Chunker, parts: Sequence[Part], params: ChunkParams, tokenizer: Tokenizer, *, edits: int, seed: int
) -> Stability:
    """Chunk ``parts`` as they are, and after each of ``edits`` single edits."""
    rng = random.Random(seed)
    remembering = RememberingTokenizer(tokenizer, tokenizer.max_tokens, tokenizer.special_tokens)
    first = chunker.chunk(built(parts), params, remembering)
    known = {chunk.embedded_text for chunk in first}
    new = []
    for _ in range(edits):
        chunks = chunker.chunk(built(edited(parts, rng)), params, remembering)
        new.append(len({chunk.embedded_text for chunk in chunks} - known))
    return Stability(len(first), fmean(chunk.tokens for chunk in first), sorted(new))


def main() -> int:
    parser = argparse.ArgumentParser(description="new passages an edit")
    parser.add_argument("--chunker", default="structure", choices=registry.names("chunkers"))
    parser.add_argument("--edits", type=int, default=300)
    parser.add_argument("--chunks", type=int, default=1000, help="length of each text, about")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chunker: Chunker = registry.load("chunkers", options.chunker)
    tokenizer: Tokenizer = registry.load("embedders", "fastembed").tokenizer(EmbedParams())
    is_good = True
    print(f"{'text':<12}{'overlap':>8}{'chunks':>8}{'tokens':>8}{'new: mean':>11}{'p95':>5}{'max':>5}{'seconds':>9}")
    for name, make in TEXTS.items():
        parts = make(random.Random(options.seed), options.chunks * TOKENS_A_CHUNK // 19)
        for overlap in OVERLAPS:
            started = time.perf_counter()
            params = ChunkParams(size=SIZE, overlap=overlap)
            found = measure(chunker, parts, params, tokenizer, edits=options.edits, seed=options.seed)
            if not overlap:
                is_good &= found.is_within_limits and found.mean_tokens >= LEAST_MEAN_TOKENS
            print(
                f"{name:<12}{overlap:>8}{found.chunks:>8}{found.mean_tokens:>8.0f}{fmean(found.new):>11.2f}"
                f"{found.p95:>5}{found.new[-1]:>5}{time.perf_counter() - started:>9.1f}",
                flush=True,
            )
    return 0 if is_good or options.chunker != "structure" else 1


if __name__ == "__main__":
    raise SystemExit(main())
