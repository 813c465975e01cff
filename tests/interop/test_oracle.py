"""grpclib's own server is the oracle: handlers and listeners written for it behave the same on ours."""

from __future__ import annotations

import dataclasses

import pytest
from grpclib.client import Channel
from grpclib.exceptions import GRPCError
from grpclib.health.check import ServiceStatus
from grpclib.health.service import OVERALL, Health
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest
from grpclib.reflection.service import ServerReflection
from grpclib.reflection.v1.reflection_grpc import ServerReflectionStub
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest

from .behaviours_of_calls import CALLS
from .behaviours_of_endings import ENDINGS
from .behaviours_of_events import EVENTS
from .observing import Behaviour, Service, make_call, observe, say
from .serving import STOCK, make_server, serving

BEHAVIOURS = {"call": CALLS, "ending": ENDINGS, "event": EVENTS}
QUESTIONS = {
    "services": {"list_services": ""},
    "file": {"file_by_filename": "grpclib/health/v1/health.proto"},
    "symbol": {"file_containing_symbol": "grpc.health.v1.Health"},
    "no_symbol": {"file_containing_symbol": "no.such.Symbol"},
    "nothing": {},
}


@pytest.mark.parametrize(
    "behaviour",
    [pytest.param(each, id=f"{table}-{name}") for table, entries in BEHAVIOURS.items() for name, each in entries.items()],
)
async def test_behaviours(engine, behaviour):
    """Clients, handlers and listeners see what they would with grpclib's own server, differences on purpose aside."""
    with_grpclib, with_ours = await observe(STOCK, behaviour), await observe(engine, behaviour)
    assert with_ours == dataclasses.replace(with_grpclib, **behaviour.differs.seen)
    assert not behaviour.differs.reason or with_ours != with_grpclib, "the difference is gone"


async def both(engine, ask, *make_handlers):
    """What a client learns by asking grpclib's own server, and ours."""
    learned = []
    for name in (STOCK, engine):
        handlers = [make() for make in make_handlers]
        async with (
            serving(name, ServerReflection.extend(handlers)) as served,
            Channel("127.0.0.1", served.port) as channel,
        ):
            learned.append(await ask(channel, *handlers))
    return learned


@pytest.mark.parametrize("service", ["", "grpc.health.v1.Health", "no.such.Service"])
async def test_health(engine, service):
    """The health service of grpclib answers the same, for the server, for a service, and for one that is not there."""

    async def ask(channel, health):
        try:
            return await HealthStub(channel).Check(HealthCheckRequest(service=service))
        except GRPCError as error:
            return error.status, error.message

    with_grpclib, with_ours = await both(engine, ask, Health)
    assert with_ours == with_grpclib


async def test_health_that_changes(engine):
    """So does its stream of changes, which the client leaves in the end."""
    status = ServiceStatus()

    async def ask(channel, health):
        seen = []
        async with HealthStub(channel).Watch.open() as stream:
            await stream.send_message(HealthCheckRequest(service=""), end=True)
            for value in (True, False, None):
                seen.append((await stream.recv_message()).status)
                status.set(value)
            await stream.cancel()
        return seen

    with_grpclib, with_ours = await both(engine, ask, lambda: Health({OVERALL: [status]}))
    assert with_ours == with_grpclib
    assert len(set(with_ours)) > 1


@pytest.mark.parametrize("question", QUESTIONS)
async def test_reflection(engine, question):
    """The reflection service of grpclib answers the same questions with the same."""

    async def ask(channel, health):
        request = ServerReflectionRequest(**QUESTIONS[question])
        return await ServerReflectionStub(channel).ServerReflectionInfo([request, request])

    with_grpclib, with_ours = await both(engine, ask, Health)
    assert with_ours == with_grpclib
    assert len(with_ours) == 2


async def who(stream, hear):
    """A handler that hears how its client is known."""
    hear(stream.peer.addr(), stream.peer.cert())
    await stream.send_message(say("pong"))


async def test_client_certificates(engine, certificates):
    """A client that shows a certificate is known by it, down to the last field."""
    client, known = certificates.authority.issue("client"), []
    for name in (STOCK, engine):
        service = Service(Behaviour(who))
        async with (
            serving(name, [service], certificates, asks=True) as served,
            Channel("127.0.0.1", served.port, ssl=certificates.client_context(shows=client)) as channel,
        ):
            assert (await make_call(channel, Behaviour(who))).answers == ("pong",)
        known.append(service.heard[0][1])
    assert known[1] == known[0]
    assert known[1]["subject"] == ((("commonName", "client"),),)


async def test_unix_sockets(engine, tmp_path):
    """A client of a unix socket has neither an address nor a certificate."""
    heard = []
    for name in (STOCK, engine):
        service = Service(Behaviour(who))
        server = make_server(name, [service])
        await server.start(path=str(tmp_path / name))
        async with Channel(path=str(tmp_path / name)) as channel:
            assert (await make_call(channel, Behaviour(who))).answers == ("pong",)
        server.close()
        await server.wait_closed()
        heard.append(service.heard)
    assert heard[1] == heard[0] == [("", None)]
