"""A client gives up, or its time is over, between any two steps: whole or absent, and nothing is left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from stigmer import hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import ListSessionVersionsRequest, RestoreSessionRequest
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import (
    BatchGetSessionsRequest,
    ListSessionsByAgentRequest,
    ListSessionsRequest,
    SessionId,
)
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference
from stigmer.app import assembled
from stigmer.testing import make_settings

PIPELINES = {each.operation.verb: each for each in assembled(make_settings()).pipelines.values()}
BOUNDARIES = [
    (verb, step.name, when, how)
    for verb, pipeline in PIPELINES.items()
    if verb != "watch"
    for step in pipeline.steps
    for when in ("before", "after")
    for how in ("cancelled", "late")
]
HELD = (("x-held", "1"),)


class Holds:
    """Holds calls at a step until they are cancelled, and tells when they come and go."""

    def __init__(self, verb, step, when):
        self.at = verb, step
        self.when = when
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()

    @hookimpl
    def wrap_step(self, op, step, call_next):
        if (op.verb, step) != self.at:
            return None

        async def run(ctx):
            if ctx.info.metadata.get("x-held") and self.when == "before":
                await self._hold()
            await call_next(ctx)
            if ctx.info.metadata.get("x-held") and self.when == "after":
                await self._hold()

        return run

    async def _hold(self):
        self.arrived.set()
        try:
            await asyncio.sleep(0.15)  # what follows a commit is not cancelled, and goes on after that
        finally:
            self.left.set()


def request(verb, a_session, version):
    """Of the session x, or of the new one y."""
    return {
        "create": a_session("New", id="y"),
        "update": a_session("New", id="x"),
        "apply": a_session("New", id="x"),
        "delete": SessionId(value="x"),
        "restore": RestoreSessionRequest(session_id="x", version_id=version),
        "get": SessionId(value="x"),
        "batch_get": BatchGetSessionsRequest(ids=["x"]),
        "get_by_reference": ApiResourceReference(org="acme", slug="old"),
        "list": ListSessionsRequest(),
        "list_by_agent": ListSessionsByAgentRequest(agent_id="ain-1"),
        "list_versions": ListSessionVersionsRequest(session_id="x"),
    }[verb]


async def names(wire):
    return sorted((entry.metadata.id, entry.metadata.name) for page in await wire.pages() for entry in page.entries)


def resources():
    """Tasks, and open files."""
    return len(asyncio.all_tasks()), len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.parametrize("boundary", BOUNDARIES, ids="-".join)
async def test_between_any_two_steps(served, sqlite_url, a_session, eventually, boundary):
    """What is there is what was, or all that was meant; the same call then succeeds at once; no task and no file is left."""
    verb, step, when, how = boundary
    holds = Holds(verb, step, when)
    wire = await served(holds, store=sqlite_url)
    first = (await wire.create(a_session("Older", id="x", slug="old"))).metadata.version.id
    await wire.update(a_session("Old", id="x"))
    asked = request(verb, a_session, first)
    before, (tasks, files) = await names(wire), resources()

    call = wire.call(verb, asked, metadata=HELD, **({"timeout": 0.08} if how == "late" else {}))
    waiting = asyncio.ensure_future(call.code())
    if how == "cancelled":
        await asyncio.wait_for(holds.arrived.wait(), 10)
        call.cancel()
    assert await waiting in {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
    if holds.arrived.is_set():
        await asyncio.wait_for(holds.left.wait(), 10)

    meant = {
        "create": [("x", "Old"), ("y", "New")],
        "update": [("x", "New")],
        "apply": [("x", "New")],
        "delete": [],
        "restore": [("x", "Older")],
    }.get(verb, before)
    found = await names(wire)
    assert found in (before, meant)
    if found == before or verb not in {"create", "delete"}:
        await wire.call(verb, asked, timeout=10)
        assert await names(wire) == meant
    await eventually(lambda: resources()[0] <= tasks and resources()[1] <= files)
