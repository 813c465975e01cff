"""Behaviours of listeners: what grpclib's events tell of a call, and what they can change, as a table."""

from __future__ import annotations

from grpclib.const import Status
from grpclib.events import RecvMessage, RecvRequest, SendInitialMetadata, SendMessage, SendTrailingMetadata
from grpclib.exceptions import GRPCError

from .observing import STREAM_STREAM, TEXTS, UNARY_STREAM, VIOLATIONS, Behaviour, Behaviours, Difference, say

EVENTS = Behaviours()
KINDS = (RecvRequest, RecvMessage, SendInitialMetadata, SendMessage, SendTrailingMetadata)


# How the calls go


async def answer(stream, hear):
    message = await stream.recv_message()
    hear(f"handler: {message.message}")
    await stream.send_message(say(message.message))


async def answer_each(stream, hear):
    async for message in stream:
        await stream.send_message(say(message.message))


async def answer_twice(stream, hear):
    await stream.recv_message()
    await stream.send_initial_metadata(metadata={"x-one": "1"})
    await stream.send_message(say("a"))
    await stream.send_message(say("b"))
    await stream.send_trailing_metadata(metadata={"x-two": "2"})


async def fail(stream, hear):
    raise GRPCError(Status.NOT_FOUND, "gone", [VIOLATIONS])


async def crash(stream, hear):
    raise ValueError("not for clients")


async def show_metadata(stream, hear):
    hear(list(stream.metadata.items()))
    await stream.send_message(say("pong"))


# What listeners do


def tell(event, hear):
    """Hears which event it is, and all that it tells, those aside that differ from call to call."""
    told = {name: getattr(event, name) for name in event.__slots__ if name not in {"method_func", "peer", "deadline"}}
    hear(type(event).__name__, *(f"{name}: {value}" for name, value in told.items()))


def tell_peer(event, hear):
    hear(event.peer.addr()[0], event.deadline is not None)


def shout(event, hear):
    event.message = say(event.message.message.upper())


def add(event, hear):
    hear(sorted(event.metadata))
    event.metadata["x-added"] = "by a listener"
    event.metadata.add("x-added-bin", b"\xff")


def replace_metadata(event, hear):
    event.metadata = {"x-instead": "1"}


def replace_handler(event, hear):
    async def instead(stream):
        hear("another handler")
        await stream.send_message(say("instead"))

    event.method_func = instead


def wrap_handler(event, hear):
    inner = event.method_func

    async def outer(stream):
        hear("before")
        await inner(stream)
        hear("after")

    event.method_func = outer


def refuse(event, hear):
    raise GRPCError(Status.UNAUTHENTICATED, "who are you?", [VIOLATIONS])


def break_down(event, hear):
    raise ValueError("not for clients")


def interrupt(event, hear):
    hear("no further")
    event.interrupt()


def overreach(event, hear):
    try:
        event.method_name = "/another"
    except AttributeError as error:
        hear(str(error))


def everything(handler, listener, **fields):
    """A behaviour in which one listener hears of all that happens."""
    return Behaviour(handler, listeners=tuple((kind, listener) for kind in KINDS), **fields)


_UNHEARD = "grpclib's own server never ends a call whose last event fails; ours holds its answer back."
_BROKEN = {"answers": (), "status": "UNKNOWN", "text": "Internal Server Error"}

EVENTS |= {
    "all_of_a_call": everything(answer, tell, metadata=(("x-one", "1"), ("x-bin", b"\xff"))),
    "all_of_a_stream": everything(answer_each, tell, cardinality=STREAM_STREAM, sends=TEXTS),
    "all_of_an_empty_stream": everything(answer_each, tell, cardinality=STREAM_STREAM, sends=()),
    "all_with_metadata": everything(answer_twice, tell, cardinality=UNARY_STREAM),
    "all_of_an_error": everything(fail, tell),
    "all_of_a_crash": everything(crash, tell),
    "who_calls": Behaviour(answer, timeout=60.0, listeners=((RecvRequest, tell_peer),)),
    "another_request": Behaviour(answer, listeners=((RecvMessage, shout),)),
    "another_answer": Behaviour(answer, listeners=((SendMessage, shout),)),
    "other_messages": Behaviour(answer_each, STREAM_STREAM, TEXTS, listeners=((RecvMessage, shout), (SendMessage, shout))),
    "more_metadata_in": Behaviour(show_metadata, metadata=(("x-one", "1"),), listeners=((RecvRequest, add),)),
    "other_metadata_in": Behaviour(show_metadata, metadata=(("x-one", "1"),), listeners=((RecvRequest, replace_metadata),)),
    "more_metadata_out": Behaviour(
        answer_twice, UNARY_STREAM, listeners=((SendInitialMetadata, add), (SendTrailingMetadata, add))
    ),
    "metadata_out_of_nothing": Behaviour(answer, listeners=((SendInitialMetadata, add), (SendTrailingMetadata, add))),
    "other_metadata_out": Behaviour(answer_twice, UNARY_STREAM, listeners=((SendTrailingMetadata, replace_metadata),)),
    "metadata_with_an_error": Behaviour(fail, listeners=((SendInitialMetadata, add), (SendTrailingMetadata, add))),
    "another_handler": Behaviour(answer, listeners=((RecvRequest, replace_handler),)),
    "a_handler_around_the_handler": Behaviour(answer, listeners=((RecvRequest, wrap_handler),)),
    "two_around_the_handler": Behaviour(answer, listeners=((RecvRequest, wrap_handler), (RecvRequest, wrap_handler))),
    "refused_before_the_handler": Behaviour(answer, listeners=((RecvRequest, refuse),)),
    "refused_for_its_message": Behaviour(answer, listeners=((RecvMessage, refuse),)),
    "refused_before_the_answer": Behaviour(answer, listeners=((SendInitialMetadata, refuse),)),
    "refused_for_the_answer": Behaviour(answer, listeners=((SendMessage, refuse),)),
    "refused_at_the_end": Behaviour(
        answer, listeners=((SendTrailingMetadata, refuse),), hangs=True, differs=Difference(_UNHEARD, _BROKEN)
    ),
    "broken_before_the_handler": Behaviour(answer, listeners=((RecvRequest, break_down),)),
    "broken_by_the_message": Behaviour(answer, listeners=((RecvMessage, break_down),)),
    "broken_by_the_answer": Behaviour(answer, listeners=((SendMessage, break_down),)),
    "broken_at_the_end": Behaviour(
        answer, listeners=((SendTrailingMetadata, break_down),), hangs=True, differs=Difference(_UNHEARD, _BROKEN)
    ),
    "two_listeners": Behaviour(answer, listeners=((RecvRequest, tell), (RecvRequest, overreach))),
    "interrupted": Behaviour(answer, listeners=((RecvRequest, interrupt), (RecvRequest, tell))),
}
