"""A client that shares no transport with the server, the servers it talks to, and what the contract's tests say often."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from protobuf.wkt import FieldMask

from stigmer import Caller, Unauthenticated, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import (
    ListSessionVersionsRequest,
    RestoreSessionRequest,
    SessionVersionList,
)
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import (
    BatchGetSessionsRequest,
    BatchGetSessionsResponse,
    ListSessionsByAgentRequest,
    ListSessionsRequest,
    SessionId,
    SessionList,
)
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer.testing import serving

PACKAGE = "ai.stigmer.agentic.session.v1"
COMMAND, QUERY = f"/{PACKAGE}.SessionCommandController", f"/{PACKAGE}.SessionQueryController"
HISTORY = f"/{PACKAGE}.SessionHistoryController"
RPCS = {
    "apply": (f"{COMMAND}/apply", Session),
    "create": (f"{COMMAND}/create", Session),
    "update": (f"{COMMAND}/update", Session),
    "delete": (f"{COMMAND}/delete", Session),
    "get": (f"{QUERY}/get", Session),
    "batch_get": (f"{QUERY}/batchGet", BatchGetSessionsResponse),
    "get_by_reference": (f"{QUERY}/getByReference", Session),
    "list": (f"{QUERY}/list", SessionList),
    "list_by_agent": (f"{QUERY}/listByAgent", SessionList),
    "list_versions": (f"{HISTORY}/listVersions", SessionVersionList),
    "restore": (f"{HISTORY}/restore", Session),
}
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
)
TIMEOUT = 30.0
SCOPES = ApiResourceOwnerScope


@dataclasses.dataclass(frozen=True)
class Refusal:
    """How a call failed, with the details taken apart."""

    code: str
    text: str
    violations: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    domain: str = ""
    details: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def fields(self) -> list[str]:
        """The fields whose rules are broken."""
        return [field for field, _ in self.violations]


class Wire:
    """One channel to a server."""

    def __init__(self, channel: grpc.aio.Channel, address: str, metadata: tuple[tuple[str, str], ...] = ()):
        self.channel = channel
        self.address = address
        self._metadata = metadata

    def as_user(self, user: str) -> Wire:
        """The same channel, for the caller that ``ByMetadata`` knows as ``user``."""
        return Wire(self.channel, self.address, (("x-user", user),))

    def call(self, method: str, request, **options) -> grpc.aio.UnaryUnaryCall:
        """Begins a call; bytes go out as they are."""
        path, answer = RPCS[method]
        rpc = self.channel.unary_unary(path, request_serializer=_bytes, response_deserializer=answer.from_binary)
        return rpc(request, **{"metadata": self._metadata, "timeout": TIMEOUT, **options})

    async def raw(self, path: str, request: bytes) -> bytes:
        """Calls any rpc, bytes in and bytes out."""
        return await self.channel.unary_unary(path)(request, metadata=self._metadata, timeout=TIMEOUT)

    async def create(self, session, **options) -> Session:
        return await self.call("create", session, **options)

    async def update(self, session, **options) -> Session:
        return await self.call("update", session, **options)

    async def apply(self, session, **options) -> Session:
        return await self.call("apply", session, **options)

    async def delete(self, id_: str, **options) -> Session:
        return await self.call("delete", SessionId(value=id_), **options)

    async def get(self, id_: str, **options) -> Session:
        return await self.call("get", SessionId(value=id_), **options)

    async def masked(self, id_: str, *paths: str) -> Session:
        return await self.call("get", SessionId(value=id_, read_mask=FieldMask(paths=[*paths])))

    async def batch_get(self, *ids: str, **fields) -> list[Session]:
        return (await self.call("batch_get", BatchGetSessionsRequest(ids=[*ids], **fields))).sessions

    async def get_bytes(self, id_: str) -> bytes:
        return await self.raw(RPCS["get"][0], SessionId(value=id_).to_binary())

    async def get_by_reference(self, slug: str = "", **fields) -> Session:
        return await self.call("get_by_reference", ApiResourceReference(slug=slug, **fields))

    async def list(self, **fields) -> SessionList:
        return await self.call("list", ListSessionsRequest(**fields))

    async def list_by_agent(self, agent_id: str = "", **fields) -> SessionList:
        return await self.call("list_by_agent", ListSessionsByAgentRequest(agent_id=agent_id, **fields))

    async def list_versions(self, id_: str, **fields) -> SessionVersionList:
        return await self.call("list_versions", ListSessionVersionsRequest(session_id=id_, **fields))

    async def restore(self, id_: str, version: str, **fields) -> Session:
        return await self.call("restore", RestoreSessionRequest(session_id=id_, version_id=version, **fields))

    async def pages(self, list_=None, **fields) -> list[SessionList]:
        """All pages of a list, by their tokens."""
        list_ = list_ or self.list
        pages = [await list_(**fields)]
        while pages[-1].next_page_token:
            assert len(pages) < 10_000, "the list has no end"
            pages.append(await list_(page_token=pages[-1].next_page_token, **fields))
        return pages

    async def names(self, **fields) -> list[str]:
        """The names of all sessions in the list."""
        return [entry.metadata.name for page in await self.pages(**fields) for entry in page.entries]

    async def count(self) -> int:
        """How many sessions there are."""
        return (await self.list(page_size=1)).total_count

    @staticmethod
    async def refused(call) -> Refusal:
        """How ``call`` fails; that it succeeds is a failure of the test."""
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            return _refusal(error)
        pytest.fail(f"expected a refusal, got {str(answer)[:500]}")


def _bytes(message) -> bytes:
    return message if isinstance(message, bytes) else message.to_binary()


def _refusal(error: grpc.aio.AioRpcError) -> Refusal:
    refusal = Refusal(error.code().name, error.details() or "")
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if packed is None:
        return refusal
    status = status_pb2.Status.FromString(packed)
    assert status.code == error.code().value[0]
    assert status.message == refusal.text
    found = {"details": tuple(detail.type_url.rpartition(".")[2] for detail in status.details)}
    for detail in status.details:
        bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
        if detail.Unpack(bad):
            found["violations"] = tuple((each.field, each.description) for each in bad.field_violations)
        elif detail.Unpack(info):
            found |= {"reason": info.reason, "domain": info.domain, "metadata": tuple(info.metadata.items())}
    return dataclasses.replace(refusal, **found)


@contextlib.asynccontextmanager
async def connected(address: str):
    """A channel of its own to ``address``."""
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        yield Wire(channel, address)


class ByMetadata:
    """An authenticator that believes whatever ``x-user`` says."""

    @hookimpl
    def authenticator(self, settings):
        del settings

        async def identify(info) -> Caller:
            user = info.metadata.get("x-user")
            if not user:
                raise Unauthenticated("who are you?")
            return Caller(user)

        return identify


@pytest.fixture
def by_metadata():
    """A plugin that takes the caller from the metadata ``x-user``."""
    return ByMetadata()


@pytest.fixture
async def served():
    """Starts a server in this process with plugins and settings, and gives a ``Wire`` to it."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*plugins, **settings) -> Wire:
            named = {f"test-{number:02}": plugin for number, plugin in enumerate(plugins)}
            app = await stack.enter_async_context(serving(named, **settings))
            wire = await stack.enter_async_context(connected(app.address))
            wire.app = app
            return wire

        yield start


