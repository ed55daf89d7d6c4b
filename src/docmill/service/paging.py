"""Writes the pages of PDFs and images into a zip: how each looks, what was read of it, and what was kept beside that.

Files are opened by worker processes alone, as parsing does it; the zip is whole or absent.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from docmill.domain.failures import words_of
from docmill.domain.jobs import ArtifactRef
from docmill.domain.places import document_path
from docmill.domain.results import PageProblem, PagesResult
from docmill.engine.pools import Executor, Pools
from docmill.engine.worker_process import WorkerDied
from docmill.errors import (
    BatchNotFound,
    DamagedArtifact,
    DocmillError,
    DocumentError,
    DocumentNotFound,
    DocumentTimeout,
    FileTooLarge,
    NotFoundError,
    ProcessingError,
    WorkerCrashed,
)
from docmill.filetypes import type_by_name
from docmill.paged import pages as paged
from docmill.paged.pages import PagedFile
from docmill.settings import Settings, find_home
from docmill.stores import document_queries, outputs
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.document_queries import Parsed
from docmill.stores.keeping import free_name, member_name
from docmill.stores.queries import Queries, Row, reading

MANIFEST = "manifest.json"
_PAGE_SECONDS = 120.0  # then its worker is ended, and the next page has another
_MOST_PAGES = 20_000  # of a document
_MOST_LOST = 3  # workers that a document may cost; its other pages are left out


def write_pages(
    settings: Settings, target: str, *, output: str, source: str | None = None, password_file: str | None = None
) -> PagesResult:
    """The pages of a batch's PDFs and images, or of one document. ``output`` is a path, or ``-`` for stdout.

    ``password_file``: instead of the one that they were parsed with. Raises NotFoundError where there is no batch and
    no document of that name, UsageError, StorageError.
    """
    home = find_home(settings)
    with reading(home) as queries, queries.snapshot():
        batch_id, rows = _chosen(queries, target, source)
        parsed = {row["id"]: document_queries.parsed(queries, row) for row in rows}
    path = outputs.place(output)
    pools = Pools(home, settings)
    try:
        with outputs.stream(path, home) as stream, zipfile.ZipFile(stream, "w") as package:
            book = _Book(home, package, pools.documents)
            for row in rows:
                book.add(row, parsed[row["id"]], password_file)
            book.finish()
    finally:
        pools.stop()
    return PagesResult(
        batch_id=batch_id,
        path=None if path is None else str(path),
        size_bytes=None if path is None else stream.size_bytes,
        documents=len(book.documents),
        pages=sum(len(each["pages"]) for each in book.documents),
        assets=sum(len(each["assets"]) for each in book.documents),
        problems=book.problems,
    )


def _chosen(queries: Queries, target: str, source: str | None) -> tuple[int | None, list[Row]]:
    """The documents that have pages: of a batch, if there is one of that name, else the one of that URI."""
    if source is None:
        try:
            batch_id = int(queries.batch(target)["id"])
        except BatchNotFound:
            pass
        else:
            return batch_id, [
                row for row in document_queries.all_of_batch(queries, batch_id) if _type(row) in paged.TYPES
            ]
    try:
        row = document_queries.document(queries, target, source)
    except DocumentNotFound:
        hint = "`docmill batch list` and `docmill documents list` show them"
        raise NotFoundError(f"no batch and no document {target!r}", hint=hint) from None
    if _type(row) not in paged.TYPES:
        raise NotFoundError(f"{target!r} has no pages: it is {_type(row) or 'of an unknown type'}", hint="name a PDF")
    return None, [row]


def _type(row: Row) -> str | None:
    name: str | None = row["type"] or type_by_name(f"x{row['suffix']}")
    return name


class _Book:
    """The zip as it grows, and what its manifest will say."""

    def __init__(self, home: Path, package: zipfile.ZipFile, worker: Callable[[], Executor]) -> None:
        self._home = home
        self._package = package
        self._worker = worker
        self._artifacts = ArtifactStore(home)
        self._folders: set[str] = set()
        self.documents: list[dict[str, Any]] = []
        self.problems: list[PageProblem] = []

    def add(self, row: Row, parsed: Parsed, password_file: str | None) -> None:
        """One document. What fails of it is a problem, and no reason to stop."""
        path = document_path(
            self._home, row["folder"], row["uri"], row["content_hash"], row["suffix"], row["parent_id"]
        )
        kind = _type(row)
        assert kind is not None
        file = PagedFile(str(path), kind, row["content_hash"], password_file or parsed.password_file)
        try:
            count = self._ask([int], paged.count, file)
            if count > _MOST_PAGES:
                raise FileTooLarge(f"it has {count:,} pages; at most {_MOST_PAGES:,} are written")
        except DocumentError as error:
            self._problem(row, None, error)
            return
        folder = free_name(member_name(row["uri"]), self._folders)
        self._folders.add(folder)
        texts = self._texts(parsed.document)
        self.documents.append(
            {
                "document_id": row["id"],
                "uri": row["uri"],
                "source": row["source"],
                "type": kind,
                "content_hash": row["content_hash"],
                "folder": folder,
                "pages": list(self._pages(row, file, count, folder, texts)),
                "assets": self._add_assets(parsed.assets, folder),
            }
        )

    def finish(self) -> None:
        """The manifest comes last, as only then is known what there is."""
        said = {"documents": self.documents, "problems": [each.model_dump() for each in self.problems]}
        self._write(MANIFEST, json.dumps(said, ensure_ascii=False, indent=1).encode())

    def _pages(
        self, row: Row, file: PagedFile, count: int, folder: str, texts: dict[int, str] | None
    ) -> Iterator[dict[str, Any]]:
        lost = 0
        for number in range(1, count + 1):
            name = f"page-{number:04}"
            try:
                png, width, height = self._ask([bytes, int, int], paged.render, file, number - 1)
            except DocumentError as error:
                self._problem(row, number, error)
                lost += isinstance(error, WorkerCrashed | DocumentTimeout)
                if lost == _MOST_LOST:
                    return
                continue
            self._write(f"{folder}/{name}.png", png)
            page = {"page": number, "image": f"{name}.png", "width": width, "height": height, "text": None}
            if texts is not None:
                page["text"] = f"{name}.txt"
                self._write(f"{folder}/{name}.txt", texts.get(number, "").encode())
            yield page

    def _texts(self, ref: ArtifactRef | None) -> dict[int, str] | None:
        """What was read of each page; None where the document was not read, or not yet."""
        document = self._artifacts.parsed(ref) if ref is not None else None
        if document is None:
            return None
        blocks: dict[int, list[str]] = defaultdict(list)
        for block in document.blocks:
            blocks[block.page or 1].append(document.text[block.start : block.end])
        return {page: "\n\n".join(texts) + "\n" for page, texts in blocks.items()}

    def _add_assets(self, ref: ArtifactRef | None, folder: str) -> list[str]:
        """Images and results of OCR that were kept with the document."""
        if ref is None:
            return []
        try:
            data = self._artifacts.read_bytes(ref)
        except DamagedArtifact:
            return []
        with zipfile.ZipFile(io.BytesIO(data)) as kept:
            names = [member_name(name) for name in kept.namelist()]
            for name, content in zip(names, map(kept.read, kept.namelist()), strict=True):
                self._write(f"{folder}/{name}", content)
        return names

    def _ask(self, kinds: Sequence[type], function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a worker do it. Raises DocumentError, also for what took it down or is no answer of these types."""
        try:
            answer = self._worker().submit(None, function, *arguments, timeout=_PAGE_SECONDS).result()
        except TimeoutError:
            raise DocumentTimeout(f"it took longer than {_PAGE_SECONDS:g} s") from None
        except (WorkerDied, CancelledError) as error:
            raise WorkerCrashed(str(error)) from error
        except DocmillError:
            raise
        except Exception as error:
            raise ProcessingError(f"its worker could not answer: {words_of(error)}") from error
        # A worker that a hostile file has taken over may say anything.
        if [type(each) for each in (answer if isinstance(answer, tuple) else (answer,))] != [*kinds]:
            raise ProcessingError("its worker gave no such answer")
        return answer

    def _problem(self, row: Row, page: int | None, error: DocumentError) -> None:
        self.problems.append(
            PageProblem(
                document_id=row["id"],
                uri=row["uri"],
                page=page,
                error_code=error.code,
                error_message=error.message,
                hint=error.hint,
            )
        )

    def _write(self, name: str, content: bytes) -> None:
        """Images are packed already."""
        how = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
        self._package.writestr(zipfile.ZipInfo(name), content, how)
