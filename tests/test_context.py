"""The context hands typed values from step to step."""

import pytest

from stigmer import Slot
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer.context import RequestContext
from stigmer.errors import Undecodable
from stigmer.payload import Payload
from stigmer.session.get import GET
from stigmer.testing import make_context, make_services

ONE: Slot[int] = Slot("same name")
OTHER: Slot[int] = Slot("same name")


@pytest.fixture
def ctx():
    """A context without anything in it."""
    return make_context("session.get", SessionId(value="x"))


def test_slots_are_keys_by_identity(ctx):
    """Two slots of one name are two keys."""
    ctx[ONE] = 1
    assert (ONE in ctx, OTHER in ctx, ctx[ONE], ctx.get(OTHER), ctx.get(OTHER, 5)) == (True, False, 1, None, 5)


def test_an_empty_slot_cannot_be_read(ctx):
    """What no step has put there raises KeyError: assembly has checked it, so it is a bug."""
    with pytest.raises(KeyError):
        _ = ctx[ONE]


def test_slots_can_be_emptied(ctx):
    """Forgetting empties slots, filled or not."""
    ctx[ONE] = 1
    ctx.forget([ONE, OTHER])
    assert ONE not in ctx


def test_the_request_is_decoded_only_when_asked_for():
    """A call whose bytes nobody looks at is not decoded; one that is no message raises when it is looked at."""
    ctx = RequestContext(GET, Payload(GET.request, wire=b"\xff"), make_services())
    with pytest.raises(Undecodable):
        _ = ctx.request


def test_a_slot_shows_its_name():
    """Error texts and debuggers show the slot's name."""
    assert repr(ONE) == "Slot(same name)"
