"""What is made again, and when, is decided in one place; and what that rests on in grpclib and h2."""

from __future__ import annotations

import grpclib.client
import pytest
from grpclib.client import Channel
from grpclib.config import Configuration
from grpclib.const import Status
from grpclib.protocol import Connection, EventsProcessor, H2Protocol, Stream
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged, StreamReset
from hyperframe.frame import GoAwayFrame

from stigmer.client import ConnectionLost, InvalidArgument, ResourceExhausted, Unavailable, Unreachable
from stigmer.client.again import pause
from stigmer.client.parting import PartingHandler
from stigmer.client.unanswered import NotProcessed, Refused, Unused

UNAVAILABLE = Status.UNAVAILABLE
NEVER, ONCE, LONG = 0, 1, 5
FAILURES = {
    "going away": (Unavailable("", status=UNAVAILABLE), NotProcessed(), LONG, LONG),
    "unused": (Unreachable("", status=UNAVAILABLE), Unused(), LONG, LONG),
    "refused": (ResourceExhausted("", status=Status.RESOURCE_EXHAUSTED), Refused(), LONG, LONG),
    "lost": (ConnectionLost("", status=UNAVAILABLE), ConnectionResetError(), NEVER, ONCE),
    "stopping": (Unavailable("", status=UNAVAILABLE, reason="SERVER_STOPPING"), None, LONG, LONG),
    "cut off": (Unavailable("", status=UNAVAILABLE, reason="CUT_OFF"), None, NEVER, ONCE),
    "not there now": (Unavailable("", status=UNAVAILABLE, reason="AUTHORIZATION_UNAVAILABLE"), None, NEVER, NEVER),
    "wrong": (InvalidArgument("", status=Status.INVALID_ARGUMENT), None, NEVER, NEVER),
    "too large": (ResourceExhausted("", status=Status.RESOURCE_EXHAUSTED), None, NEVER, NEVER),
}
"""The error, what caused it, and how often a write and a read are made again after it."""


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_made_again(name):
    """A write is made again only when the server has not begun with it, a read once when its connection breaks."""
    error, cause, writes, reads = FAILURES[name]
    error.__cause__ = cause
    for times, repeatable in ((writes, False), (reads, True)):
        pauses = [pause(error, tries=tries, repeatable=repeatable) for tries in range(1, 9)]
        assert [each is not None for each in pauses] == [number < times for number in range(8)]


@pytest.mark.parametrize(("cause", "first"), [(NotProcessed(), (0, 0)), (Unused(), (0, 0)), (Refused(), (0.05, 0.1))])
def test_pauses_grow(cause, first):
    """The first try on another connection comes at once, at a full server after a while; then pauses double, with jitter."""
    error = Unavailable("", status=UNAVAILABLE)
    error.__cause__ = cause
    ranges = [first, (0.1, 0.2), (0.2, 0.4), (0.4, 0.8), (0.8, 1.6)]
    pauses = [pause(error, tries=number, repeatable=False) for number in range(1, 6)]
    assert all(low <= each <= high for each, (low, high) in zip(pauses, ranges, strict=True))
    assert pauses != [pause(error, tries=number, repeatable=False) for number in range(1, 6)]


def test_a_server_that_was_there_may_come_back():
    """No connection is an error at once, but not for a call that is made again: then the server may be restarting."""
    error = Unreachable("", status=UNAVAILABLE)
    error.__cause__ = ConnectionRefusedError()
    assert [pause(error, tries=tries, repeatable=False) is None for tries in range(1, 7)] == [True, *[False] * 4, True]


async def test_what_the_channel_takes_for_granted():
    """In grpclib and h2 there are still the names that ``PartingChannel`` puts something else in the place of."""
    assert grpclib.__version__ == "0.4.9"
    assert {"_protocol_factory", "_create_connection", "_connected"} <= vars(Channel).keys()
    assert {"_config", "_h2_config"} <= vars(Channel("127.0.0.1", 1)).keys()
    assert {"connection_made", "connection_lost", "data_received"} <= vars(H2Protocol).keys()
    assert {"create_stream", "is_closing", "close"} <= vars(Connection).keys()
    assert {"send_request", "__terminated__"} <= vars(Stream).keys()
    h2 = H2Connection(H2Configuration())
    connection = Connection(h2, None, config=Configuration().__for_client__())
    assert connection._connection is h2
    assert GoAwayFrame in h2._frame_dispatch_table
    processor = EventsProcessor(PartingHandler(), connection)
    assert {StreamReset, RemoteSettingsChanged} <= processor.processors.keys()
    assert processor.streams == {}
    assert grpclib.client.USER_AGENT.startswith("grpc-python-grpclib/")
