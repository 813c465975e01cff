"""Every limit of the transport: a number, its unit and what happens beyond it."""

from __future__ import annotations

import dataclasses
from typing import Any

KIB, MIB = 1024, 1024 * 1024
_LARGEST = 2**31 - 1
"""That a SETTINGS frame or a window can say."""


def _limit(default: float, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"text": text})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server takes, from whom. Sizes are bytes, times seconds; every limit must be positive.

    A rate is two limits, ``…_burst`` and ``…_per_second``: a bucket of that many tokens that refills at that pace. The address
    of a client is its IPv4 address or its IPv6 /64; clients of a unix socket have none, and no limits by address.

    Raises:
        ValueError: a limit is not positive, or two of them contradict each other.
    """

    message_bytes: int = _limit(10 * MIB, "a message, in and out, packed as well as unpacked; over it: RESOURCE_EXHAUSTED")
    request_bytes: int = _limit(128 * MIB, "requests in flight; of one address half of it; over it: RESOURCE_EXHAUSTED")
    answer_bytes: int = _limit(64 * MIB, "answers that wait; of one address half; over it: RESOURCE_EXHAUSTED, streams wait")
    buffered_bytes: int = _limit(256 * KIB, "what a streaming call may have unsent before its handler waits")
    stream_window: int = _limit(256 * KIB, "what a client may send on a stream before it is read")
    connection_window: int = _limit(1 * MIB, "what a client may send on a connection before it is read")

    connections: int = _limit(1500, "connections of the server; over it: closed at once")
    connections_per_address: int = _limit(256, "connections of an address; over it: closed at once")
    connects_burst: int = _limit(2000, "new connections of an address; over the rate: closed at once")
    connects_per_second: float = _limit(200, "new connections of an address, lasting")
    streams: int = _limit(100, "open streams of a connection; over it: REFUSED_STREAM")
    streams_per_address: int = _limit(2000, "open streams of an address; over it: REFUSED_STREAM")
    calls: int = _limit(2000, "running calls of the server; over it: REFUSED_STREAM")
    calls_per_address: int = _limit(1000, "running calls of an address; over it: REFUSED_STREAM")
    calls_per_connection: int = _limit(200, "running calls of a connection, cancelled ones included; over it: REFUSED_STREAM")
    starts_per_turn: int = _limit(16, "calls of a connection that start before those of others have their turn")

    header_list_bytes: int = _limit(16 * KIB, "the headers of a call; over it: RESOURCE_EXHAUSTED; over twice that: GOAWAY")
    header_fields: int = _limit(256, "header fields of a call; over it: GOAWAY")
    continuations: int = _limit(8, "CONTINUATION frames of a header block; over it: GOAWAY")
    settings_entries: int = _limit(32, "entries of a SETTINGS frame; over it: GOAWAY")
    resets_burst: int = _limit(200, "RST_STREAM frames of a connection; over the rate: GOAWAY")
    resets_per_second: int = _limit(50, "RST_STREAM frames of a connection, lasting")
    glitches_burst: int = _limit(500, "empty, unknown and malformed frames of a connection; over the rate: GOAWAY")
    glitches_per_second: int = _limit(50, "empty, unknown and malformed frames of a connection, lasting")
    controls_burst: int = _limit(
        1000,
        "PING, SETTINGS, PRIORITY and empty DATA frames of a connection; ten WINDOW_UPDATEs count as one, a message that says "
        "it is over its limit as five; over the rate: GOAWAY",
    )
    controls_per_second: float = _limit(200, "control frames of a connection, lasting")
    offences_burst: int = _limit(
        50, "GOAWAYs for floods that an address may earn; ten for broken rules count as one; over: closed at once"
    )
    offences_per_second: float = _limit(2, "GOAWAYs for floods that an address may earn, lasting")

    handshake_seconds: float = _limit(5, "for a TLS handshake; until it is over the client counts as connected")
    preface_seconds: float = _limit(5, "from the connection to the first HTTP/2 frame; then GOAWAY")
    first_request_seconds: float = _limit(20, "from the connection to the first call; then closed")
    idle_seconds: float = _limit(300, "without a call; then GOAWAY")
    age_seconds: float = _limit(3600, "of a connection's life; then GOAWAY, and calls in flight finish")
    age_grace_seconds: float = _limit(1800, "for calls to finish after that; then they are cut off")
    stall_seconds: float = _limit(20, "for which a client may not read what waits for it; then closed")
    keepalive_seconds: float = _limit(120, "of silence before a client with open calls is sent a PING")
    keepalive_timeout_seconds: float = _limit(20, "for the client to answer that PING; then closed")
    default_deadline_seconds: float = _limit(30, "for a unary call without a deadline of its own; then DEADLINE_EXCEEDED")
    largest_deadline_seconds: float = _limit(600, "for a unary call, whatever deadline it asks for; then DEADLINE_EXCEEDED")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} must be positive")
        if self.stream_window > self.connection_window:
            raise ValueError("stream_window must not be larger than connection_window")
        for name in ("streams", "connection_window", "header_list_bytes"):
            if getattr(self, name) > _LARGEST:
                raise ValueError(f"{name} must be less than 2**31")

    @classmethod
    def texts(cls) -> dict[str, str]:
        """What each limit is about, by name."""
        return {field.name: field.metadata["text"] for field in dataclasses.fields(cls)}
