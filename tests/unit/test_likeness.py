"""Which passages say the same."""

from __future__ import annotations

from docmill.domain.likeness import grouped, unpaged

LONG = (
    "The lease begins on the first day of March and ends after twelve months, unless one of the parties has given"
    " notice in writing. The rent is due on the third working day of each month, and interest is owed from then on."
    " The tenant keeps the rooms in good order; whatever is broken is mended within two weeks of being told of it."
)


def leaders(*texts: str) -> list[tuple[str, int]]:
    """What stays of a list, and how many went under each."""
    return [(first, len(others)) for first, others in grouped(texts, lambda text: text)]


def test_the_same_words_are_the_same_whatever_stands_between_them() -> None:
    marked = "  1. An ﬁrst Point — bold\n  2. and a second"
    assert leaders(marked, "* an first point: BOLD\n* and a second", "- An First point (bold)\n\n- and a SECOND") == [
        (marked, 2)
    ]


def test_small_differences_in_long_passages_do_not_count() -> None:
    other = LONG.replace("in writing", "on paper")
    assert leaders(LONG, other, "Something else altogether.") == [(LONG, 1), ("Something else altogether.", 0)]


def test_what_differs_in_a_number_is_another_passage() -> None:
    texts = [LONG + f" The rent is {rent} a month." for rent in (900, 950, 900)]
    assert leaders(*texts) == [(texts[0], 1), (texts[1], 0)]
    rows = [f"{LONG}\n7 {more}\n7" for more in ("7", "")]
    assert len(leaders(*rows)) == 2, "a number that stands there once more is a difference"


def test_the_group_that_it_is_like_is_found_behind_one_that_is_nearer() -> None:
    """The one before has more words in common, and another number."""
    texts = [f"{LONG} The rent is 900 a month.", f"{LONG} The rent is 950 monthly.", f"{LONG} The rent is 950 a month."]
    assert leaders(*texts) == [(texts[0], 0), (texts[1], 1)]


def test_what_one_has_and_the_other_lacks_keeps_them_apart() -> None:
    longer = LONG + " The deposit is paid back within a month after the keys have been handed over and all is in order."
    assert len(leaders(LONG, longer)) == 2
    assert len(leaders("oak", "elm", "oak and elm")) == 3


def test_no_chain_of_small_differences_joins_what_is_far_apart() -> None:
    words = [f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    chain = []
    for step in range(12):
        chain.append(" ".join([*(w + "x" for w in words[:step]), *words[step:]]))
    groups = grouped(chain, lambda text: text)
    assert len(groups) > 1
    assert next(first for first, _ in groups) == chain[0]
    assert sum(1 + len(others) for _, others in groups) == len(chain)


def test_texts_without_words_and_the_order() -> None:
    assert leaders("b", "", "a", "b", "…") == [("b", 1), ("", 1), ("a", 0)]


def test_a_line_with_the_page_s_own_number_is_none_of_its_words() -> None:
    assert unpaged("Rent\n 7 \n8\n900", 7, 8) == "Rent\n900"
    assert unpaged("Rent\n7", None, None) == "Rent\n7"
    assert unpaged("Rent 7\n9", 7, 8) == "Rent 7\n9"
