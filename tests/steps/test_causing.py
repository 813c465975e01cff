"""What a write tells the feed beside the resource."""

import pytest

from stigmer import Caller
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer.context import Repeatable
from stigmer.session.kind import SESSION
from stigmer.steps import DeleteResource, ExtractResourceId, LoadExistingForDelete
from stigmer.steps.causing import cause_of
from stigmer.testing import make_context, run_steps

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (TRACE, TRACE),
        (TRACE.replace("00-4", "01-4"), TRACE.replace("00-4", "01-4")),
        (TRACE.replace("00-4", "ff-4"), ""),
        (TRACE.upper(), ""),
        (TRACE + "-more", ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", ""),
        ("", ""),
        ("\n" + TRACE, ""),
    ],
)
def test_traces(session, given, told):
    """The trace of the call is told if it is one, as W3C has it."""
    ctx = make_context("session.create", session, caller=Caller("ann"), metadata={"traceparent": given})
    cause = cause_of(ctx, b"wire")
    assert (cause.actor, cause.trace, cause.time, cause.answer) == ("ann", told, 0, None)


def test_answers(session):
    """The answer of a call that may come again is told with its key, its request and the time."""
    ctx = make_context("session.create", session)
    ctx.repeatable = Repeatable(b"k" * 32, b"r" * 32)
    answer = cause_of(ctx, b"wire").answer
    assert answer[:3] == (b"k" * 32, b"r" * 32, b"wire")
    assert answer.time == 1_767_225_600_001_000


async def test_a_deletion(stored, services):
    """The feed tells who deleted a session, in which trace and when: nothing else does."""
    ann = Caller("ann")
    request = SessionId(value=stored.metadata.id)
    ctx = make_context("session.delete", request, services=services, caller=ann, metadata={"traceparent": TRACE})
    await run_steps(ctx, ExtractResourceId(), LoadExistingForDelete(), DeleteResource())
    created, deleted = await services.store.feed(SESSION, 0)
    assert (created.actor, created.trace, created.version) == ("system", "", stored.metadata.version.id)
    assert (deleted.actor, deleted.trace) == ("ann", TRACE)
    assert deleted.time > created.time > 0
