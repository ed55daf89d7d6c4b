"""Which of the places where a text may be cut become boundaries between passages. Pure numbers; no text, no tokens.

Content-defined chunking by local maxima (Bjørner, Blass and Gurevich, 2010), over (strength, hash) instead of the hash
alone and over tokens instead of bytes: a place is a boundary when its key is the highest within half a passage on
either side. That follows from nearby content alone, so an edit moves no boundary beyond its own neighbourhood. What is
still too large between two of them is divided at the highest key that leaves both sides a decent size.

Sizes are integers in any unit that adds up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Beyond this many times the limit, a stretch is cut from its beginning on instead of at its highest key overall: keys
# that only rise, or that are all alike, would otherwise cost quadratic time.
_LONG_STRETCH = 8


@dataclass(frozen=True, slots=True)
class Places:
    """Where a text of n units may be cut: in front of each unit.

    positions: n + 1 ascending numbers; unit ``i`` begins at ``positions[i]``, the last is the end.
    keys:      how good a cut the place in front of unit ``i`` is.
    reserves:  what is put in front of a passage that begins with unit ``i``, and counts towards its size.
    forced:    places, ascending, that are boundaries whatever the keys say.
    poorest:   a place whose key is below this is taken only where there is no other.
    """

    positions: Sequence[int]
    keys: Sequence[int]
    reserves: Sequence[int]
    forced: Sequence[int]
    poorest: int


def passage_ends(places: Places, limit: int) -> list[int]:
    """The unit behind the last one of each passage, ascending; the last of them is the number of units.

    No passage is larger than ``limit``, except one of a single unit that is so itself. Linear in the number of units,
    whatever the keys are.
    """
    ends: list[int] = []
    for first, last in pairwise([0, *places.forced, len(places.keys)]):
        if _fits(places, first, last, limit):
            ends.append(last)
            continue
        for low, high in pairwise([first, *_peaks(places, first, last, limit // 2), last]):
            _divide(places, low, high, limit, ends)
    return ends


def _fits(places: Places, low: int, high: int, limit: int) -> bool:
    return high - low <= 1 or places.positions[high] - places.positions[low] + places.reserves[low] <= limit


def _peaks(places: Places, first: int, last: int, window: int) -> list[int]:
    """Places between the two that no other within ``window`` beats; of equal ones, the first.

    Both ends beat everything. One pass with a stack of falling keys.
    """
    positions, keys = places.positions, places.keys
    peaks: list[int] = []
    stack: list[tuple[int, bool]] = []  # a place, and whether nothing within the window before it is as high
    for place in range(first + 1, last):
        key, position = keys[place], positions[place]
        while stack and keys[stack[-1][0]] < key:
            beaten, is_clear = stack.pop()
            if is_clear and position - positions[beaten] > window:
                peaks.append(beaten)
        before = positions[stack[-1][0]] if stack else positions[first]
        stack.append((place, position - before > window and key >= places.poorest))
    peaks += [place for place, is_clear in stack if is_clear and positions[last] - positions[place] > window]
    return sorted(peaks)


def _divide(places: Places, low: int, high: int, limit: int, ends: list[int]) -> None:
    """Append the ends of the passages that units ``low`` to ``high`` make, from left to right."""
    pending = [high]
    while pending:
        if _fits(places, low, pending[-1], limit):
            low = pending.pop()
            ends.append(low)
        else:
            pending.append(_best(places, low, pending[-1], limit))


def _best(places: Places, low: int, high: int, limit: int) -> int:
    """The place that divides the stretch: the highest key where both sides stay at least a third of the limit.

    Where two passages can do, both must fit. Equal keys mean periodic content, such as a row repeated a thousand times:
    there the first passage is filled as far as it goes, so that the passages of all periods are equal texts.
    """
    start, total = places.positions[low], places.positions[high] - places.positions[low]
    least, most = limit // 3, limit - places.reserves[low]
    for nearest, farthest in (_region(places, low, high, limit), (least, min(total - least, most)), (0, most)):
        found = _highest(places, low, high, start + nearest, start + farthest)
        if found is None:
            continue
        place, is_only = found
        if not is_only and farthest > most:
            filling = _highest(places, low, high, start + nearest, start + most)
            place = filling[0] if filling else place
        if places.keys[place] >= places.poorest:
            return place
    last_resort = _highest(places, low, high, start + least, start + most) or _highest(
        places, low, high, start, start + most
    )
    return last_resort[0] if last_resort else low + 1


def _region(places: Places, low: int, high: int, limit: int) -> tuple[int, int]:
    """From where to where, counted from the beginning of the stretch, its first division is looked for."""
    total = places.positions[high] - places.positions[low]
    least, most = limit // 3, limit - places.reserves[low]
    if total > _LONG_STRETCH * limit:
        return least, most
    if total <= 2 * limit:
        behind = limit - max(places.reserves[low + 1 : high])
        if total - behind <= most:
            return max(least, total - behind), min(total - least, most)
    return least, total - least


def _highest(places: Places, low: int, high: int, nearest: int, farthest: int) -> tuple[int, bool] | None:
    """The last place of the highest key between two positions, and whether it is the only one as high."""
    begin = bisect_left(places.positions, nearest, low + 1, high)
    end = bisect_right(places.positions, farthest, begin, high)
    if begin >= end:
        return None
    keys = places.keys[begin:end]
    top = max(keys)
    last = len(keys) - 1 - keys[::-1].index(top)
    return begin + last, keys.index(top) == last
