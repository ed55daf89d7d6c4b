"""Real files, damaged: cut, flipped, spliced, repeated, blanked; packages whose members or sizes are not true."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from documents import MAKERS

INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"-1",
    b"99999999999",
    b"<",
    b"&#0;",
    b"\xed\xa0\x80",
)
_SIZES_IN_ENTRY = (20, 24)  # compressed and expanded size in a central directory entry: APPNOTE.TXT, 4.3.12
_MOST_BYTES = 400_000


@cache
def sample(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return MAKERS[name](Path(folder) / name).read_bytes()


def damaged(name: str) -> st.SearchStrategy[bytes]:
    """A sample after one to six mutations. Hypothesis draws their seed, so that any is found again."""
    return st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 6)).map(lambda drawn: mutate(sample(name), *drawn))


def mutate(content: bytes, seed: int, times: int) -> bytes:
    dice = random.Random(seed)
    for _time in range(times):
        ways = [_truncate, _flip, _splice, _duplicate, _blank, _insert]
        if content[:2] == b"PK":
            ways += [_member, _member, _member, _sizes, _rename]
        content = dice.choice(ways)(content, dice)[:_MOST_BYTES]
    return content


def _span(content: bytes, dice: random.Random, most: int = 4096) -> tuple[int, int]:
    begin = dice.randrange(len(content) + 1)
    return begin, min(begin + dice.randrange(1, most), len(content))


def _truncate(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.randrange(len(content) + 1)]


def _flip(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content)
    for _time in range(dice.randrange(1, 9) if changed else 0):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _splice(content: bytes, dice: random.Random) -> bytes:
    begin, end = _span(content, dice)
    at = dice.randrange(len(content) + 1)
    return content[:at] + content[begin:end] + content[at + end - begin :]


def _duplicate(content: bytes, dice: random.Random) -> bytes:
    begin, end = _span(content, dice)
    return content[:end] + content[begin:end] * dice.choice((1, 2, 50)) + content[end:]


def _blank(content: bytes, dice: random.Random) -> bytes:
    begin, end = _span(content, dice)
    return content[:begin] + bytes(end - begin) + content[end:]


def _insert(content: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(content) + 1)
    return content[:at] + dice.choice(INTERESTING) + content[at + dice.randrange(3) :]


def _members(content: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
    """Nothing for a package that is broken already."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            return [(entry, package.read(entry)) for entry in package.infolist()]
    except Exception:  # noqa: BLE001 - it was damaged on purpose
        return []


def _packed(members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        for number, (name, content) in enumerate(members):
            if name not in package.namelist():
                package.writestr(zipfile.ZipInfo(name or f"nameless{number}"), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _member(content: bytes, dice: random.Random) -> bytes:
    """Damage within a member; the package around it stays whole."""
    members = [(entry.filename, data) for entry, data in _members(content)]
    if not members:
        return content
    at = dice.randrange(len(members))
    way = dice.choice([_truncate, _flip, _splice, _duplicate, _blank, _insert])
    members[at] = (members[at][0], way(members[at][1], dice)[:_MOST_BYTES])
    return _packed(members)


def _rename(content: bytes, dice: random.Random) -> bytes:
    """A member that is gone, that stands under another name, or two that have each other's content."""
    members = [(entry.filename, data) for entry, data in _members(content)]
    if not members:
        return content
    at, other = dice.randrange(len(members)), dice.randrange(len(members))
    choice = dice.randrange(3)
    if choice == 0:
        del members[at]
    elif choice == 1:
        members[at] = (
            dice.choice(["../../x", "/etc/x", "a\\b", "x" * 300, "\u202ex", "[Content_Types].xml"]),
            members[at][1],
        )
    else:
        members[at], members[other] = (members[at][0], members[other][1]), (members[other][0], members[at][1])
    return _packed(members)


def _sizes(content: bytes, dice: random.Random) -> bytes:
    """A central directory that lies about how large a member is."""
    entries = [at for at in range(len(content) - 46) if content[at : at + 4] == b"PK\x01\x02"]
    if not entries:
        return content
    changed = bytearray(content)
    at = dice.choice(entries) + dice.choice(_SIZES_IN_ENTRY)
    struct.pack_into("<I", changed, at, dice.choice((0, 1, 2**16, 2**31, 2**32 - 1, dice.randrange(2**32))))
    return bytes(changed)
