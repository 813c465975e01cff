"""A call: grpclib's ``Stream`` for its handler, and what the connection keeps of it until it is over."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError, ProtocolError
from grpclib.metadata import Deadline
from grpclib.protocol import Peer

from stigmer.transport.answer import OK, Answering
from stigmer.transport.engine import CANCEL
from stigmer.transport.framing import Broken, unpacked
from stigmer.transport.head import Head, metadata_of
from stigmer.transport.refusal import Reason, Refusal, status_fields
from stigmer.transport.route import Route

if TYPE_CHECKING:
    from stigmer.transport.calls import Calls

_log = logging.getLogger("stigmer.transport")

SOON = 2.5
"""Seconds: longer than a tick, which looks for calls whose time is over within it."""
_BUG = Refusal(Status.UNKNOWN, Reason.BUG, "Internal Server Error")
_CANCELLED = Refusal(Status.CANCELLED, Reason.BUG, "the call was cancelled by the server")
EXPIRED = Refusal(Status.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, "Deadline exceeded")
TOO_MUCH = Refusal(Status.RESOURCE_EXHAUSTED, Reason.TOO_MANY_BYTES, "too many requests are in flight")
STOPPING = Refusal(Status.UNAVAILABLE, Reason.SERVER_STOPPING, "the server is stopping")
CUT_OFF = Refusal(Status.UNAVAILABLE, Reason.CUT_OFF, "the server is stopping")


class Stream(Answering):
    """One call. How its request comes in is for the subclasses.

    Attributes:
        expires: when it does, on ``time.monotonic``; None for a streaming call without a deadline.
        running: the handler has begun, and has not returned.
    """

    __slots__ = ("_held", "_metadata", "_task", "_timer", "expires", "running")

    def __init__(self, connection: Calls, id_: int, head: Head, route: Route) -> None:
        super().__init__(connection, id_, head, route)
        self.expires: float | None = None
        self.running = False
        self._metadata: Any = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0

    # What a handler asks about its call

    @property
    def _cardinality(self) -> Cardinality:  # type: ignore[override]
        return self.route.cardinality

    @property
    def metadata(self) -> Any:  # type: ignore[override]
        """What the caller sent along, as a multi-dict."""
        if self._metadata is None:
            self._metadata = metadata_of(self.head.headers)
        return self._metadata

    @property
    def deadline(self) -> Deadline | None:  # type: ignore[override]
        """When the call ends, whether its handler is done or not."""
        return None if self.expires is None else Deadline(_timestamp=self.expires)

    @property
    def user_agent(self) -> str | None:  # type: ignore[override]
        """What the client says it is."""
        value = self.head.fields.get(b"user-agent")
        return None if value is None else value.decode("latin-1")

    @property
    def peer(self) -> Peer:  # type: ignore[override]
        """Who is on the other end."""
        return self.connection.peer

    # What the request brings

    def on_data(self, data: bytes, ended: bool) -> bool:
        """Takes bytes of the request. True: the handler can begin."""
        raise NotImplementedError

    def on_ended(self) -> bool:
        """The client has ended the request without saying so in a DATA frame. True: the handler can begin."""
        raise NotImplementedError

    async def _decoded(self, flag: int, body: bytes) -> Any:
        """The message in ``body``, after listeners have seen it."""
        try:
            if flag:
                serving = self.serving
                body = await unpacked(flag, body, self.head.encoding, serving.limits.message_bytes, serving.turns)
        except Broken as error:
            raise self._error(error.refusal) from None
        if flag and not self.hold(len(body)):
            raise self._error(TOO_MUCH)
        try:
            message = self.serving.codec.decode(body, self.route.request_type)
        except GRPCError:
            raise
        except Exception:  # noqa: BLE001 - each codec has its own; the texts quote the input
            raise self._error(Refusal(Status.INTERNAL, Reason.UNDECODABLE, "the message cannot be decoded")) from None
        if self.serving.events is not None:
            (message,) = await self.serving.events.recv_message(message)
        return message

    def hold(self, size: int) -> bool:
        """Counts ``size`` bytes that are here among those in flight. False: there are too many, or too many of this address."""
        more = size - self._held
        if more <= 0 or self.gone:
            return True
        statistics, address, limit = self.serving.statistics, self.connection.address, self.serving.limits.request_bytes
        if address.is_over(limit, address.request_bytes + more, statistics.request_bytes + more):
            statistics.reached("request_bytes", address.key)
            return False
        statistics.request_bytes += more
        address.request_bytes += more
        self._held = size
        return True

    # How a call runs, and ends

    def start(self) -> None:
        """Runs the handler."""
        self._task = self.connection.loop.create_task(self._run())

    async def _run(self) -> None:
        self.running = True
        try:
            if self.serving.events is None:
                await self.route.func(self)
                if self._sent and not self.answered:
                    self._finish(OK, succeeded=True)
                    return  # as most calls do
            else:
                await self._announced()
            await self._succeed()
        except GRPCError as error:
            await self._fail(error)
        except asyncio.CancelledError:
            if not (self.gone or self.answered):
                self.refuse(CUT_OFF if self.serving.stopping else _CANCELLED)
            raise
        except BaseException:  # noqa: BLE001 - whatever it is, it is a bug of the handler's; SystemExit would end the loop
            _log.exception("a handler of %s failed", self.route.path)
            await self._fail(self.serving.error(_BUG))
        finally:
            # A task that was cancelled keeps the exception, and that the frames and all that is in them, the request too: with
            # the call in a circle with its task, the garbage collector would have to come first.
            self._task = None
            self.connection.on_call_ended(self)

    async def _announced(self) -> None:
        """Runs the handler that listeners let through, or put in its place."""
        self._metadata, func = await self.serving.events.recv_request(
            self.metadata,
            self.route.func,
            method_name=self.route.path,
            deadline=self.deadline,
            content_type=self.head.fields[b"content-type"].decode("latin-1"),
            user_agent=self.user_agent,
            peer=self.peer,
        )
        await func(self)

    async def _succeed(self) -> None:
        if self.answered:
            return
        if not (self._sent or self.route.server_streaming):
            raise ProtocolError(f"Unary response with OK status requires a single message to be sent: {self.route.path!r}")
        if self.serving.events is None:
            self._finish(OK, succeeded=True)
        else:
            await self.send_trailing_metadata()

    async def _fail(self, error: GRPCError) -> None:
        if self.answered:
            return
        try:
            await self.send_trailing_metadata(status=error.status, status_message=error.message, status_details=error.details)
        except Exception:  # noqa: BLE001 - a listener's, or text that cannot be sent; the client must hear something
            _log.exception("the status of a call of %s could not be sent", self.route.path)
            self.refuse(_BUG)

    async def cancel(self) -> None:
        """See grpclib: the client is told by RST_STREAM that there is nothing to expect any more."""
        if self._cancelled:
            raise ProtocolError("Stream was already cancelled")
        self._cancelled = self.answered = True
        self.connection.flush()  # a reset would overtake what was sent before
        self.connection.reset(self.id, CANCEL)

    def refuse(self, refusal: Refusal) -> None:
        """Answers with a status, if no other was answered yet."""
        if not self.answered:
            error = self._error(refusal)
            self._finish(status_fields(error.status, error.message, error.details, self.serving.details))

    def cut_off(self, refusal: Refusal) -> None:
        """Ends the call, whether its handler is done or not; also when the client does not read the answer it has."""
        if self.answered:
            self.connection.reset(self.id, CANCEL)
        else:
            self.refuse(refusal)
        self.stop()

    def watch(self, now: float) -> None:
        """Sets the timer of a call whose time is over soon; most calls end before they need one."""
        if self.expires is not None and self._timer is None and self.expires - now < SOON:
            self._timer = self.connection.loop.call_later(max(0.0, self.expires - now), self._expire)

    def _expire(self) -> None:
        given, left = self.head.given, self.head.left
        if given != left:
            reached = "default_deadline_seconds" if given is None else "largest_deadline_seconds"
            self.serving.statistics.reached(reached, self.connection.address.key)
        self.cut_off(EXPIRED)

    def stop(self) -> None:
        """Cancels the handler, if it runs."""
        task = self._task
        if task is None or task.done():
            return
        task.cancel()
        if not self.running:  # a task that is cancelled before it begins never does
            self._task = None
            self.connection.on_call_ended(self)

    def close(self, *, complete: bool) -> None:
        """The HTTP/2 stream is gone: gives back all that the call holds. The only place that does.

        Args:
            complete: both sides have said all; a handler may still run after its last word.
        """
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
        if self._owed or self._held:
            self.serving.statistics.answer_bytes -= self._owed
            self.serving.statistics.request_bytes -= self._held
            self.connection.address.answer_bytes -= self._owed
            self.connection.address.request_bytes -= self._held
            self._owed = self._held = 0
        if not complete:
            self.stop()
