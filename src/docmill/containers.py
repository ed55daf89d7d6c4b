"""What lies in a zip package or an OLE file, told without unpacking it.

Owns the inventory and its limits. It decides nothing about document types (see filetypes) and reads no content but
the small parts that name the others.
"""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, Final

from docmill.domain.assembly import iso_moment, metadata_text, present
from docmill.errors import CorruptedFile, EncryptedFile, FileTooLarge

OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")

_MOST_ENTRIES = 20_000
_LARGEST_INDEX_PART = 4 * 1024**2
_FREE_SECTOR_BOUND = 0xFFFFFFFA  # sector numbers from here on are marks: free, end of chain, FAT, DIFAT
_MOST_DIRECTORY_SECTORS = 64


def open_package(stream: IO[bytes], *, max_expanded_bytes: int | None = None) -> zipfile.ZipFile:
    """The zip package in ``stream``, checked against what it declares about itself.

    A member never unpacks to more than it declares (zipfile stops there), so the sum bounds all reading. Raises
    CorruptedFile, EncryptedFile, or FileTooLarge for more than ``max_expanded_bytes`` or too many entries.
    """
    try:
        package = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error) as error:
        raise CorruptedFile(f"the zip container is damaged: {error}") from error
    entries = package.infolist()
    if any(entry.flag_bits & 1 for entry in entries):
        raise EncryptedFile("the zip container is encrypted")
    if len(entries) > _MOST_ENTRIES:
        raise FileTooLarge(f"the package has {len(entries):,} entries; at most {_MOST_ENTRIES:,} are read")
    expanded = sum(entry.file_size for entry in entries)
    if max_expanded_bytes is not None and expanded > max_expanded_bytes:
        raise FileTooLarge(
            f"the package unpacks to {expanded:,} bytes; max_expanded_bytes is {max_expanded_bytes:,}",
            expanded_bytes=expanded,
        )
    return package


def read_part(package: zipfile.ZipFile, name: str) -> bytes | None:
    """A small part of the package; None where there is none or it is larger than such parts ever are."""
    try:
        entry = package.getinfo(name)
    except KeyError:
        return None
    return package.read(entry) if entry.file_size <= _LARGEST_INDEX_PART else None


def content_types(package: zipfile.ZipFile) -> bytes | None:
    """``[Content_Types].xml`` of an Office package, in lower case; None for any other zip."""
    data = read_part(package, "[Content_Types].xml")
    return None if data is None else data.lower()


@dataclass(frozen=True, slots=True)
class Relation:
    """``kind``: the last word of the relationship's type, such as ``header``. ``part``: a path in the package."""

    kind: str
    part: str


_RELATION = re.compile(rb"<(?:\w+:)?Relationship\b([^<>]*)>")
_ATTRIBUTE = re.compile(rb"(\w+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


def relations(package: zipfile.ZipFile, part: str) -> list[Relation]:
    """What ``part`` refers to inside the package ("" is the package itself); outside targets are left out."""
    folder, name = posixpath.split(part)
    data = read_part(package, posixpath.join(folder, "_rels", f"{name}.rels")) or b""
    found = []
    for match in _RELATION.finditer(data):
        fields = {key.decode(): (double or single) for key, double, single in _ATTRIBUTE.findall(match.group(1))}
        if fields.get("TargetMode", b"").lower() == b"external":
            continue
        target = fields.get("Target", b"").decode("utf-8", "replace").replace("&amp;", "&")
        kind = fields.get("Type", b"").decode("utf-8", "replace").rpartition("/")[2]
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        found.append(Relation(kind, path))
    return found


def core_properties(package: zipfile.ZipFile) -> dict[str, str]:
    """``title`` and the common metadata keys (author, language, created_at, modified_at) that the package states.

    Read here and not by the office libraries, which fill in what is missing: openpyxl with itself and the present time.
    """
    from lxml import etree

    part = next((item.part for item in relations(package, "") if item.kind == "core-properties"), "docProps/core.xml")
    try:
        data = read_part(package, part)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        root = etree.fromstring(data, parser) if data else ()
    except (etree.XMLSyntaxError, zipfile.BadZipFile, zlib.error):
        return {}
    stated = {str(item.tag).rpartition("}")[2]: item.text or "" for item in root}
    return present(
        title=metadata_text(stated.get("title")),
        author=metadata_text(stated.get("creator")),
        language=metadata_text(stated.get("language")),
        created_at=iso_moment(stated.get("created")),
        modified_at=iso_moment(stated.get("modified")),
    )


def ole_streams(stream: IO[bytes]) -> frozenset[str]:
    """Names of the streams and storages in an OLE file, as far as its directory can be followed.

    The layout is that of [MS-CFB]: a 512-byte header, a FAT found through the header's first 109 entries, and a chain
    of directory sectors with 128-byte entries. A file so large that its FAT needs more entries than those keeps its
    directory near the front in practice; what the chain does not reach is simply not named.
    """
    stream.seek(0)
    header = stream.read(512)
    if len(header) < 512 or not header.startswith(OLE_MAGIC):
        return frozenset()
    shift = struct.unpack_from("<H", header, 30)[0]
    if shift not in (9, 12):
        return frozenset()
    size = 1 << shift
    fat_sectors = struct.unpack_from("<109I", header, 76)
    sector = struct.unpack_from("<I", header, 48)[0]
    names: set[str] = set()
    for _ in range(_MOST_DIRECTORY_SECTORS):
        if sector >= _FREE_SECTOR_BOUND:
            break
        names.update(_entry_names(_sector(stream, sector, size)))
        sector = _next_sector(stream, sector, size, fat_sectors)
    return frozenset(names)


def _sector(stream: IO[bytes], number: int, size: int) -> bytes:
    stream.seek((number + 1) * size)
    return stream.read(size)


def _next_sector(stream: IO[bytes], number: int, size: int, fat_sectors: tuple[int, ...]) -> int:
    per_sector = size // 4
    index = number // per_sector
    if index >= len(fat_sectors) or fat_sectors[index] >= _FREE_SECTOR_BOUND:
        return _FREE_SECTOR_BOUND
    table = _sector(stream, fat_sectors[index], size)
    offset = number % per_sector * 4
    return int(struct.unpack_from("<I", table, offset)[0]) if len(table) >= offset + 4 else _FREE_SECTOR_BOUND


def _entry_names(directory: bytes) -> list[str]:
    names = []
    for offset in range(0, len(directory) - 127, 128):
        length = struct.unpack_from("<H", directory, offset + 64)[0]
        if 2 < length <= 64:
            names.append(directory[offset : offset + length - 2].decode("utf-16-le", "replace"))
    return names
