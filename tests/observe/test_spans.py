"""Spans of operations and steps."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from stigmer import ConfigurationError, PermissionDenied, Settings
from stigmer.observe import Observe

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def settings():
    """Only tracing is on."""
    return Settings(plugins=(), log="off", tracing=True)


class _Tracing:
    """A plugin with tracing on whose spans can be read once it has stopped."""

    def __init__(self, op, settings):
        self.exporter = InMemorySpanExporter()
        self.observe = Observe(exporter=self.exporter)
        self.op, self.settings = op, settings

    async def run(self, ctx, *steps):
        """Runs named steps as a pipeline would."""
        wrapped = [(name, self.observe.wrap_step(self.op, name, "session", step, self.settings)) for name, step in steps]

        async def handle(ctx):
            for name, run in wrapped:
                ctx.step = name
                await run(ctx)

        await self.observe.wrap_operation(self.op, handle, self.settings)(ctx)

    async def spans(self):
        await self.observe.shutdown()
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
async def tracing(op, settings):
    """A plugin that has started."""
    found = _Tracing(op, settings)
    found.observe.wrap_operation(op, None, settings)
    await found.observe.startup(None)
    yield found
    await found.observe.shutdown()


async def _fine(_ctx):
    pass


def _failing(error):
    async def step(_ctx):
        raise error

    return step


async def test_a_span_an_operation_and_a_span_a_step(tracing, make_call):
    """The operation's span has the steps' spans as children, and says in OpenTelemetry's words what was called."""
    await tracing.run(make_call(), ("ValidateProto", _fine), ("Persist", _fine))
    spans = await tracing.spans()
    assert list(spans) == ["ValidateProto", "Persist", "session.create"]
    operation = spans["session.create"]
    assert operation.kind is SpanKind.SERVER
    assert operation.parent is None
    assert operation.status.status_code is StatusCode.UNSET
    assert dict(operation.attributes) == {
        "rpc.system": "grpc",
        "rpc.service": "ai.stigmer.agentic.session.v1.SessionCommandController",
        "rpc.method": "create",
        "rpc.grpc.status_code": 0,
        "stigmer.request_id": "req-1",
    }
    for name in ("ValidateProto", "Persist"):
        assert spans[name].parent.span_id == operation.context.span_id
        told = {"stigmer.operation": "session.create", "stigmer.step": name, "stigmer.plugin": "session"}
        assert dict(spans[name].attributes) == told


async def test_continues_the_clients_trace(tracing, make_call):
    """The operation's span is a child of the one that the client names in traceparent."""
    await tracing.run(make_call(metadata={"traceparent": f"00-{TRACE}-{PARENT}-01"}))
    operation = (await tracing.spans())["session.create"]
    assert f"{operation.context.trace_id:032x}" == TRACE
    assert f"{operation.parent.span_id:016x}" == PARENT


@pytest.mark.parametrize("value", ["", "nonsense", "00-0-0-01", b"\xff", f"00-{'0' * 32}-{PARENT}-01"])
async def test_a_wrong_traceparent_begins_a_new_trace(tracing, make_call, value):
    """What is no traceparent is passed over."""
    await tracing.run(make_call(metadata={"traceparent": value}))
    assert (await tracing.spans())["session.create"].parent is None


async def test_sends_nothing_of_a_trace_that_is_not_sampled(tracing, make_call):
    """When the client's trace is not sampled neither the operation nor its steps are sent."""
    await tracing.run(make_call(metadata={"traceparent": f"00-{TRACE}-{PARENT}-00"}), ("Persist", _fine))
    assert await tracing.spans() == {}


async def test_tells_which_step_raised_what(tracing, make_call):
    """A failure marks the operation's span and the step's with the error's type, its public text and the step."""
    error = PermissionDenied("not yours")
    with pytest.raises(PermissionDenied):
        await tracing.run(make_call(), ("ValidateProto", _fine), ("Authorize", _failing(error)), ("Persist", _fine))
    spans = await tracing.spans()
    assert list(spans) == ["ValidateProto", "Authorize", "session.create"]
    assert spans["session.create"].attributes["rpc.grpc.status_code"] == 7
    assert spans["ValidateProto"].status.status_code is StatusCode.UNSET
    for name in ("Authorize", "session.create"):
        span = spans[name]
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["stigmer.step"] == "Authorize"
        assert span.attributes["error.type"] == "PermissionDenied"
        (event,) = span.events
        assert dict(event.attributes) == {"exception.type": "PermissionDenied", "exception.message": "not yours"}


