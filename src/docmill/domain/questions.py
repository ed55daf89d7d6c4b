"""A question as it is put to a database: by the options of ``search``, or by a line of a file of questions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from docmill.errors import UsageError

MODES = ("hybrid", "vector", "fts")
MOST_HITS = 1000
MOST_CONTEXT = 20


class Question(BaseModel):
    """``collapse``: hits that say nearly the same are one. See ``docmill search --help`` for the others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    query: str = Field(min_length=1)
    mode: Literal["hybrid", "vector", "fts"] = "hybrid"
    limit: int = Field(10, ge=1, le=MOST_HITS)
    source: list[str] | None = None
    uri_prefix: str | None = None
    filter: str | None = None
    context: int = Field(0, ge=0, le=MOST_CONTEXT)
    per_document: bool = False
    min_score: float | None = None
    exact: bool = False
    collapse: bool = True


def question(asked: Mapping[str, Any]) -> Question:
    """Raises UsageError with what is wrong with a value, or with its name."""
    try:
        made = Question(**asked)
    except ValidationError as error:
        raise _wrong(error, asked) from None
    if not made.query.strip():
        raise UsageError("the query is empty")
    return made


def _wrong(error: ValidationError, asked: Mapping[str, Any]) -> UsageError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return UsageError(f"a question has no {name!r}", hint=f"it may have {', '.join(Question.model_fields)}")
    if name == "query" and first["type"] in ("missing", "string_too_short"):
        return UsageError("the query is empty" if "query" in asked else "there is no query")
    if name == "mode":
        return UsageError(f"unknown mode {asked['mode']!r}", hint=f"one of {', '.join(MODES)}")
    return UsageError(f"{name}: {first['msg'].replace('Input should be ', 'must be ')}")
