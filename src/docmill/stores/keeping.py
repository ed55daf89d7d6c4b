"""What parsers put aside beside the text: members become copies by content, assets one zip that is the step's own.

Runs in workers. A copy counts once state.db leads to it (see downloads), the zip once its step is recorded.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import zipfile
from collections.abc import Container
from functools import cached_property
from pathlib import Path
from typing import IO

from docmill import filetypes
from docmill.containers import room_to_expand
from docmill.domain import uris
from docmill.domain.contracts import LeftOut
from docmill.domain.documents import Member
from docmill.domain.identity import CONTENT_PREFIX
from docmill.domain.params import ParseParams
from docmill.domain.sizes import human_size
from docmill.stores.downloads import DownloadStore

_BLOCK_BYTES = 1024 * 1024
_MOST_ASSET_BYTES = 256 * 1024**2
_LONGEST_NAME = 1000
_LONGEST_SUFFIX = 16
_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/])")


class HomeKeeper:
    """Keeps what one file holds, within the limits of its parameters.

    ``expanded_bytes``: what the archive that this file lies in has been unpacked to so far; the limit is on the whole.
    """

    def __init__(
        self, home: Path, params: ParseParams, *, size_bytes: int, depth: int, expanded_bytes: int = 0
    ) -> None:
        self._home = home
        self._most = params.max_entries
        self._max_nesting = params.max_nesting
        self._images = params.ocr != "off"
        self._depth = depth
        room, self._limit = room_to_expand(size_bytes, params)
        self._room = min(room, params.max_expanded_bytes - expanded_bytes)
        self._asset_room = _MOST_ASSET_BYTES
        self._assets: dict[str, bytes] = {}
        self._members: dict[str, Member] = {}

    @cached_property
    def _copies(self) -> DownloadStore:
        return DownloadStore(self._home)

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(self._members.values())

    def member(self, name: str, content: IO[bytes]) -> bool:
        name = free_name(member_name(name), self._members)
        if filetypes.ignore_reason(posixpath.basename(name), images=self._images) is not None:
            return False
        if self._depth >= self._max_nesting:
            raise LeftOut(f"it lies {self._depth + 1} archives deep; max_nesting is {self._max_nesting}")
        if len(self._members) >= self._most:
            raise LeftOut(f"the archive holds more than {self._most:,} documents (max_entries)")
        suffix = posixpath.splitext(posixpath.basename(name))[1].lower()
        suffix = suffix if len(suffix) <= _LONGEST_SUFFIX else ""
        digest, size = hashlib.sha256(), 0
        with self._copies.incoming() as stream:
            while block := content.read(_BLOCK_BYTES):
                size += len(block)
                if size > self._room:
                    raise LeftOut(
                        f"it is larger than the {human_size(max(self._room, 0))} that the file may still unpack to"
                        f" ({self._limit})"
                    )
                digest.update(block)
                stream.write(block)
            copy = (CONTENT_PREFIX + digest.hexdigest(), suffix)
            if not self._copies.has(copy):
                self._copies.keep(stream, copy)
        self._room -= size
        self._members[name] = Member(name, *copy, size)
        return True

    def asset(self, name: str, content: bytes) -> None:
        if len(content) > self._asset_room:
            raise LeftOut(f"the images and results of a file are kept up to {human_size(_MOST_ASSET_BYTES)}")
        self._asset_room -= len(content)
        self._assets[free_name(member_name(name), self._assets)] = content

    def zipped_assets(self) -> bytes | None:
        """All of them, as one zip whose bytes follow from theirs; None where there is none."""
        if not self._assets:
            return None
        with io.BytesIO() as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
                for name, content in self._assets.items():
                    package.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            return stream.getvalue()


def free_name(name: str, taken: Container[str]) -> str:
    """``name``, or with a number where the file has two of that name."""
    stem, suffix = posixpath.splitext(name)
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{stem} ({number}){suffix}"
    return found


def member_name(name: str) -> str:
    """``name`` as a part of a URI: relative, with ``/``, and leading nowhere but down."""
    name = _DRIVE.sub("", name).replace("\\", "/").replace("\0", "")
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return uris.encode("/".join(parts)[-_LONGEST_NAME:].strip("/") or "unnamed")
