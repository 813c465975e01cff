"""``stigmer serve --workers``: several processes on one address, and the parent that looks after them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest

from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionSpec
from stigmer.testing.certificates import Authority

SERVING = "stigmer is serving on "
STORE = "sqlite:///shared.db"
TOGETHER = ("serve", "--workers", "2", "--store", STORE, "--log", "off", "--listen", "127.0.0.1:0")


@pytest.fixture
def together(child):
    """Starts two workers with further arguments; gives the parent, with ``address``."""

    def start(*arguments, **environment):
        serve = child(*TOGETHER, *arguments, **environment)
        serve.address = serve.wait_for(SERVING).removeprefix(SERVING)
        return serve

    return start


def workers_of(parent):
    """The processes whose parent this is."""
    number = parent.process.pid
    return {int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()}


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all(together, run, number):
    """It says once where all serve; a signal to the parent ends the workers, and then it with 0."""
    serve = together()
    assert run("session", "list", "--server", serve.address).exit_code == 0
    workers = workers_of(serve)
    assert len(workers) == 2
    serve.process.send_signal(number)
    assert serve.end() == 0
    assert all(map(gone, workers))
    assert serve.said.count(SERVING) == 1
    assert re.findall("stigmer is stopping|stigmer has stopped", serve.said) == ["stigmer is stopping", "stigmer has stopped"]
    assert "Traceback" not in serve.said


def test_a_worker_that_dies_is_replaced(together, run):
    """One that is killed is told of and replaced; the other serves on meanwhile."""
    serve = together()
    before = workers_of(serve)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    assert re.fullmatch(rf"worker 0 \(process {victim}\) was ended by signal 9; .*", serve.wait_for("worker"))
    assert run("session", "list", "--server", serve.address).exit_code == 0
    until(lambda: len(workers_of(serve) - before) == 1)
    serve.process.terminate()
    assert serve.end() == 0


def test_workers_end_without_their_parent(together):
    """When the parent is killed, its workers stop serving too."""
    serve = together()
    workers = workers_of(serve)
    serve.process.kill()
    until(lambda: all(map(gone, workers)))


def test_what_cannot_start_is_said_once(child):
    """A worker that is refused ends it all with its line, and 78."""
    serve = child(*TOGETHER, "--store", "mongodb://x")
    assert serve.end() == 78
    assert [line for line in serve.said.splitlines() if "error" in line] == [
        "error: a store of the scheme 'mongodb' is opened by no plugin that is on"
    ]


CRASHES = """
    import os
    from stigmer import hookimpl

    @hookimpl
    def startup():
        os._exit(3)
"""


def test_a_worker_that_crashes_at_start(child, installed):
    """One that ends before it serves, and does not say why, ends it all with 1."""
    serve = child(*TOGETHER, "--plugins", installed("crashes", CRASHES))
    assert serve.end() == 1
    assert "worker 0 exited with 3 before it served" in serve.said


DIES_LATER = """
    import os, pathlib
    from stigmer import ConfigurationError, hookimpl

    @hookimpl
    def startup():
        if pathlib.Path("broken").exists():
            raise ConfigurationError("it is broken")
"""


def test_a_worker_that_cannot_start_again(together, installed, tmp_path):
    """One that fails to start time and again is given up in the end, and all the others with it."""
    serve = together("--plugins", installed("dies_later", DIES_LATER))
    (tmp_path / "broken").touch()
    os.kill(min(workers_of(serve)), signal.SIGKILL)
    assert serve.end() == 78
    assert serve.said.count("error: plugin 'dies_later', hook startup: it is broken") == 5
    assert re.findall(r"starts in (\S+) s", serve.said) == ["0.1", "0.2", "0.4", "0.8", "1.6"]


def test_a_store_in_memory_is_refused(run):
    """What is in one process' memory cannot be shared."""
    result = run("serve", "--workers", "2", "--store", "memory:")
    assert result.exit_code == 78
    assert result.stderr.endswith("error: --workers (STIGMER_WORKERS): processes cannot share a store in memory\n")


def test_an_address_in_use_is_refused(child):
    """An address that somebody else listens on is refused before any worker starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        serve = child(*TOGETHER, "--listen", address)
        assert serve.end() == 78
    assert f"error: cannot listen on {address}: Address already in use" in serve.said


def test_hangups_reach_all(together, tmp_path):
    """SIGHUP to the parent makes every worker read its certificates again."""
    authority = Authority(tmp_path)
    for file, path in zip(("tls.pem", "tls.key"), authority.issue("server"), strict=True):
        shutil.copy(path, tmp_path / file)
    serve = together("--log", "plain", "--tls-certificate", "tls.pem", "--tls-key", "tls.key")
    serve.process.send_signal(signal.SIGHUP)
    for _ in range(2):
        serve.wait_for("TLS uses the files as they are now")
    serve.process.terminate()
    assert serve.end() == 0


def test_a_unix_socket_is_shared(together, run, tmp_path):
    """All workers listen on one unix socket, which is gone afterwards."""
    serve = together("--listen", "unix:s.sock")
    assert serve.address == "unix:s.sock"
    for _ in range(5):
        assert run("session", "list", "--server", "unix:s.sock").exit_code == 0
    serve.process.terminate()
    assert serve.end() == 0
    assert not (tmp_path / "s.sock").exists()


def test_calls_in_flight_are_finished(together, child, slow, tmp_path):
    """A call that a worker answers when the parent is told to stop is answered."""
    serve = together("--plugins", slow)
    call = child("session", "list", "--json", "--server", serve.address)
    until((tmp_path / "entered").exists)
    serve.process.terminate()
    serve.wait_for("stigmer is stopping")
    (tmp_path / "leave").touch()
    assert call.end() == 0
    assert serve.end() == 0


def free_ports():
    """Two ports in a row that nobody listens on."""
    for port in range(20_000 + os.getpid() % 20_000, 60_000, 2):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port, port + 1
    raise AssertionError("no free ports")


def created(port):
    """How many sessions the worker with this metrics port has created."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text = page.read().decode()
    pattern = r'^stigmer_operation_duration_seconds_count\{operation="session.create",status="OK"\} (\S+)'
    return float(re.search(pattern, text, re.MULTILINE)[1])


async def write(address, writer, times):
    """Creates 25 sessions over a connection of its own, and notes when each was stored."""
    metadata = {"org": "acme", "owner_scope": ApiResourceOwnerScope.organization}
    async with SessionClient(address) as client:
        for number in range(25):
            named = ApiResourceMetadata(name=f"w{writer}-{number}", **metadata)
            await client.create(Session(metadata=named, spec=SessionSpec(agent_instance_id="ain-1")))
            times.append(time.monotonic())


async def test_writers_get_their_turn(together):
    """Writers of both workers get on side by side: each has done half its work before any other has long done all of its."""
    ports = free_ports()
    serve = together("--metrics-listen", f"127.0.0.1:{ports[0]}")
    done = [[] for _ in range(12)]
    await asyncio.gather(*(write(serve.address, number, times) for number, times in enumerate(done)))
    first_finished = min(times[-1] for times in done)
    begun = min(times[0] for times in done)
    assert max(times[12] for times in done) < first_finished + (first_finished - begun)
    counts = [created(port) for port in ports]
    assert sum(counts) == 12 * 25
    assert min(counts) >= 25
