"""PDFs that no program would write, object by object: shared streams, page trees that are circles or towers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def write_pdf(path: Path, objects: Sequence[bytes]) -> Path:
    """``objects[0]`` is object 1, the catalog."""
    data = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path.write_bytes(bytes(data))
    return path


def stream(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)


def shows(text: str, times: int = 1) -> bytes:
    lines = (b"BT /F1 9 Tf 40 %d Td (%s) Tj ET\n" % (800 - row % 70 * 11, text.encode()) for row in range(times))
    return stream(b"".join(lines))


def page(parent: int, contents: int, font: int) -> bytes:
    return (
        b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
        b" /Resources << /Font << /F1 %d 0 R >> >> >>" % (parent, contents, font)
    )


def shared_stream(path: Path, pages: int = 400, times: int = 20_000) -> Path:
    """Some kilobytes that are megabytes of text: each page shows the same stream."""
    kids = b" ".join(b"%d 0 R" % (5 + number) for number in range(pages))
    tree = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids)
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    return write_pdf(path, [catalog, tree, FONT, shows("Walnut oil", times), *[page(2, 4, 3)] * pages])


def cyclic_page_tree(path: Path) -> Path:
    """A page, and a node that is its own child and its child's child."""
    root = b"<< /Type /Pages /Count 3 /Kids [5 0 R 6 0 R 2 0 R] >>"
    node = b"<< /Type /Pages /Parent 2 0 R /Count 2 /Kids [6 0 R 2 0 R] >>"
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    return write_pdf(path, [catalog, root, FONT, shows("Round and round."), page(2, 4, 3), node])


def deep_page_tree(path: Path, depth: int = 5_000) -> Path:
    """Nodes in nodes, and one page at the bottom."""
    nodes = [b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % (5 + number) for number in range(depth)]
    bottom = page(3 + depth, 3, 2)
    catalog = b"<< /Type /Catalog /Pages 4 0 R >>"
    return write_pdf(path, [catalog, FONT, shows("Deep down."), *nodes, bottom])


def huge_page(path: Path) -> Path:
    """One page of ten metres by ten."""
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    tree = b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>"
    large = page(2, 4, 3).replace(b"[0 0 595 842]", b"[0 0 28346 28346]")
    return write_pdf(path, [catalog, tree, FONT, stream(b"1 0 0 rg 0 0 9000 9000 re f\n"), large])


def damaged_stream(path: Path) -> Path:
    """A page whose one stream is no stream of its kind."""
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    tree = b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>"
    broken = b"<< /Length 9 /Filter /LZWDecode >>\nstream\n\xff\xff\xff no lzw\nendstream"
    return write_pdf(path, [catalog, tree, FONT, broken, page(2, 4, 3)])
