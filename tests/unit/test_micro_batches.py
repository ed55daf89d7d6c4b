from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from docmill.steps.embed import Text, micro_batches

LENGTHS = st.lists(st.integers(0, 400), max_size=200)


@given(LENGTHS, st.integers(64, 4096), st.integers(1, 64))
def test_every_text_once_within_both_budgets_and_longest_first(lengths: list[int], budget: int, most: int) -> None:
    texts = [Text(bytes([n % 256]) * 32 + n.to_bytes(4, "big"), str(n), length) for n, length in enumerate(lengths)]
    batches = micro_batches(texts, budget, most)
    assert sorted(text.key for batch in batches for text in batch) == sorted(text.key for text in texts)
    flat = [text.tokens for batch in batches for text in batch]
    assert flat == sorted(flat, reverse=True)
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or batch[0].tokens * len(batch) <= budget


def test_padding_of_mixed_lengths_is_small() -> None:
    texts = [Text(n.to_bytes(32, "big"), "", 10 + n * 37 % 230) for n in range(1024)]
    batches = micro_batches(texts, 1024, 32)
    padded = sum(max(text.tokens for text in batch) * len(batch) for batch in batches)
    assert padded / sum(text.tokens for text in texts) < 1.05
