"""What is fuzzed: by name, how its input is drawn, and what has to hold for whatever is drawn.

A check returns where its subject took the input or refused it in the way it promises, and raises otherwise.
"""

from __future__ import annotations

import io
import json
import os
import string
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hypothesis import strategies as st

from contracts.test_parsers import check
from docmill import filetypes, registry
from docmill.definitions import yaml_text
from docmill.domain import filter_grammar, filters, redaction, terminal, uris
from docmill.domain.contracts import Forgetful, SourceFile
from docmill.domain.deadline import Deadline
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import AddressRefused, DocumentError, UsageError
from docmill.sources import manifest, url
from documents import MAKERS
from fuzz.mutations import INTERESTING, damaged

PARAMS = ParseParams(max_characters=500_000, max_pages=50, max_rows=20_000, max_cells=100_000, max_seconds=20)
SUFFIXES = (*sorted({Path(name).suffix for name in MAKERS}), "", ".bin", ".pdf")


@dataclass(frozen=True)
class Target:
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def _joined(*words: str) -> st.SearchStrategy[str]:
    """Text of the words of a language, with anything else between them."""
    return st.lists(st.one_of(st.sampled_from(words), st.text(max_size=4)), max_size=40).map("".join)


# ---- text ------------------------------------------------------------------------------------------------------------

_FILTER_WORDS = (
    *filters.FIELDS, "meta.", "meta.x", "'a'", "'it''s'", "'%_\\%'", "3", "-1", "2.5", "true", "null", " ", " and ",
    " or ", " not ", " in ", " like ", " is ", "(", ")", ",", "=", "!=", "<", "<=", ">", ">=", "'", "--", ";", "/*",
    "\0",
)  # fmt: skip
_GOOD_TESTS = st.builds(
    lambda field, test: field + test,
    st.sampled_from(["uri", "page", "heading", "tokens", "meta.x", "not title"]),
    st.sampled_from([" = 'a'", " = 3", " in (1,2)", " in ('a')", " like 'a%'", " is null", " >= 4", " != 'x'"]),
)
_FILTERS = st.one_of(
    _joined(*_FILTER_WORDS),
    st.recursive(
        _GOOD_TESTS,
        lambda inner: st.builds(lambda a, word, b: f"({a}) {word} {b}", inner, st.sampled_from(["and", "or"]), inner),
    ),
)


def _check_filter(text: str) -> None:
    try:
        node = filter_grammar.parse(text)
    except UsageError as error:
        assert 1 <= error.context["position"] <= len(text) + 1
        return
    sql = filters.condition(node, lambda test: ["0" * 32])
    sql.encode()
    # What stands outside of its literals is ours alone: no quote is open, and no word of the input is left.
    outside = "".join(sql.split("'")[::2])
    assert sql.count("'") % 2 == 0 and "\0" not in sql
    known = {"AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL", "false", *filters.FIELDS, "page_start", "page_end"}
    known |= {"headings", "array_has", "array_to_string", "cardinality", "regexp_like", "document_id"}
    words = "".join(each if each.isalnum() or each == "_" else " " for each in outside).split()
    assert {each for each in words if not each.isdecimal()} <= known
    assert set(outside) <= set(string.ascii_letters + string.digits + "_ ()<>=,-\n")
    assert sql.count("(") >= outside.count("(") == outside.count(")")


_YAML_WORDS = (
    "a", "b: ", "\n", "\n  ", "- ", "{", "}", "[", "]", ": ", "&x ", "*x", "!!python/object ", "? ", "|\n", "'", '"',
    "#", "---\n", "%YAML 1.2\n", "1e999", "0x10", "12:30:00", "no", "~", "<<: ", "\t", "\0", "\ufeff", "9" * 30,
)  # fmt: skip


def _check_yaml(content: bytes) -> None:
    try:
        read = yaml_text.read(content)
    except yaml_text.YamlFault as fault:
        assert fault.line is None or fault.line >= 1
        fault.message.encode("utf-8", "strict")
        return
    json.dumps(read.data, allow_nan=False).encode()
    assert all(isinstance(line, int) and line >= 1 for line in read.lines.values())


def _check_uri(path: bytes) -> None:
    text = os.fsdecode(path)
    uri = uris.encode(text)
    uri.encode("utf-8")
    assert uris.decode(uri) == text
    assert uris.meant(text) in (uri, text)
    uris.decode(path.decode("utf-8", "replace"))


def _check_manifest(given: tuple[str, bytes]) -> None:
    format_, content = given
    lines = content.count(b"\n") + content.count(b"\r") + 1
    try:
        for row in manifest.read(io.BytesIO(content), format_, {}, "list"):
            assert 1 <= row.line <= lines
            if isinstance(row, manifest.Row):
                row.uri.encode("utf-8")
                assert row.uri.strip() == row.uri != "" and "\0" not in row.uri
                json.dumps(row.meta, ensure_ascii=False).encode("utf-8")
    except UsageError:
        return


