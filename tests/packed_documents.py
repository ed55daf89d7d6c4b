"""Makes archives and mails for the tests."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from sample_words import HEADER, PARAGRAPH, ROWS, TITLE

MEMBERS: dict[str, bytes] = {
    "notes/desk.md": f"# {TITLE}\n\n{PARAGRAPH}\n".encode(),
    "oils.csv": b"Season,Oil\nSpring,Tung\n",
}


def make_zip(path: Path, members: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(name, content)
    return path


def with_members(path: Path, members: dict[str, bytes | str]) -> Path:
    """Rewrite the zip at ``path`` with ``members`` in place of, or beside, its own."""
    with zipfile.ZipFile(path) as package:
        kept = {name: package.read(name) for name in package.namelist()}
    return make_zip(path, {**kept, **members})


def make_tar(path: Path, members: dict[str, bytes] | None = None, *, mode: str = "w") -> Path:
    """``mode``: how tarfile is to write it, such as ``w:gz``."""
    with tarfile.open(path, mode) as archive:
        for name, content in (MEMBERS if members is None else members).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def make_compressed(path: Path, content: bytes = MEMBERS["notes/desk.md"]) -> Path:
    """A single file, compressed as the suffix says."""
    compress = {".gz": lambda data: gzip.compress(data, mtime=0), ".bz2": bz2.compress, ".xz": lzma.compress}[
        path.suffix
    ]
    path.write_bytes(compress(content))
    return path


def make_eml(path: Path, build: Callable[[EmailMessage], None] | None = None) -> Path:
    """A mail with a text and a table attached; ``build`` gets the message with its headers to fill."""
    message = EmailMessage()
    message["From"], message["To"] = "Ada Joiner <ada@example.org>", "Ben <ben@example.org>"
    message["Subject"], message["Date"] = TITLE, "Wed, 31 Jan 2024 09:30:00 +0100"
    if build is not None:
        build(message)
    else:
        message.set_content(f"{PARAGRAPH}\n\nBest wishes\nAda\n")
        table = "".join(",".join(row) + "\n" for row in (HEADER, *ROWS))
        message.add_attachment(table.encode(), maintype="text", subtype="csv", filename="oils.csv")
        message.set_boundary("=-=-=")  # the same bytes every time
    path.write_bytes(message.as_bytes())
    return path
