"""What lies in a zip package or an OLE file, told without unpacking it.

Owns the inventory and its limits. It decides nothing about document types (see filetypes) and reads no content but
the small parts that name the others.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from docmill import safe_xml
from docmill.domain.assembly import iso_moment, metadata_text, present
from docmill.errors import CorruptedFile, EncryptedFile, FileTooLarge

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")

_COMPRESSED: Final = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "bz2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
}
TAR_BLOCK: Final = 512
# What damaged data makes zipfile and the decompressors raise. An OSError with a number is the disk's.
UNPACKING_FAILS: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, struct.error)
RATIO_COUNTS_FROM: Final = 64 * 1024**2

_LARGEST_DIRECTORY = 32 * 1024**2  # some 300,000 entries, which take 150 MB as objects
_END_WITHIN = 65_536 + 22 + 20 + 56  # the longest comment, and the records that end a zip
_IN_ZIP64 = 0xFFFFFFFF
_LARGEST_INDEX_PART = 4 * 1024**2
_FREE_SECTOR_BOUND = 0xFFFFFFFA  # sector numbers from here on are marks: free, end of chain, FAT, DIFAT
_MOST_DIRECTORY_SECTORS = 64


def open_zip(stream: IO[bytes]) -> zipfile.ZipFile:
    """The zip in ``stream``, whatever it holds. Raises CorruptedFile, or FileTooLarge for a directory beyond reason."""
    try:
        _check_directory(stream)
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error) as error:
        raise CorruptedFile(f"the zip container is damaged: {error}") from error


def open_package(stream: IO[bytes], params: ParseParams) -> zipfile.ZipFile:
    """The zip of an office document, checked against what it declares about itself.

    A member never unpacks to more than it declares (zipfile stops there), so the sum bounds all reading. Raises
    CorruptedFile, EncryptedFile, or FileTooLarge for more than ``params`` allow.
    """
    package = open_zip(stream)
    entries = package.infolist()
    if any(entry.flag_bits & 1 for entry in entries):
        raise EncryptedFile("the zip container is encrypted")
    if len(entries) > params.max_entries:
        raise FileTooLarge(
            f"the package has {len(entries):,} entries; max_entries is {params.max_entries:,}",
            hint="raise parse.max_entries",
        )
    expanded = sum(entry.file_size for entry in entries)
    allowed, limit = room_to_expand(stream.seek(0, io.SEEK_END), params)
    if expanded > allowed:
        raise FileTooLarge(
            f"the package unpacks to {expanded:,} bytes; {allowed:,} are allowed by {limit}",
            hint=f"raise parse.{limit}",
            expanded_bytes=expanded,
        )
    return package


def room_to_expand(size_bytes: int, params: ParseParams) -> tuple[int, str]:
    """How many bytes a file of ``size_bytes`` may unpack to, and the parameter that says so.

    The ratio counts from 64 MiB on only: small files of much white space are harmless.
    """
    by_ratio = max(size_bytes * params.max_expansion_ratio, RATIO_COUNTS_FROM)
    if by_ratio < params.max_expanded_bytes:
        return by_ratio, "max_expansion_ratio"
    return params.max_expanded_bytes, "max_expanded_bytes"


def _check_directory(stream: IO[bytes]) -> None:
    """Refuse a central directory that would take hundreds of megabytes as zipfile reads all of it on opening."""
    start = max(stream.seek(0, io.SEEK_END) - _END_WITHIN, 0)
    stream.seek(start)
    tail = stream.read(_END_WITHIN)
    stream.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        return  # zipfile says what is wrong
    size = struct.unpack_from("<I", tail, end + 12)[0]
    wide = tail.rfind(b"PK\x06\x06", 0, end)
    if size == _IN_ZIP64 and 0 <= wide <= len(tail) - 56:
        size = struct.unpack_from("<Q", tail, wide + 40)[0]
    if size > _LARGEST_DIRECTORY:
        raise FileTooLarge(f"the zip's directory has {size:,} bytes; at most {_LARGEST_DIRECTORY:,} are read")


def compression_of(head: bytes) -> str | None:
    """``gz``, ``bz2`` or ``xz``, by the first bytes of a file."""
    return next((name for name, magic in _COMPRESSED.items() if magic.match(head)), None)


def decompressed(stream: IO[bytes], compression: str) -> IO[bytes]:
    """What ``stream`` holds, unpacked as it is read. ``compression``: what compression_of says."""
    unpacked: IO[bytes]
    if compression == "gz":
        unpacked = gzip.GzipFile(fileobj=stream)  # type: ignore[assignment] # it reads like any other file
    elif compression == "bz2":
        unpacked = bz2.BZ2File(stream)
    else:
        unpacked = lzma.LZMAFile(stream)  # noqa: SIM115 - the caller closes the stream below
    return unpacked


def first_block(stream: IO[bytes], compression: str) -> bytes:
    """The first 512 bytes, unpacked; fewer, or none, where they are damaged."""
    stream.seek(0)
    try:
        return decompressed(stream, compression).read(TAR_BLOCK)
    except UNPACKING_FAILS:
        return b""


def is_tar(block: bytes) -> bool:
    """Whether this is a tar's first header: by the mark of POSIX and GNU tar; in older ones, by its sum."""
    if len(block) < TAR_BLOCK:
        return False
    return block[257:262] == b"ustar" or (block[0] != 0 and _has_tar_sum(block[:TAR_BLOCK]))


def _has_tar_sum(block: bytes) -> bool:
    stated = block[148:156].strip(b" \0")
    if not stated or stated.strip(b"01234567"):
        return False
    return int(stated, 8) == sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")


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
    """``kind``: the last word of the relationship's type, such as ``header``. ``part``: a path in the package.

    ``id``: what the referring part calls it.
    """

    kind: str
    part: str
    id: str = ""


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
        found.append(Relation(kind, path, fields.get("Id", b"").decode("utf-8", "replace")))
    return found


def core_properties(package: zipfile.ZipFile) -> dict[str, str]:
    """``title`` and the common metadata keys (author, language, created_at, modified_at) that the package states.

    Read here and not by the office libraries, which fill in what is missing: openpyxl with itself and the present time.
    """
    part = next((item.part for item in relations(package, "") if item.kind == "core-properties"), "docProps/core.xml")
    root = safe_xml.part_tree(package, part)
    stated = {str(item.tag).rpartition("}")[2]: item.text or "" for item in (() if root is None else root)}
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
