"""A little of ``make fuzz``, always the same: what it has once found stays found."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz.long import MOST_MEMORY
from fuzz.mutations import mutate, sample
from fuzz.targets import FILES, NATIVE, TARGETS, TEXT

EXAMPLES = {**dict.fromkeys(TEXT, 150), **dict.fromkeys(FILES, 25)}


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """A parser that wants too much gets a MemoryError, and the machine stays as it is."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in NATIVE])
def test_whatever_comes_is_taken_or_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=EXAMPLES[name],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def check(drawn: object) -> None:
        target.check(drawn)

    check()


def test_mutations_change_files() -> None:
    """Else the tests above would hold for files that are well."""
    for name in ("sample.pdf", "sample.docx", "sample.md"):
        changed = [mutate(sample(name), seed, 3) != sample(name) for seed in range(20)]
        assert sum(changed) >= 15
