"""Behaviours of handlers: how a call ends, as a table."""

from __future__ import annotations

import asyncio

from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError

from .observing import (
    STREAM_STREAM,
    STREAM_UNARY,
    TEXTS,
    UGLY,
    UNARY_STREAM,
    VIOLATIONS,
    Behaviour,
    Behaviours,
    Difference,
    say,
)

ENDINGS = Behaviours()
HELD_BACK = "The one answer of a call goes out with its status, so that a call which fails has none."
_HELD_BACK = Difference(HELD_BACK, {"answers": ()})


# Statuses


def raises(error):
    """A handler that reads its message and raises."""

    async def handler(stream, hear):
        await stream.recv_message()
        raise error

    return handler


ERRORS = {
    **{f"status_{status.name}": GRPCError(status, "that is why") for status in Status if status is not Status.OK},
    "status_without_text": GRPCError(Status.NOT_FOUND),
    "status_with_an_empty_text": GRPCError(Status.NOT_FOUND, ""),
    "status_with_spaces": GRPCError(Status.NOT_FOUND, "  around  "),
    "status_with_any_text": GRPCError(Status.NOT_FOUND, UGLY),
    "status_with_details": GRPCError(
        Status.INVALID_ARGUMENT, UGLY, [VIOLATIONS, ErrorInfo(reason="R", domain="d"), Duration(seconds=9)]
    ),
    "status_with_no_details": GRPCError(Status.INVALID_ARGUMENT, "none", []),
    "exception": ValueError("not for clients"),
    "timeout_of_the_handlers_own": TimeoutError("not for clients"),
}
ENDINGS |= {name: Behaviour(raises(error)) for name, error in ERRORS.items()}
ENDINGS["status_of_a_stream"] = Behaviour(raises(ERRORS["status_with_details"]), STREAM_STREAM, TEXTS)
ENDINGS["exception_in_a_stream"] = Behaviour(raises(ERRORS["exception"]), STREAM_STREAM, TEXTS)


@ENDINGS.entry("error_after_an_answer", differs=_HELD_BACK)
@ENDINGS.entry("error_after_answers", cardinality=UNARY_STREAM)
async def fail_late(stream, hear):
    await stream.send_message(say("so far"))
    raise GRPCError(Status.DATA_LOSS, "and no further", [VIOLATIONS])


@ENDINGS.entry(differs=_HELD_BACK)
async def exception_after_an_answer(stream, hear):
    await stream.send_message(say("so far"))
    raise ValueError("not for clients")


@ENDINGS.entry()
async def exception_after_the_end(stream, hear):
    await stream.send_message(say("that is all"))
    await stream.send_trailing_metadata()
    raise ValueError("not for clients")


@ENDINGS.entry("no_answer")
async def say_nothing(stream, hear):
    await stream.recv_message()


@ENDINGS.entry("no_answer_to_many", cardinality=STREAM_UNARY, sends=TEXTS)
async def say_nothing_to_many(stream, hear):
    hear([message.message async for message in stream])


@ENDINGS.entry()
async def no_answer_after_metadata(stream, hear):
    await stream.send_initial_metadata(metadata={"x-one": "1"})


# What a handler must not do


def misuses(*calls):
    """A handler that makes those calls and hears what is raised."""

    async def handler(stream, hear):
        for name, *arguments in calls:
            try:
                await getattr(stream, name)(*arguments)
            except Exception as error:  # noqa: BLE001 - what it is, is the question
                hear(name, type(error).__name__, str(error))

    return handler


_MESSAGE, _INITIAL, _TRAILING = ("send_message", say("pong")), ("send_initial_metadata",), ("send_trailing_metadata",)
MISUSES = {
    "initial_metadata_twice": (_INITIAL, _INITIAL, _MESSAGE),
    "initial_metadata_after_a_message": (_MESSAGE, _INITIAL),
    "two_messages": (_MESSAGE, _MESSAGE),
    "trailing_metadata_twice": (_MESSAGE, _TRAILING, _TRAILING),
    "trailing_metadata_without_a_message": (_TRAILING,),
    "ended_in_time": (_MESSAGE, _TRAILING),
}
ENDINGS |= {name: Behaviour(misuses(*calls)) for name, calls in MISUSES.items()}
ENDINGS["initial_metadata_after_a_message"] = Behaviour(
    misuses(*MISUSES["initial_metadata_after_a_message"]), differs=Difference(HELD_BACK, {"heard": ()})
)
ENDINGS["stream_two_ends"] = Behaviour(misuses(_MESSAGE, _MESSAGE, _TRAILING, _TRAILING), UNARY_STREAM)


@ENDINGS.entry()
async def message_of_another_class(stream, hear):
    await stream.send_message(Duration(seconds=1))


# What ends a call from outside, or all at once

_RESET = "The client is told CANCEL; grpclib's own server says that there is no error."
_ANSWERED = "grpclib's own server never answers."
_TIMED_OUT = "The status says in words what it is."


@ENDINGS.entry(differs=Difference(_RESET, {"text": "Stream reset by remote party, error_code: 8"}))
async def cancel(stream, hear):
    await stream.recv_message()
    await stream.cancel()
    hear("and goes on")


@ENDINGS.entry(cardinality=UNARY_STREAM, differs=Difference(_RESET, {"text": "Stream reset by remote party, error_code: 8"}))
async def cancel_twice(stream, hear):
    await stream.cancel()
    try:
        await stream.cancel()
    except ProtocolError as error:
        hear(str(error))


@ENDINGS.entry(cardinality=UNARY_STREAM, differs=Difference(_RESET, {"text": "Stream reset by remote party, error_code: 8"}))
async def cancel_after_answers(stream, hear):
    for text in TEXTS:
        await stream.send_message(say(text))
    await stream.cancel()


@ENDINGS.entry(
    hangs=True, differs=Difference(_ANSWERED, {"status": "CANCELLED", "text": "the call was cancelled by the server"})
)
async def cancelled_by_itself(stream, hear):
    raise asyncio.CancelledError


@ENDINGS.entry(hangs=True, differs=Difference(_ANSWERED, {"status": "UNKNOWN", "text": "Internal Server Error"}))
async def an_error_that_is_none(stream, hear):
    raise GRPCError(Status.OK)


@ENDINGS.entry(timeout=0.05, differs=Difference(_TIMED_OUT, {"text": "Deadline exceeded"}))
async def deadline_passes(stream, hear):
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        hear("cancelled", round(stream.deadline.time_remaining(), 1))
        raise


@ENDINGS.entry(timeout=0.05, cardinality=UNARY_STREAM, differs=Difference(_TIMED_OUT, {"text": "Deadline exceeded"}))
async def deadline_passes_after_answers(stream, hear):
    await stream.send_initial_metadata(metadata={"x-one": "1"})
    await stream.send_message(say("so far"))
    await asyncio.Event().wait()


@ENDINGS.entry(timeout=0.05, differs=Difference(HELD_BACK, {"text": "Deadline exceeded", "answers": ()}))
async def deadline_is_not_minded(stream, hear):
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await stream.send_message(say("I do not mind"))


@ENDINGS.entry(timeout=0.05, differs=Difference(_TIMED_OUT, {"text": "Deadline exceeded"}))
async def deadline_is_taken_for_something_else(stream, hear):
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise GRPCError(Status.ABORTED, "something else") from None


@ENDINGS.entry(timeout=60.0)
async def deadline_does_not_pass(stream, hear):
    raise GRPCError(Status.ABORTED, "in time")
