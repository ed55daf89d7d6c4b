"""Workflows, param sets and the pipeline that the two make together. Shapes and rules only; files are read elsewhere.

A workflow says which steps a document passes, in order; a param set says the values those steps use. Both are closed:
a key that is not declared here is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from docmill.domain.params import StepParams
from docmill.domain.status import LifecycleEvent

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class StepType(StrEnum):
    VALIDATE = "validate"
    PARSE = "parse"
    ENRICH = "enrich"
    CHUNK = "chunk"
    EMBED = "embed"
    STORE = "store"


REQUIRED_TYPES = (StepType.PARSE, StepType.CHUNK, StepType.EMBED, StepType.STORE)

# Step types that other engines list, and why a workflow cannot name them here.
FOREIGN_TYPES = {
    "ingest": "documents are ingested by `sync` and `ingest` before a workflow starts; leave this step out",
    "route": "one workflow handles every document type; leave this step out",
}


class Definition(BaseModel):
    """Strict, frozen, closed. Validate with ``model_validate_json``: JSON's strict mode takes enumerations as text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HandledEvent(StrEnum):
    """What a handler can be told of: every lifecycle event, and how far a run group has come, every few seconds."""

    GROUP_START = LifecycleEvent.GROUP_START.value
    GROUP_END = LifecycleEvent.GROUP_END.value
    ITEM_START = LifecycleEvent.ITEM_START.value
    ITEM_END = LifecycleEvent.ITEM_END.value
    ITEM_FAILED = LifecycleEvent.ITEM_FAILED.value
    STEP_START = LifecycleEvent.STEP_START.value
    STEP_END = LifecycleEvent.STEP_END.value
    STEP_FAILED = LifecycleEvent.STEP_FAILED.value
    PROGRESS = "progress"


VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"


class WebhookHandler(Definition):
    """Secrets are never written down: they are looked up by the name of a variable or of a file when they are used."""

    type: Literal["webhook"]
    url: str = Field(pattern=r"^https?://[^\s/]+", max_length=2048, description="http(s) address to post the event to")
    token_env: str | None = Field(None, pattern=VARIABLE_PATTERN, description="variable that holds the bearer token")
    token_file: str | None = Field(None, min_length=1, max_length=4096, description="file that holds it")
    secret_env: str | None = Field(None, pattern=VARIABLE_PATTERN, description="variable that holds the signing secret")
    secret_file: str | None = Field(None, min_length=1, max_length=4096, description="file that holds it")
    job_id: str | None = Field(None, min_length=1, max_length=200, description="sent along as jobId")
    timeout_s: float = Field(10.0, gt=0, le=300, description="seconds for one try, redirects included")

    @property
    def has_token(self) -> bool:
        return bool(self.token_env or self.token_file)

    @field_validator("url")
    @classmethod
    def _fit_to_be_asked(cls, url: str) -> str:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ValueError("the address holds a user name or a password; use token_env or token_file")
        if not parts.hostname or parts.port == 0:  # a port that is no number raises ValueError by itself
            raise ValueError("must be an http or https address")
        return url

    @field_validator("token_file", "secret_file")
    @classmethod
    def _only_place(cls, file: str | None, info: ValidationInfo) -> str | None:
        variable = str(info.field_name).replace("_file", "_env")
        if file is not None and info.data.get(variable) is not None:
            raise ValueError(f"{variable} and {info.field_name} exclude each other")
        return file


class CommandHandler(Definition):
    type: Literal["command"]
    command: str = Field(min_length=1, max_length=4096, description="shell command to run")
    timeout_s: float = Field(60.0, gt=0, le=3600, description="seconds for one try; then it is killed")


class ReportHandler(Definition):
    """Writes the report and the summary of a run group that has ended."""

    type: Literal["report"]
    folder: str | None = Field(None, min_length=1, max_length=4096, description="where to; else the home's reports/")


AnyHandler = WebhookHandler | CommandHandler | ReportHandler
Handler = Annotated[AnyHandler, Field(discriminator="type")]


def handler_record(handler: AnyHandler) -> dict[str, Any]:
    """A handler as JSON keeps it: what is not set is left out."""
    return handler.model_dump(mode="json", exclude_none=True)


