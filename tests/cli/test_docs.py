"""Generated pages are up to date; links lead somewhere; commands that a page shows are commands, with such options."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docmill.cli.schema import leaves

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    checked = subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], check=False)
    assert checked.returncode == 0, "run `make docs`"


def test_every_command_is_on_the_page_with_an_example() -> None:
    sections = (ROOT / "docs" / "cli.md").read_text("utf-8").split("\n## ")[1:]
    names = [section.splitlines()[0] for section in sections]
    for expected in ("docmill sync", "docmill batch create", "docmill params targets", "docmill lancedb vacuum"):
        assert expected in names
    for section in sections:
        assert "Example:" in section, section.splitlines()[0]


PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
LEAVES = leaves()
GROUPS = {path[:1] for path in LEAVES if len(path) > 1}
CODE = re.compile(r"```.*?```|^ {4}[^\n]*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
CALL = re.compile(r"(?<![\w./=-])docmill((?: +(?:'[^']*'|\"[^\"]*\"|[^\s`|&;#<>()\\]+))+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text("utf-8"))):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, link


@pytest.mark.parametrize("page", PAGES[:-1], ids=lambda page: page.name)  # the last one's code is diagrams
def test_commands_that_are_shown_are_commands(page: Path) -> None:
    for code in CODE.findall(page.read_text("utf-8")):
        if code.startswith("```python"):  # their comments speak of docmill
            continue
        for call in CALL.findall(code):
            check_call(call)


def check_call(call: str) -> None:
    """The words lead to a command, or to a group; the options are its own, or those of all."""
    words = [each for each in shlex.split(call) if each not in ("…", "...")]
    for option in ("--home", "--log-format"):  # the root's own that take a value
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    given = [each.partition("=")[0] for each in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", each)]
    names = tuple(each for each in words if not each.startswith("-"))
    if not names or names[0].isupper() or (names[:1] in GROUPS and (len(names) == 1 or names[1].isupper())):
        return
    found = next((each for path, each in LEAVES.items() if names[: len(path)] == path), None)
    assert found is not None, f"docmill{call}"
    known = {name for param in found.params for name in param.opts} | {"--help"}
    assert set(given) <= known, f"docmill{call}: {sorted(set(given) - known)}"


def test_the_manual_page_reads_well_and_has_all_exit_codes() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import man_page
    finally:
        sys.path.pop(0)
    assert {code for code, _ in man_page.EXITS} == man_page.exit_codes()
    page = ROOT / "docs" / "docmill.1"
    for path in LEAVES:
        assert f"\n.SS docmill {' '.join(path)}".replace("-", "\\-") in page.read_text("utf-8")
    if shutil.which("mandoc"):
        told = subprocess.run(["mandoc", "-T", "lint", "-W", "error", str(page)], capture_output=True, text=True)
        assert told.stdout == ""
    if shutil.which("groff"):
        told = subprocess.run(["groff", "-man", "-Tutf8", "-ww", str(page)], capture_output=True, text=True, check=True)
        assert told.stderr == ""
