"""Documents that lie in others: members of archives, attachments of mails. They come, move and go with those.

A member has its container's source, batch, profile and metadata, and the URI ``<container>!/<name>``; its bytes are a
copy under the home. It is written down in the transaction that settles its container, so neither is without the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from docmill.domain.changes import FileStat, FoundFile, HashedFile, KnownDocument
from docmill.domain.documents import Member
from docmill.domain.places import member_uri
from docmill.stores.state import catalogue
from docmill.stores.state.database import Transaction


def with_members(tx: Transaction, document_ids: Sequence[str]) -> set[str]:
    """Those of these documents that have had members until now."""
    sql = (
        "SELECT DISTINCT parent_id FROM document WHERE parent_id IS NOT NULL AND state = 'active'"
        " AND parent_id IN (SELECT value FROM json_each(?))"
    )
    return {row.parent_id for row in tx.rows(sql, [json.dumps(document_ids)])}


def outermost(tx: Transaction, document_id: str) -> tuple[str, int]:
    """The document that one which lies in others lies in at last, and how many of them there are, itself included."""
    sql = (
        "WITH RECURSIVE above (id, depth) AS (SELECT ?1, 1 UNION ALL SELECT d.parent_id, a.depth + 1 FROM above a"
        " JOIN document d ON d.id = a.id WHERE d.parent_id IS NOT NULL) SELECT id, depth FROM above"
        " ORDER BY depth DESC LIMIT 1"
    )
    found, depth = tx.rows(sql, [document_id])[0]
    return found, depth


def size_below(tx: Transaction, document_id: str) -> tuple[int, int]:
    """How many documents lie in a document, at any depth, and their bytes."""
    rows = catalogue.tree(tx, document_id)[1:]
    return len(rows), sum(row.size_bytes for row in rows)


@dataclass(slots=True)
class Settled:
    """lost: members whose copies are not there any more, so that the container has to be read again.
    stale: content hash and suffix of copies that members had until now.
    added, left_out: how many are new, and how many would have been but for the limit.
    """

    added: int = 0
    left_out: int = 0
    lost: list[Member] = field(default_factory=list)
    stale: list[tuple[str, str]] = field(default_factory=list)


def settle(
    tx: Transaction, container_id: str, members: Iterable[Member], is_there: Callable[[Member], bool], room: int
) -> Settled:
    """Make the documents that lie in a container those that were found in it.

    ``is_there``: asked of their copies. ``room``: how many new ones may come, as identical archives in an archive cost
    nothing to unpack and would be documents by the million.
    """
    container = tx.rows("SELECT * FROM document WHERE id = ?", [container_id])[0]
    sql = "SELECT * FROM document WHERE parent_id = ? AND state = 'active'"
    known = {row.uri: row for row in tx.rows(sql, [container_id])}
    meta = {key: value for key, value in json.loads(container.meta).items() if key != "title"}
    settled = Settled()
    for member in members:
        uri = member_uri(container.uri, member.name)
        row = known.pop(uri, None)
        if not is_there(member):
            settled.lost.append(member)
        elif row is None and settled.added >= room:
            settled.left_out += 1
        elif row is None:
            settled.added += 1
            _add(tx, container, _hashed(uri, member), meta)
        else:
            if (row.content_hash, row.suffix) != (member.content_hash, member.suffix):
                settled.stale.append((row.content_hash, row.suffix))
            _update(tx, container, row, _hashed(uri, member), meta)
    for row in known.values():
        catalogue.bury(tx, row.id, container.batch_id)
    return settled


def _add(tx: Transaction, container: Any, hashed: HashedFile, meta: dict[str, Any]) -> None:
    """Unless the URI is taken, as a folder may be called ``a.zip!``, or a person has taken that document out."""
    sql = "SELECT 1 FROM document WHERE source = ? AND uri = ? AND state IN ('active', 'removed')"
    if tx.value(sql, [container.source, hashed.file.uri]):
        return
    [added] = catalogue.add_documents(tx, container.source, container.batch_id, [hashed], meta)
    tx.run("UPDATE document SET parent_id = ?, profile = ? WHERE id = ?", [container.id, container.profile, added])


def _update(tx: Transaction, container: Any, row: Any, hashed: HashedFile, meta: dict[str, Any]) -> None:
    same = (row.content_hash, row.suffix) == (hashed.content_hash, hashed.file.suffix)
    if not same or json.loads(row.meta) != meta:
        known = KnownDocument(row.id, row.uri, row.suffix, row.content_hash, row.version, hashed.file.stat, 0)
        event = "described" if same else "changed"
        catalogue.replace_content(tx, [(known, hashed)], container.batch_id, event=event)
        tx.run("UPDATE document SET meta = ? WHERE id = ?", [json.dumps(meta, ensure_ascii=False), row.id])
    if row.profile != container.profile:
        tx.run("UPDATE document SET profile = ? WHERE id = ?", [container.profile, row.id])


def _hashed(uri: str, member: Member) -> HashedFile:
    """Nobody looks at the times of a copy: what it holds follows from its name."""
    stat = FileStat(0, 0, member.size_bytes, 0, 0)
    return HashedFile(FoundFile(uri, "", member.suffix, stat), member.content_hash, 0)
