"""A backup file: a tar, compressed by Zstandard, that other programs can unpack and check as well.

    backup.json    first: what the backup holds, how many files and bytes, which schema
    state.db …     the files of a home, as plain files; folders follow from their names
    SHA256SUMS     last: the digest of every file before it, as sha256sum writes and checks it

It is read as if somebody hostile had written it: only plain files with names that a home has, each of them once, never
more files or bytes than backup.json announced, nothing of unbounded size in memory. What was cut short has no sums.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from docmill import failpoints
from docmill.durable import fsync
from docmill.errors import StorageError

FORMAT = 1
HEADER, SUMS = "backup.json", "SHA256SUMS"
SUFFIX = ".tar.zst"
_BLOCK = tarfile.BLOCKSIZE
_READ = 1024**2
_MOST_HEADER = 1024**2
_MOST_FILES = 10_000_000
_MOST_NAME = 255  # what tar's oldest header holds, and no extension is needed for
_MOST_OCTAL = 8**11 - 1
_SIZE, _SUM = slice(124, 136), slice(148, 156)  # in the block before a file
# What a home has. No part of a name begins with a dot, but LanceDB's own may with an underscore.
_NAME = re.compile(
    r"state\.db|cache\.db|docmill\.toml|sources\.json|artifacts/[0-9a-f]{2}/[0-9a-f]{64}"
    r"|downloads/[0-9a-f]{2}/[0-9a-f]{64}(\.[^/\x00]*)?"
    r"|lancedb/[^/\x00.][^/\x00]*/(settings|documents|chunks)\.lance(/[^/\x00.][^/\x00]*){1,6}"
    r"|lancedb/[^/\x00.][^/\x00]*/checksums"
    r"|(workflows|param-sets)/[^/\x00.][^/\x00]*\.ya?ml|reports/[^/\x00.][^/\x00]*\.(html|json)"
)


_Count = Annotated[int, Field(ge=0)]


class Header(BaseModel):
    """``files`` and ``content_bytes`` are of the home's own files. ``databases``: documents and chunks by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: int = FORMAT
    docmill: str
    schema_version: _Count
    created_at: str
    home: str
    files: Annotated[int, Field(ge=0, le=_MOST_FILES)]
    content_bytes: _Count
    batches: _Count
    documents: _Count
    databases: dict[str, dict[Literal["documents", "chunks"], _Count]]
    with_cache: bool
    findings: list[str]


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """The files below a folder, with their names in the backup, in the order in which they are written."""
    found = (Path(parent, name) for parent, _folders, names in os.walk(folder) for name in names)
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


# ---- writing ---------------------------------------------------------------------------------------------------------


def write(folder: Path, header: Header, target: Path) -> None:
    """All files of ``folder``. They must not change meanwhile. On the disk when this returns. Raises OSError."""
    from pyarrow import CompressedOutputStream, OSFile

    with (
        failpoints.around("backup.write"),
        closing(OSFile(str(target), "wb")) as raw,
        closing(CompressedOutputStream(raw, "zstd")) as stream,
    ):
        sums = bytearray()
        described = header.model_dump_json(indent=2).encode() + b"\n"
        sums += _add_bytes(stream, HEADER, described)
        for name, path in files_of(folder):
            sums += _add_file(stream, name, path)
        _add_bytes(stream, SUMS, bytes(sums))
        stream.write(bytes(2 * _BLOCK))
    fsync(target)


def _add_bytes(stream: Any, name: str, data: bytes) -> bytes:
    stream.write(_block(name, len(data), 0))
    stream.write(data + bytes(-len(data) % _BLOCK))
    return _sum(hashlib.sha256(data).hexdigest(), name)


def _add_file(stream: Any, name: str, path: Path) -> bytes:
    digest, left = hashlib.sha256(), path.stat().st_size
    stream.write(_block(name, left, int(path.stat().st_mtime)))
    padding = -left % _BLOCK
    with path.open("rb", buffering=0) as file:
        while left and (data := file.read(min(_READ, left))):
            digest.update(data)
            stream.write(data)
            left -= len(data)
    if left:
        raise OSError(None, "it became shorter while it was read", str(path))
    stream.write(bytes(padding))
    return _sum(digest.hexdigest(), name)


