"""Nothing from a file's name or text is obeyed by a terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from docmill.cli.console import PIPE_WIDTH, safe, safe_lines, stdout_console, write_text
from docmill.cli.text.pieces import table


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain name.pdf", "plain name.pdf"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mc1\x9b0m", "c1"),
        ("a\x9d0;t\x9cb", "ab"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x1bcreset", "reset"),
        ("back\x08space", "backspace"),
        ("two\nlines\r\nhere", "two lines here"),
        ("exe.\u202efdp", "exe.fdp"),
        ("zero\u200bwidth", "zerowidth"),
        ("tag\U000e0041", "tag"),
        ("half\udcff", "half\ufffd"),
        ("[bold red]markup[/]", "[bold red]markup[/]"),
        ("naïve – 文書 – 👩\u200d💻", "naïve – 文書 – 👩\u200d💻"),
    ],
)
def test_safe(raw, shown):
    assert safe(raw) == shown


def test_safe_lines_keeps_lines_and_nothing_else():
    assert safe_lines("a\tb\r\n\x1b[2Jc\rd\u2028e") == "a    b\nc\nd\ne"


@given(st.text())
def test_what_is_safe_has_no_controls_and_stays_safe(text):
    once = safe(text)
    assert not [char for char in once if ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) <= 0xDFFF]
    assert safe(once) == once


def test_markup_in_a_cell_is_shown_as_it_is(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    made = table("name")
    made.add_row("[red]x[/red] :smile:")
    write_text(stdout_console(), [made, "[b]y[/b]"])
    assert stream.getvalue() == "name\n[red]x[/red] :smile:\n[b]y[/b]\n"


def test_a_pipe_gets_whole_lines(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    console = stdout_console()
    assert console.width == PIPE_WIDTH
    write_text(console, [Text("word " * 1000)])
    assert stream.getvalue().count("\n") == 1


def test_a_line_that_may_be_cut_is_cut_on_a_terminal():
    stream = io.StringIO()
    write_text(Console(file=stream, width=10), [Text("a long line of words", no_wrap=True, overflow="ellipsis")])
    assert stream.getvalue() == "a long li…\n"
