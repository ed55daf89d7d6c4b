"""What ``doctor`` found."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from docmill.domain.results.shared import Result

Verdict = Literal["ok", "warning", "problem"]


class Check(Result):
    """``name`` is stable. ``problem``: docmill cannot do its work like this; ``details`` has the measured values."""

    name: str
    status: Verdict
    message: str
    hint: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class DoctorResult(Result):
    """``home`` None: there is none here, and what needs one was not looked at. ``status``: the worst of all."""

    home: str | None
    status: Verdict
    checks: list[Check]
    warnings: int
    problems: int
    reason: str | None
    seconds: float
