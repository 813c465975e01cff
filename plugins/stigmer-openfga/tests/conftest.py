"""A real OpenFGA, a server that asks it, and calls to that server by different callers."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from stigmer_openfga import OpenFga, Settings
from stigmer_openfga.client import Client, Relation
from stigmer_openfga.names import user
from stigmer_openfga.provision import provision

from stigmer import Caller, CallInfo, StigmerError, Unauthenticated, hookimpl
from stigmer.testing import make_context, make_services, serving

INSTALL = "go install github.com/openfga/openfga/cmd/openfga@v1.22.1"
SESSION = """{
  "metadata": {"name": "One", "ownerScope": "organization", "org": "acme"},
  "spec": {"agentInstanceId": "ain-1", "subject": "the secret subject"}
}"""


class ByHeader:
    """Believes the metadata ``x-user``."""

    @hookimpl
    def authenticator(self):
        async def identify(info: CallInfo) -> Caller:
            name = info.metadata.get("x-user", "")
            if not name or name == "bad":
                raise Unauthenticated("no identity")
            return Caller(str(name))

        return identify


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """An OpenFGA of its own, which can be stopped and started again, empty."""

    def __init__(self, *flags):
        self.binary = shutil.which("openfga") or _in_go_path()
        self.ports = free_port(), free_port()
        self.address = f"127.0.0.1:{self.ports[0]}"
        self.flags = flags
        self.process = None

    def start(self):
        _, http = self.ports
        self.process = subprocess.Popen(
            [
                *(self.binary, "run", "--datastore-engine", "memory", "--playground-enabled=false"),
                *("--metrics-enabled=false", "--profiler-enabled=false", "--log-level", "none", *self.flags),
                *("--grpc-addr", self.address, "--http-addr", f"127.0.0.1:{http}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 20
        while not self._healthy():
            assert time.monotonic() < end, "openfga did not start"
            time.sleep(0.02)
        return self

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _healthy(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.ports[1]}/healthz") as answer:
            return answer.status == 200
        return False


def _in_go_path():
    found = Path.home() / "go" / "bin" / "openfga"
    if found.exists():
        return str(found)
    reason = f"openfga is not installed: {INSTALL}"
    return pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_openfga():
    """One for all tests of this worker."""
    process = Process().start()
    yield process
    process.stop()


@pytest.fixture
def own_openfga():
    """Starts one that a test may stop."""
    process = Process().start()
    yield process
    process.stop()


@pytest.fixture
def keyed_openfga():
    """One that answers only those who know its key."""
    process = Process("--authn-method", "preshared", "--authn-preshared-keys", "sesame").start()
    yield process
    process.stop()


@pytest.fixture
def caching_openfga():
    """One that answers from caches, for a minute, whoever does not ask for more."""
    caches = ("check-query-cache", "check-iterator-cache", "list-objects-iterator-cache")
    flags = [flag for name in caches for flag in (f"--{name}-enabled", f"--{name}-ttl=60s")]
    process = Process(*flags).start()
    yield process
    process.stop()


@dataclasses.dataclass
class World:
    """A store of its own in OpenFGA, and what is written there."""

    settings: Settings
    client: Client

    @classmethod
    async def make(cls, address, **settings):
        bare = Client(Settings(address=address, token=settings.get("token", "")))
        store_id, model_id = await provision(bare, f"test-{os.urandom(8).hex()}")
        bare.close()
        chosen = Settings(
            address=address, store_id=store_id, model_id=model_id, **{"reconcile_seconds": 0, "timeout_seconds": 5, **settings}
        )
        return cls(chosen, Client(chosen))

    def plugin(self, **settings):
        return OpenFga(self.settings.model_copy(update=settings))

    async def grant(self, who, relation, object_):
        await self.client.write([Relation(who if ":" in who else user(who), relation, object_)])

    async def revoke(self, who, relation, object_):
        await self.client.delete([Relation(who if ":" in who else user(who), relation, object_)])

    async def tuples(self, object_=None):
        """All tuples, or those of an object, as ``object#relation@user``."""
        found = [held.relation async for held in self.client.read(object_)]
        return sorted(f"{each.object}#{each.relation}@{each.user}" for each in found)


@pytest.fixture
async def world(shared_openfga):
    """OpenFGA with the model; ``ann`` is a member of ``acme``, ``eve`` of ``other``, ``adam`` is admin of ``acme``."""
    made = await World.make(shared_openfga.address)
    await made.grant("ann", "member", "organization:acme")
    await made.grant("adam", "admin", "organization:acme")
    await made.grant("eve", "member", "organization:other")
    yield made
    made.client.close()


class Calls:
    """Calls operations of a server as its clients do, but for the network."""

    def __init__(self, app):
        self.app = app
        self.pipelines = app.assembly.pipelines
        self.store = app.store
        self._handles = {operation.name: handle for operation, handle in app.assembly.handles()}
        self._services = make_services(store=app.store)

    async def __call__(self, who, name, json="{}", deadline=None, **metadata):
        """The answer as a client decodes it."""
        operation = self.pipelines[name].operation
        ctx = make_context(operation, operation.request.from_json(json), services=self._services)
        metadata = {name.replace("_", "-"): value for name, value in metadata.items()}
        ctx.info = CallInfo(metadata={"x-user": who, **metadata} if who else metadata, deadline=deadline)
        answer = await self._handles[name](ctx)
        return answer.type.from_binary(answer.wire)

    async def create(self, who="ann", json=SESSION):
        """A new session's id."""
        return (await self(who, "session.create", json)).metadata.id

    async def failure(self, who, name, json="{}", **options):
        """(class, text) of what the call raises."""
        with pytest.raises(StigmerError) as failed:
            await self(who, name, json, **options)
        return type(failed.value), failed.value.text

    async def total(self, who, name="session.list", json="{}"):
        """How many a list counts; the same as it holds."""
        page = await self(who, name, json)
        assert page.total_count == len(page.entries)
        return page.total_count


@asynccontextmanager
async def server_of(world, *, store="memory:", **settings):
    """A server with the plugin, and the authenticator of these tests; names that end in ``_plugin`` are plugins."""
    others = {name: settings.pop(name) for name in list(settings) if name.endswith("_plugin")}
    plugins = {"openfga": world.plugin(**settings), "identity": ByHeader(), **others}
    async with serving(plugins, store=store) as app:
        yield Calls(app)


@pytest.fixture
def server(world):
    """Starts servers with the plugin in ``world``."""

    def start(**options):
        return server_of(world, **options)

    return start


@pytest.fixture
def new_world():
    """Makes worlds in other OpenFGAs."""
    return World.make


@pytest.fixture
def serve():
    """Starts servers with the plugin in any world."""
    return server_of


@pytest.fixture
def session_json():
    """A session of the organization ``acme``."""
    return SESSION


@pytest.fixture
def by_header():
    """The authenticator of these tests."""
    return ByHeader


@pytest.fixture(params=["ngh2", "grpclib"])
def way(request, monkeypatch):
    """The client's connections are made on libnghttp2, or through grpclib as where ngh2 cannot be imported."""
    if request.param == "grpclib":
        monkeypatch.setattr("stigmer.client.calls.Lines", None)
    return request.param
