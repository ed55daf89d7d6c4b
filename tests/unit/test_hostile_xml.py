"""What strangers may put into the XML of a package: entities, depth, declared sizes. All of it ends, and is typed.

Memory is held down as the workers' is, so that what would take gigabytes fails here instead of passing slowly.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from docmill import filetypes, registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, DocumentError, FileTooLarge
from documents import make_docx, make_epub, make_odt, make_pptx, make_xlsx, with_members

Maker = Callable[[Path], Path]

# For each format a maker, and the part that its text stands in.
PACKAGES: dict[str, tuple[Maker, str]] = {
    "docx": (make_docx, "word/document.xml"),
    "xlsx": (make_xlsx, "xl/worksheets/sheet1.xml"),
    "pptx": (make_pptx, "ppt/slides/slide1.xml"),
    "odt": (make_odt, "content.xml"),
    "epub": (make_epub, "OEBPS/text/0.xhtml"),
}
SECRET = "the secret of this machine"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


def parse(path: Path, kind: str, **params: int) -> ParsedDocument:
    parser = registry.load("parsers", filetypes.TYPES[kind].parser)
    return parser.parse(SourceFile(path, kind, path.stat().st_size), ParseParams(**params))


def with_prolog(folder: Path, kind: str, declarations: str, used: str) -> Path:
    """The sample of a format, with a document type in its main part, and ``used`` where its first text begins."""
    make, part = PACKAGES[kind]
    path = make(folder / f"a.{kind}")
    with zipfile.ZipFile(path) as package:
        source = package.read(part).decode()
    prolog, _, rest = source.rpartition("?>") if source.startswith("<?xml") else ("", "", source)
    rest = rest.replace("Walnut", used).replace("Linseed", used)
    assert used in rest
    return with_members(path, {part: f"{prolog}{'?>' if prolog else ''}<!DOCTYPE x [{declarations}]>{rest}"})


@pytest.mark.parametrize("kind", PACKAGES)
def test_entities_of_the_machine_are_not_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    path = with_prolog(tmp_path, kind, f'<!ENTITY x SYSTEM "file://{tmp_path}/secret">', "&x;")
    try:
        assert SECRET not in parse(path, kind).text
    except DocumentError as error:
        assert SECRET not in error.message


@pytest.mark.parametrize("kind", PACKAGES)
def test_entities_do_not_multiply(tmp_path: Path, kind: str) -> None:
    path = with_prolog(tmp_path, kind, f'<!ENTITY l0 "lol">{LAUGHS}', "&l11;")
    try:
        assert len(parse(path, kind).text) < 10_000
    except DocumentError as error:
        assert error.message.isprintable()


@pytest.mark.parametrize("kind", PACKAGES)
def test_depth_without_end_comes_to_an_end(tmp_path: Path, kind: str) -> None:
    make, part = PACKAGES[kind]
    deep = "<div>" * 200_000 if kind == "epub" else "<a>" * 200_000
    path = with_members(make(tmp_path / f"a.{kind}"), {part: deep})
    try:
        assert parse(path, kind).degraded
    except DocumentError as error:
        assert error.message.isprintable()


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_small_package_that_unpacks_to_much_is_refused_before_it_is_read(tmp_path: Path, kind: str) -> None:
    make, _part = PACKAGES[kind]
    path = with_members(make(tmp_path / f"a.{kind}"), {"media/video.bin": bytes(70 * 1024**2)})
    with pytest.raises(FileTooLarge, match="max_expansion_ratio"):
        parse(path, kind)
    with pytest.raises(FileTooLarge, match="max_entries"):
        parse(path, kind, max_entries=2)


def test_a_declared_span_is_never_expanded(tmp_path: Path) -> None:
    spans = {
        "docx": ("<w:tc>", '<w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr>'),
        "pptx": ("<a:tc>", '<a:tc gridSpan="2000000000" rowSpan="2000000000">'),
        "odt": ("<table:table-cell>", '<table:table-cell table:number-columns-spanned="2000000000">'),
    }
    for kind, (plain, spanning) in spans.items():
        make, part = PACKAGES[kind]
        path, part = make(tmp_path / f"a.{kind}"), "ppt/slides/slide3.xml" if kind == "pptx" else part
        with zipfile.ZipFile(path) as package:
            source = package.read(part).decode()
        assert plain in source
        document = parse(with_members(path, {part: source.replace(plain, spanning)}), kind)
        assert "Season | Oil | Hours\nSpring | Linseed | 12" in document.text


def test_a_million_declared_rows_cost_nothing(tmp_path: Path) -> None:
    path = make_xlsx(tmp_path / "a.xlsx", {"s": [["name", "oil"], ["desk", "tung"]]})
    with zipfile.ZipFile(path) as package:
        source = package.read("xl/worksheets/sheet1.xml").decode()
    source = source.replace("</sheetData>", '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')
    document = parse(with_members(path, {"xl/worksheets/sheet1.xml": source}), "xlsx", max_cells=1000)
    assert document.text.startswith("s\n\n")
    assert [warning.code for warning in document.warnings] == ["ROWS_LEFT_OUT"]


PARSED_IN_LITTLE_MEMORY = """
    import resource, sys
    from pathlib import Path
    from docmill import registry
    from docmill.domain.contracts import SourceFile
    from docmill.domain.params import ParseParams
    from docmill.errors import DocumentError

    kind, path = sys.argv[1], Path(sys.argv[2])
    parser = registry.load("parsers", {"odt": "opendocument"}.get(kind, kind))
    import lxml.etree, zipfile
    resource.setrlimit(resource.RLIMIT_AS, (350 * 2**20,) * 2)
    try:
        parser.parse(SourceFile(path, kind, path.stat().st_size), ParseParams(max_expansion_ratio=10_000))
        print("READ")
    except DocumentError as error:
        print(error.code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds on Linux")
@pytest.mark.parametrize(("kind", "tags"), [("docx", "<w:body><w:tbl>"), ("odt", "<office:body><x>")])
def test_a_lack_of_memory_in_disguise_is_told_as_one(tmp_path: Path, kind: str, tags: str) -> None:
    """Inside one element that never ends nothing can be freed. libxml2 calls the end of memory a syntax error."""
    make, part = PACKAGES[kind]
    spaces = "xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main' xmlns:office='o'"
    body = f"<d {spaces}>{tags}" + "<x a='b'><y/></x>" * 3_000_000
    path = with_members(make(tmp_path / f"a.{kind}"), {part: body})
    command = [sys.executable, "-c", textwrap.dedent(PARSED_IN_LITTLE_MEMORY), kind, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["OUT_OF_MEMORY"]


def test_a_slide_too_large_for_its_tree_costs_that_slide(tmp_path: Path) -> None:
    path = with_members(make_pptx(tmp_path / "a.pptx"), {"ppt/slides/slide2.xml": " " * (33 * 1024**2)})
    document = parse(path, "pptx")
    assert [(warning.code, warning.page) for warning in document.warnings] == [("DAMAGED_PART", 2)]


def test_a_presentation_of_nothing_but_damage_is_corrupted(tmp_path: Path) -> None:
    with pytest.raises(CorruptedFile):
        parse(with_members(make_pptx(tmp_path / "a.pptx"), {"ppt/presentation.xml": "<a>" * 100_000}), "pptx")
