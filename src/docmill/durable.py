"""What is to outlast a power loss. SQLite sees to its own; a file, and a name in a folder, are synced by asking."""

from __future__ import annotations

import os
from pathlib import Path


def fsync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
