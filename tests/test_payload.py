"""Payloads hold bytes, an object, or both, and make one from the other only when asked."""

import pytest

from stigmer import Payload
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.errors import Undecodable


def test_bytes_go_out_unchanged():
    """Bytes that nobody looks at are never decoded."""
    assert Payload(Session, wire=b"\xff no message").wire == b"\xff no message"


def test_a_message_is_decoded_once():
    """Asking twice gives the same object."""
    payload = Payload(Session, wire=Session(kind="Session").to_binary())
    assert payload.message is payload.message
    assert payload.message.kind == "Session"


def test_no_bytes_are_the_empty_message():
    """In proto3 an empty message has no bytes."""
    assert Payload(Session, wire=b"").message == Session()
    assert Payload.of(Session()).wire == b""


@pytest.mark.parametrize(
    "wire",
    [b"\x0a\xff", b"\x0a\x02\xff\xfe", b"\x0b" * 10_000 + b"\x0c" * 10_000, b"\x00", b"\x1a" * 100],
    ids=["truncated", "invalid UTF-8", "nested 10,000 deep", "field 0", "noise"],
)
def test_bytes_that_are_no_message_are_refused_without_their_text(wire):
    """Broken bytes raise Undecodable, whose cause, which quotes them, is gone."""
    with pytest.raises(Undecodable) as caught:
        _ = Payload(Session, wire=wire).message
    assert caught.value.__cause__ is None
