"""What a worker process does for ``docmill pages``: count the pages of a file, and render one of them.

Both open the file anew: a task that takes its worker down costs one page and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docmill.domain.contracts import SourceFile
from docmill.domain.failures import readable
from docmill.domain.identity import CONTENT_PREFIX
from docmill.domain.params import ParseParams
from docmill.errors import FileChanged
from docmill.paged import rendering
from docmill.paged.ocr import PageImage

TYPES = frozenset({"pdf", "png", "jpg", "tiff"})


@dataclass(frozen=True, slots=True)
class PagedFile:
    """``type``: one of TYPES; ``content_hash``: of the bytes that were ingested."""

    path: str
    type: str
    content_hash: str
    password_file: str | None


def count(file: PagedFile) -> int:
    """Raises FileChanged where these are not the bytes that were ingested, and the DocumentError of one that cannot be
    opened.
    """
    with readable(file.type):
        with Path(file.path).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if CONTENT_PREFIX + digest != file.content_hash:
            raise FileChanged("the file is no longer as it was when it was scanned", hint="sync the folder again")
        with _opened(file) as (pages, _image):
            return pages


def render(file: PagedFile, index: int) -> tuple[bytes, int, int]:
    """A PNG, its width and its height. Raises the DocumentError of a page that cannot be rendered."""
    with readable(f"page {index + 1}"), _opened(file) as (_pages, image):
        rendered = image(index)
        return rendered.png, rendered.width, rendered.height


@contextmanager
def _opened(file: PagedFile) -> Iterator[tuple[int, Callable[[int], PageImage]]]:
    source = SourceFile(Path(file.path), file.type, 0)
    if file.type == "pdf":
        with rendering.pdf_pages(source, ParseParams(password_file=file.password_file)) as opened:
            yield opened
    else:
        with rendering.image_pages(source) as opened:
            yield opened
