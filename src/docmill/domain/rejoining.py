"""A document's text out of its passages: for where what parsing gave has gone, or was made anew since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docmill.domain.documents import Block, BlockKind

Passage = Mapping[str, Any]  # text, char_start, char_end, page_start


def lies_in(text: str, passage: Passage) -> bool:
    """Whether a passage is of this text. A table's header row may be repeated at its front."""
    part = text[passage["char_start"] : passage["char_end"]]
    return bool(part) and passage["text"].endswith(part)


def rejoined(passages: Sequence[Passage]) -> tuple[str, tuple[Block, ...]]:
    """White space between passages as may be, all else at the place where it was; and a block for each.

    The passages come in the order of their positions, and may overlap.
    """
    parts, blocks, length = list[str](), list[Block](), 0
    for passage in passages:
        start, end = passage["char_start"], passage["char_end"]
        gap = start - length
        parts.append("\n\n"[:gap] + " " * (gap - 2) if gap > 0 else "")
        if end > length:
            new = end - max(start, length)
            parts.append(passage["text"][len(passage["text"]) - new :])
            blocks.append(Block(BlockKind.PARAGRAPH, end - new, end, page=passage["page_start"]))
        length = max(length, end)
    return "".join(parts), tuple(blocks)
