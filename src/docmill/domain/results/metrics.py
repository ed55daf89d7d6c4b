"""``metrics``: a home's figures for monitoring."""

from __future__ import annotations

from docmill.domain.results.shared import Result


class MetricSample(Result):
    labels: dict[str, str]
    value: float


class MetricFamily(Result):
    """``type``: gauge or counter."""

    name: str
    type: str
    help: str
    samples: list[MetricSample]


class Metrics(Result):
    families: list[MetricFamily]


class MetricsWritten(Result):
    """The figures are in the file, which took the place of the one before at once. ``path``: none for stdout."""

    path: str | None
    families: int
    samples: int
    size_bytes: int
