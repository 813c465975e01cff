"""What tests with foreign clients share: servers on each engine, plain and with TLS, and the programs that call them."""

from __future__ import annotations

import os

import pytest

from .certificates import Certificates
from .go_tools import find, missing
from .service import InteropService
from .serving import ENGINES, serving


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Certificates for 127.0.0.1, and for its clients."""
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def service():
    """The interoperability service, which counts what was cancelled."""
    return InteropService()


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of each engine in turn."""
    return request.param


@pytest.fixture(params=["plain", "tls"])
async def served(request, engine, service, certificates):
    """The service on each engine, plain and with TLS."""
    async with serving(engine, [service], certificates if request.param == "tls" else None) as found:
        yield found


def go_tool(name):
    """Where a program is; without it the test is skipped, in continuous integration it fails."""
    found = find(name)
    if found is None:
        pytest.fail(missing(name)) if os.environ.get("CI") else pytest.skip(missing(name))
    return found


@pytest.fixture(scope="session")
def go_client():
    """grpc-go's client for interoperability tests."""
    return go_tool("client")


@pytest.fixture(scope="session")
def h2spec():
    """h2spec, which tests servers of HTTP/2."""
    return go_tool("h2spec")
