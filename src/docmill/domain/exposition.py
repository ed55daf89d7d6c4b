"""Metrics in Prometheus' text format, version 0.0.4, as scrapers and node_exporter's textfile collector read it. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/. Samples carry no time, which that collector refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Sample = tuple[Mapping[str, str], float]
GAUGE, COUNTER = "gauge", "counter"


@dataclass(frozen=True, slots=True)
class Family:
    """``kind``: gauge or counter, whose name ends in ``_total``. Samples: labels and value."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def text(families: Iterable[Family]) -> str:
    """Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines += [f"# HELP {family.name} {_escaped(family.help)}", f"# TYPE {family.name} {family.kind}"]
            lines += [f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(words: str) -> str:
    return words.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(value: str) -> str:
    """What is not UTF-8, as a folder's name may be, is replaced."""
    return _escaped(value).replace('"', r"\"").encode("utf-8", "replace").decode()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
