"""The SHA-256 of an open file, in few calls: most files are small, and each is read for it twice or more."""

from __future__ import annotations

import hashlib
import os

_BLOCK_BYTES = 1024 * 1024


def of_file(descriptor: int, size_bytes: int) -> str:
    """Of all that is in it, from its start; ``size_bytes`` is what is to be expected. Moves no position in the file."""
    digest, position = hashlib.sha256(), 0
    while block := os.pread(descriptor, min(max(size_bytes - position, 0) + 1, _BLOCK_BYTES), position):
        digest.update(block)
        position += len(block)
    return digest.hexdigest()
