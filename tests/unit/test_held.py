"""A file that is held is the same file until it is let go, whatever becomes of its path."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docmill.domain.params import ValidateParams
from docmill.errors import FileChanged
from docmill.sources.folder import found_file, hash_file
from docmill.sources.held import HeldFile
from docmill.steps.validate import hold_to, validate

linux = pytest.mark.skipif(sys.platform != "linux", reason="there parsers open the path itself")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file.txt").write_text("the words that were hashed")
    return tmp_path / "file.txt"


@pytest.fixture
def held(path: Path) -> Iterator[HeldFile]:
    file = HeldFile(path)
    yield file
    file.close()


def content_hash(path: Path) -> str:
    return hash_file(found_file(path, path.name)).content_hash


def test_the_hash_is_the_scans(held: HeldFile, path: Path) -> None:
    assert held.content_hash() == held.content_hash() == content_hash(path)
    assert held.unchanged
    assert held.size_bytes == 26
    assert validate(held, "file.txt", content_hash(path), ValidateParams()).name == "text"


def test_other_bytes_than_were_ingested_are_refused(held: HeldFile) -> None:
    with pytest.raises(FileChanged):
        hold_to(held, "sha256:other")


@linux
def test_a_file_that_is_replaced_and_put_back_is_not_seen(held: HeldFile, path: Path) -> None:
    aside, other = path.with_name("aside"), path.with_name("other")
    other.write_text("other words")
    path.rename(aside)
    other.rename(path)
    assert held.path.read_text() == "the words that were hashed"
    assert held.content_hash() == content_hash(aside)
    aside.rename(path)
    assert held.path.read_text() == "the words that were hashed"


@linux
def test_a_link_that_is_turned_is_followed_once(path: Path) -> None:
    link, other = path.with_name("link.txt"), path.with_name("other.txt")
    other.write_text("other words")
    link.symlink_to(path)
    file = HeldFile(link)
    link.unlink()
    link.symlink_to(other)
    assert file.path.read_text() == "the words that were hashed"
    file.close()


@linux
def test_programs_that_a_parser_runs_reach_it_too(held: HeldFile) -> None:
    shown = subprocess.run(["cat", str(held.path)], capture_output=True, text=True, check=True)
    assert shown.stdout == "the words that were hashed"


def test_what_is_written_into_it_shows(held: HeldFile, path: Path) -> None:
    before = path.stat()
    path.write_text("the words that were HASHED")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not held.unchanged


def test_without_proc_a_path_that_leads_elsewhere_shows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docmill.sources.held._path_of", lambda _descriptor: None)
    file = HeldFile(path)
    assert file.path == path
    assert file.unchanged
    path.rename(path.with_name("aside"))
    path.write_text("other words")
    assert not file.unchanged
    file.close()


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "gone"):
        with pytest.raises(FileNotFoundError):
            HeldFile(tmp_path / name)


def test_nothing_is_left_open(path: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        file = HeldFile(path)
        file.content_hash()
        file.close()
    assert len(list(Path("/dev/fd").iterdir())) == before
