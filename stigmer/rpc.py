"""grpclib handlers for operations: bytes in, pipeline, bytes or a status out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from stigmer.addresses import joined
from stigmer.context import CallInfo, RequestContext, Services
from stigmer.errors import DOMAIN, Internal, InvalidArgument, ResourceExhausted, StigmerError, Unauthenticated
from stigmer.hookspecs import Authenticator
from stigmer.identity import Caller
from stigmer.operation import Operation
from stigmer.payload import Payload
from stigmer.pipeline import Handle
from stigmer.transport.refusal import Refusal

DETAIL_FILES = (duration_pb2.DESCRIPTOR.serialized_pb, error_details_pb2.DESCRIPTOR.serialized_pb)
"""The files that reflection needs for clients to show the details of errors, each after what it imports."""


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
        cardinality = Cardinality.UNARY_STREAM if operation.streams else Cardinality.UNARY_UNARY
        endpoint = Endpoint(operation, handle, services, caller)
        methods = found.setdefault(operation.method.parent.type_name, {})
        methods[operation.path] = Handler(endpoint, cardinality, bytes, bytes)
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
        self._request = operation.request
        self._handle = handle
        self._services = services
        self._streams = operation.streams

    async def __call__(self, stream: Stream[Any, Any]) -> None:
        """Serves one call. What is too large or no message, in or out, the transport refuses.

        Raises:
            GRPCError: the call failed; status, text and details are what the client gets.
        """
        request = Payload(self._request, wire=await stream.recv_message())
        ctx = RequestContext(self._operation, request, self._services, caller=self._caller, info=_StreamInfo(stream))
        if self._streams:
            ctx.send = stream.send_message
        try:
            response = (await self._handle(ctx)).wire
        except StigmerError as error:
            raise _status(error) from error
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a plugin that exits ends its call, and not the server
            raise _status(Internal(error)) from error
        if not self._streams:
            await stream.send_message(response)


class _StreamInfo(CallInfo):
    """What the transport knows, found out when somebody asks: most calls are answered without."""

    __slots__ = ("_stream",)
    _stream: Stream[Any, Any]

    def __init__(self, stream: Stream[Any, Any]) -> None:
        object.__setattr__(self, "_stream", stream)

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """See ``CallInfo``."""
        return self._stream.metadata or {}

    @property
    def peer(self) -> str:
        """See ``CallInfo``."""
        address = self._stream.peer.addr()
        return joined(*address[:2]) if isinstance(address, tuple) else str(address or "")

    @property
    def deadline(self) -> float | None:
        """See ``CallInfo``."""
        deadline = self._stream.deadline
        return None if deadline is None else time.monotonic() + deadline.time_remaining()

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """See ``CallInfo``."""
        certificate: Mapping[str, Any] | None = self._stream.peer.cert()
        return certificate


def described(refusal: Refusal) -> GRPCError:
    """What a client gets whom the transport itself refuses: the same details as from everybody else."""
    detail = error_details_pb2.ErrorInfo(domain=DOMAIN, reason=refusal.reason.name)
    return GRPCError(refusal.status, refusal.text, [detail])


def _status(error: StigmerError) -> GRPCError:
    details = [_detail(error)]
    if isinstance(error, ResourceExhausted) and error.retry_seconds is not None:
        details.append(_retry_info(error.retry_seconds))
    return GRPCError(Status(error.code), error.text, details)


def _detail(error: StigmerError) -> Message:
    detail: Message
    if isinstance(error, InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation
        detail = error_details_pb2.BadRequest(
            field_violations=[violation(field=field, description=text) for field, text in error.violations]
        )
    else:
        detail = error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason, metadata=error.metadata)
    return detail


def _retry_info(seconds: float) -> Message:
    delay = duration_pb2.Duration()
    delay.FromMicroseconds(math.ceil(seconds * 1_000_000))
    detail: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return detail
