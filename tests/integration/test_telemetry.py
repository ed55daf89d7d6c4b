"""OpenTelemetry: nothing unless it is asked for; then a span for each group, document and step, and no text of any."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from conftest import Mill
from docmill.domain.events import MessageEvent
from docmill.engine import telemetry
from docmill.engine.telemetry import Wanted, wanted
from docmill.stores.queries import reading

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SECRET = "A quokka is nobody's business."


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(telemetry.os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, Wanted()),
        ({"OTEL_SERVICE_NAME": "x", ENDPOINT: " "}, Wanted()),
        ({ENDPOINT: "http://c:4318"}, Wanted("otlp", "otlp", ENDPOINT)),
        ({ENDPOINT: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, Wanted()),
        ({ENDPOINT: "http://c:4318", "OTEL_METRICS_EXPORTER": "none"}, Wanted("otlp", None, ENDPOINT)),
        (
            {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/v1/metrics"},
            Wanted(None, "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        ),
        ({"OTEL_TRACES_EXPORTER": "console"}, Wanted("console", None, "OTEL_TRACES_EXPORTER")),
        (
            {"OTEL_TRACES_EXPORTER": "zipkin"},
            Wanted(refused="OTEL_TRACES_EXPORTER=zipkin is not known: otlp, console or none"),
        ),
        (
            {ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            Wanted(refused="OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not known: http/protobuf"),
        ),
    ],
)
def test_what_the_environment_asks_for(environment: dict[str, str], found: Wanted) -> None:
    assert wanted(environment) == found


def test_where_nothing_is_asked_for_nothing_is_imported() -> None:
    program = (
        "import sys, pathlib\nimport docmill.engine.runner\nfrom docmill.engine.telemetry import Telemetry\n"
        "Telemetry(pathlib.Path('.'), None)\n"
        "print([each for each in sys.modules if each.startswith('opentelemetry') or each == 'docmill.engine.spans'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_where_it_is_not_installed_a_run_says_so_once_and_goes_on(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "docmill.engine.spans", raising=False)
    monkeypatch.delattr("docmill.engine.spans", raising=False)
    mill.write_many(2)
    assert mill.sync().documents.completed == 2
    said = [event.message for event in mill.reporter.events if isinstance(event, MessageEvent)]
    [warning] = [each for each in said if "OpenTelemetry" in each]
    assert warning.startswith(f"{ENDPOINT} asks for") and "pip install 'docmill[otel]'" in warning


class Sent:
    """What a collector would have got."""

    def __init__(self, spans: Any, reader: Any) -> None:
        self.spans = spans
        self._reader = reader

    def named(self, name: str) -> list[Any]:
        return [each for each in self.spans.get_finished_spans() if each.name == name]

    def figures(self) -> dict[str, list[Any]]:
        [resource] = self._reader.get_metrics_data().resource_metrics
        return {each.name: list(each.data.data_points) for each in resource.scope_metrics[0].metrics}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    pytest.importorskip("opentelemetry.sdk", reason="docmill[otel] is not installed")
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from docmill.engine import spans

    exporter = InMemorySpanExporter()
    found = Sent(exporter, None)

    def begin(home: Any, asked: Wanted) -> Any:
        found._reader = InMemoryMetricReader()
        made = spans.Spans(home, [SimpleSpanProcessor(exporter)], [found._reader])
        monkeypatch.setattr(made, "close", lambda: True)  # it would take the figures away
        return made

    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setattr(spans, "begin", begin)
    return found


def test_a_group_is_a_trace_of_documents_and_their_steps(mill: Mill, sent: Sent) -> None:
    mill.write_many(2)
    mill.write("quokka.md", f"# Secrets\n\n{SECRET}\n")
    mill.write("broken.pdf", f"{SECRET}\n")
    mill.sync()
    [group] = sent.named("run group")
    documents = sent.named("document")
    assert len(documents) == 4
    assert {each.parent.span_id for each in documents} == {group.context.span_id}
    assert {each.context.trace_id for each in sent.spans.get_finished_spans()} == {group.context.trace_id}
    assert group.attributes["docmill.documents.completed"] == 3 and group.parent is None
    assert group.attributes["docmill.documents.failed"] == 1
    [failed] = [each for each in documents if each.status.status_code.name == "ERROR"]
    assert failed.attributes["docmill.document.uri"] == "broken.pdf"
    assert failed.attributes["error.type"] == failed.status.description == "CORRUPTED_FILE"
    [good] = [each for each in documents if each.attributes["docmill.document.uri"] == "quokka.md"]
    inside = [
        each for each in sent.spans.get_finished_spans() if each.parent and each.parent.span_id == good.context.span_id
    ]
    assert sorted(each.name for each in inside) == sorted(["validate", "parse", "chunk", "embed", "store"])
    for each in inside:
        assert group.start_time <= good.start_time <= each.start_time <= each.end_time <= group.end_time
    told = "\n".join(each.to_json() for each in sent.spans.get_finished_spans())
    assert "quokka.md" in told and "business" not in told


def test_figures_are_sent_too(mill: Mill, sent: Sent) -> None:
    mill.write_many(3)
    mill.write("broken.pdf", "this is no pdf\n")
    mill.sync()
    figures = sent.figures()
    documents = {each.attributes["docmill.outcome"]: each.value for each in figures["docmill.documents"]}
    assert documents == {"completed": 3, "failed": 1}
    chunks = mill.value("SELECT chunks_total FROM run_group")
    assert sum(each.value for each in figures["docmill.chunks"]) == chunks
    assert sum(each.value for each in figures["docmill.chunks.embedded"]) == chunks
    steps = {each.attributes["docmill.step"]: each.count for each in figures["docmill.step.duration"]}
    assert steps == {"validate": 3, "parse": 3, "chunk": 3, "embed": 3, "store": 3}
    assert sum(each.count for each in figures["docmill.document.duration"]) == 4


def test_engines_one_after_another_tell_of_the_same_trace(mill: Mill, sent: Sent) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from docmill.engine.spans import Spans

    mill.write_many(2)
    mill.sync()
    [group] = sent.named("run group")
    other = InMemorySpanExporter()
    engine = Spans(mill.home, [SimpleSpanProcessor(other)], [])
    with reading(mill.home) as queries:
        engine.look(queries, [1])
        assert other.get_finished_spans() == ()  # what came before was told by the engine before
        engine._cursors[1] = 0
        engine.look(queries, ())
    assert engine.close()
    told = {each.name: each for each in other.get_finished_spans()}
    assert told["run group"].context.trace_id == group.context.trace_id
    assert told["run group"].context.span_id == told["document"].parent.span_id == group.context.span_id