async def test_a_failure_before_the_first_step(tracing, op, settings, make_call):
    """A call that fails before any step, as one without credentials does, names no step."""
    handle = tracing.observe.wrap_operation(op, _failing(PermissionDenied("no")), settings)
    with pytest.raises(PermissionDenied):
        await handle(make_call())
    assert "stigmer.step" not in (await tracing.spans())["session.create"].attributes


async def test_keeps_texts_that_are_not_for_clients_out(tracing, make_call):
    """Of a bug the type is recorded, and no text: it may quote what a user sent."""
    with pytest.raises(ValueError, match="private"):
        await tracing.run(make_call(), ("Persist", _failing(ValueError("private"))))
    spans = await tracing.spans()
    assert spans["session.create"].attributes["rpc.grpc.status_code"] == 13
    assert all("private" not in span.to_json() for span in spans.values())
    assert all(span.events[0].attributes["exception.type"] == "ValueError" for span in spans.values())


async def test_spans_are_sent_at_shutdown(op, settings, make_call):
    """Spans that wait for their batch are sent when the server stops."""
    found = _Tracing(op, settings)
    found.observe.wrap_operation(op, None, settings)
    await found.observe.startup(None)
    await found.run(make_call())
    assert "session.create" in await found.spans()


async def test_the_log_names_the_trace(op, logged, make_call, answering):
    """With tracing on the call's line in the log carries the trace id."""
    observe = Observe(exporter=InMemorySpanExporter())
    handle = observe.wrap_operation(op, answering(), logged(log="json", tracing=True))
    await observe.startup(None)
    await handle(make_call(metadata={"traceparent": f"00-{TRACE}-{PARENT}-01"}))
    assert json.loads(logged.text())["trace_id"] == TRACE
    await observe.shutdown()


async def test_the_environment_names_the_service(op, settings, make_call, monkeypatch):
    """The service is called stigmer unless the standard variable says otherwise."""
    names = []
    for variable in (None, "sessions-eu"):
        if variable:
            monkeypatch.setenv("OTEL_SERVICE_NAME", variable)
        found = _Tracing(op, settings)
        found.observe.wrap_operation(op, None, settings)
        await found.observe.startup(None)
        await found.run(make_call())
        names.append((await found.spans())["session.create"].resource.attributes["service.name"])
    assert names == ["stigmer", "sessions-eu"]


def test_names_the_extra_when_the_sdk_is_missing(monkeypatch, op, settings):
    """Without the OpenTelemetry SDK the start is refused, and the text says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    monkeypatch.delitem(sys.modules, "stigmer.observe.spans", raising=False)
    with pytest.raises(ConfigurationError, match=r"tracing .* opentelemetry.sdk.resources .*stigmer\[observe\]"):
        Observe().wrap_operation(op, None, settings)


async def test_names_the_extra_when_the_exporter_is_missing(monkeypatch, op, settings):
    """Without the OTLP exporter too."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    observe = Observe()
    observe.wrap_operation(op, None, settings)
    with pytest.raises(ConfigurationError, match=r"stigmer\[observe\]"):
        await observe.startup(None)


class _Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans as an OTLP collector does."""

    def __init__(self):
        self.names = []

    def Export(self, request, _context):  # noqa: N802 - gRPC's name
        self.names += [s.name for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
        return ExportTraceServiceResponse()


async def test_sends_spans_to_the_collector_of_the_environment(op, settings, make_call, answering, monkeypatch):
    """Without an exporter of its own the plugin sends to where the standard variables say, over gRPC."""
    collector, server = _Collector(), grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    observe = Observe()
    handle = observe.wrap_operation(op, answering(), settings)
    await observe.startup(None)
    await handle(make_call())
    await observe.shutdown()
    server.stop(None).wait()
    assert collector.names == ["session.create"]
