"""What the tests of logs, metrics and spans have in common: a call, and somewhere to read what was logged."""

import io
import logging

import pytest
from loguru import logger

from stigmer import SYSTEM, Caller, CallInfo, Kind, Operation, Payload, RequestContext, Settings, method
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.command_pb import desc
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer.observe import configure_logging


@pytest.fixture
def op() -> Operation:
    """An operation for the rpc of session.create."""
    kind = Kind.of(ApiResourceKind.session, Session, {})
    return Operation(method(desc(), "SessionCommandController", "create"), kind, steps=())


@pytest.fixture
def make_call(op):
    """Makes the context of a call."""

    def make(*, caller: Caller = SYSTEM, request_id: str = "req-1", request=None, **info) -> RequestContext:
        payload = Payload.of(request or Session())
        return RequestContext(op, payload, None, caller=caller, info=CallInfo(**info), request_id=request_id)

    return make


@pytest.fixture
def answering():
    """Makes a handler that answers, or raises in a step."""

    def make(error: BaseException | None = None, step: str = "Persist"):
        async def handle(ctx: RequestContext) -> Payload:
            ctx.step = step
            if error is not None:
                raise error
            return Payload.of(Session())

        return handle

    return make


@pytest.fixture
def logged():
    """Sets the log up and gives a function that tells what was logged so far."""
    root, stream = logging.getLogger(), io.StringIO()
    level, handlers = root.level, root.handlers[:]

    def configure(**settings) -> Settings:
        given = Settings(plugins=(), **settings)
        configure_logging(given, stream)
        return given

    configure.text = stream.getvalue
    yield configure
    logger.remove()
    root.setLevel(level)
    root.handlers[:] = handlers
