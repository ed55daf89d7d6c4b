"""A few inputs for one target, always the same ones. Runs in a process of its own, whose memory is bounded."""

from __future__ import annotations

import resource
import warnings

from hypothesis import HealthCheck, given, settings

from fuzz.long import MOST_MEMORY
from fuzz.targets import TARGETS


def bound() -> None:
    """A parser that wants too much gets a MemoryError, and the machine stays as it is."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # pypdf, openpyxl and others warn of what is wrong with a file


def run(name: str, examples: int) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def check(drawn: object) -> None:
        target.check(drawn)

    check()
