"""What means nothing may be sent now and then: too much of it ends the connection, too many such ends keep an address out."""

from __future__ import annotations

import pytest
from raw_http2 import (
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    PING,
    SETTINGS,
    frame,
    grpc_request,
    header_block,
    settings_payload,
)

from .service import UNARY

_HEAD = header_block(grpc_request(UNARY))
_MANY = [(f"field-{each}", "x") for each in range(60)]


def _continued(pieces):
    last = frame(CONTINUATION, END_HEADERS, 1, _HEAD[-1:])
    return frame(HEADERS, 0, 1, _HEAD[:-1]) + frame(CONTINUATION, 0, 1) * (pieces - 1) + last


def _resets(times):
    return b"".join(frame(HEADERS, END_HEADERS, s, _HEAD) + frame(3, 0, s, bytes(4)) for s in range(1, 2 * times, 2))


FLOODS = {
    "header_list_bytes": ({"header_list_bytes": 500}, frame(HEADERS, END_HEADERS, 1, header_block(grpc_request(UNARY, _MANY)))),
    "header_fields": ({"header_fields": 20}, frame(HEADERS, END_HEADERS, 1, header_block(grpc_request(UNARY, _MANY)))),
    "continuations": ({"continuations": 3}, _continued(10)),
    "settings_entries": ({"settings_entries": 4}, frame(SETTINGS, 0, 0, settings_payload([(0x99, 1)] * 5))),
    "resets": ({"resets_burst": 5, "resets_per_second": 1}, _resets(30)),
    "unknown frames": ({"glitches_burst": 5, "glitches_per_second": 1}, frame(0x42, 0, 0, b"x") * 30),
    "empty DATA": (
        {"glitches_burst": 5, "glitches_per_second": 1},
        frame(HEADERS, END_HEADERS, 1, _HEAD) + frame(0, 0, 1) * 30,
    ),
    "PING": ({"controls_burst": 5, "controls_per_second": 0.1}, frame(PING, 0, 0, bytes(8)) * 30),
    "SETTINGS": ({"controls_burst": 5, "controls_per_second": 0.1}, frame(SETTINGS, 0, 0) * 30),
    "WINDOW_UPDATE": ({"controls_burst": 5, "controls_per_second": 0.1}, frame(8, 0, 0, b"\0\0\0\1") * 300),
    "PRIORITY_UPDATE or PRIORITY": (
        {"controls_burst": 5, "controls_per_second": 0.1, "glitches_burst": 5, "glitches_per_second": 1},
        b"".join(frame(2, 0, stream, bytes(5)) for stream in range(1, 101, 2)),
    ),
}
COUNTED = {"PING": "controls_burst", "SETTINGS": "controls_burst", "WINDOW_UPDATE": "controls_burst"}


@pytest.mark.parametrize("name", FLOODS)
async def test_floods(serve, service, dial, name):
    """Too many fields, pieces, entries, resets or control frames end the connection with GOAWAY, which is counted."""
    service.unary = service.waiting
    limits, flood = FLOODS[name]
    server = await serve(**limits)
    client = await dial(server)
    client.write(flood)
    assert await client.wait_closed()
    assert client.goaways[-1][1] != 0
    reached = {each for each, times in server.statistics.limited.items() if times}
    assert (
        reached == {COUNTED[name]} if name in COUNTED else reached <= {"flood", "protocol_error", "controls_burst"} and reached
    )


@pytest.mark.parametrize("name", ["resets", "unknown frames", "PING", "WINDOW_UPDATE"])
async def test_what_is_no_flood(serve, service, dial, name):
    """The same frames within the limits that servers usually have disturb nobody."""
    service.chat = service.waiting
    server = await serve()
    client = await dial(server)
    client.write(FLOODS[name][1])
    assert await client.ping()
    assert client.goaways == []
    assert sum(server.statistics.limited.values()) == 0


async def test_offenders(serve, dial):
    """An address that has earned too many GOAWAYs for floods is closed at once, whatever it says."""
    server = await serve(controls_burst=20, controls_per_second=0.001, offences_burst=2, offences_per_second=0.001)
    for _ in range(2):
        client = await dial(server)
        client.write(frame(PING, 0, 0, bytes(8)) * 50)
        assert await client.wait_closed()
    refused = await dial(server, silent=True)
    assert await refused.wait_closed()
    assert server.statistics.limited["offences"] == 1


async def test_who_breaks_the_rules_all_the_time(serve, dial):
    """Connections that break the rules of HTTP/2 count too, ten of them as one that is closed for a flood."""
    server = await serve(offences_burst=2, offences_per_second=0.001)
    for _ in range(11):
        client = await dial(server)
        client.frame(PING, 0, 1, bytes(8))
        assert await client.wait_closed()
    refused = await dial(server, silent=True)
    assert await refused.wait_closed()
    assert server.statistics.limited["offences"] == 1
    assert server.statistics.limited["protocol_error"] == 11
