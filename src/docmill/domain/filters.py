"""What the filter of a search means: tests of fields, as a condition for LanceDB or held against a value. Pure.

What a person writes never reaches the database as it is. ``filter_grammar`` takes it apart into tests of known fields
with values of the right kind, and the condition is written anew from those.

Missing values are as in SQL: no test of one holds but ``is null``, and neither does its opposite.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NewType

MOST_DOCUMENTS = 50_000  # that a test of metadata may select: LanceDB takes half a second for so long a list

Condition = NewType("Condition", str)
"""SQL that :func:`condition` has written; nothing else may make one."""

Value = str | int | float | bool

TEXT, NUMBER, PAGE, HEADING, META = "text", "number", "page", "heading", "meta"
FIELDS: Final[dict[str, str]] = {
    "uri": TEXT,
    "source": TEXT,
    "title": TEXT,
    "type": TEXT,
    "text": TEXT,
    "heading": HEADING,
    "page": PAGE,
    "position": NUMBER,
    "tokens": NUMBER,
    "document_id": TEXT,
    "chunk_id": TEXT,
}
# Of a database's documents, in `lancedb documents`.
DOCUMENT_FIELDS: Final[dict[str, str]] = {
    "uri": TEXT,
    "source": TEXT,
    "title": TEXT,
    "type": TEXT,
    "version": NUMBER,
    "chunk_count": NUMBER,
    "content_hash": TEXT,
    "created_at": TEXT,
    "updated_at": TEXT,
    "document_id": TEXT,
}
ORDERS: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Predicate:
    """``operator`` is one of = < <= > >= in like null. ``key`` is set for metadata. ``negated``: where it is not so."""

    field: str
    key: str | None
    operator: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Several:
    """Tests of which all have to hold, or any."""

    any: bool
    parts: tuple[Node, ...]


Node = Predicate | Several


def condition(
    node: Node, documents_where: Callable[[Predicate], Collection[str]], fields: Mapping[str, str] = FIELDS
) -> Condition:
    """SQL over the columns of a table. ``documents_where`` gives the ids of documents by their metadata.

    fields: those that the node was parsed with.
    """
    if isinstance(node, Several):
        joint = " OR " if node.any else " AND "
        return Condition(f"({joint.join(condition(each, documents_where, fields) for each in node.parts)})")
    if node.field == META:
        return Condition(_among("document_id", documents_where(node)))
    sql = _of_kind(fields[node.field])(node)
    return Condition(f"NOT ({sql})" if node.negated else f"({sql})")


def quoted(value: str) -> str:
    """A string literal of LanceDB's filters: the quote is doubled, nothing else is special in it."""
    return "'" + value.replace("'", "''") + "'"


def holds(test: Predicate, value: object) -> bool:
    """Whether a test of metadata holds for a value of it, which is JSON. A list has what any of its values has.

    Values of another kind than the test's are as if they were missing.
    """
    if test.operator == "null":
        return (value is None) is not test.negated
    values = value if isinstance(value, list) else [value]
    answers = [
        _compare(test, each, wanted) for each in values for wanted in test.values if _kind(each) == _kind(wanted)
    ]
    return bool(answers) and any(answers) is not test.negated


# ---- the condition ---------------------------------------------------------------------------------------------------


def _of_kind(kind: str) -> Callable[[Predicate], str]:
    return {PAGE: _page_sql, HEADING: _heading_sql}.get(kind, _plain_sql)


def _plain_sql(test: Predicate) -> str:
    if test.operator == "null":
        return f"{test.field} IS NULL"
    if test.operator == "in":
        return f"{test.field} IN ({', '.join(map(_literal, test.values))})"
    sign = "LIKE" if test.operator == "like" else test.operator
    return f"{test.field} {sign} {_literal(test.values[0])}"


def _page_sql(test: Predicate) -> str:
    """A passage lies on all pages from ``page_start`` to ``page_end``: one of them has to be such."""
    if test.operator == "null":
        return "page_start IS NULL"
    if test.operator in ("=", "in"):
        return " OR ".join(f"(page_start <= {each:d} AND page_end >= {each:d})" for each in test.values)
    edge = "page_start" if test.operator in ("<", "<=") else "page_end"
    return f"{edge} {test.operator} {test.values[0]:d}"


def _heading_sql(test: Predicate) -> str:
    """A passage stands under several headings: one of them has to be such."""
    if test.operator == "null":
        return "cardinality(headings) = 0"
    if test.operator == "like":  # each heading is a line of its own, and the pattern stays within a line
        pattern = f"(^|\n){_expression(str(test.values[0]))}($|\n)"
        return f"cardinality(headings) > 0 AND regexp_like(array_to_string(headings, '\n'), {quoted(pattern)})"
    return " OR ".join(f"array_has(headings, {_literal(each)})" for each in test.values)


def _among(column: str, values: Collection[str]) -> str:
    return f"({column} IN ({', '.join(map(quoted, sorted(values)))}))" if values else "(false)"


def _literal(value: Value) -> str:
    return quoted(value) if isinstance(value, str) else f"{value:d}"


def _pieces(pattern: str) -> Iterator[tuple[str, bool]]:
    """The characters of a LIKE pattern, and whether each stands for itself."""
    characters = iter(pattern)
    for character in characters:
        escaped = character == "\\"
        yield (next(characters), True) if escaped else (character, character not in "%_")


def _expression(pattern: str) -> str:
    """A LIKE pattern as a regular expression of Rust's, within one line."""
    wild = {"%": "[^\n]*", "_": "[^\n]"}
    return "".join(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", c) if plain else wild[c] for c, plain in _pieces(pattern))


# ---- metadata --------------------------------------------------------------------------------------------------------


def _compare(test: Predicate, value: object, wanted: Value) -> bool:
    if test.operator == "like":
        return _is_like(str(value), list(_pieces(str(wanted))))
    compare = ORDERS["=" if test.operator == "in" else test.operator]
    return compare(value, wanted)  # type: ignore[arg-type] # both are of the same kind


def _is_like(text: str, pattern: list[tuple[str, bool]]) -> bool:
    """In time that is bounded by the product of both lengths: only the last % is ever tried again."""
    at = place = 0
    retry: tuple[int, int] | None = None
    while at < len(text):
        piece = pattern[place] if place < len(pattern) else None
        if piece == ("%", False):
            place += 1
            retry = (place, at)
        elif piece is not None and piece in (("_", False), (text[at], True)):
            at, place = at + 1, place + 1
        elif retry is not None:
            place, at = retry[0], retry[1] + 1
            retry = (place, at)
        else:
            return False
    return all(piece == ("%", False) for piece in pattern[place:])


def _kind(value: object) -> str | None:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "text" if isinstance(value, str) else None