def _block(name: str, size: int, mtime: int) -> bytes:
    """The block before a file: ustar's, whose names are long enough, with GNU's way of writing sizes from 8 GiB up."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = min(size, _MOST_OCTAL), mtime, 0o600
    try:
        block = bytearray(info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape"))
    except ValueError as error:
        raise StorageError(f"{name} cannot be put into a backup: {error}", hint="a shorter name would do") from error
    if size > _MOST_OCTAL:
        block[_SIZE] = b"\x80" + size.to_bytes(11, "big")
        block[_SUM] = b" " * 8
        block[_SUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _sum(digest: str, name: str) -> bytes:
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == name else "\\"
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


# ---- reading ---------------------------------------------------------------------------------------------------------


def header_of(path: Path) -> Header:
    """What a backup says of itself, read from its beginning. Raises StorageError."""
    with _opened(path) as stream:
        return _read_header(path, stream)[0]


def unpack(path: Path, into: Path | None) -> Header:
    """Check every file against its sum, and put them below ``into``, a folder of nobody else's; None: only check.

    Raises StorageError for what is no backup, or is damaged; then ``into`` holds what was read until there.
    """
    with _opened(path) as stream:
        header, sums = _read_header(path, stream)
        seen: set[str] = set()
        left = header.content_bytes
        for member in _members(path, stream):
            name, size = member.name, member.size
            if name == SUMS:
                break
            if not _NAME.fullmatch(name) or ".." in name.split("/") or name in seen:
                _refuse(path, f"no home has a file such as {name[:200]!r}, or it is there twice")
            if size > left or len(seen) == header.files:
                _refuse(path, "it holds more than it says")
            left -= size
            seen.add(name)
            sums += _take_file(path, stream, member, into)
        if len(seen) != header.files:
            _refuse(path, f"it holds {len(seen):,} files of {header.files:,}")
        _check_sums(path, stream, size, sums)
        return header


def _take_file(path: Path, stream: IO[bytes], member: tarfile.TarInfo, into: Path | None) -> bytes:
    digest = hashlib.sha256()
    if into is None:
        for data in _content(path, stream, member.size):
            digest.update(data)
        return _sum(digest.hexdigest(), member.name)
    target = into / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        for data in _content(path, stream, member.size):
            digest.update(data)
            file.write(data)
    os.utime(target, (member.mtime, member.mtime))
    return _sum(digest.hexdigest(), member.name)


def _read_header(path: Path, stream: IO[bytes]) -> tuple[Header, bytearray]:
    """The header, and the first line that the sums must have."""
    member = _next(path, stream)
    if member.name != HEADER or member.size > _MOST_HEADER:
        _refuse(path, "it does not begin as one")
    data = b"".join(_content(path, stream, member.size))
    try:
        known = json.loads(data)["format"]
        if known == FORMAT:
            header = Header.model_validate_json(data)
    except (ValueError, TypeError, KeyError, RecursionError):  # pydantic's own error is a ValueError
        _refuse(path, "its description cannot be read")
    if known != FORMAT:
        raise StorageError(
            f"{path} is a backup of format {str(known)[:20]}; this docmill knows {FORMAT}",
            hint="use the docmill that wrote it, or a newer one",
        )
    return header, bytearray(_sum(hashlib.sha256(data).hexdigest(), HEADER))


def _check_sums(path: Path, stream: IO[bytes], size: int, sums: bytearray) -> None:
    """``sums`` are the lines as they must be, of the files as they were read."""
    if size == len(sums):
        written = b"".join(_content(path, stream, size))
        if written == sums:
            return
        pairs = zip(sums.splitlines(), written.splitlines(), strict=False)
        wrong = next(mine for mine, theirs in pairs if mine != theirs)
        _refuse(path, f"{os.fsdecode(bytes(wrong)).partition('  ')[2]} is damaged")
    _refuse(path, "its files are not those whose sums it has")


def _members(path: Path, stream: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """File by file, while the content of each is read. The sums are the last one, so there is no end before them."""
    while True:
        yield _next(path, stream)


def _next(path: Path, stream: IO[bytes]) -> tarfile.TarInfo:
    """The next file. Only what :func:`_block` writes: no link, no device, no extension."""
    block = _exactly(path, stream, _BLOCK)
    if block == bytes(_BLOCK):
        _refuse(path, "its sums are missing")
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        _refuse(path, str(error))
    if member.type != tarfile.REGTYPE or member.size < 0 or len(member.name) > _MOST_NAME + 1:
        _refuse(path, f"it holds something that is no plain file: {member.name[:200]!r}")
    return member


def _content(path: Path, stream: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left:
        data = stream.read(min(_READ, left))
        if not data:
            _refuse(path, "its end is missing")
        left -= len(data)
        yield data
    _exactly(path, stream, -size % _BLOCK)


def _exactly(path: Path, stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size) if size else b""
    if len(data) != size:
        _refuse(path, "its end is missing")
    return data


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Raises FileNotFoundError and such as they are; StorageError for a stream that cannot be decompressed."""
    from pyarrow import CompressedInputStream, PythonFile

    with path.open("rb") as raw:
        try:
            with closing(CompressedInputStream(PythonFile(raw, "r"), "zstd")) as stream:
                yield stream
        except OSError as error:
            if error.errno is not None:
                raise  # of the disk, here or there
            _refuse(path, str(error))


def _refuse(path: Path, why: str) -> NoReturn:
    raise StorageError(f"{path} is no whole backup of docmill: {why}", hint="take another backup file") from None
