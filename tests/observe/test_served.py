"""The plugin in a whole server, seen by a client on the wire."""

import asyncio
import json

import grpc
import grpc.aio
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stigmer import after, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.observe import Observe
from stigmer.testing import serving

TRACE = "0af7651916cd43dd8448eb211c80319c"
CREATE = "/ai.stigmer.agentic.session.v1.SessionCommandController/create"
METADATA = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"), ("x-request-id", "req-7"))
SESSION = '{"metadata": {"name": "One", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "ain-1"}}'


async def _create(app, json_text=SESSION, timeout=10):  # noqa: ASYNC109 - a gRPC deadline
    async with grpc.aio.insecure_channel(app.address) as channel:
        method = channel.unary_unary(CREATE)
        return await method(Session.from_json(json_text).to_binary(), metadata=METADATA, timeout=timeout)


@pytest.fixture
def exporter():
    """Where spans end up."""
    return InMemorySpanExporter()


@pytest.fixture
def start(logged, exporter):
    """Starts a server with all of it on, and other plugins by name."""

    def make(**others):
        logged(log="json")
        observed = {"log": "json", "tracing": True, "metrics_listen": "127.0.0.1:0"}
        return serving({"observe": Observe(exporter=exporter), **others}, **observed)

    return make


def _calls(logged):
    entries = [json.loads(line) for line in logged.text().splitlines()]
    return [entry for entry in entries if entry["message"] == "call"]


async def test_one_line_and_one_span_a_step(start, logged, exporter):
    """A call leaves one line with the client's request and trace ids, a span, and a span for each step of the contract."""
    async with start() as app:
        await _create(app)
    (line,) = _calls(logged)
    assert (line["operation"], line["status"], line["request_id"]) == ("session.create", "OK", "req-7")
    assert line["trace_id"] == TRACE
    assert line["peer"].startswith("127.0.0.1:")
    names = [span.name for span in exporter.get_finished_spans()]
    steps = ["ValidateProto", "ResolveSlug", "CheckDuplicate", "BuildNewState", "Persist"]
    assert names == [*steps, "session.create"]


async def test_a_clients_fault(start, logged, exporter):
    """A call that breaks a rule names the step that found out, in the line and in the span."""
    async with start() as app:
        with pytest.raises(grpc.aio.AioRpcError):
            await _create(app, "{}")
    (line,) = _calls(logged)
    assert (line["level"], line["status"], line["step"]) == ("INFO", "INVALID_ARGUMENT", "ValidateProto")
    assert exporter.get_finished_spans()[-1].attributes["stigmer.step"] == "ValidateProto"


class _Stuck:
    """A plugin whose step never ends."""

    name = "Stuck"

    def __init__(self):
        self.entered, self.left = asyncio.Event(), asyncio.Event()

    async def __call__(self, ctx):
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()

    @hookimpl
    def contribute_steps(self, op):
        return [after("ValidateProto", self)] if op.verb == "create" else []


async def test_a_deadline_that_passes(start, logged):
    """A call whose deadline passes is told as DEADLINE_EXCEEDED, with the step that it was in."""
    async with start(stuck=_Stuck()) as app:
        with pytest.raises(grpc.aio.AioRpcError):
            await _create(app, timeout=0.3)
    (line,) = _calls(logged)
    assert (line["status"], line["step"]) == ("DEADLINE_EXCEEDED", "Stuck")


async def test_a_client_that_goes_away(start, logged):
    """A call whose client goes away is told as CANCELLED."""
    stuck = _Stuck()
    async with start(stuck=stuck) as app:
        call = asyncio.ensure_future(_create(app, timeout=60))
        await asyncio.wait_for(stuck.entered.wait(), 10)
        call.cancel()
        await asyncio.wait_for(stuck.left.wait(), 10)
    (line,) = _calls(logged)
    assert (line["status"], line["step"]) == ("CANCELLED", "Stuck")
