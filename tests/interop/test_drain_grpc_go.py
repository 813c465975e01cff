"""What grpc-go's client makes of a server that is told to stop while it holds the client's calls."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import pytest

SECONDS = 60
CALLS, CONNECTIONS = 200, 2
"""A client opens a hundred streams on a connection."""
EACH = CALLS // CONNECTIONS
OPTIONS = {
    "test_case": "rpc_soak",
    "soak_iterations": EACH,
    "soak_num_threads": EACH,
    "soak_request_size": 100,
    "soak_response_size": 100,
    "soak_max_failures": 0,
    "soak_overall_timeout_seconds": SECONDS,
    "soak_per_iteration_max_acceptable_latency_ms": SECONDS * 1000,
}


@contextlib.asynccontextmanager
async def program(*command, **options):
    """A process, which is killed unless it has ended."""
    process = await asyncio.create_subprocess_exec(*command, **options)
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def refuses(port):
    """Whether nobody listens on the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was waiting to be accepted when the socket was closed
        return False
    writer.close()
    return False


async def soak(go_client, port):
    """What the client says of a hundred calls at once on one connection."""
    arguments = [f"--{name}={value}" for name, value in {**OPTIONS, "server_port": port}.items()]
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
    async with program(go_client, *arguments, **pipes) as client:
        return (await client.communicate())[0].decode()


@pytest.fixture
async def server(root, tmp_path):
    """A process that holds calls, see ``held_server.py``; ``server.port`` is where it listens."""
    command = (sys.executable, "-m", "tests.interop.held_server", str(CALLS))
    environment = os.environ | {"PYTHONPATH": str(root)}
    async with program(*command, cwd=tmp_path, env=environment, stderr=asyncio.subprocess.PIPE) as process:
        process.port = int((await process.stderr.readline()).rpartition(b":")[2])
        yield process


async def test_sigterm_with_200_calls_in_flight(server, go_client):
    """SIGTERM while 200 calls are held: each is answered OK, and the process ends with 0."""
    calls = asyncio.gather(*(soak(go_client, server.port) for _ in range(CONNECTIONS)))
    assert await server.stderr.readline() == b"holding\n"
    server.send_signal(signal.SIGTERM)
    while not await refuses(server.port):  # noqa: ASYNC110 - another process tells no events
        await asyncio.sleep(0.005)
    server.send_signal(signal.SIGUSR1)
    for output in await calls:
        assert f"soak test successes: {EACH} / {EACH} iterations. Total failures: 0." in output
    assert await server.wait() == 0
