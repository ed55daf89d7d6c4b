"""How one pipeline is held against another: by the files and by the work, so that neither gains by how it cuts."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def comparing(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from peers.comparing import Measured, compare  # type: ignore[import-not-found] # the benchmarks' own folder
    from peers.running import Pipeline, Run  # type: ignore[import-not-found] # the same

    def measured(seconds: list[float], chunks: int, tokens: int) -> object:
        pipeline = Pipeline("name", "", (sys.executable,), Path())
        return Measured(pipeline, [Run(each, chunks, 0) for each in seconds], chunks, tokens)

    return SimpleNamespace(measured=measured, compare=compare)


def test_one_that_embeds_half_of_the_text_in_half_the_time_is_not_faster_at_its_work(
    comparing: SimpleNamespace,
) -> None:
    share = comparing.compare(comparing.measured([5.0], 100, 1000), comparing.measured([10.0], 200, 2000))
    assert share.files == 2.0
    assert share.work == 1.0
    assert share.least == 1.0


def test_a_share_is_the_median_of_each_rounds_own_ratio(comparing: SimpleNamespace) -> None:
    one, other = comparing.measured([1.0, 2.0, 10.0], 10, 100), comparing.measured([3.0, 4.0, 10.0], 20, 50)
    share = comparing.compare(one, other)
    assert share.files == 2.0
    assert share.work == 4.0
