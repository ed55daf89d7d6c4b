"""Outputs of steps as files, named by step key. Written by workers, checked by their digest whenever they are read.

A file is zlib-compressed JSON, or a zip of assets, under ``artifacts/<first two digits>/<key>``. Which artifacts count
is in state.db, where their digests are: a file that nobody knows yet is written where it belongs, and one that is there
already, as a worker died while it wrote it or as it is made anew, is written in ``artifacts/new`` and replaced by a
rename. So what counts is whole; after a power loss it may be torn all the same, which the digest tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docmill import failpoints
from docmill.domain.documents import ParsedDocument
from docmill.domain.jobs import ArtifactRef
from docmill.errors import DamagedArtifact, StorageError
from docmill.stores.faults import storage_error

_LEVEL = 1  # text shrinks to a third at 100 MB/s; higher levels cost more than the disk they save
_SHORT_BYTES = 4096  # to clear the memory that zlib takes for more takes longer than to compress so few
_SHORT_WINDOW, _SHORT_MEMORY = 12, 6  # as zlib counts them: a window of 4096 bytes, and 20 KB to find matches by


class ArtifactStore:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "artifacts"

    def path(self, step_key: str) -> Path:
        return self.folder / step_key[:2] / step_key

    def write(self, step_key: str, content: Any) -> ArtifactRef:
        """Store ``content`` (JSON values). Two processes writing the same key leave one whole file."""
        data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        return self.write_bytes(step_key, _compressed(data))

    def write_bytes(self, step_key: str, data: bytes) -> ArtifactRef:
        """Store ``data`` as it is."""
        path = f"{self.folder}/{step_key[:2]}/{step_key}"
        try:
            with failpoints.around("artifact.write"):
                try:
                    _write(path, data)
                except FileExistsError:
                    self._replace(path, data)
        except OSError as error:
            doing = f"an artifact cannot be written under {self.folder}"
            fault = storage_error(OSError(error.errno, error.strerror), doing)  # the temporary file's name helps nobody
            raise fault or StorageError(f"{doing}: {error.strerror}", hint="check the disk") from error
        return ArtifactRef(step_key, hashlib.sha256(data).hexdigest(), len(data))

    def _replace(self, path: str, data: bytes) -> None:
        temporary = f"{self.folder}/new/{posixpath.basename(path)}.{os.getpid()}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108 - see below
        _write(temporary, data)
        with failpoints.around("artifact.replace"):
            os.replace(temporary, path)  # noqa: PTH105 - the same

    def read(self, ref: ArtifactRef) -> Any:
        """The content. Raises DamagedArtifact where the file is gone or its bytes are not those that were written."""
        return json.loads(zlib.decompress(self.read_bytes(ref)))

    def parsed(self, ref: ArtifactRef) -> ParsedDocument | None:
        """What parsing gave; None where it is gone or damaged, or of a form that is not read any more."""
        try:
            return ParsedDocument.from_json(self.read(ref))
        except (DamagedArtifact, ValueError, KeyError, TypeError):
            return None

    def read_bytes(self, ref: ArtifactRef) -> bytes:
        """The bytes that were stored. Raises DamagedArtifact as :meth:`read` does."""
        try:
            data = self.path(ref.step_key).read_bytes()
        except OSError as error:
            raise DamagedArtifact(f"artifact {ref.step_key[:12]} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != ref.digest:
            raise DamagedArtifact(f"artifact {ref.step_key[:12]} does not match its digest")
        return data

    def files(self) -> Iterator[Path]:
        """Every output that is there, whether it counts or not; the file's name is its step key. Of one that does not
        count there may be a part only, as whoever wrote it has died.
        """
        return self.folder.glob("[0-9a-f][0-9a-f]/*")

    def unfinished(self) -> list[Path]:
        """Files that take the place of others once they are whole; whoever wrote them may have died."""
        return list((self.folder / "new").glob("*.new"))


def _compressed(data: bytes) -> bytes:
    if len(data) > _SHORT_BYTES:
        return zlib.compress(data, _LEVEL)
    short = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SHORT_WINDOW, _SHORT_MEMORY)
    return short.compress(data) + short.flush()


# Plain text and descriptors, and folders made only where they lack: two of these are written for each document. In a
# folder that all share, to make a file and move it takes workers that wait for each other twice as long.


def _write(path: str, data: bytes) -> None:
    """A new file. Raises FileExistsError; leaves none behind where it cannot be written."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        with contextlib.suppress(OSError):
            Path(path).unlink()
        raise
    finally:
        os.close(descriptor)
