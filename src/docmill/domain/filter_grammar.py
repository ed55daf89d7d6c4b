"""The filter of a search as a person writes it, ``source = 'notes' and page >= 3``: read and checked. Pure.

Whatever is not of this grammar, or asks a field for what it cannot have, is refused, with its place:

    filter  = each {"or" each}          each  = part {"and" part}        part = "not" part | "(" filter ")" | test
    test    = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
            | field ["not"] "in" "(" value {"," value} ")" | field ["not"] "like" text | field "is" ["not"] "null"
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from docmill.domain.filters import FIELDS, HEADING, META, NUMBER, ORDERS, PAGE, TEXT, Node, Predicate, Several, Value
from docmill.errors import UsageError

MOST_CHARACTERS = 4000
MOST_DEPTH = 32

_WORDS = frozenset({"and", "or", "not", "in", "like", "is", "null", "true", "false"})
_MOST_INT32 = 2**31 - 1
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_TOKEN = re.compile(
    r"(?P<space>[ \t\n\r]+)"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?!\w))"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<sign>!=|<=|>=|[=<>(),.])"
)


def parse(text: str, fields: Mapping[str, str] = FIELDS) -> Node:
    """``fields``: their kinds by name. Raises UsageError; its context has ``filter`` and ``position``, from 1."""
    return _Parser(text, fields).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        """A word or sign in lower case; of anything else nothing, so that it is taken for neither."""
        return self.text.lower() if self.kind in ("word", "sign") else ""


class _Parser:
    """Recursive descent, of bounded depth. ``not`` is carried down to the tests, where it ends as ``negated``."""

    def __init__(self, text: str, fields: Mapping[str, str]) -> None:
        self._text = text
        self._fields = fields
        if len(text) > MOST_CHARACTERS:
            self._refuse(f"the filter has more than {MOST_CHARACTERS:,} characters", MOST_CHARACTERS)
        unfit = _UNFIT.search(text)
        if unfit is not None:
            self._refuse(f"U+{ord(unfit[0]):04X} is no character of a text", unfit.start())
        self._tokens = [*self._read(), _Token("end", "", len(text))]
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._either(negated=False)
        if self._peek.kind != "end":
            self._refuse("the filter should end here, or go on with and, or", self._peek.at)
        return node

    def _read(self) -> Iterator[_Token]:
        at = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                self._refuse_character(at)
            if found.lastgroup != "space":
                yield _Token(str(found.lastgroup), found[0], at)
            at = found.end()

    def _either(self, *, negated: bool) -> Node:
        return self._joined("or", self._all, negated=negated)

    def _all(self, *, negated: bool) -> Node:
        return self._joined("and", self._part, negated=negated)

    def _joined(self, word: str, part: Callable[..., Node], *, negated: bool) -> Node:
        parts = [part(negated=negated)]
        while self._takes(word):
            parts.append(part(negated=negated))
        return parts[0] if len(parts) == 1 else Several((word == "or") is not negated, tuple(parts))

    def _part(self, *, negated: bool) -> Node:
        while self._takes("not"):
            negated = not negated
        start = self._peek
        if not self._takes("("):
            test = self._test()
            return replace(test, negated=test.negated is not negated)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            self._refuse(f"the parentheses are nested deeper than {MOST_DEPTH}", start.at)
        node = self._either(negated=negated)
        if not self._takes(")"):
            self._refuse("this parenthesis is never closed", start.at)
        self._depth -= 1
        return node

    def _test(self) -> Predicate:
        start = self._peek
        field, key = self._field()
        sign = self._peek
        self._next += 1
        if sign.word == "is":
            negated = self._takes("not")
            self._expect("null", "null, or not null, after is")
            return Predicate(field, key, "null", (), negated)
        negated = sign.word == "not"
        if negated:
            sign = self._peek
            self._next += 1
        name = "=" if sign.word == "!=" else sign.word
        if name not in self._allowed(field) or (negated and name not in ("in", "like")):
            self._refuse_operator(start.text, field, sign)
        values = self._several(field) if name == "in" else (self._value(field, like=name == "like"),)
        return Predicate(field, key, name, values, negated or sign.word == "!=")

    def _field(self) -> tuple[str, str | None]:
        token = self._peek
        name = token.word
        self._next += 1
        if name == META and self._takes("."):
            key = self._peek
            self._next += 1
            if key.kind not in ("word", "text"):
                self._refuse("meta. is followed by the name of a value: meta.project, meta.'due date'", key.at)
            return META, _unquoted(key.text) if key.kind == "text" else key.text
        if token.kind != "word" or name in _WORDS:
            self._refuse("the name of a field should stand here", token.at, hint=self._fields_hint)
        if name not in self._fields:
            self._refuse(f"unknown field {token.text!r}", token.at, hint=self._fields_hint)
        return name, None

    def _several(self, field: str) -> tuple[Value, ...]:
        self._expect("(", "the values after in, in parentheses")
        values = [self._value(field)]
        while self._takes(","):
            values.append(self._value(field))
        self._expect(")", "a comma or a closing parenthesis")
        return tuple(values)

    def _value(self, field: str, *, like: bool = False) -> Value:
        token = self._peek
        self._next += 1
        value = self._literal(token)
        kind = self._fields.get(field)
        if like or kind in (TEXT, HEADING):
            if not isinstance(value, str):
                what = "like" if like else field
                self._refuse(f"{what} takes text in single quotes", token.at, hint=f"'{token.text}'")
            if like:
                self._check_pattern(value, token)
        elif kind in (NUMBER, PAGE) and (type(value) is not int or abs(value) > _MOST_INT32):
            self._refuse(f"{field} is compared with a whole number, up to {_MOST_INT32:,}", token.at)
        return value

    def _literal(self, token: _Token) -> Value:
        if token.kind == "text":
            return _unquoted(token.text)
        if token.word in ("true", "false"):
            return token.word == "true"
        if token.kind != "number":
            self._refuse("a value should stand here: 'text' in single quotes, or a number", token.at)
        if re.fullmatch(r"[-+]?[0-9]{1,18}", token.text):
            return int(token.text)
        value = float(token.text)
        if not math.isfinite(value):
            self._refuse("the number is too large", token.at)
        return value

    def _check_pattern(self, pattern: str, token: _Token) -> None:
        if re.fullmatch(r"(?:[^\\]|\\[\\%_])*", pattern, re.DOTALL) is None:
            self._refuse(r"in a pattern a backslash stands before %, _ or another backslash", token.at)

    def _allowed(self, field: str) -> Collection[str]:
        kind = self._fields.get(field, META)
        if kind == HEADING:
            return ("=", "in", "like")
        return (*ORDERS, "in") if kind in (NUMBER, PAGE) else (*ORDERS, "in", "like")

    @property
    def _fields_hint(self) -> str:
        return f"the fields are {', '.join(self._fields)}, and meta.NAME"

    @property
    def _peek(self) -> _Token:
        return self._tokens[min(self._next, len(self._tokens) - 1)]

    def _takes(self, word: str) -> bool:
        found = self._peek.word == word
        self._next += found
        return found

    def _expect(self, word: str, what: str) -> None:
        if not self._takes(word):
            self._refuse(f"here should stand {what}", self._peek.at)

    def _refuse_character(self, at: int) -> NoReturn:
        character = self._text[at]
        if character == "'":
            self._refuse("this text has no end", at, hint="a quote within text is doubled: 'it''s'")
        if character in '"`\u2018\u2019\u201a\u201c\u201d\u201e\u00b4':
            self._refuse("text stands in single quotes", at, hint="source = 'notes'")
        shown = repr(character) if character.isprintable() else f"U+{ord(character):04X}"
        self._refuse(f"{shown} has no meaning in a filter", at)

    def _refuse_operator(self, name: str, field: str, sign: _Token) -> NoReturn:
        self._refuse(
            f"{name} cannot be compared so", sign.at, hint=f"it takes {', '.join(_shown(self._allowed(field)))}"
        )

    def _refuse(self, message: str, at: int, *, hint: str | None = None) -> NoReturn:
        raise UsageError(f"--filter: {message}", hint=hint or _HINT, filter=self._text, position=at + 1)


_HINT = "such as: source = 'notes' and page >= 3, or uri like '2024/%'"


def _shown(operators: Collection[str]) -> list[str]:
    words = ["!=" if each == "=" else f"not {each}" for each in operators if each in ("=", "in", "like")]
    return [*operators, *words, "is null", "is not null"]


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")
