"""Ways in which a handler can behave, and what a client sees of them."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from google.rpc.error_details_pb2 import BadRequest
from grpclib.client import Channel, Stream
from grpclib.const import Cardinality, Handler, Status
from grpclib.events import listen
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import Deadline

from .messages import MESSAGES
from .serving import SECONDS, STOCK, serving

PATH = "/oracle.Service/Method"
MESSAGE = MESSAGES["EchoStatus"]
UNARY_STREAM, STREAM_UNARY, STREAM_STREAM = Cardinality.UNARY_STREAM, Cardinality.STREAM_UNARY, Cardinality.STREAM_STREAM
TEXTS = ("a", "b", "c")
UGLY = '100 % of ünïcödé ☺ 😈,\r\n\t"quoted", a\\b and %41'
VIOLATIONS = BadRequest(field_violations=[BadRequest.FieldViolation(field="spec", description=UGLY)])
SILENCE = 0.3
"""Seconds after which it is clear that grpclib's own server, idle otherwise, will not answer any more."""


def say(text: str, code: int = 0):
    """A message."""
    return MESSAGE(message=text, code=code)


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a client saw of a call, and what its handler and listeners heard.

    Attributes:
        status: name of the status, or of the error that grpclib's client raised; ``nothing`` when no end came.
        text: of the status or the error.
        details: of the status, as text.
        answers: texts of the messages.
        initial: metadata before them.
        trailing: metadata after them.
        heard: what happened in the server, in order.
    """

    status: str = "OK"
    text: str | None = None
    details: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    initial: tuple = ()
    trailing: tuple = ()
    heard: tuple = ()


class Difference(NamedTuple):
    """Why our server is different from grpclib's own on purpose, and what of it is seen."""

    reason: str
    seen: dict[str, Any]


NO_DIFFERENCE = Difference("", {})


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """A handler, how it is called, and in which way our server is meant to be different.

    Attributes:
        handler: is given its stream, and a function that notes what it hears.
        cardinality: of the rpc.
        sends: texts of the messages of the client.
        metadata: of the client.
        timeout: seconds that the server is told of; the client itself waits longer.
        listeners: pairs of an event and a function that is given one, and what notes.
        differs: from what is seen with grpclib's own server.
        hangs: grpclib's own server never ends the call.
    """

    handler: Callable[[Any, Callable[..., None]], Awaitable[None]]
    cardinality: Cardinality = Cardinality.UNARY_UNARY
    sends: tuple[str, ...] = ("ping",)
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    timeout: float | None = None
    listeners: tuple[tuple[Any, Callable], ...] = ()
    differs: Difference = NO_DIFFERENCE
    hangs: bool = False


class Behaviours(dict[str, Behaviour]):
    """A table of them, by name."""

    def entry(self, name: str = "", **fields):
        """Enters the handler that it decorates, under that name or the handler's own."""

        def enter(handler):
            self[name or handler.__name__] = Behaviour(handler, **fields)
            return handler

        return enter


class PatientDeadline(Deadline):
    """What is left of it is told to the server, but not to the timer of grpclib's client, which asks first."""

    asked = 0

    def time_remaining(self) -> float:
        self.asked += 1
        return 3600.0 if self.asked == 1 else super().time_remaining()


class Service:
    """A service with one method, which behaves."""

    def __init__(self, behaviour: Behaviour):
        self.heard: list[Any] = []
        self._behaviour = behaviour

    def hear(self, *what) -> None:
        self.heard.append(what[0] if len(what) == 1 else what)

    def __mapping__(self):
        return {PATH: Handler(self._call, self._behaviour.cardinality, MESSAGE, MESSAGE)}

    async def _call(self, stream) -> None:
        await self._behaviour.handler(stream, self.hear)

    def attach(self, server) -> None:
        """Lets the listeners of the behaviour hear of events."""
        for event, listener in self._behaviour.listeners:
            listen(server, event, functools.partial(self._notify, listener))

    async def _notify(self, listener, event) -> None:
        listener(event, self.hear)


async def observe(engine: str, behaviour: Behaviour) -> Seen:
    """What is seen of it with that server."""
    service = Service(behaviour)
    async with serving(engine, [service], prepare=service.attach) as served, Channel("127.0.0.1", served.port) as channel:
        seen = await make_call(channel, behaviour, SILENCE if behaviour.hangs and engine == STOCK else SECONDS)
    return dataclasses.replace(seen, heard=tuple(service.heard))


async def make_call(channel: Channel, behaviour: Behaviour, limit: float = SECONDS) -> Seen:
    """What a client sees that calls it, and waits at most ``limit`` seconds."""
    deadline = behaviour.timeout and PatientDeadline.from_timeout(behaviour.timeout)
    call = channel.request(PATH, behaviour.cardinality, MESSAGE, MESSAGE, deadline=deadline, metadata=behaviour.metadata)
    answers: list[str] = []
    status, text, details = Status.OK.name, None, None
    try:
        async with asyncio.timeout(limit), call as stream:
            await _converse(stream, behaviour, answers)
    except GRPCError as error:
        status, text, details = error.status.name, error.message, error.details
    except StreamTerminatedError as error:
        status, text = "StreamTerminatedError", str(error)
    except TimeoutError:
        status = "nothing"
    metadata = [tuple(each.items()) if each else () for each in (call.initial_metadata, call.trailing_metadata)]
    return Seen(status, text, tuple(map(str, details or ())), tuple(answers), *metadata)


async def _converse(stream: Stream, behaviour: Behaviour, answers: list[str]) -> None:
    """Sends all there is to send, then collects the answers."""
    streaming = behaviour.cardinality.client_streaming
    await stream.send_request(end=streaming and not behaviour.sends)
    for number, text in enumerate(behaviour.sends, 1):
        await stream.send_message(say(text), end=streaming and number == len(behaviour.sends))
    async for answer in stream:
        answers.append(answer.message)  # noqa: PERF401 - those that came before an error count too
