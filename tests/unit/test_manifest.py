"""Manifests: rows with their lines, and what is wrong with those that cannot be used."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.errors import UsageError
from docmill.sources import manifest
from docmill.sources.manifest import Row, Unusable


def read(text: str | bytes, format_: str = "csv", **columns: str) -> list[Row | Unusable]:
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return list(manifest.read(io.BytesIO(data), format_, columns, "m.csv"))


def lines(rows: list[Row | Unusable]) -> list[tuple[int, str]]:
    return [(row.line, row.uri if isinstance(row, Row) else f"! {row.reason}") for row in rows]


def test_columns_become_metadata() -> None:
    [row] = read("uri,title,shelf\n a.pdf ,A title,12\n")
    assert row == Row(2, "a.pdf", {"title": "A title", "shelf": "12"})


def test_a_foreign_column_is_mapped_and_goes_by_one_name() -> None:
    [row] = read("Link,Name,uri,shelf\nhttps://x/a,A,old,\n", uri="Link", title="Name")
    assert row == Row(2, "https://x/a", {"title": "A", "shelf": None})


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("delimiter", [b",", b";", b"\t"])
def test_what_spreadsheets_write(mark: bytes, end: bytes, delimiter: bytes) -> None:
    cells = [[b"uri", b"title", b""], [b"a.pdf", b'"N\xc3\xbcsse, und; mehr"', b""], [b"", b"", b""]]
    [row] = read(mark + end.join(delimiter.join(each) for each in cells))
    assert row == Row(2, "a.pdf", {"title": "Nüsse, und; mehr"})


def test_a_bad_row_is_named_by_its_first_line_and_the_rest_goes_on() -> None:
    text = (
        "uri,title\n"
        "a.pdf,One\n"
        ",no uri\n"
        "\n"
        'b.pdf,"a title\nof two\nlines"\n'
        "c.pdf,too,many\n"
        "d.pdf\n"
        'e.pdf,"quoted"badly\n'
        "f.pdf,Six\n"
    )
    assert lines(read(text)) == [
        (2, "a.pdf"),
        (3, "! there is no 'uri'"),
        (5, "b.pdf"),
        (8, "! cells: 3, where the header has 2"),
        (9, "! cells: 1, where the header has 2"),
        (10, "! ',' expected after '\"'"),
        (11, "f.pdf"),
    ]


def test_a_quote_that_does_not_end_takes_no_other_row_with_it() -> None:
    rows = "".join(f"{number}.pdf,T\n" for number in range(3000))
    found = read(f'uri,title\nx.pdf,"open\n{rows}')
    assert lines(found[:1]) == [(2, "! a quoted cell does not end")]
    assert lines(found[1:]) == [(number + 3, f"{number}.pdf") for number in range(3000)]
    joined = read(f'uri,title\nx.pdf,"open\n{rows}y.pdf,"closed"\n')
    assert joined[0].line == 2 and isinstance(joined[0], Unusable)
    assert lines(joined[1:]) == [(number + 3, f"{number}.pdf") for number in range(3000)] + [(3003, "y.pdf")]


def test_bytes_that_are_no_text_and_lines_without_end() -> None:
    most = manifest.MOST_ROW_BYTES
    text = b"uri,title\na.pdf,\xff\n" + b"b.pdf," + b"x" * (2 * most) + b"\nc.pdf,C\nd\0.pdf,D\n"
    found = read(text)
    assert (found[0], lines(found)[2:]) == (Unusable(2, "it is not UTF-8"), [(4, "c.pdf"), (5, "! 'uri' holds a NUL")])
    assert found[1].line == 3 and isinstance(found[1], Unusable)


def test_a_row_of_json_is_an_object_whose_values_stay_as_they_are() -> None:
    values = {"uri": "a.pdf", "year": 2024, "tags": ["x", {"y": None}], "gone": None}
    assert read(json.dumps(values) + "\n", "jsonl") == [
        Row(1, "a.pdf", {"year": 2024, "tags": ["x", {"y": None}], "gone": None})
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"uri": "a"', "it is no JSON"),
        ("[1]", "it must be an object, not a list"),
        ('{"uri": 7}', "'uri' must be text, not a number"),
        ('{"uri": " "}', "there is no 'uri'"),
        ('{"title": "x"}', "there is no 'uri'"),
        ('{"uri": "a", "title": ["x"]}', "'title' must be text, not a list"),
        ('{"uri": "a", "x": NaN}', "it is no JSON"),
        ('{"uri": "a", "x": "\\ud800"}', "it is no JSON that can be kept"),
        ('{"uri": "a", "x": ' + "9" * 5000 + "}", "it is no JSON that can be kept"),
        ('{"uri": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
        ('{"uri": "a\\u0000"}', "'uri' holds a NUL"),
    ],
)
def test_bad_lines_of_json(line: str, reason: str) -> None:
    first, bad, last = read(f'{{"uri": "first"}}\n\n{line}\n{{"uri": "last"}}', "jsonl")[:3]
    assert lines([first, last]) == [(1, "first"), (4, "last")]
    assert bad.line == 3 and isinstance(bad, Unusable) and reason in bad.reason


@pytest.mark.parametrize(
    ("text", "columns", "words", "hint"),
    [
        ("url,name\n", {}, "no column 'uri'", "--map uri=url"),
        ("Path,name\n", {}, "no column 'uri'", "--map uri=Path"),
        ("uri,name\n", {"title": "nmae"}, "no column 'nmae'", "did you mean 'name'?"),
        ("uri,x,x\n", {}, "several columns 'x'", "a name of its own"),
        ("", {}, "no column 'uri'", "there are: none"),
        ('"uri,x\n', {}, "no header", None),
        ("uri;x\n".encode("utf-16"), {}, "not UTF-8", "store it as UTF-8"),
    ],
)
def test_a_manifest_whose_columns_do_not_fit_is_refused(
    text: str | bytes, columns: dict[str, str], words: str, hint: str | None
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read(text, **columns)
    assert hint is None or hint in str(caught.value.hint)


def test_a_column_that_no_line_of_json_has() -> None:
    with pytest.raises(UsageError, match="no column 'Link'") as caught:
        read('{"link": "a"}\n{"other": 1}\n', "jsonl", uri="Link")
    assert caught.value.hint == "--map uri=link"
    assert lines(read('{"a": 1}\n{"Link": "x"}\n', "jsonl", uri="Link")) == [(1, "! there is no 'Link'"), (2, "x")]


def test_the_format_follows_from_the_name() -> None:
    assert [manifest.format_of(name) for name in ("a.CSV", "a.tsv", "b.jsonl")] == ["csv", "csv", "jsonl"]
    assert manifest.format_of("a.txt", "jsonl") == "jsonl"
    with pytest.raises(UsageError):
        manifest.format_of("the manifest on stdin")


def test_one_row_is_held_at_a_time() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.given += 1
            data = b"uri\n" if self.given == 1 else b"a\n"
            buffer[: len(data)] = data
            return len(data)

    source = Endless()
    rows = manifest.read(source, "csv", {}, "m")  # type: ignore[arg-type] # it reads bytes, which is all that is asked
    for _each in range(100):
        next(rows)
    assert source.given <= 400


cell = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)


@given(st.lists(st.tuples(cell.filter(lambda text: text.strip()), cell), max_size=20))
def test_what_is_written_as_csv_is_read(rows: list[tuple[str, str]]) -> None:
    import csv

    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([("uri", "x"), *rows])
    found = read(out.getvalue())
    assert [(row.uri, row.meta["x"]) for row in found if isinstance(row, Row)] == [
        (uri.strip(), x.strip() or None) for uri, x in rows
    ]
