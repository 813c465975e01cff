"""Behaviours of handlers: messages and metadata, both ways, as a table."""

from __future__ import annotations

from grpclib.const import Status
from grpclib.exceptions import GRPCError

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

METADATA = (
    *(("x-one", "1"), ("x-two", "b, c"), ("x-two", "a")),
    *(("x-bin", b""), ("x-bin", bytes(range(256))), ("x-y_z.0-bin", b"\0")),
)

CALLS = Behaviours()


# What comes in, and what goes out


@CALLS.entry()
async def unary(stream, hear):
    hear((await stream.recv_message()).message)
    await stream.send_message(say("pong"))


@CALLS.entry(cardinality=UNARY_STREAM)
async def many_answers(stream, hear):
    hear((await stream.recv_message()).message)
    for text in TEXTS:
        await stream.send_message(say(text))


@CALLS.entry(cardinality=STREAM_UNARY, sends=TEXTS)
async def many_requests(stream, hear):
    await stream.send_message(say("".join([message.message async for message in stream])))


@CALLS.entry("no_requests_one_answer", cardinality=STREAM_UNARY, sends=())
async def count_requests(stream, hear):
    await stream.send_message(say(str(len([message async for message in stream]))))


@CALLS.entry(cardinality=STREAM_STREAM, sends=TEXTS)
async def an_answer_to_each(stream, hear):
    async for message in stream:
        await stream.send_message(say(message.message.upper()))


@CALLS.entry("no_requests_no_answers", cardinality=STREAM_STREAM, sends=())
@CALLS.entry("requests_no_answers", cardinality=STREAM_STREAM, sends=TEXTS)
async def read_all(stream, hear):
    hear([message.message async for message in stream])


@CALLS.entry("answer_without_reading")
@CALLS.entry("answers_without_reading", cardinality=STREAM_STREAM, sends=TEXTS)
async def answer_unread(stream, hear):
    await stream.send_message(say("I know"))


@CALLS.entry("nothing_after_the_last", cardinality=STREAM_STREAM, sends=TEXTS[:1])
@CALLS.entry("nothing_after_the_only")
async def read_on(stream, hear):
    await stream.recv_message()
    hear(await stream.recv_message(), await stream.recv_message())
    await stream.send_message(say("done"))


@CALLS.entry("nothing_at_all", cardinality=UNARY_STREAM)
async def do_nothing(stream, hear):
    pass


@CALLS.entry("empty_messages", cardinality=STREAM_STREAM, sends=("", ""))
async def empty(stream, hear):
    async for message in stream:
        await stream.send_message(say(message.message))


@CALLS.entry("text_of_any_kind", sends=(UGLY,))
@CALLS.entry("large_messages", sends=("x" * (3 << 20),))
async def echo(stream, hear):
    await stream.send_message(await stream.recv_message())


# Metadata


@CALLS.entry(metadata=METADATA)
async def metadata_comes_in(stream, hear):
    hear(list(stream.metadata.items()))
    await stream.send_message(say("pong"))


@CALLS.entry("metadata_goes_out", metadata=METADATA)
@CALLS.entry("metadata_goes_out_of_a_stream", metadata=METADATA, cardinality=STREAM_STREAM, sends=TEXTS)
async def echo_metadata(stream, hear):
    await stream.send_initial_metadata(metadata=stream.metadata)
    await stream.recv_message()
    await stream.send_message(say("pong"))
    await stream.send_trailing_metadata(metadata=list(METADATA))


@CALLS.entry("metadata_is_a_mapping")
async def mapping(stream, hear):
    await stream.send_initial_metadata(metadata={"x-one": "1", "x-bin": b"\xff"})
    await stream.send_message(say("pong"))
    await stream.send_trailing_metadata(metadata={"x-two": "2"})


@CALLS.entry(cardinality=UNARY_STREAM)
async def metadata_alone(stream, hear):
    await stream.send_initial_metadata(metadata={"x-one": "1"})
    await stream.send_trailing_metadata(metadata={"x-two": "2"})


@CALLS.entry()
async def metadata_with_an_error(stream, hear):
    await stream.send_initial_metadata(metadata={"x-one": "1"})
    await stream.send_trailing_metadata(
        status=Status.ABORTED, status_message=UGLY, status_details=[VIOLATIONS], metadata={"x-two": "2"}
    )


@CALLS.entry()
async def metadata_with_an_error_alone(stream, hear):
    await stream.send_trailing_metadata(status=Status.ABORTED, status_message="no", metadata=METADATA)


@CALLS.entry()
async def metadata_before_an_error(stream, hear):
    await stream.send_initial_metadata(metadata={"x-one": "1"})
    raise GRPCError(Status.NOT_FOUND, "gone")


BAD_METADATA = {
    "upper_case": {"X-One": "1"},
    "reserved_name": {"grpc-status": "0"},
    "special_name": {"content-type": "text/plain"},
    "odd_name": {"x one": "1"},
    "not_ascii": {"x-one": "ü"},
    "line_break": {"x-one": "1\r\nx-two: 2"},
    "no_value": {"x-one": ""},
    "text_for_bytes": {"x-bin": "1"},
    "bytes_for_text": {"x-one": b"1"},
    "number": {"x-one": 1},
}


def sends_bad_metadata(metadata, *, trailing: bool):
    """A handler that hears how its metadata are refused, and ends as if nothing were."""

    async def handler(stream, hear):
        try:
            if trailing:
                await stream.send_message(say("pong"))
                await stream.send_trailing_metadata(metadata=metadata)
            else:
                await stream.send_initial_metadata(metadata=metadata)
        except (ValueError, TypeError) as error:
            hear(type(error).__name__)
        if not trailing:
            await stream.send_message(say("pong"))

    return handler


for _name, _metadata in BAD_METADATA.items():
    CALLS[f"initial_metadata_{_name}"] = Behaviour(sends_bad_metadata(_metadata, trailing=False))
    CALLS[f"trailing_metadata_{_name}"] = Behaviour(sends_bad_metadata(_metadata, trailing=True))

# Who calls, and until when


@CALLS.entry()
async def who_calls(stream, hear):
    hear(stream.user_agent, stream.peer.addr()[0], stream.peer.cert())
    await stream.send_message(say("pong"))


@CALLS.entry(timeout=60.0)
async def deadline(stream, hear):
    hear(50 < stream.deadline.time_remaining() <= 60)
    await stream.send_message(say("pong"))


@CALLS.entry("a_stream_without_deadline", cardinality=STREAM_STREAM)
@CALLS.entry("a_call_without_deadline", differs=Difference("A call that could last for ever is given one.", {"heard": (True,)}))
async def no_deadline(stream, hear):
    hear(stream.deadline is not None)
    await stream.send_message(say("pong"))
