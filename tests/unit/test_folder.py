"""Scanning a real folder: what counts, what is passed over and by which rule, and what cannot be looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from docmill.errors import DefinitionError, SourceFileDenied, SourceFileMissing
from docmill.sources.folder import Rules, Scan, found_file, hash_file, ignored_examples, scan


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def uris(folder: Path, **rules: object) -> list[str]:
    return sorted(file.uri for file in scan(folder, Rules(**rules)).files)  # type: ignore[arg-type] # test shorthand


def test_finds_what_can_be_read_and_says_why_it_passed_over_the_rest(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "sub/b.TXT", ".hidden.md", ".git/c.md", "~$lock.docx", "half.md.part", "picture.png")
    found = scan(tmp_path, Rules())
    assert sorted(file.uri for file in found.files) == ["a.md", "sub/b.TXT"]
    assert {rule: sorted(names) for rule, names in found.ignored.items()} == {
        "hidden": [".git/", ".hidden.md"],
        "lock file of an office program": ["~$lock.docx"],
        "unfinished download or temporary file": ["half.md.part"],
        "no parser for .png unless parse.ocr is on": ["picture.png"],
    }
    rule, count, _names = next(iter(ignored_examples(found.ignored)))
    assert (rule, count) == ("hidden", 2)


def test_images_count_where_they_are_wanted(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "scans/one.png", "scans/two.TIFF", "holidays/beach.jpg", "holidays/film.gif")
    assert uris(tmp_path, images=lambda uri: uri.startswith("scans/")) == ["a.md", "scans/one.png", "scans/two.TIFF"]
    assert uris(tmp_path, images=lambda uri: True, exclude=("scans/",)) == ["a.md", "holidays/beach.jpg"]


def test_patterns_are_held_against_the_path_and_against_the_name(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.txt", "drafts/c.md", "deep/drafts/d.md")
    assert uris(tmp_path, include=("*.md",)) == ["a.md", "deep/drafts/d.md", "drafts/c.md"]
    assert uris(tmp_path, exclude=("drafts",)) == ["a.md", "b.txt"]
    assert uris(tmp_path, exclude=("drafts/*",)) == ["a.md", "b.txt", "deep/drafts/d.md"]


def test_a_folder_may_say_itself_what_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "draft.md", "keep/draft.md", "build/x.md", "keep/deep/secret.txt", "keep/deep/open.txt")
    write(tmp_path, "night.txt")
    (tmp_path / ".docmillignore").write_text("# rules\ndraft.md\n/build/\n*.txt\n!open.txt\n", "utf-8")
    (tmp_path / "keep" / ".docmillignore").write_text("!draft.md\nopen.txt\n")
    found = scan(tmp_path, Rules())
    assert sorted(file.uri for file in found.files) == ["a.md", "keep/draft.md"]
    left_out = ["build/", "draft.md", "keep/deep/open.txt", "keep/deep/secret.txt", "night.txt"]
    assert sorted(found.ignored[".docmillignore"]) == left_out
    (tmp_path / "keep" / ".docmillignore").write_text("fine\n!\n")
    with pytest.raises(DefinitionError, match="line 2"):
        scan(tmp_path, Rules())


def test_the_home_is_not_indexed(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "home/b.md")
    assert uris(tmp_path, home=tmp_path / "home") == ["a.md"]


def test_a_loop_of_links_ends_and_linked_files_count(tmp_path: Path) -> None:
    write(tmp_path, "inner/a.md")
    (tmp_path / "inner" / "loop").symlink_to(tmp_path)
    (tmp_path / "inner" / "link.md").symlink_to(tmp_path / "inner" / "a.md")
    (tmp_path / "broken.md").symlink_to(tmp_path / "nowhere.md")
    found = scan(tmp_path, Rules())
    assert sorted(file.uri for file in found.files) == ["inner/a.md", "inner/link.md"]
    assert list(found.ignored) == ["folder already entered through another path"]
    assert list(found.unreadable) == ["broken.md"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_reported_not_taken_for_empty(tmp_path: Path) -> None:
    write(tmp_path, "closed/a.md", "b.md")
    (tmp_path / "closed").chmod(0)
    try:
        found = scan(tmp_path, Rules())
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert list(found.unreadable) == ["closed/"]
    assert not found.covers("closed/a.md")
    assert found.covers("b.md")


def test_what_lies_below_something_that_cannot_be_looked_at_is_not_gone() -> None:
    found = Scan(unreadable={"maybe-a-folder": "no", "sub/": "no"})
    covered = [found.covers(uri) for uri in ("maybe-a-folder/a.md", "maybe-a-folder", "sub/b.md", "subs.md", "c.md")]
    assert covered == [False, False, False, True, True]


def test_a_folder_that_vanished_is_unreadable_as_a_whole(tmp_path: Path) -> None:
    found = scan(tmp_path / "gone", Rules())
    assert list(found.unreadable) == ["/"]
    assert not found.covers("a.md")


def test_names_that_are_not_utf8_have_a_uri(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n\xf0\x9f\x98\x80.md")).write_text("x")
    [file] = scan(tmp_path, Rules()).files
    assert file.uri == "caf%E9 \n😀.md"
    assert hash_file(file).content_hash.startswith("sha256-")


def test_hashing_and_naming_files_that_are_not_there(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    file = found_file(tmp_path / "a.md", "a.md")
    (tmp_path / "a.md").unlink()
    with pytest.raises(SourceFileMissing):
        hash_file(file)
    with pytest.raises(SourceFileMissing):
        found_file(tmp_path / "a.md", "a.md")
    (tmp_path / "a.md").mkdir()
    with pytest.raises(SourceFileDenied):
        hash_file(file)
