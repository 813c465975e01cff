"""A server, a client of it, and a wire between them that can be cut."""

from __future__ import annotations

import asyncio

import pytest

from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionSpec
from stigmer.testing.server import serving

from .scripted import Scripted


@pytest.fixture
async def server():
    async with serving() as app:
        yield app


@pytest.fixture
async def client(server):
    async with SessionClient(server.address) as client:
        yield client


@pytest.fixture
def draft():
    """Makes a session of the organization acme that is not stored yet."""

    def make(name: str, agent: str = "ain-1", tags: tuple[str, ...] = (), subject: str = "") -> Session:
        return Session(
            metadata=ApiResourceMetadata(name=name, org="acme", owner_scope=ApiResourceOwnerScope.organization, tags=[*tags]),
            spec=SessionSpec(agent_instance_id=agent, subject=subject),
        )

    return make


class Wire:
    """Passes bytes on to a server, unless told to cut the next connections off or to let everything vanish.

    Attributes:
        address: where clients connect.
        early: so many connections are closed as soon as they are made.
        cut: so many connections are closed when their first call comes.
        hold: from its first call on the client's bytes are read and go nowhere.
        connections: how many there were.
        reached: set once a client has made a call.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.address = ""
        self.early = self.cut = 0
        self.hold = False
        self.connections = 0
        self.reached = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"

    async def close(self) -> None:
        self._server.close()
        self.break_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def break_all(self) -> None:
        """Cuts every connection there is."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        self._writers.append(writer)
        if self.early:
            self.early -= 1
            writer.close()
            return
        host, _, port = self._target.rpartition(":")
        upstream, downstream = await asyncio.open_connection(host, int(port))
        self._writers.append(downstream)
        await asyncio.gather(self._calls(reader, writer, downstream), _pump(upstream, writer))

    async def _calls(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, downstream: asyncio.StreamWriter
    ) -> None:
        """The way of what the client sends."""
        sent = b""
        while not _has_call(sent) and (data := await reader.read(65536)):
            sent += data
            if not _has_call(sent):
                downstream.write(data)
        self.reached.set()
        if self.cut:
            self.cut -= 1
            writer.close()
            downstream.close()
        elif self.hold:
            while await reader.read(65536):
                pass
            downstream.close()
        else:
            downstream.write(data)
            await _pump(reader, downstream)


def _has_call(sent: bytes) -> bool:
    """Whether a client has sent a HEADERS frame: after the 24 bytes of its preface come frames with 9 bytes of their own."""
    at = 24
    while at + 9 <= len(sent):
        if sent[at + 3] == 1:
            return True
        at += 9 + int.from_bytes(sent[at : at + 3], "big")
    return False


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
    except ConnectionError:
        pass
    finally:
        target.close()


@pytest.fixture
async def wire(server):
    wire = Wire(server.address)
    await wire.open()
    yield wire
    await wire.close()


@pytest.fixture
async def scripted():
    """A server whose every frame the test decides."""
    server = Scripted()
    await server.open()
    yield server
    await server.close()
