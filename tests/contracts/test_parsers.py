"""What every parser promises, on a sample of each type it reads and on what is no such file at all."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from docmill import filetypes, registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import BlockKind, ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import DocumentError
from documents import MAKERS, PARAGRAPH

PARAMS = ParseParams()
TYPES = sorted({kind for name in registry.names("parsers") for kind in registry.load("parsers", name).types})
SAMPLE_OF = {filetypes.type_by_name(name): name for name in MAKERS}


def parse(path: Path, kind: str, params: ParseParams = PARAMS) -> ParsedDocument:
    parser = registry.load("parsers", filetypes.TYPES[kind].parser)
    if parser is registry.load("parsers", "image"):
        params = params.model_copy(update={"ocr": "auto"})  # without it an image is no document
    return parser.parse(SourceFile(path, kind, path.stat().st_size), params)


def sample(folder: Path, kind: str) -> Path:
    name = SAMPLE_OF[kind]
    return MAKERS[name](folder / name)


def check(document: ParsedDocument) -> None:
    position = 0
    for block in document.blocks:
        text = document.text[block.start : block.end]
        assert position <= block.start < block.end
        assert not document.text[position : block.start].strip(), "text between two blocks"
        assert text.strip()
        assert (block.level > 0) == (block.kind in (BlockKind.HEADING, BlockKind.LIST_ITEM))
        assert block.kind is not BlockKind.HEADING or (block.level <= 6 and "\n" not in text)
        if block.header_end:
            assert block.kind is BlockKind.TABLE
            assert document.text[block.header_end] == "\n"
            assert "\n" not in document.text[block.start : block.header_end]
        position = block.end
    assert position == len(document.text), "text after the last block"
    document.text.encode("utf-8")
    assert "\0" not in document.text
    assert document.title is None or (document.title.strip() == document.title != "")


@pytest.mark.parametrize("kind", TYPES)
def test_a_sample_obeys_the_invariants_and_survives_json(tmp_path: Path, kind: str) -> None:
    document = parse(sample(tmp_path, kind), kind)
    check(document)
    assert document.type == kind
    assert not document.warnings
    assert ParsedDocument.from_json(json.loads(json.dumps(document.to_json()))) == document


@pytest.mark.parametrize("kind", TYPES)
def test_the_same_bytes_give_the_same_document(tmp_path: Path, kind: str) -> None:
    path = sample(tmp_path, kind)
    assert parse(path, kind) == parse(path, kind)


@pytest.mark.parametrize("kind", TYPES)
def test_the_text_is_cut_at_max_characters_and_says_so(tmp_path: Path, kind: str) -> None:
    path = sample(tmp_path, kind)
    document = parse(path, kind, ParseParams(max_characters=6))
    check(document)
    assert len(document.text) <= 6
    assert document.degraded
    assert "TEXT_TRUNCATED" in {warning.code for warning in document.warnings}


@pytest.mark.parametrize(
    "kind",
    sorted(
        {"text", "markdown", "html", "docx", "pdf", "pptx", "odt", "odp", "rtf", "epub", "eml", "ipynb", "doc", "fb2"}
    ),
)
def test_every_format_tells_the_same_sentence(tmp_path: Path, kind: str) -> None:
    assert PARAGRAPH in parse(sample(tmp_path, kind), kind).text


def _fails_only_as_documents_may(path: Path, kind: str) -> None:
    for read in (lambda: filetypes.detect(path), lambda: check(parse(path, kind))):
        try:
            read()
        except DocumentError as error:
            assert error.message
            assert error.message.isprintable()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("content", [b"", b"\0", b" \n\t ", b"\xff\xfe", b"\xef\xbb\xbf"], ids=repr)
def test_nothing_to_read_fails_as_a_document_error(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / "nothing"
    path.write_bytes(content)
    with pytest.raises(DocumentError):
        parse(path, kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_fail_only_as_document_errors(tmp_path: Path, kind: str, seed: int) -> None:
    path = tmp_path / "random"
    path.write_bytes(random.Random(seed).randbytes(2000))
    _fails_only_as_documents_may(path, kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files_fail_only_as_document_errors(tmp_path: Path, kind: str, share: float) -> None:
    path = sample(tmp_path, kind)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    _fails_only_as_documents_may(path, kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_fail_only_as_document_errors(tmp_path: Path, kind: str, seed: int) -> None:
    path = sample(tmp_path, kind)
    data = bytearray(path.read_bytes())
    dice = random.Random(seed)
    for _ in range(max(len(data) // 50, 3)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    path.write_bytes(bytes(data))
    _fails_only_as_documents_may(path, kind)


@pytest.mark.parametrize("kind", TYPES)
def test_a_file_that_is_gone_is_missing_not_corrupted(tmp_path: Path, kind: str) -> None:
    parser = registry.load("parsers", filetypes.TYPES[kind].parser)
    with pytest.raises(DocumentError) as raised:
        parser.parse(SourceFile(tmp_path / "gone", kind, 1), PARAMS)
    assert raised.value.code == "FILE_NOT_FOUND"
