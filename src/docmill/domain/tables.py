"""Turns rows of cells into lines of text: ``name: value; name: value`` where there are column names, else ``a | b``.

Pure. Owns the decision which row of a sheet or a delimited file names its columns. White space inside cells is left to
the builder, which makes each row one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

_LONGEST_COLUMN_NAME = 80
_ROWS_BEFORE_HEADER = 10
_SAMPLE_ROWS = 40
_LEAST_SHARE_OF_WIDTH = 0.6  # of the next row: names for a few of the columns are no header


def piped(cells: Iterable[str]) -> str:
    """The cells of a row on one line, ``a | b``; empty when all are empty."""
    texts = [cell.strip() for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " | ".join(texts) if any(texts) else ""


def labelled(names: Sequence[str], cells: Sequence[str]) -> str:
    """``name: value; name: value``, without the columns that are empty in this row."""
    parts = []
    for index, cell in enumerate(cells):
        if not cell or cell.isspace():
            continue
        name = names[index] if index < len(names) else ""
        value = cell.strip()
        parts.append(f"{name}: {value}" if name else value)
    return "; ".join(parts)


def lines_of(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """One line a row, lazily. The column names are in each line, or the rows stand as they are.

    Rows of fewer cells (a sheet's caption) may precede the row of names. A table that is nothing but its row of names
    yields that row.
    """
    pending = iter(rows)
    sample = list(islice(pending, _SAMPLE_ROWS))
    header = _header_index(sample)
    if header is None:
        yield from filter(None, map(_compact, chain(sample, pending)))
        return
    yield from filter(None, map(_compact, sample[:header]))
    names = [" ".join(cell.split()).rstrip(":") for cell in sample[header]]
    written = False
    for row in chain(sample[header + 1 :], pending):
        line = labelled(names, row)
        if line:
            written = True
            yield line
    if not written:
        yield piped(names)


def _compact(row: Sequence[str]) -> str:
    return piped(cell for cell in row if cell and not cell.isspace())


def _header_index(sample: Sequence[Sequence[str]]) -> int | None:
    """Which of the first rows names the columns: the first as wide as what follows, of short, distinct words.

    Two columns of nothing but short words may as well be keys and their values: there, no row is taken for names.
    """
    widths = [sum(1 for cell in row if cell and not cell.isspace()) for row in sample]
    for index, row in enumerate(sample[:_ROWS_BEFORE_HEADER]):
        following = widths[index + 1] if index + 1 < len(widths) else 0
        if widths[index] < 2 or widths[index] < _LEAST_SHARE_OF_WIDTH * following:
            continue
        is_pairs = max(widths) == 2 and len(sample) > 2 and all(map(_is_wordy, sample))
        return index if names_columns(row) and not is_pairs else None
    return None


def names_columns(row: Sequence[str]) -> bool:
    """Whether a row reads like column names: short, distinct, none a number."""
    names = [" ".join(cell.split()) for cell in row if cell and not cell.isspace()]
    return len(set(names)) == len(names) and _is_wordy(names)


def _is_wordy(row: Sequence[str]) -> bool:
    return all(len(cell) <= _LONGEST_COLUMN_NAME and not is_number(cell) for cell in row)


def is_number(text: str) -> bool:
    """Whether ``text`` is a number, an amount, a percentage or a date in digits."""
    digits = sum(1 for character in text if character.isdigit())
    letters = sum(1 for character in text if character.isalpha())
    return digits > 0 and letters == 0