@pytest.fixture(params=["memory", "sqlite"])
def store_url(request, tmp_path) -> str:
    """Each kind of store in turn, empty."""
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/stigmer.db"


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    """An SQLite store that outlives its server."""
    return f"sqlite:///{tmp_path}/stigmer.db"


@pytest.fixture
async def wire(served, store_url) -> Wire:
    """A server without plugins, on each store."""
    return await served(store=store_url)


@pytest.fixture
async def users(served, store_url, by_metadata) -> Wire:
    """A server that tells callers apart, on each store; ``users.as_user("ann")`` calls it."""
    return await served(by_metadata, store=store_url)


@pytest.fixture
def a_session():
    """Makes a session message: of the organization ``acme`` unless fields of its metadata say otherwise."""

    def make(name: str = "Deploy", *, spec=True, **metadata) -> Session:
        if "owner_scope" not in metadata:
            metadata = {"owner_scope": SCOPES.organization, "org": "acme", **metadata}
        if spec is True:
            spec = SessionSpec(agent_instance_id="ain-1", subject="ship it")
        return Session(metadata=ApiResourceMetadata(name=name, **metadata), spec=spec or None)

    return make


@pytest.fixture
def as_json():
    """The known fields of a message as comparable data, whatever the order of its maps."""
    return lambda message: json.loads(message.to_json())


@pytest.fixture
def connect():
    """A function that opens a channel of its own, as a context manager."""
    return connected


@pytest.fixture
def eventually():
    """Waits until ``condition()`` is true, by looking often; fails after ten seconds."""

    async def wait(condition, seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.005)

    return wait


class Process:
    """``stigmer serve`` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process
        self._lines: list[str] = []
        self._reading = asyncio.ensure_future(self._read())
        self._changed = asyncio.Event()

    async def _read(self) -> None:
        async for line in self._process.stderr:
            self._lines.append(line.decode(errors="replace").rstrip("\n"))
            self._changed.set()
        self._changed.set()

    async def address(self) -> str:
        """Where it serves, once it does."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                found = next(filter(None, (re.search(r"serving on (\S+)", line) for line in self._lines)), None)
                if found:
                    return found[1]
                assert not self._reading.done(), f"the server ended: {self._lines}"
                self._changed.clear()
                await self._changed.wait()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends a signal, if there is still somebody to send it to."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self) -> tuple[int, list[str]]:
        """(exit code, lines on standard error), once it has ended."""
        async with asyncio.timeout(TIMEOUT):
            await self._reading
            return await self._process.wait(), self._lines


@pytest.fixture
async def process(tmp_path):
    """Starts ``stigmer serve`` with arguments and variables."""
    started: list[Process] = []

    async def start(*arguments: str, prefix: tuple[str, ...] = (), **variables: str) -> Process:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STIGMER_")}
        command = (*prefix, sys.executable, "-m", "stigmer", "serve", "--listen", "127.0.0.1:0", "--log", "off", *arguments)
        started.append(
            Process(
                await asyncio.create_subprocess_exec(
                    *command, cwd=tmp_path, env=environment | variables, stderr=asyncio.subprocess.PIPE
                )
            )
        )
        return started[-1]

    yield start
    for each in started:
        each.kill()
        await each.ended()


@pytest.fixture
def plugin_folder(tmp_path):
    """Makes a folder for ``PYTHONPATH`` in which one module is installed as a plugin of the same name."""

    def make(name: str, source: str) -> Path:
        folder = tmp_path / "installed"
        (folder / f"{name}-1.0.dist-info").mkdir(parents=True)
        (folder / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(f"[stigmer]\n{name} = {name}\n")
        (folder / f"{name}.py").write_text(source)
        return folder

    return make
