"""The processor time of a document leaves its parser what that may take."""

from __future__ import annotations

import pickle

import pytest

from docmill.domain.jobs import LegJob, LegPlan
from docmill.domain.params import EmbedParams, ParseParams
from docmill.engine import sandbox, worker
from docmill.engine.sandbox import Sandbox


@pytest.mark.parametrize(("seconds", "allotted"), [(90, 120), (600.5, 631), (1, 120)])
def test_more_seconds_for_parsing_are_processor_seconds_too(
    monkeypatch: pytest.MonkeyPatch, seconds: float, allotted: int
) -> None:
    given: list[int] = []
    monkeypatch.setattr(worker, "_limits", Sandbox(2**31, 120, 2**20))
    monkeypatch.setattr(sandbox, "allot_cpu", given.append)
    plan = LegPlan((("parse", "parse", "auto", ParseParams(max_seconds=seconds)),), "hashing", EmbedParams())
    job = LegJob("/gone", "a.pdf", "/gone/a.pdf", ".pdf", "sha256-0", 1, 0, 0, {}, ("ab" * 32,), (None,))
    assert worker.run_leg(pickle.dumps(plan), job).failure is not None
    assert given == [allotted]
