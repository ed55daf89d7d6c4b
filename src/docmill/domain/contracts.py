"""The Protocols that plug-ins fulfil. A plug-in is one module whose ``PLUGIN`` is an object that fits one of them.

A plug-in's ``version`` is part of each step key made with it: raise it when the same input would give another output.
Plug-ins are stateless; heavy imports go inside their methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from docmill.domain.deadline import Deadline
from docmill.domain.documents import Chunk, ParsedDocument

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from docmill.domain.params import ChunkParams, EmbedParams, ParseParams, StepParams


class Keeper(Protocol):
    """Takes in what a parser finds in a file beside its text."""

    def member(self, name: str, content: IO[bytes]) -> bool:
        """A file inside this one, to become a document of its own, ``<uri>!/<name>``.

        ``name``: a relative path with ``/``, as the file states it. Raises LeftOut with the reason for one that is not
        taken. False for one that nobody wants, as no parser reads files of its kind.
        """
        ...

    def asset(self, name: str, content: bytes) -> None:
        """Something worth keeping with the parsed document: an image of a page, what OCR has read. Raises LeftOut."""
        ...


class LeftOut(Exception):
    """What a Keeper does not take, and why."""


class Forgetful:
    """A Keeper that keeps nothing."""

    def member(self, name: str, content: IO[bytes]) -> bool:  # noqa: ARG002 - a Keeper's signature
        return True

    def asset(self, name: str, content: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A local file that is to be read.

    type:     its document type by content, such as ``pdf`` (see filetypes).
    name:     what people call it; ``path`` may be a copy with a name that says nothing.
    depth:    how many containers it lies in: 0 for a file in a folder, 1 for a member of an archive.
    deadline: when to stop, and return what is finished by then, with a warning TIMEOUT.
    """

    path: Path
    type: str
    size_bytes: int
    name: str = ""
    depth: int = 0
    deadline: Deadline = field(default_factory=Deadline)
    keeper: Keeper = field(default_factory=Forgetful)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """An embedding model, without loading it.

    fingerprint: changes whenever the same text would get another vector.
    dimension:   of the vectors; max_tokens: what the model reads at most, special_tokens of them not text.
    """

    name: str
    provider: str
    fingerprint: str
    dimension: int
    max_tokens: int
    special_tokens: int = 2


class Tokenizer(Protocol):
    """The embedding model's own tokenizer, without truncation, padding or special tokens."""

    max_tokens: int
    special_tokens: int

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of ``text``, in order; white space belongs to none."""
        ...

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text."""
        ...


class Parser(Protocol):
    version: str
    types: frozenset[str]

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Text, blocks and metadata of ``file``. Raises a DocumentError subclass for a file it cannot read."""
        ...


class Chunker(Protocol):
    version: str
    params: type[ChunkParams]

    def chunk(self, document: ParsedDocument, params: ChunkParams, tokenizer: Tokenizer) -> list[Chunk]:
        """Passages of at most ``params.size`` tokens, in text order, that together cover all text but white space."""
        ...


class EmbeddingSession(Protocol):
    """A loaded model."""

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1, computed as ONE batch."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1, computed as ONE batch."""
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """``(dimension,)`` float32 of length 1: as :meth:`embed_queries` gives it."""
        ...


class Embedder(Protocol):
    version: str
    params: type[EmbedParams]

    def describe(self, params: EmbedParams) -> ModelInfo:
        """The model that ``params`` names. Raises ModelMissing where it is not installed. Loads no weights."""
        ...

    def tokenizer(self, params: EmbedParams) -> Tokenizer: ...

    def load(self, params: EmbedParams, *, threads: int) -> EmbeddingSession:
        """The model, ready. Takes seconds; call it once in a process."""
        ...


class Enricher(Protocol):
    version: str
    params: type[StepParams]

    def enrich(self, document: ParsedDocument, params: StepParams) -> dict[str, Any]:
        """Metadata to add to the document; JSON values only."""
        ...


@dataclass(frozen=True, slots=True)
class ExportedDocument:
    """A document as it stands in a database. Times are UTC ISO-8601; ``content_hash`` is of the file's bytes.

    passages: its rows, as :meth:`Export.rows` gives them, in its order; those that a filter let through.
    """

    document_id: str
    uri: str
    source: str
    title: str | None
    type: str
    version: int
    content_hash: str
    chunk_count: int
    created_at: str
    updated_at: str
    metadata: dict[str, Any]
    passages: tuple[dict[str, Any], ...]


class Export(Protocol):
    """What an exporter is given: passages and documents of one database, as one published version has them.

    Each iterator begins anew when it is asked for again, and gives the same in the same order: that of the database.
    None keeps more in memory than a few thousand rows, or the rows of one document.

    fields: the columns of the passages, in order; docs/export.md says which there are.
    schema: the same as an Arrow schema: ``embedding`` is a fixed_size_list of ``model.dimension`` float32, ``headings``
            a list of strings, ``metadata`` JSON text; of the others, numbers are int32 and all else is text.
    """

    database: str
    model: ModelInfo
    fields: tuple[str, ...]
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The passages, as Arrow batches of ``schema``.

        LanceDB reads them: one that is given this iterator itself, to store it, would wait for its own answer for ever.
        """
        ...

    def rows(self) -> Iterator[dict[str, Any]]:
        """The passages, with ``fields`` as keys. ``metadata`` is a dict, ``embedding`` a list of floats."""
        ...

    def documents(self) -> Iterator[ExportedDocument]:
        """The documents that the passages are of, with these; and, where nothing is filtered, those without any."""
        ...

    def text(self, document: ExportedDocument) -> str:
        """The whole text of a document, as it was parsed: ``char_start`` and ``char_end`` of passages count in it."""
        ...

    def markdown(self, document: ExportedDocument) -> str:
        """The same with what Markdown marks: headings, and the header rows of tables."""
        ...

    def parsed(self, document: ExportedDocument) -> ParsedDocument:
        """The whole text with its blocks; where what parsing gave has gone, each passage is one."""
        ...


class FileExporter(Protocol):
    """Writes one file, as the rows come, to a binary stream that cannot seek: a compressor, a pipe, or the file.

    suffix: the usual file ending, with the dot.
    needs:  fields that it cannot do without; it is given them whatever a person chose. Columns of the database that are
            no fields, such as ``search_text``, are given to those that need them, and to no others.
    """

    suffix: str
    folder: Literal[False]
    needs: tuple[str, ...]

    def write(self, export: Export, stream: IO[bytes]) -> int:
        """Write the passages; return how many there were. Leaves the stream open."""
        ...


class FolderExporter(Protocol):
    """Writes a folder of files, such as a database. ``suffix`` and ``needs`` are as for files."""

    suffix: str
    folder: Literal[True]
    needs: tuple[str, ...]

    def write(self, export: Export, folder: Path) -> int:
        """Fill ``folder``, which is there and empty; return how many passages there were.

        The folder gets its name when this has returned, so nobody sees it half filled.
        """
        ...


Exporter = FileExporter | FolderExporter
