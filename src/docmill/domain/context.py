"""Headings: which of them lie over a block, and the line of context that is put in front of a passage.

Pure. The context is what a passage cannot say for itself: the document's title and the headings it stands under, but
not those that it begins with. It fills what room the passage leaves in the model, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence

from docmill.domain.contracts import Tokenizer
from docmill.domain.documents import Block, BlockKind

SEPARATOR = " > "
_LOOSE_ENDS = " >,;:–—-"
_LONGEST_HEADING = 200  # characters; what is longer is a paragraph that calls itself a heading

Path = tuple[str, ...]


def heading_paths(text: str, blocks: Sequence[Block]) -> list[Path]:
    """For each block the headings over it, outermost first; a heading's own path ends with itself."""
    paths: list[Path] = []
    levels: list[int] = []
    path: Path = ()
    for block in blocks:
        if block.kind is BlockKind.HEADING:
            depth = next((index for index, level in enumerate(levels) if level >= block.level), len(levels))
            del levels[depth:]
            levels.append(block.level)
            path = (*path[:depth], _shown(text[block.start : block.end]))
        paths.append(path)
    return paths


class ContextLines:
    """Makes the contexts of one document's passages; each distinct path is tokenized once.

    longest: the most tokens that any context may have.
    """

    def __init__(self, title: str | None, tokenizer: Tokenizer, *, longest: int) -> None:
        self._title = _shown(title or "")
        self._tokenizer = tokenizer
        self._longest = longest
        self._ways: dict[Path, list[tuple[int, str]]] = {}
        self._cuts: dict[tuple[str, int], str] = {}

    def line(self, over: Path, begins_with: str, room: int) -> str:
        """Title and headings, joined, in at most ``room`` tokens; empty where nothing fits or nothing is to be said.

        over:        the headings over the passage, without those that it begins with.
        begins_with: the first heading in the passage, where it begins with one; a title is not said twice.
        """
        is_said = not self._title or self._title.casefold() in (begins_with.casefold(), "".join(over[:1]).casefold())
        parts = over if is_said else (self._title, *over)
        room = min(room, self._longest)
        if not parts or room <= 0:
            return ""
        if parts not in self._ways:
            self._ways[parts] = self._shortenings(parts)
        ways = self._ways[parts]
        return next((line for tokens, line in ways if tokens <= room), "") or self._cut(ways[-1][1], room)

    def _shortenings(self, parts: Path) -> list[tuple[int, str]]:
        """The whole line first, then one heading less at a time, those in the middle first, down to the ends."""
        lines = [SEPARATOR.join(parts)]
        while len(parts) > 2:
            middle = len(parts) // 2
            parts = (*parts[:middle], *parts[middle + 1 :])
            lines.append(SEPARATOR.join(parts))
        # Counted with the line end that will part it from the passage: some vocabularies have a token for that.
        return list(zip(self._tokenizer.counts([f"{line}\n" for line in lines]), lines, strict=True))

    def _cut(self, line: str, room: int) -> str:
        """As many whole words from the front of ``line`` as have room."""
        if (line, room) not in self._cuts:
            starts = [start for start, _ in self._tokenizer.spans(line)]
            kept = line
            for wanted in range(room, 0, -1):
                kept = kept[: starts[wanted]].rpartition(" ")[0] if wanted < len(starts) else kept
                if self._tokenizer.counts([f"{kept}\n"])[0] <= room:
                    break
            else:
                kept = ""
            self._cuts[line, room] = kept.rstrip(_LOOSE_ENDS)
        return self._cuts[line, room]


def _shown(heading: str) -> str:
    line = " ".join(heading[: 4 * _LONGEST_HEADING].split())
    return line if len(line) <= _LONGEST_HEADING else f"{line[: _LONGEST_HEADING - 1].rstrip()}…"
