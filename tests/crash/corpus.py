"""The documents that the crash tests work on: small, of seven formats, and the same for the same arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from documents import make_csv, make_docx, make_html, make_markdown, make_pdf, make_text, make_xlsx, text_page

_WOODS = ("walnut", "oak", "maple", "cherry", "larch", "beech", "elm", "spruce")
_OILS = ("linseed", "tung", "teak", "danish", "poppy", "orange")


@dataclass(frozen=True)
class Size:
    """How many documents of each format there are, and how many paragraphs each of them has."""

    documents: int = 4
    paragraphs: int = 5


def _paragraphs(number: int, edition: str, count: int) -> list[str]:
    return [
        f"Paragraph {part} of {edition} note {number} tells of {_WOODS[(number + part) % len(_WOODS)]} boards, which"
        f" are rubbed with {_OILS[(number * part) % len(_OILS)]} oil on day {number * 31 + part} of the {edition} year."
        for part in range(count)
    ]


def _markdown(path: Path, paragraphs: Sequence[str]) -> None:
    make_markdown(path, f"# {path.stem}\n\n" + "\n\n".join(f"## Part\n\n{each}" for each in paragraphs) + "\n")


def _docx(path: Path, paragraphs: Sequence[str]) -> None:
    def build(document: object) -> None:
        for each in paragraphs:
            document.add_paragraph(each)  # type: ignore[attr-defined] # python-docx ships no types

    make_docx(path, build)


_FORMATS: dict[str, Callable[[Path, Sequence[str]], object]] = {
    "md": _markdown,
    "txt": lambda path, paragraphs: make_text(path, "\n\n".join(paragraphs)),
    "html": lambda path, paragraphs: make_html(path, "".join(f"<p>{each}</p>" for each in paragraphs)),
    "csv": lambda path, paragraphs: make_csv(path, [("day", "note"), *((str(n), e) for n, e in enumerate(paragraphs))]),
    "docx": _docx,
    "pdf": lambda path, paragraphs: make_pdf(path, [text_page("\n\n".join(paragraphs))]),
    "xlsx": lambda path, paragraphs: make_xlsx(path, {"Notes": [("day", "note"), *enumerate(paragraphs)]}),
}


def write(folder: Path, size: Size) -> None:
    """A folder of the first edition. Some passages stand in two documents."""
    folder.mkdir(parents=True)
    for number, path in enumerate(_paths(folder, size.documents)):
        shared = _paragraphs(number // 2, "shared", 1) if path.suffix == ".md" else []
        _FORMATS[path.suffix[1:]](path, [*_paragraphs(number, "first", size.paragraphs), *shared])


def rewrite(folder: Path, size: Size) -> None:
    """Half of it replaced, some deleted, some renamed, some new."""
    paths = _paths(folder, size.documents)
    for number, path in enumerate(paths):
        match number % 8:
            case 0 | 2 | 4 | 6:
                edited = [*_paragraphs(number, "first", size.paragraphs)[:2], *_paragraphs(number, "second", 3)]
                _FORMATS[path.suffix[1:]](path, edited)
            case 3:
                path.unlink()
            case 5:
                path.rename(path.with_name(f"renamed-{path.name}"))
    for number, kind in enumerate(_FORMATS, start=len(paths)):
        _FORMATS[kind](folder / f"late-{number}.{kind}", _paragraphs(number, "third", size.paragraphs))


def thin_out(folder: Path, size: Size) -> None:
    """Every fifth document deleted, and nothing else."""
    for path in _paths(folder, size.documents)[::5]:
        path.unlink()


def _paths(folder: Path, documents: int) -> list[Path]:
    return [folder / f"note-{number}.{kind}" for number in range(documents) for kind in _FORMATS]
