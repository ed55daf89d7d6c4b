"""The comparison of a scan with what is known: what is hashed, and what it is taken for."""

from __future__ import annotations

from docmill.domain.changes import FileStat, FoundFile, HashedFile, KnownDocument, compare

OLD, LATER = 1_000_000_000, 9_000_000_000


def found(uri: str, *, inode: int = 1, mtime: int = OLD) -> FoundFile:
    return FoundFile(uri, f"/f/{uri}", ".md", FileStat(1, inode, 10, mtime, mtime))


def known(uri: str, content: str, *, inode: int = 1, mtime: int = OLD, hashed_at: int = LATER) -> KnownDocument:
    return KnownDocument(f"id-{uri}", uri, ".md", content, 1, FileStat(1, inode, 10, mtime, mtime), hashed_at)


class Hasher:
    def __init__(self, contents: dict[str, str]) -> None:
        self.contents = contents
        self.asked: list[str] = []

    def __call__(self, file: FoundFile) -> HashedFile | None:
        self.asked.append(file.uri)
        content = self.contents.get(file.uri)
        return HashedFile(file, content, LATER) if content else None


def test_what_did_not_move_is_not_hashed() -> None:
    hasher = Hasher({})
    changes = compare({"a": known("a", "A")}, [found("a")], hasher, is_gone=lambda _d: True)
    assert changes.nothing
    assert changes.unchanged == 1
    assert hasher.asked == []


def test_new_changed_touched_and_deleted() -> None:
    documents = {uri: known(uri, uri.upper()) for uri in ("same", "edited", "touched", "gone")}
    files = [found("same"), found("edited", mtime=OLD + 1), found("touched", mtime=OLD + 1), found("fresh", inode=9)]
    hasher = Hasher({"edited": "other", "touched": "TOUCHED", "fresh": "F"})
    changes = compare(documents, files, hasher, is_gone=lambda _d: True)
    assert [hashed.file.uri for hashed in changes.new] == ["fresh"]
    assert [document.uri for document, _ in changes.changed] == ["edited"]
    assert [document.uri for document, _ in changes.touched] == ["touched"]
    assert [document.uri for document in changes.deleted] == ["gone"]
    assert changes.unchanged == 2


def test_a_file_written_while_it_was_hashed_is_suspect() -> None:
    racy = known("a", "A", mtime=OLD, hashed_at=OLD + 1_000_000)
    hasher = Hasher({"a": "A"})
    changes = compare({"a": racy}, [found("a")], hasher, is_gone=lambda _d: True)
    assert hasher.asked == ["a"]
    assert len(changes.touched) == 1


def test_the_same_bytes_elsewhere_are_a_rename_not_a_deletion() -> None:
    documents = {"old": known("old", "A", inode=5)}
    changes = compare(documents, [found("new", inode=5)], Hasher({"new": "A"}), is_gone=lambda _d: True)
    assert [(document.uri, hashed.file.uri) for document, hashed in changes.renamed] == [("old", "new")]
    assert not changes.deleted
    assert not changes.new


def test_a_copy_is_new_and_of_two_candidates_the_same_inode_is_the_one_that_moved() -> None:
    documents = {"a": known("a", "A", inode=1), "b": known("b", "A", inode=2), "kept": known("kept", "A", inode=3)}
    files = [found("kept", inode=3), found("moved", inode=2), found("copy", inode=7)]
    changes = compare(documents, files, Hasher({"moved": "A", "copy": "A"}), is_gone=lambda _d: True)
    assert {document.uri: hashed.file.uri for document, hashed in changes.renamed} == {"b": "moved", "a": "copy"}


def test_what_could_not_be_looked_at_is_not_deleted() -> None:
    changes = compare({"dir/a": known("dir/a", "A")}, [], Hasher({}), is_gone=lambda _d: False)
    assert changes.nothing
    assert changes.unchanged == 1


def test_a_file_that_cannot_be_hashed_is_left_as_it_was() -> None:
    changes = compare({"a": known("a", "A")}, [found("a", mtime=OLD + 5)], Hasher({}), is_gone=lambda _d: True)
    assert changes.nothing
    assert changes.unchanged == 1
