"""Reads archives: zip, tar, and single compressed files. What lies in them becomes documents of their own.

Members are handed to the file's keeper as streams and never unpacked to a path, so that their names are only names. The
text of the archive itself is the list of what it holds.
"""

from __future__ import annotations

import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from docmill.containers import UNPACKING_FAILS, compression_of, decompressed, open_zip, room_to_expand
from docmill.domain.assembly import DocumentBuilder
from docmill.domain.contracts import LeftOut, SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable, words_of
from docmill.domain.members import Members
from docmill.errors import CorruptedFile, EncryptedFile

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_LARGEST_TAR_EXTENSION = 1024**2  # bytes; tarfile holds it in memory
_TAR_EXTENSIONS = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"x", b"g", b"X"})
_NAME_IS_UTF8 = 0x800
_FAILS = (*UNPACKING_FAILS, tarfile.TarError, NotImplementedError, RuntimeError)


class ArchiveParser:
    version = "1"
    types = frozenset({"zip", "tar", "gz", "bz2", "xz"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Members that are not taken degrade the archive.

        Raises EncryptedFile for a zip of which all is encrypted, CorruptedFile where nothing can be read, and
        EmptyDocument for an archive without files.
        """
        with readable(f"{file.type} archive"), file.path.open("rb") as stream:
            return _Archive(file, params).read(stream)


class _Damaged(Exception):
    """It cannot be read on from here. Tells the archive's damage from what fails where its members are kept."""


class _Reading:
    """A stream whose own failures are told apart, and which ends at the deadline or once it has given too much."""

    def __init__(self, stream: IO[bytes], file: SourceFile, room: tuple[int, str]) -> None:
        self._stream = stream
        self._deadline = file.deadline
        self._room, self._limit = room

    def read(self, size: int = -1, /) -> bytes:
        if self._deadline.passed:
            raise LeftOut("the time is up (max_seconds)")
        try:
            block = self._stream.read(size)
        except _FAILS as error:
            raise _Damaged(words_of(error)) from error
        self._room -= len(block)
        if self._room < 0:
            raise LeftOut(f"the archive unpacks to more than is allowed ({self._limit})")
        return block


class _Header(tarfile.TarInfo):
    """A tar's header that gives no names of gigabytes."""

    @classmethod
    def frombuf(cls, *arguments: Any) -> _Header:
        header = super().frombuf(*arguments)
        if header.type in _TAR_EXTENSIONS and header.size > _LARGEST_TAR_EXTENSION:
            raise tarfile.ReadError(f"a header is extended by {header.size:,} bytes")
        return header


class _Archive:
    """One archive being read."""

    def __init__(self, file: SourceFile, params: ParseParams) -> None:
        self._file = file
        self._builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
        self._most = params.max_entries
        self._room = room_to_expand(file.size_bytes, params)
        self._members = Members(file.keeper)
        self._damage: list[str] = []

    def read(self, stream: IO[bytes]) -> ParsedDocument:
        if self._file.type == "zip":
            self._zip(stream)
        elif self._file.type == "tar":
            self._tar(stream)
        else:
            self._single(stream)
        if self._damage:
            if not self._members.taken:
                raise CorruptedFile(f"the archive is damaged: {self._damage[0]}")
            self._builder.warn("DAMAGED_PART", f"the archive is damaged: {'; '.join(self._damage[:3])}", degrades=True)
        self._members.tell(self._builder)
        return self._builder.build()

    def _zip(self, stream: IO[bytes]) -> None:
        with open_zip(stream) as package:
            entries = [entry for entry in package.infolist() if not entry.is_dir()]
            if entries and all(entry.flag_bits & 1 for entry in entries):
                raise EncryptedFile("all files in the archive are encrypted")
            for entry in entries:
                if not self._goes_on():
                    return
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG):  # a link or a device, as Unix keeps them in a zip
                    self._members.ignore()
                else:
                    self._take(_name_in_zip(entry), partial(package.open, entry), encrypted=bool(entry.flag_bits & 1))

    def _tar(self, stream: IO[bytes]) -> None:
        """Read once from front to back: a compressed tar cannot be read in any other way."""
        compression = compression_of(stream.read(16))
        stream.seek(0)
        reading = _Reading(decompressed(stream, compression) if compression else stream, self._file, self._room)
        try:
            with tarfile.open(fileobj=cast(IO[bytes], reading), mode="r|", tarinfo=_Header) as archive:
                while (entry := archive.next()) is not None and self._goes_on():
                    if entry.isreg():
                        self._take(entry.name, partial(_content, archive, entry))
                    elif not entry.isdir():
                        self._members.ignore()
                    archive.members = []  # type: ignore[attr-defined] # it would remember every header
        except (_Damaged, tarfile.TarError) as error:
            self._damage.append(words_of(error) if isinstance(error, tarfile.TarError) else str(error))
        except LeftOut as reason:
            self._members.break_off(str(reason))
            if self._file.deadline.passed:
                self._builder.out_of_time()

    def _single(self, stream: IO[bytes]) -> None:
        if compression_of(stream.read(16)) != self._file.type:
            raise CorruptedFile(f"the file is not compressed as {self._file.type}")
        stream.seek(0)
        name = posixpath.basename(self._file.name or self._file.path.name)
        stem, suffix = posixpath.splitext(name)
        inner = stem if suffix.lower() == f".{self._file.type}" else name
        self._take(inner, partial(decompressed, stream, self._file.type))

    def _goes_on(self) -> bool:
        """Whether the next entry is to be looked at."""
        if self._builder.full:
            self._members.break_off("there is no more time or room (max_seconds, max_characters)")
        elif self._members.seen >= self._most:
            self._members.break_off(f"only the first {self._most:,} entries are looked at (max_entries)")
        else:
            return True
        return False

    def _take(self, name: str, opened: Callable[[], IO[bytes]], *, encrypted: bool = False) -> None:
        if _is_hidden(name):
            self._members.ignore()
            return
        self._builder.list_item(f"- {name}", 1)
        if encrypted:
            self._members.leave_out(name, "it is encrypted")
            return
        try:
            with opened() as content:
                self._members.take(name, cast(IO[bytes], _Reading(content, self._file, self._room)))
        except _Damaged as error:
            self._damage.append(f"{name}: {error}")
        except _FAILS as error:
            if isinstance(error, OSError) and error.errno:
                raise  # the disk's, where the member was to be kept
            self._damage.append(f"{name}: {words_of(error)}")


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    assert content is not None, "a regular file has content"
    return content


def _is_hidden(name: str) -> bool:
    """What a folder's scan passes over as hidden; and what macOS puts beside each file of a zip."""
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/")) or name.startswith(
        "__MACOSX/"
    )


def _name_in_zip(entry: zipfile.ZipInfo) -> str:
    """Many programs write UTF-8 without the flag that says so."""
    if entry.flag_bits & _NAME_IS_UTF8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


PLUGIN = ArchiveParser()
