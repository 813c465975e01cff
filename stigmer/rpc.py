"""grpclib handlers for operations: bytes in, pipeline, bytes or a status out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from stigmer.context import CallInfo, RequestContext, Services
from stigmer.errors import (
    DOMAIN,
    Internal,
    InvalidArgument,
    ResourceExhausted,
    StigmerError,
    Unauthenticated,
    Unavailable,
    Undecodable,
)
from stigmer.hookspecs import Authenticator
from stigmer.identity import Caller
from stigmer.operation import Operation
from stigmer.payload import Payload
from stigmer.pipeline import Handle
from stigmer.transport import receive_unary

DETAIL_FILES = (duration_pb2.DESCRIPTOR.serialized_pb, error_details_pb2.DESCRIPTOR.serialized_pb)
"""The files that reflection needs for clients to show the details of errors, each after what it imports."""

_MAX_REQUEST_ID = 128


def stopping() -> GRPCError:
    """What a new call is answered once the server stops."""
    return _status(Unavailable("the server is stopping", reason="SERVER_STOPPING"))


class ServiceHandler:
    """All operations of one gRPC service, in the form that grpclib serves."""

    def __init__(self, name: str, endpoints: Mapping[str, Handler]) -> None:
        self.name = name
        self._endpoints = dict(endpoints)

    def __mapping__(self) -> Mapping[str, Handler]:
        """Path → handler."""
        return self._endpoints


def services_of(handles: Iterable[tuple[Operation, Handle]], services: Services, caller: Caller) -> list[ServiceHandler]:
    """One handler for each gRPC service that the operations belong to; ``caller`` calls until the handle knows better."""
    found: dict[str, dict[str, Handler]] = {}
    for operation, handle in handles:
        endpoint = Endpoint(operation, handle, services, caller)
        handler = Handler(endpoint, Cardinality.UNARY_UNARY, operation.request, operation.response)
        found.setdefault(operation.method.parent.type_name, {})[operation.path] = handler
    return [ServiceHandler(name, endpoints) for name, endpoints in sorted(found.items())]


def authenticated(handle: Handle, authenticator: Authenticator | None) -> Handle:
    """``handle`` for callers who are who they say; without an authenticator every caller is ``system``."""
    if authenticator is None:
        return handle

    async def identify(ctx: RequestContext) -> Payload[Any]:
        caller = await authenticator(ctx.info)
        if not isinstance(caller, Caller) or not caller.id:
            raise Unauthenticated("the call carries no identity")
        ctx.caller = caller
        return await handle(ctx)

    return identify


class Endpoint:
    """Answers the calls of one rpc."""

    def __init__(self, operation: Operation, handle: Handle, services: Services, caller: Caller) -> None:
        self._caller = caller
        self._operation = operation
        self._handle = handle
        self._services = services

    async def __call__(self, stream: Stream[Any, Any]) -> None:
        """Serves one call.

        Raises:
            GRPCError: the call failed; status, text and details are what the client gets.
        """
        limit = self._services.max_message_bytes
        request = await _receive(stream, self._operation.request, limit)
        info, id_ = _call_info(stream), _request_id(stream)
        ctx = RequestContext(self._operation, request, self._services, caller=self._caller, info=info, request_id=id_)
        try:
            response = (await self._handle(ctx)).wire
            if len(response) > limit:
                raise ResourceExhausted(f"the response is larger than {limit} bytes")  # noqa: TRY301 - answered as all errors
        except StigmerError as error:
            raise _status(error) from error
        except Exception as error:
            raise _status(Internal(error)) from error
        await stream.send_message(response)


class _Refused(Payload[Any]):
    """A request that the transport refused: whoever looks at it hears why, as if it did not decode."""

    __slots__ = ("_why",)

    def __init__(self, type_: type[Any], why: StigmerError) -> None:
        super().__init__(type_)
        self._why = why

    @property
    def message(self) -> Any:
        """Raises why."""
        raise self._why


async def _receive(stream: Stream[Any, Any], type_: type[Any], limit: int) -> Payload[Any]:
    """The request; one over the limit or badly framed is answered, logged and counted like any other that is wrong."""
    try:
        return Payload(type_, wire=await receive_unary(stream, limit))
    except GRPCError as error:
        text = error.message or ""
        if error.status is Status.RESOURCE_EXHAUSTED:
            return _Refused(type_, ResourceExhausted(text, reason="MESSAGE_TOO_LARGE"))
        return _Refused(type_, Undecodable(text))


def _call_info(stream: Stream[Any, Any]) -> CallInfo:
    deadline = stream.deadline
    address = stream.peer.addr()
    return CallInfo(
        metadata=stream.metadata if stream.metadata is not None else {},
        peer=f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address or ""),
        deadline=time.monotonic() + deadline.time_remaining() if deadline is not None else None,
        certificate=stream.peer.cert(),
    )


def _request_id(stream: Stream[Any, Any]) -> str:
    """The client's own ``x-request-id``, if it is fit for a log line, else a new one."""
    given = stream.metadata.get("x-request-id") if stream.metadata is not None else None
    if isinstance(given, str) and 0 < len(given) <= _MAX_REQUEST_ID and given.isascii() and given.isprintable():
        return given
    return os.urandom(8).hex()


def _status(error: StigmerError) -> GRPCError:
    return GRPCError(Status(error.code), error.text, [_detail(error)])


def _detail(error: StigmerError) -> Message:
    detail: Message
    if isinstance(error, InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation
        detail = error_details_pb2.BadRequest(
            field_violations=[violation(field=field, description=text) for field, text in error.violations]
        )
    else:
        detail = error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason)
    return detail
