"""The URI of a file within its source: its path, with ``/``, and bytes that are not UTF-8 percent-encoded.

``decode(encode(path)) == path`` for every path that a file system can hold. A ``%`` is encoded only where it could be
taken for an encoded byte, so that ordinary names stay as they are.
"""

from __future__ import annotations

import os
import re

_TAKEN_FOR_BYTE = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_ENCODED_BYTE = re.compile(rb"%([0-9A-Fa-f]{2})")
_SURROGATE = re.compile("[\udc80-\udcff]")


def encode(path: str) -> str:
    """``path`` as Python's file functions give it, with surrogate escapes for bytes that are not UTF-8."""
    if path.isascii() and "%" not in path:
        return path
    text = _TAKEN_FOR_BYTE.sub("%25", path)
    return _SURROGATE.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", text)


def decode(uri: str) -> str:
    """The path that file functions take."""
    if "%" not in uri:
        return uri
    return os.fsdecode(_ENCODED_BYTE.sub(lambda found: bytes([int(found[1], 16)]), uri.encode("utf-8")))


def meant(text: str) -> str:
    """The URI that a person names: as docmill shows it, or as the shell gives a name that is not UTF-8."""
    return encode(text) if _SURROGATE.search(text) else text
