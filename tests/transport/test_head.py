"""The headers of a request: which are refused, and what a handler sees of the others."""

from __future__ import annotations

import base64

import pytest

from stigmer.transport.head import decode_binary, metadata_of

from .service import POUR, UNARY

OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 8, 12, 13
GOOD = {
    "as it is": ({}, []),
    "a format": ({"content-type": "application/grpc+proto"}, []),
    "another format": ({"content-type": "application/grpc+json"}, []),
    "a parameter": ({"content-type": "application/grpc; charset=x"}, []),
    "host for authority": ({":authority": None}, [("host", "localhost")]),
    "both": ({}, [("host", "localhost")]),
    "without te": ({"te": None}, []),
    "identity": ({}, [("grpc-encoding", "identity")]),
    "an empty encoding": ({}, [("grpc-encoding", "")]),
    "gzip, but plain": ({}, [("grpc-encoding", "gzip")]),
    "the longest time": ({}, [("grpc-timeout", "99999999H")]),
    "unpadded base64": ({}, [("a-bin", "AA")]),
    "padded base64": ({}, [("a-bin", "AA==")]),
    "several values": ({}, [("a-bin", "AA,AA=="), ("a-bin", "")]),
    "many fields": ({}, [(f"field-{each}", "x") for each in range(200)]),
}
BAD = {
    "no type": ({"content-type": None}, [], INVALID_ARGUMENT, 415),
    "another type": ({"content-type": "application/json"}, [], INVALID_ARGUMENT, 415),
    "a longer type": ({"content-type": "application/grpc-web"}, [], INVALID_ARGUMENT, 415),
    "GET": ({":method": "GET"}, [], INTERNAL, 405),
    "a time without a unit": ({}, [("grpc-timeout", "10")], INTERNAL, 400),
    "a time of nine digits": ({}, [("grpc-timeout", "100000000S")], INTERNAL, 400),
    "a negative time": ({}, [("grpc-timeout", "-1S")], INTERNAL, 400),
    "an empty time": ({}, [("grpc-timeout", "")], INTERNAL, 400),
    "a time and a bad one": ({}, [("grpc-timeout", "x"), ("grpc-timeout", "1S")], INTERNAL, 400),
    "no base64": ({}, [("a-bin", "A")], INTERNAL, 400),
    "characters that are none": ({}, [("a-bin", "A?==")], INTERNAL, 400),
    "one of several": ({}, [("a-bin", "AA"), ("a-bin", "!")], INTERNAL, 400),
    "an unknown path": ({":path": "/test.Service/Nothing"}, [], UNIMPLEMENTED, 200),
    "a path without a method": ({":path": "/"}, [], UNIMPLEMENTED, 200),
    "deflate": ({}, [("grpc-encoding", "deflate")], UNIMPLEMENTED, 200),
    "too large": ({}, [(f"field-{each}", "x" * 500) for each in range(20)], RESOURCE_EXHAUSTED, 200),
}


@pytest.mark.parametrize("name", GOOD)
async def test_what_is_served(serve, dial, name):
    """What clients may write differently is served all the same."""
    replace, more = GOOD[name]
    client = await dial(await serve())
    client.call(1, UNARY, b"x", replace=replace, more=more)
    assert (await client.answer(1)).messages == [b"x"]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("end", [True, False])
async def test_what_is_refused(serve, dial, name, end):
    """What is no gRPC call is refused with a status that says why, whether its message has come or not; the next is served."""
    replace, more, status, http = BAD[name]
    client = await dial(await serve(header_list_bytes=8000 if name == "too large" else 16384))
    client.call(1, UNARY, b"x", replace=replace, more=more, end=end)
    answer = await client.answer(1)
    assert (answer.grpc_status, answer.http_status) == (status, http)
    assert answer.headers["content-type"].startswith("application/grpc")
    assert answer.grpc_message
    client.call(3, UNARY, b"next")
    assert (await client.answer(3)).messages == [b"next"]


@pytest.mark.parametrize(
    ("replace", "more"),
    [
        ({":authority": None}, []),
        ({}, [("host", "a"), ("host", "b")]),
        ({":path": None}, []),
        ({":path": ""}, []),
        ({":method": None}, []),
        ({":scheme": None}, []),
        ({}, [("connection", "close")]),
        ({}, [("Upper", "x")]),
        ({}, [("a", "line\nbreak")]),
        ({"te": "gzip"}, []),
    ],
)
async def test_what_is_no_http2(serve, service, dial, replace, more):
    """What breaks the rules of HTTP/2 itself gets no answer but a reset of its stream; the next call is served."""
    service.pour = service.waiting
    client = await dial(await serve())
    client.call(1, POUR, b"x", replace=replace, more=more)
    assert (await client.answer(1)).rst_code == 1
    client.call(3, UNARY, b"next")
    assert (await client.answer(3)).messages == [b"next"]
    assert service.begun == []


async def test_heads_are_not_mixed_up(serve, service, dial):
    """Calls with the same headers share them; the next with others does not."""
    seen = []

    async def look(stream):
        seen.append(stream.metadata.get("who"))
        await stream.send_message(await stream.recv_message())

    service.unary = look
    client = await dial(await serve())
    for stream, who in ((1, "a"), (3, "a"), (5, "b"), (7, None), (9, "a")):
        client.call(stream, UNARY, b"x", more=[("who", who)] if who else [])
        await client.answer(stream)
    assert seen == ["a", "a", "b", None, "a"]


async def test_metadata_is_a_call_s_own(serve, service, dial):
    """What one handler does to its metadata, the next call with the same headers does not see."""
    seen = []

    async def change(stream):
        seen.append(dict(stream.metadata))
        stream.metadata["who"] = "changed"
        await stream.send_message(await stream.recv_message())

    service.unary = change
    client = await dial(await serve())
    for stream in (1, 3):
        client.call(stream, UNARY, b"x", more=[("who", "me")])
        await client.answer(stream)
    assert seen == [{"who": "me"}] * 2


def test_metadata():
    """The caller's own fields are there in their order, all values of a name, binary ones decoded; the protocol's are not."""
    headers = (
        *((b":method", b"POST"), (b":path", b"/x"), (b"te", b"trailers"), (b"content-type", b"application/grpc")),
        *((b"user-agent", b"x"), (b"grpc-timeout", b"1S"), (b"grpc-whatever", b"x")),
        *((b"one", b"1"), (b"two-bin", b"AAE,Ag=="), (b"one", b"\xe9"), (b"authorization", b"Bearer x")),
    )
    assert list(metadata_of(headers).items()) == [
        *(("one", "1"), ("two-bin", b"\0\1"), ("two-bin", b"\2"), ("one", "é"), ("authorization", "Bearer x")),
    ]


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 2, b"abc", bytes(range(256))])
def test_base64(data):
    """Binary values may be padded or not."""
    padded = base64.b64encode(data)
    assert decode_binary(padded) == decode_binary(padded.rstrip(b"=")) == data


@pytest.mark.parametrize("value", [b"A", b"A?==", b"AA=", b"AA==AA==", b" AA", b"=", b"A==="])
def test_no_base64(value):
    """What is not base64 is refused, not guessed at."""
    with pytest.raises(ValueError, match=r".+"):
        decode_binary(value)
