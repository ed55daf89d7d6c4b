"""Bytes, for people."""

from __future__ import annotations


def human_size(size_bytes: int) -> str:
    """``1.5 MiB``: powers of 1024, one digit behind the point from KiB on."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
