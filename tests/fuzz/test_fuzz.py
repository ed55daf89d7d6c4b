"""A little of ``make fuzz``, always the same: what it has once found stays found."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from fuzz import small
from fuzz.mutations import mutate, sample
from fuzz.targets import FILES, NATIVE, TARGETS, TEXT

EXAMPLES = {**dict.fromkeys(TEXT, 150), **dict.fromkeys(FILES, 25)}


@pytest.fixture(scope="module")
def child() -> Iterator[ProcessPoolExecutor]:
    """Apart from this process, in which by then everything is loaded that other tests need."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=small.bound) as pool:
        yield pool


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in NATIVE])
def test_whatever_comes_is_taken_or_refused(child: ProcessPoolExecutor, name: str) -> None:
    child.submit(small.run, name, EXAMPLES[name]).result()


def test_mutations_change_files() -> None:
    """Else the tests above would hold for files that are well."""
    for name in ("sample.pdf", "sample.docx", "sample.md"):
        changed = [mutate(sample(name), seed, 3) != sample(name) for seed in range(20)]
        assert sum(changed) >= 15
