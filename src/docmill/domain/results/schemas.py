"""What programs may expect of the output, and what shells ask for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from docmill.domain.results.shared import Result


class ErrorObject(BaseModel):
    """What went wrong: ``code`` as docs/errors.md lists them, ``hint`` what to do. Further keys depend on the code."""

    model_config = ConfigDict(extra="allow", frozen=True)

    code: str
    message: str
    hint: str | None


class ErrorDocument(Result):
    """What is written instead of a result. The exit code says the same."""

    error: ErrorObject


class CommandSchema(Result):
    """``results``: the classes of what it may print. ``events``: whether it has ``--events``."""

    command: str
    results: list[str]
    events: bool


class SchemaList(Result):
    commands: list[CommandSchema]


class JsonSchema(Result):
    """A JSON Schema of draft 2020-12, key by key as it is."""

    model_config = ConfigDict(extra="allow", frozen=True)


class CompletionScript(Result):
    shell: str
    script: str
