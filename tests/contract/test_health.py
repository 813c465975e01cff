"""grpc.health.v1, which load balancers ask."""

import pytest

CHECK = "/grpc.health.v1.Health/Check"
SERVICES = [
    "",
    "ai.stigmer.agentic.session.v1.SessionCommandController",
    "ai.stigmer.agentic.session.v1.SessionQueryController",
]
SERVING = b"\x08\x01"


def check(service: str) -> bytes:
    """A HealthCheckRequest."""
    return b"\x0a" + bytes([len(service)]) + service.encode()


@pytest.mark.parametrize("service", SERVICES)
async def test_serving(wire, service):
    """The server as a whole and both of its services say that they serve."""
    assert await wire.raw(CHECK, check(service)) == SERVING


async def test_empty_request(wire):
    """An empty request asks for the server as a whole."""
    assert await wire.raw(CHECK, b"") == SERVING


@pytest.mark.parametrize("service", ["no.such.Service", "ai.stigmer.agentic.session.v1", "x" * 120])
async def test_unknown_service(wire, service):
    """A service that is not served is NOT_FOUND."""
    assert (await wire.refused(wire.raw(CHECK, check(service)))).code == "NOT_FOUND"


async def test_watch(wire):
    """A watcher is told at once that the server serves."""
    call = wire.channel.unary_stream("/grpc.health.v1.Health/Watch")(check(""), timeout=10)
    async for answer in call:
        assert answer == SERVING
        break
    call.cancel()
