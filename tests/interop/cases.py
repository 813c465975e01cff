"""What clients in Python do with the interoperability service, and what they must see, as data."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest.mock import ANY

from .messages import METHODS, SERVICES, Method
from .service import INITIAL, TRAILING

REQUEST_SIZES, ANSWER_SIZES = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)
LARGE_REQUEST, LARGE_ANSWER = 271828, 314159
TIMEOUT = 10.0
SPECIAL = "\t\ntext with whitespace\r\nand Unicode, in the BMP ☺ and beyond it 😈\t\n"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a client saw of a call, or must see.

    Attributes:
        status: name of the status that ended it.
        text: of that status.
        sizes: bytes of the payloads of its answers, or the size that the answer tells.
        initial: values of the initial metadata that the service echoes.
        trailing: values of the trailing metadata that the service echoes.
    """

    status: str = "OK"
    text: str = ""
    sizes: tuple[int, ...] = ()
    initial: tuple[str, ...] = ()
    trailing: tuple[bytes, ...] = ()


@dataclasses.dataclass(frozen=True)
class Case:
    """A call, and what must come of it.

    Attributes:
        method: the rpc that is called.
        requests: fields of the messages that the client sends.
        outcome: what it must see.
        metadata: what it sends before them.
        timeout: seconds until its deadline.
        lockstep: it waits for an answer to each message before it sends the next.
        cancel_after: it cancels after so many answers.
    """

    method: Method
    requests: tuple[dict[str, Any], ...] = ({},)
    outcome: Outcome = Outcome()
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    timeout: float = TIMEOUT
    lockstep: bool = False
    cancel_after: int | None = None

    @property
    def messages(self) -> list:
        """The requests as messages."""
        return [self.method.request(**fields) for fields in self.requests]


def size_of(answer) -> int:
    """The size that stands in an answer, whichever it is; of the empty message, 0."""
    if hasattr(answer, "aggregated_payload_size"):
        return answer.aggregated_payload_size
    return len(answer.payload.body) if hasattr(answer, "payload") else 0


def _payload(size: int) -> dict[str, Any]:
    return {"payload": {"body": bytes(size)}}


def _wants(*sizes: int, **fields) -> dict[str, Any]:
    return {"response_parameters": [{"size": size} for size in sizes], **fields}


def _status(code: int, text: str) -> dict[str, Any]:
    return {"response_status": {"code": code, "message": text}}


_UNARY, _FULL, _HALF = METHODS["UnaryCall"], METHODS["FullDuplexCall"], METHODS["HalfDuplexCall"]
_INPUT, _OUTPUT = METHODS["StreamingInputCall"], METHODS["StreamingOutputCall"]
_LARGE = {"response_size": LARGE_ANSWER, **_payload(LARGE_REQUEST)}
_PING_PONG = tuple(_wants(size, **_payload(sent)) for sent, size in zip(REQUEST_SIZES, ANSWER_SIZES, strict=True))
_METADATA = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab"))
_ECHOED = {"initial": ("test_initial_metadata_value",), "trailing": (b"\xab\xab\xab",)}
_TWICE = ((INITIAL, "one"), (INITIAL, "two, and three"), *((TRAILING, bytes([number])) for number in (0, 255)))
_UNIMPLEMENTED = Outcome("UNIMPLEMENTED", ANY)
_CANCELLED, _EXPIRED = Outcome("CANCELLED", ANY), Outcome("DEADLINE_EXCEEDED", ANY)

CASES = {
    "empty_unary": Case(METHODS["EmptyCall"], outcome=Outcome(sizes=(0,))),
    "large_unary": Case(_UNARY, (_LARGE,), Outcome(sizes=(LARGE_ANSWER,))),
    "client_streaming": Case(_INPUT, tuple(map(_payload, REQUEST_SIZES)), Outcome(sizes=(sum(REQUEST_SIZES),))),
    "server_streaming": Case(_OUTPUT, (_wants(*ANSWER_SIZES),), Outcome(sizes=ANSWER_SIZES)),
    "ping_pong": Case(_FULL, _PING_PONG, Outcome(sizes=ANSWER_SIZES), lockstep=True),
    "half_duplex": Case(_HALF, _PING_PONG, Outcome(sizes=ANSWER_SIZES)),
    "empty_stream": Case(_FULL, ()),
    # gRPC's list has a millisecond, as grpc-go's client does: grpcio makes INTERNAL of a deadline that passes while it writes.
    "timeout_on_sleeping_server": Case(_FULL, (_payload(27182),), _EXPIRED, timeout=0.1, lockstep=True),
    "cancel_after_begin": Case(_INPUT, (), _CANCELLED, cancel_after=0),
    "cancel_after_first_response": Case(
        _FULL, _PING_PONG[:1], dataclasses.replace(_CANCELLED, sizes=ANSWER_SIZES[:1]), lockstep=True, cancel_after=1
    ),
    "status_code_and_message": Case(_UNARY, (_status(2, "test status message"),), Outcome("UNKNOWN", "test status message")),
    "status_of_a_stream": Case(_FULL, (_status(2, "test status message"),), Outcome("UNKNOWN", "test status message")),
    "special_status_message": Case(_UNARY, (_status(2, SPECIAL),), Outcome("UNKNOWN", SPECIAL)),
    "custom_metadata": Case(_UNARY, (_LARGE,), Outcome(sizes=(LARGE_ANSWER,), **_ECHOED), _METADATA),
    "metadata_of_a_stream": Case(
        _FULL, (_wants(LARGE_ANSWER, **_payload(LARGE_REQUEST)),), Outcome(sizes=(LARGE_ANSWER,), **_ECHOED), _METADATA
    ),
    "unimplemented_method": Case(METHODS["UnimplementedCall"], outcome=_UNIMPLEMENTED),
    "unimplemented_service": Case(SERVICES["UnimplementedService"]["UnimplementedCall"], outcome=_UNIMPLEMENTED),
    # What gRPC's own list does not have.
    "metadata_more_than_once": Case(
        _UNARY, ({},), Outcome(sizes=(0,), initial=("one", "two, and three"), trailing=(b"\0", b"\xff")), _TWICE
    ),
    "metadata_with_a_status": Case(_UNARY, (_status(5, "gone"),), Outcome("NOT_FOUND", "gone", **_ECHOED), _METADATA),
    "status_after_answers": Case(
        _OUTPUT, (_wants(9, 2653, **_status(9, "no more")),), Outcome("FAILED_PRECONDITION", "no more", (9, 2653))
    ),
    "status_before_the_requests_end": Case(
        _FULL, (_wants(9), _status(8, "enough")), Outcome("RESOURCE_EXHAUSTED", "enough", (9,)), lockstep=True
    ),
    "stream_larger_than_every_window": Case(_FULL, (_wants(3 << 20, **_payload(3 << 20)),) * 2, Outcome(sizes=(3 << 20,) * 2)),
    "many_small_answers": Case(_OUTPUT, (_wants(*range(1000)),), Outcome(sizes=tuple(range(1000)))),
}