class StepSpec(Definition):
    """One step as YAML states it. ``method`` None: the step type's default plug-in."""

    name: str = Field(pattern=ID_PATTERN, description="how progress, errors and stages call it")
    type: StepType
    method: str | None = Field(None, min_length=1, description="the plug-in; without it the step type's default")
    retries: int | None = Field(None, ge=0, le=20, description="further attempts; null: as the batch says")
    retry_delay: float | None = Field(None, ge=0, le=86_400, description="seconds; null: as the batch says")
    backoff_multiplier: float | None = Field(None, ge=1, le=100, description="null: as the batch says")
    jitter: float | None = Field(None, ge=0, le=1, description="share of the delay; null: as the batch says")
    timeout_s: float | None = Field(None, gt=0, le=86_400, description="seconds for one document; null: no limit")
    parameters: dict[str, Any] = Field(default_factory=dict, description="values that differ from the plug-in's own")

    @field_validator("type", mode="before")
    @classmethod
    def _known_type(cls, value: object) -> object:
        if isinstance(value, str) and value in FOREIGN_TYPES:
            raise ValueError(f"{value!r} is no step of a workflow: {FOREIGN_TYPES[value]}")
        return value


class Workflow(Definition):
    id: str = Field(pattern=ID_PATTERN)
    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=4000)
    steps: tuple[StepSpec, ...] = Field(min_length=1)
    lifecycle: dict[HandledEvent, list[Handler]] = Field(default_factory=dict)

    @field_validator("lifecycle")
    @classmethod
    def _reports_at_the_end(cls, given: dict[HandledEvent, list[Any]]) -> dict[HandledEvent, list[Any]]:
        for event, handlers in given.items():
            if event is not HandledEvent.GROUP_END and any(isinstance(each, ReportHandler) for each in handlers):
                raise ValueError(f"a report is written at group_end, not at {event.value}")
        return given

    def of_type(self, type_: StepType) -> list[StepSpec]:
        return [step for step in self.steps if step.type == type_]

    def handlers(self) -> str:
        """The handlers of each event, as the JSON that a run group keeps."""
        records = {event.value: [handler_record(each) for each in given] for event, given in self.lifecycle.items()}
        return json.dumps({event: given for event, given in records.items() if given}, ensure_ascii=False)


class ParamSet(Definition):
    """``config`` maps a step type to values for that type's plug-in, and may choose the plug-in by ``method``."""

    id: str = Field(pattern=ID_PATTERN)
    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=4000)
    source: Literal["app", "user"] | None = Field(None, description="set by where the file lies")
    config: dict[StepType, dict[str, Any]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderFault:
    """Which step breaks the order (an index into ``steps``; None: one is missing), and why."""

    index: int | None
    message: str


def order_faults(steps: tuple[StepSpec, ...]) -> list[OrderFault]:
    """Each way in which the steps break the rules: validate, parse, enrich (any number), chunk, embed, store."""
    order = list(StepType)
    faults: list[OrderFault] = []
    names: set[str] = set()
    seen: set[StepType] = set()
    latest: StepSpec | None = None
    for index, step in enumerate(steps):
        if step.name in names:
            faults.append(OrderFault(index, f"a step named {step.name!r} is there already"))
        if step.type in seen and step.type is not StepType.ENRICH:
            faults.append(OrderFault(index, f"a second step of type {step.type.value!r}; one is the most"))
        elif latest and order.index(step.type) < order.index(latest.type):
            faults.append(OrderFault(index, f"{step.type.value!r} must come before {latest.type.value!r}"))
        else:
            latest = step
        names.add(step.name)
        seen.add(step.type)
    missing = [type_.value for type_ in REQUIRED_TYPES if type_ not in seen]
    if missing:
        faults.append(OrderFault(None, f"a workflow needs a step of type {' and '.join(map(repr, missing))}"))
    return faults


@dataclass(frozen=True, slots=True)
class ResolvedStep:
    """A step with nothing left open. ``version`` is the plug-in's, and part of the step's key.

    For ``parse`` by ``auto`` the parser is chosen for each document; ``version`` is that of the choosing.
    """

    name: str
    type: StepType
    method: str
    version: str
    params: StepParams
    retries: int | None
    timeout_s: float | None
    retry_delay: float | None = None
    backoff_multiplier: float | None = None
    jitter: float | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a run group does to each of its documents, and whom it tells: ``handlers`` is JSON, by event.

    variants: the steps for documents of another profile, by profile; of the same names, with the same embed and store.
    """

    workflow: str
    params: str
    steps: tuple[ResolvedStep, ...]
    handlers: str = "{}"
    variants: Mapping[str, tuple[ResolvedStep, ...]] = field(default_factory=dict)

    def step(self, type_: StepType) -> ResolvedStep:
        """The first step of a type. Raises KeyError; parse, chunk, embed and store are always there."""
        for step in self.steps:
            if step.type is type_:
                return step
        raise KeyError(type_.value)

    @property
    def database(self) -> str:
        """The LanceDB database that the store step writes."""
        name: str = self.step(StepType.STORE).params.database  # type: ignore[attr-defined] # store has StoreParams
        return name
