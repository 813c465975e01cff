"""Makes an OpenTelemetry span of each operation and each step. Imported only when ``tracing`` is on."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stigmer.context import RequestContext
from stigmer.errors import StigmerError
from stigmer.observe.extra import needed_by
from stigmer.observe.outcome import OK, status_of
from stigmer.operation import Operation
from stigmer.payload import Payload
from stigmer.pipeline import Handle, Run

_STATUS_CODE = "rpc.grpc.status_code"
_W3C_HEADERS = ("traceparent", "tracestate")


class Spans:
    """The spans of one server. They carry names, statuses and what clients are told: nothing of requests and answers."""

    def __init__(self) -> None:
        """Asks for nothing outside the process: that is for ``start``."""
        ours = Resource.create({"service.name": "stigmer", "service.version": version("stigmer")})
        # Merged once more, since OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES must win over our own names.
        self._provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
        self._tracer = self._provider.get_tracer("stigmer", version("stigmer"))
        self._propagator = TraceContextTextMapPropagator()

    def start(self, exporter: SpanExporter | None) -> None:
        """Sends spans, in batches and from a thread, to ``exporter`` or to the OTLP collector of the environment.

        Raises:
            ConfigurationError: the OTLP exporter is not installed.
        """
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _otlp_exporter()))

    async def stop(self) -> None:
        """Sends what is still here, for as long as the exporter's own timeout allows."""
        await asyncio.to_thread(self._provider.shutdown)

    def trace_id(self) -> str:
        """The trace that runs now, as 32 hexadecimal digits; empty when there is none."""
        found = trace.get_current_span().get_span_context()
        return format_trace_id(found.trace_id) if found.is_valid else ""

    def around_operation(self, op: Operation, call_next: Handle) -> Handle:
        """``call_next`` within a span that continues the trace of the client, if it sent one."""
        name = op.name
        service, method = op.path[1:].split("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}

        async def handle(ctx: RequestContext) -> Payload[Any]:
            with self._tracer.start_as_current_span(
                name,
                context=self._parent(ctx),
                kind=SpanKind.SERVER,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                span.set_attribute("stigmer.request_id", ctx.request_id)
                try:
                    answer = await call_next(ctx)
                except BaseException as error:
                    span.set_attribute(_STATUS_CODE, status_of(ctx, error))
                    _record(span, error, ctx.step)
                    raise
                span.set_attribute(_STATUS_CODE, OK)
                return answer

        return handle

    def around_step(self, op: Operation, step: str, origin: str, call_next: Run) -> Run:
        """``call_next`` within a span, if the operation's span is to be sent at all."""
        attributes = {"stigmer.operation": op.name, "stigmer.step": step, "stigmer.plugin": origin}

        async def run(ctx: RequestContext) -> None:
            if not trace.get_current_span().is_recording():
                return await call_next(ctx)
            with self._tracer.start_as_current_span(
                step, attributes=attributes, record_exception=False, set_status_on_exception=False
            ) as span:
                try:
                    await call_next(ctx)
                except BaseException as error:
                    _record(span, error, step)
                    raise

        return run

    def _parent(self, ctx: RequestContext) -> Context:
        """The client's span; never one that happens to be current in the task that serves the connection."""
        sent = ctx.info.metadata
        if "traceparent" not in sent:
            return Context()
        return self._propagator.extract({name: str(sent[name]) for name in _W3C_HEADERS if name in sent}, Context())


def _record(span: Span, error: BaseException, step: str) -> None:
    """Notes what failed and where. The text of an exception that is not for clients may quote what they sent."""
    attributes = {"exception.type": type(error).__qualname__}
    if isinstance(error, StigmerError):
        attributes["exception.message"] = error.text
    span.add_event("exception", attributes)
    span.set_attribute("error.type", attributes["exception.type"])
    if step:
        span.set_attribute("stigmer.step", step)
    span.set_status(Status(StatusCode.ERROR))


def _otlp_exporter() -> SpanExporter:
    with needed_by("tracing"):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - draws in grpcio
    return OTLPSpanExporter()
