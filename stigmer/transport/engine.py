"""What the transport asks of an HTTP/2 implementation: frames in, events out; answers in, bytes out; no sockets."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from typing import Protocol

from stigmer.transport.limits import Limits

Headers = tuple[tuple[bytes, bytes], ...]
"""Of a request: as they came, pseudo-headers first, names in lower case."""

_log = logging.getLogger("stigmer.transport")

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0x0, 0x1, 0x2, 0x3
REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0x7, 0x8, 0xB
LAST_STREAM = 2**31 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """The connection is over: nothing more is read.

    Attributes:
        code: of the GOAWAY that says so, which ``take`` or ``parting`` gives.
        by_peer: the peer caused it by going away, or in a way that honest clients do too; nobody is to blame.
    """

    code: int
    by_peer: bool = False


class Sink(Protocol):
    """Who is told what a client sends. A call must not raise; it may answer at once."""

    def on_request(self, stream_id: int, headers: Headers, ended: bool) -> None:
        """A stream has opened; ``ended``: no message follows."""

    def on_data(self, stream_id: int, data: bytes, ended: bool) -> None:
        """Bytes of a stream, to be credited once they are used; ``data`` may be empty."""

    def on_trailers(self, stream_id: int) -> None:
        """The client has ended the stream by trailers, which gRPC gives no meaning."""

    def on_closed(self, stream_id: int, code: int) -> None:
        """The stream is gone: both sides have ended it (0), or one has reset it (the code)."""

    def on_control(self, weight: float) -> None:
        """A frame that costs work and brings nothing: PING, SETTINGS, PRIORITY (1), WINDOW_UPDATE (0.1)."""

    def on_goaway(self) -> None:
        """The client opens no more streams."""

    def on_end(self, end: End) -> None:
        """The connection is over. Streams that were open are not reported one by one."""


class Engine(Protocol):
    """The server's side of one HTTP/2 connection. No call raises: one about what is gone does nothing."""

    @property
    def turn(self) -> int:
        """Bytes that it reads in a millisecond, or a few of them, whatever is in them."""

    def receive(self, data: bytes) -> None:
        """Reads what has come and tells the sink, which may call every other method meanwhile."""

    def take(self, amount: int | None = None) -> bytes:
        """What there is to write, at most about ``amount`` bytes; may tell the sink of streams that it closed."""

    def parting(self) -> bytes:
        """A GOAWAY frame when the connection ended and ``take`` cannot give one any more; else nothing."""

    def respond(self, stream_id: int, headers: Iterable[tuple[bytes, bytes]], *, end: bool = False) -> bool:
        """Opens the answer; ``end``: it has neither messages nor trailers. False when the stream is gone."""

    def send(self, stream_id: int, data: bytes) -> bool:
        """Queues bytes of the answer, which flow control lets out. False when the stream is gone."""

    def trailers(self, stream_id: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Ends the answer, once its bytes are out. False when the stream is gone."""

    def reset(self, stream_id: int, code: int) -> None:
        """Gives the stream up, overtaking what is queued for it."""

    def credit(self, stream_id: int, amount: int) -> None:
        """Lets the client send as many bytes again. The stream may be gone: the connection's window still gets them."""

    def queued(self, stream_id: int) -> int:
        """Bytes of an answer that wait, for flow control or for ``take``."""

    def queued_in_all(self) -> int:
        """The same for all streams."""

    def heal(self) -> int:
        """Gives the client back what resets have taken from the connection's window; called about once a second.

        Returns:
            The bytes given back.
        """

    def ping(self) -> None:
        """Queues a PING, whose answer counts as a sign of life like any other frame."""

    def notice(self) -> None:
        """Queues a GOAWAY with the largest stream id: the client should go, streams that it still opens are served."""

    def goaway(self, code: int = NO_ERROR) -> None:
        """Queues a GOAWAY with the last stream that was taken; streams that come later are ignored."""


class _NoEngine:
    """The engine of a connection that is lost: there is nothing left to do."""

    turn = 1

    def receive(self, data: bytes) -> None:
        """Nothing."""

    def take(self, amount: int | None = None) -> bytes:  # noqa: ARG002 - as in ``Engine``
        """Nothing."""
        return b""

    def parting(self) -> bytes:
        """Nothing."""
        return b""

    def respond(self, *_: object, end: bool = False) -> bool:  # noqa: ARG002 - likewise
        """Nothing; so do all below."""
        return False

    def _nothing(self, *_: object) -> bool:
        return False

    def _none(self, *_: object) -> int:
        return 0

    def _no_more(self, *_: object) -> None:
        return None

    send = trailers = _nothing
    queued = queued_in_all = heal = _none
    reset = credit = ping = notice = goaway = _no_more


NO_ENGINE: Engine = _NoEngine()


class MakeEngine(Protocol):
    """Makes the engine of a connection; its first bytes, the SETTINGS, wait in ``take``."""

    def __call__(self, sink: Sink, limits: Limits) -> Engine:
        """An engine that tells ``sink``."""


def goaway_frame(last_stream: int, code: int) -> bytes:
    """A GOAWAY made by hand, for when the engine has given up."""
    return b"\0\0\x08\x07\0\0\0\0\0" + last_stream.to_bytes(4, "big") + code.to_bytes(4, "big")


def load(name: str | None = None) -> MakeEngine:
    """The engine of that name, ``ngh2`` or ``h2``; None takes ngh2 where it can be imported, else h2 with a warning.

    Raises:
        ImportError: ngh2 was asked for and cannot be imported.
        ValueError: there is no such engine.
    """
    if name not in {None, "ngh2", "h2"}:
        raise ValueError(f"there is no engine {name!r}")
    if name != "h2":
        try:
            from stigmer.transport.ngh2_engine import Ngh2Engine  # noqa: PLC0415 - not every platform has it
        except ImportError:
            if name == "ngh2":
                raise
            _log.warning("ngh2 cannot be imported: HTTP/2 is spoken in pure Python, several times slower")
        else:
            return Ngh2Engine
    from stigmer.transport.h2_engine.engine import H2Engine  # noqa: PLC0415 - one engine is enough

    return H2Engine
