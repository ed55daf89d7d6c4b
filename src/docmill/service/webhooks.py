"""The webhook of a batch: what its creation takes, checked and put as the batch's configuration keeps it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from docmill.definitions.findings import nearest
from docmill.domain.workflow import HandledEvent, WebhookHandler
from docmill.errors import UsageError

_OPTIONS = {"url": "--webhook-url", "token_env": "--webhook-token-env", "secret_env": "--webhook-secret-env",
            "job_id": "--webhook-job-id"}  # fmt: skip


def configuration(
    url: str | None, *, events: list[str] | None, token_env: str | None, secret_env: str | None, job_id: str | None
) -> dict[str, Any]:
    """``webhook_…`` entries; ``webhook_url`` is always among them, the others where they are set. Raises UsageError.

    ``events`` None: a group's end, and progress.
    """
    others = {"token_env": token_env, "secret_env": secret_env, "job_id": job_id}
    given = {name: value for name, value in others.items() if value is not None}
    if url is None:
        if given or events:
            raise UsageError("a webhook has an address", hint="--webhook-url URL")
        return {"webhook_url": None}
    try:
        WebhookHandler.model_validate({"type": "webhook", "url": url, **given})
    except ValidationError as error:
        raise _unusable(error) from None
    entries: dict[str, Any] = {"webhook_url": url, **{f"webhook_{name}": value for name, value in given.items()}}
    if events:
        entries["webhook_events"] = [_event(each) for each in dict.fromkeys(events)]
    return entries


def _event(name: str) -> str:
    known = [each.value for each in HandledEvent]
    if name not in known:
        raise UsageError(f"unknown event {name!r}", hint=nearest(name, known))
    return name


def _unusable(error: ValidationError) -> UsageError:
    """The first finding. What was given is not repeated: it may be a secret in the wrong place."""
    found = error.errors(include_url=False)[0]
    name = str(found["loc"][0]) if found["loc"] else "url"
    if name == "url":
        why = str(found["ctx"]["error"]) if found["type"] == "value_error" else "it is no web address"
        return UsageError(f"{_OPTIONS[name]}: {why}", hint="it begins with https:// or http://")
    if name == "job_id":
        return UsageError(f"{_OPTIONS[name]} takes 1 to 200 characters")
    hint = "the secret itself stays in the environment: export NAME=…, and give NAME here"
    return UsageError(f"{_OPTIONS[name]} takes the name of an environment variable", hint=hint)
