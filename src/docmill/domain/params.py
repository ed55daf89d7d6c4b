"""The parameters of each step type, with their defaults and bounds.

A plug-in uses its step type's model, or a subclass of it that adds fields of its own. Unknown keys are refused. A field
marked by :func:`tuning` changes speed, never the result, and so stays out of the step's key.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


def tuning(default: Any, **constraints: Any) -> Any:
    """A field that cannot change what a step computes."""
    return Field(default, json_schema_extra={"tuning": True}, **constraints)


class StepParams(BaseModel):
    """What every step's parameters share: strict, frozen, closed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def key_fields(self) -> dict[str, Any]:
        """The fields that a step's result depends on, as JSON values."""
        return self.model_dump(mode="json", exclude=self.tuned())

    @classmethod
    def tuned(cls) -> set[str]:
        """Names of the fields that change speed only."""
        return {
            name
            for name, info in cls.model_fields.items()
            if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("tuning")
        }


class ValidateParams(StepParams):
    max_file_bytes: int = Field(512 * 1024**2, ge=1, description="larger files fail as FILE_TOO_LARGE")


class ParseParams(StepParams):
    """One set for all parsers; each reads the fields that concern it."""

    pdf_engine: Literal["auto", "pdfium", "pypdf"] = Field(
        "auto", description="auto: pdfium, then pypdf for what pdfium cannot read"
    )
    ocr: Literal["off", "auto", "force"] = Field(
        "off", description="auto: pages without text, and images, are read by OCR; force: every page of a PDF"
    )
    extract_images: bool = Field(default=False, description="keep the images of PDFs beside their text")
    password_file: str | None = tuning(
        None, pattern=r"^[/~]", description="absolute path of a file of passwords, one a line, that PDFs are tried with"
    )
    max_characters: int = Field(20_000_000, ge=1, description="text beyond this is cut off and the document degraded")
    max_pages: int = Field(20_000, ge=1, description="pages, or slides, beyond this are left out, degraded")
    max_rows: int = Field(1_000_000, ge=1, description="table rows of a file beyond this are left out, degraded")
    max_cells: int = Field(5_000_000, ge=1, description="spreadsheet cells beyond this are left out, degraded")
    max_entries: int = Field(
        20_000, ge=1, description="a package of more files is refused; of an archive, more are left out"
    )
    max_expanded_bytes: int = Field(
        1024**3,
        ge=1,
        description="a package that unpacks to more is refused; of an archive, more is left out, degraded",
    )
    max_expansion_ratio: int = Field(
        200, ge=1, description="the same for what unpacks to more than so many times its size, beyond 64 MiB"
    )
    max_nesting: int = Field(3, ge=0, description="archives in archives in archives: members of deeper ones stay out")
    max_seconds: float = Field(
        90, gt=0, description="parsing stops after so long; what is finished by then is kept, degraded as TIMEOUT"
    )

    @property
    def extra_seconds(self) -> float:
        """What ``max_seconds`` allows beyond its default; a worker's processor time grows by it, too."""
        usual: float = type(self).model_fields["max_seconds"].default
        return max(self.max_seconds - usual, 0)


class ChunkParams(StepParams):
    size: int = Field(220, ge=16, le=8192, description="most tokens in a chunk, by the embedding model's tokenizer")
    overlap: int = Field(0, ge=0, description="tokens repeated from the chunk before; less than half of size")
    context: bool = Field(default=True, description="put title and heading path in front of what is embedded")

    def model_post_init(self, _context: Any) -> None:
        if self.overlap * 2 > self.size:
            raise ValueError(f"overlap ({self.overlap}) must be at most half of size ({self.size})")


class EmbedParams(StepParams):
    model: str = Field("sentence-transformers/all-MiniLM-L6-v2", description="`docmill models list` shows the names")
    # More padded tokens are no faster, and take more memory (benchmarks/throughput.py).
    batch_tokens: int = tuning(512, ge=64, le=262_144, description="padded tokens in one micro-batch")
    batch_texts: int = tuning(32, ge=1, le=2048, description="texts in one micro-batch")
    window_chunks: int = tuning(1024, ge=1, le=65_536, description="chunks that are sorted by length together")


class StoreParams(StepParams):
    database: str = Field(
        "default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="the LanceDB database under the home"
    )
    window_documents: int = tuning(1024, ge=1, le=10_000, description="documents published by one commit")
