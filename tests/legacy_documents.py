"""Makes files of older Office programs for the tests, by hand or from tests/fixtures, and FictionBook."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from sample_words import PARAGRAPH, SECTION, TITLE


def make_ole(path: Path, streams: Sequence[str]) -> Path:
    """An OLE container whose directory names ``streams``: header, one FAT sector, directory sectors."""
    names = ("Root Entry", *streams)
    entries = b"".join(_ole_entry(name) for name in names)
    directory = entries.ljust(-(-len(entries) // 512) * 512, b"\0")
    sectors = len(directory) // 512
    chain = [*range(2, sectors + 1), 0xFFFFFFFE]  # the directory begins in sector 1; sector 0 holds the FAT
    fat = struct.pack(f"<{1 + sectors}I", 0xFFFFFFFD, *chain).ljust(512, b"\xff")
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<II", header, 44, 1, 1)
    struct.pack_into("<109I", header, 76, 0, *([0xFFFFFFFF] * 108))
    path.write_bytes(bytes(header) + fat + directory)
    return path


def _ole_entry(name: str) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    return encoded.ljust(64, b"\0") + struct.pack("<H", len(encoded)) + b"\x02\x01" + b"\0" * 60


def make_compound(path: Path, streams: dict[str, bytes]) -> Path:
    """An OLE container that holds ``streams``, each in sectors of its own: with NULs, at least 4,096 bytes."""
    padded = {name: data.ljust(max(4096, -(-len(data) // 512) * 512), b"\0") for name, data in streams.items()}
    ordered = sorted(padded, key=lambda name: (len(name), name.upper()))
    sectors = -(-(len(ordered) + 1) // 4)
    fat = [0xFFFFFFFD, *range(2, sectors + 1), 0xFFFFFFFE]
    directory = _compound_entry("Root Entry", 5, child=1)
    for number, name in enumerate(ordered, start=1):
        first, count = len(fat), len(padded[name]) // 512
        fat += [*range(first + 1, first + count), 0xFFFFFFFE]
        right = number + 1 if number < len(ordered) else 0xFFFFFFFF
        directory += _compound_entry(name, 2, right=right, first=first, size=len(padded[name]))
    directory += _compound_entry("", 0) * (sectors * 4 - len(ordered) - 1)
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<9I", header, 40, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    struct.pack_into("<109I", header, 76, 0, *([0xFFFFFFFF] * 108))
    table = struct.pack("<128I", *fat, *([0xFFFFFFFF] * (128 - len(fat))))
    path.write_bytes(bytes(header) + table + directory + b"".join(padded[name] for name in ordered))
    return path


def _compound_entry(
    name: str, kind: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF, first: int = 0xFFFFFFFE, size: int = 0
) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0" if name else b""
    links = struct.pack("<HBBIII", len(encoded), kind, 1, 0xFFFFFFFF, right, child)
    return encoded.ljust(64, b"\0") + links + b"\0" * 36 + struct.pack("<IQ", first, size)


def make_doc(path: Path, text: str = f"{TITLE}\n{PARAGRAPH}\n") -> Path:
    """A document of Word 97: a header that leads to one piece of text ([MS-DOC] 2.5.1, 2.8.35)."""
    data = text.replace("\n", "\r").encode("cp1252")
    header = bytearray(0x800)
    struct.pack_into("<6H", header, 0, 0xA5EC, 0xC1, 0, 0x409, 0, 0x0200)
    struct.pack_into("<II", header, 24, 0x800, 0x800 + len(data))
    struct.pack_into("<H", header, 32, 14)
    struct.pack_into("<HI", header, 62, 22, 0x800 + len(data))
    struct.pack_into("<I", header, 76, len(data))
    struct.pack_into("<H", header, 152, 0x5D)
    pieces = b"\x02" + struct.pack("<III", 16, 0, len(data)) + struct.pack("<HIH", 0, 0x800 * 2 | 1 << 30, 0)
    struct.pack_into("<II", header, 154 + 33 * 8, 0, len(pieces))
    return make_compound(path, {"WordDocument": bytes(header) + data, "1Table": pieces})


def make_ppt(path: Path) -> Path:
    """A presentation of PowerPoint 97: one list of the slides' texts ([MS-PPT] 2.4.14.3)."""

    def record(kind: int, body: bytes, version: int = 0) -> bytes:
        return struct.pack("<HHI", version, kind, len(body)) + body

    texts = b"".join(
        record(3999, struct.pack("<I", kind)) + record(4000, text.encode("utf-16-le"))
        for kind, text in ((0, TITLE), (1, PARAGRAPH))
    )
    slides = record(4080, record(1011, struct.pack("<5I", 1, 0, 0, 256, 0)) + texts, 15)
    return make_compound(path, {"PowerPoint Document": record(1000, slides, 15)})


def make_fb2(path: Path) -> Path:
    about = (
        f"<book-title>{TITLE}</book-title><author><first-name>Ada</first-name><last-name>Joiner</last-name></author>"
    )
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0">'
        f"<description><title-info>{about}<lang>en</lang></title-info></description>"
        f"<body><section><title><p>{SECTION}</p></title><p>{PARAGRAPH}</p></section></body></FictionBook>",
        "utf-8",
    )
    return path


def kept(name: str) -> Callable[[Path], Path]:
    """A file of a kind that no library here writes, from tests/fixtures."""
    return lambda path: Path(shutil.copyfile(Path(__file__).parent / "fixtures" / name, path))