def _check_address(text: str) -> None:
    try:
        uri = url.normalised(text)
    except AddressRefused:
        return
    assert uri.isascii() and url.normalised(uri) == uri


def _check_told(text: str) -> None:
    shown = terminal.safe(text)
    assert terminal.safe(shown) == shown and "\x1b" not in shown and "\n" not in shown
    assert json.loads(terminal.json_text([text])) == [text]
    assert redaction.redacted(redaction.redacted(text)) == redaction.redacted(text)


# ---- files -----------------------------------------------------------------------------------------------------------


class _Reader(Forgetful):
    """Reads what a parser hands over, as the real one does."""

    def member(self, name: str, content: IO[bytes]) -> bool:
        name.encode("utf-8")
        for _part in range(100):
            if not content.read(65_536):
                break
        return True


def _on_disk(content: bytes, suffix: str, use: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzz{suffix}"
        path.write_bytes(content)
        use(path)


def _check_sniffer(given: tuple[bytes, str]) -> None:
    def detect(path: Path) -> None:
        try:
            assert filetypes.detect(path).name in filetypes.TYPES
        except DocumentError as error:
            error.message.encode("utf-8")

    _on_disk(*given, detect)


def _check_parser(kind: str, suffix: str, content: bytes) -> None:
    parser = registry.load("parsers", filetypes.TYPES[kind].parser)

    def parse(path: Path) -> None:
        file = SourceFile(path, kind, len(content), path.name, 0, Deadline(PARAMS.max_seconds), _Reader())
        try:
            document = parser.parse(file, PARAMS)
        except DocumentError as error:
            error.message.encode("utf-8")
            assert error.message and "\n" not in error.message
            return
        check(document)
        assert len(document.text) <= PARAMS.max_characters
        assert ParsedDocument.from_json(json.loads(json.dumps(document.to_json()))) == document

    _on_disk(content, suffix, parse)


def _parser(name: str) -> Target:
    suffix = Path(name).suffix
    kind = filetypes.type_by_name(name)
    assert kind is not None
    return Target(damaged(name), lambda content: _check_parser(kind, suffix, content))


_BYTES = st.one_of(st.binary(max_size=400), st.lists(st.sampled_from(INTERESTING), max_size=20).map(b"".join))
_ANY_FILE = st.one_of(_BYTES, *(damaged(name) for name in MAKERS))
_TABLE = ("uri", "title", ",", ";", "\t", "\n", "\r\n", '"', '""', "a.md", "https://h/", "\ufeff", "\0", " ")
_LINES = (
    '{"uri": "a.md"}',
    '{"uri": 3}',
    '{"title": "x"',
    "\n",
    "[1]",
    "NaN",
    '"\\ud800"',
    "{" * 50,
    "[" * 3000,
    "\ufeff",
)
_FOREIGN = st.one_of(st.text(max_size=30).map(str.encode), st.binary(max_size=30))

TEXT: dict[str, Target] = {
    "filters": Target(_FILTERS, _check_filter),
    "yaml": Target(st.one_of(_joined(*_YAML_WORDS).map(lambda text: text.encode("utf-8")), _BYTES), _check_yaml),
    "uris": Target(st.one_of(st.binary(max_size=60), _joined("%", "%41", "%FF", "/", "é").map(str.encode)), _check_uri),
    "manifests": Target(
        st.one_of(
            st.tuples(st.just("csv"), st.tuples(_joined(*_TABLE).map(str.encode), _FOREIGN).map(b"".join)),
            st.tuples(st.just("jsonl"), st.tuples(_joined(*_LINES).map(str.encode), _FOREIGN).map(b"".join)),
        ),
        _check_manifest,
    ),
    "addresses": Target(
        _joined(
            "https://",
            "http:",
            "h",
            ".",
            ":",
            "80",
            "@",
            "/",
            "[",
            "]",
            "::1",
            "%",
            "%2e",
            "?",
            "#",
            "..",
            "xn--",
            "\\",
        ),
        _check_address,
    ),
    "told": Target(
        _joined("\x1b[", "\x1b]", "\x07", "\x9b", "m", "\u202e", "\u200d", "://", "@", "token=", "\n"), _check_told
    ),
}
FILES: dict[str, Target] = {
    "sniffer": Target(st.tuples(_ANY_FILE, st.sampled_from(SUFFIXES)), _check_sniffer),
    **{f"parse-{Path(name).suffix[1:]}": _parser(name) for name in MAKERS if filetypes.type_by_name(name)},
}
TARGETS = {**TEXT, **FILES}
# Read by a library in native code that may take all memory there is, and dies where it gets none. Workers bound it, and
# the engine tells its death as the document's; no process that should go on may read such files by itself.
NATIVE = frozenset(
    f"parse-{Path(name).suffix[1:]}"
    for name in MAKERS
    if (kind := filetypes.type_by_name(name)) and filetypes.TYPES[kind].parser == "kreuzberg"
)
