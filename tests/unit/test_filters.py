"""The filter language: what it means, what it refuses and where, and that nothing else than its own words comes out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.domain import filter_grammar, filters
from docmill.domain.filter_grammar import MOST_CHARACTERS, MOST_DEPTH
from docmill.domain.filters import Predicate
from docmill.errors import UsageError


def sql(text: str, **documents: list[str]) -> str:
    return filters.condition(filter_grammar.parse(text), lambda test: documents[str(test.key)])


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("source = 'a'", "(source = 'a')"),
        ("SOURCE != 'it''s'", "NOT (source = 'it''s')"),
        ("tokens >= 10 and tokens<20", "((tokens >= 10) AND (tokens < 20))"),
        ("uri like 'a\\%%'", "(uri LIKE 'a\\%%')"),
        ("title is not null", "NOT (title IS NULL)"),
        ("not not title is null", "(title IS NULL)"),
        ("type in ('pdf', 'html')", "(type IN ('pdf', 'html'))"),
        ("not type not in ('pdf')", "(type IN ('pdf'))"),
        ("page = 3", "((page_start <= 3 AND page_end >= 3))"),
        ("page >= 3", "(page_end >= 3)"),
        ("page < 3", "(page_start < 3)"),
        ("heading = 'One'", "(array_has(headings, 'One'))"),
        (
            "source = 'a' or type = 'b' and title = 'c'",
            "((source = 'a') OR ((type = 'b') AND (title = 'c')))",
        ),
        ("not (source = 'a' or type = 'b')", "(NOT (source = 'a') AND NOT (type = 'b'))"),
        ("meta.project = 'x'", "(document_id IN ('1', '2'))"),
        ("meta.'due date' is null", "(false)"),
    ],
)
def test_what_it_means(text: str, condition: str) -> None:
    assert sql(text, project=["2", "1"], **{"due date": []}) == condition


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 1, "name of a field"),
        ("source", 7, "cannot be compared so"),
        ("colour = 'red'", 1, "unknown field 'colour'"),
        ("page = 'x'", 8, "whole number"),
        ("page = 1.5", 8, "whole number"),
        ("tokens = 99999999999", 10, "whole number"),
        ("source = 3", 10, "text in single quotes"),
        ("source = notes", 10, "a value"),
        ('source = "notes"', 10, "single quotes"),
        ("source = \u2018notes\u2019", 10, "single quotes"),
        ("source = 'notes", 10, "no end"),
        ("source == 'a'", 9, "a value"),
        ("source = 'a' source = 'b'", 14, "should end here"),
        ("(source = 'a'", 1, "never closed"),
        ("source = 'a')", 13, "should end here"),
        ("source in ()", 12, "a value"),
        ("source in 'a'", 11, "parentheses"),
        ("source not = 'a'", 12, "cannot be compared so"),
        ("heading < 'a'", 9, "cannot be compared so"),
        ("page like '3%'", 6, "cannot be compared so"),
        ("uri like 'a\\b'", 10, "backslash"),
        ("uri is 'a'", 8, "null"),
        ("meta = 'a'", 1, "unknown field"),
        ("meta.3 = 'a'", 6, "name of a value"),
        ("meta.year = 1e999", 13, "too large"),
        ("source = true", 10, "text in single quotes"),
    ],
)
def test_what_it_refuses_and_where(text: str, position: int, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        filter_grammar.parse(text)
    assert (caught.value.context["filter"], caught.value.context["position"]) == (text, position)
    assert caught.value.exit_code == 2 and caught.value.hint


def test_unknown_fields_are_told_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        filter_grammar.parse("uris = 'a'")
    assert caught.value.hint is not None and set(filters.FIELDS) < set(re.findall(r"\w+", caught.value.hint))


@pytest.mark.parametrize(
    "text",
    [
        "id = 'x' OR true",
        "true",
        "1 = 1",
        "source = 'a' -- and more",
        "source = 'a' /* and more */",
        "source = 'a'; drop table chunks",
        "regexp_like(uri, '(a+)+$')",
        "lower(uri) = 'a'",
        "uri = lower('a')",
        "uri = uri",
        "uri = 'a' || 'b'",
        "uri = 'a\0'",
        "uri = '\udc80'",
        "vector is null",
        "search_text like '%'",
        "case when true then true end",
        "(select 1) = 1",
        "uri = $1",
        "uri ~ 'a'",
        "cast(page as text) = '3'",
        "ｓource = 'a'",
        "page = ٣",
    ],
)
def test_what_is_no_filter_never_becomes_a_condition(text: str) -> None:
    with pytest.raises(UsageError):
        filter_grammar.parse(text)


def test_length_and_depth_are_bounded() -> None:
    deepest = "(" * MOST_DEPTH + "page = 1" + ")" * MOST_DEPTH
    assert sql(deepest) == sql("page = 1")
    for text in (f"({deepest})", "(" * 3000, f"uri = '{'a' * MOST_CHARACTERS}'"):
        with pytest.raises(UsageError):
            filter_grammar.parse(text)
    assert sql("not " * 900 + "page > 1") == "(page_end > 1)"


@given(st.text(st.sampled_from("ab%_\\*.\n"), max_size=8), st.text(st.sampled_from("ab\\*.\n%_"), max_size=10))
def test_patterns_mean_what_they_mean_to_a_database(pattern: str, text: str) -> None:
    try:
        test = filter_grammar.parse(f"meta.x like '{pattern}'")
    except UsageError:
        assert re.search(r"\\(?![\\%_])", re.sub(r"\\[\\%_]", "", pattern))
        return
    assert isinstance(test, Predicate)
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    expression = "".join(re.escape(part[1:]) if len(part) == 2 else wild.get(part, re.escape(part)) for part in parts)
    assert filters.holds(test, text) is (re.fullmatch(expression, text, re.DOTALL) is not None)


def test_a_pattern_cannot_be_made_slow() -> None:
    test = filter_grammar.parse(f"meta.x like '{'%a' * 500}b'")
    assert isinstance(test, Predicate) and not filters.holds(test, "a" * 2000)


@pytest.mark.parametrize(
    ("text", "holding", "others"),
    [
        ("meta.x = 'a'", ["a", ["b", "a"]], ["b", 1, None, True, [], {}]),
        ("meta.x != 'a'", ["b", ["b", "c"]], ["a", ["a", "b"], 1, None, []]),
        ("meta.x > 2", [3, 2.5, [1, 3]], [2, "3", True, None]),
        ("not meta.x > 2", [2, 1.5], [3, "3", None]),
        ("meta.x in ('a', 7)", ["a", 7, 7.0], ["b", 8, True, None]),
        ("meta.x not in ('a', 7)", ["b", 8], ["a", 7, True, None]),
        ("meta.x = true", [True], [1, False, "true"]),
        ("meta.x != true", [False], [True, 0, "true"]),
        ("meta.x is null", [None], ["", 0, False]),
        ("meta.x is not null", ["", 0, False, []], [None]),
        ("meta.x not like 'a%'", ["ba"], ["ab", 1, None]),
    ],
)
def test_metadata_is_compared_with_its_own_kind(text: str, holding: list[object], others: list[object]) -> None:
    test = filter_grammar.parse(text)
    assert isinstance(test, Predicate)
    assert [each for each in holding if not filters.holds(test, each)] == []
    assert [each for each in others if filters.holds(test, each)] == []
