"""The command line in this process or as a child, a server for it to call, and plugins that look installed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import Future

import pytest
from typer.testing import CliRunner

from stigmer import Unavailable, after, hookimpl
from stigmer.cli import cli
from stigmer.testing.server import serving

DEADLINE = 30.0


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No setting of the developer's reaches a test, and nothing is written outside its folder."""
    for name in [name for name in os.environ if name.startswith("STIGMER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run():
    """Runs ``stigmer`` with arguments in this process."""

    def invoke(*arguments, stdin=None, **environment):
        return CliRunner().invoke(cli, [str(each) for each in arguments], input=stdin, env=environment, prog_name="stigmer")

    return invoke


@pytest.fixture
def server():
    """The address of a server that runs beside the test."""
    with _beside() as address:
        yield address


@pytest.fixture
def busy_server():
    """The address of a server that is there and says UNAVAILABLE to whoever gets a session."""
    with _beside({"busy": _Busy()}) as address:
        yield address


class _Busy:
    """A plugin whose step says that the store is busy."""

    name = "Busy"

    async def __call__(self, ctx):
        raise Unavailable("the store is busy", reason="STORE_BUSY")

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "get":
            yield after("ValidateProto", self)


@contextlib.contextmanager
def _beside(plugins=None):
    address: Future[str] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve():
        async with serving(plugins) as app:
            address.set_result(app.address)
            await stop.wait()

    def work():
        try:
            loop.run_until_complete(serve())
        finally:
            loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield address.result(DEADLINE)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE)


@pytest.fixture
def session(run, server):
    """Runs ``stigmer session`` with arguments against the server."""

    def invoke(*arguments, stdin=None):
        return run("session", *arguments, stdin=stdin, STIGMER_SERVER=server)

    return invoke


class Child:
    """A ``stigmer`` that runs, with what it has said on standard error so far."""

    def __init__(self, *arguments, under=(), **environment):
        command = [*under, sys.executable, "-m", "stigmer", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.said = ""
        self._watchdog = threading.Timer(DEADLINE, self.process.kill)
        self._watchdog.start()

    def wait_for(self, words: str) -> str:
        """The first line with these words; a child that ends without them, or is killed for taking too long, fails."""
        for line in self.process.stderr:
            self.said += line
            if words in line:
                return line.rstrip("\n")
        pytest.fail(f"ended without {words!r}: {self.said}")

    def end(self) -> int:
        """Waits for the child to exit; its exit code."""
        _, rest = self.process.communicate()
        self.said += rest
        return self.process.returncode

    def close(self):
        self.process.kill()
        self.process.communicate()
        self._watchdog.cancel()


@pytest.fixture
def child():
    """Starts ``stigmer`` with arguments as a child process."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, **environment):
            started = Child(*arguments, **environment)
            stack.callback(started.close)
            return started

        yield start


SLOW = """
    import asyncio, pathlib
    from stigmer import before, hookimpl

    class Nap:
        name = "Nap"
        async def __call__(self, ctx):
            pathlib.Path("entered").touch()
            while not pathlib.Path("leave").exists():
                await asyncio.sleep(0.01)

    @hookimpl
    def contribute_steps(op):
        if op.verb == "list":
            yield before("ListAll", Nap())
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes a plugin's source look like an installed package, here and in child processes."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def install(name, source):
        (folder / f"{name}_plugin.py").write_text(textwrap.dedent(source))
        info = folder / f"{name}_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[stigmer]\n{name} = {name}_plugin\n")
        return name

    yield install
    for name in [name for name in sys.modules if name.endswith("_plugin") and hasattr(sys.modules[name], "__file__")]:
        if str(sys.modules[name].__file__).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def slow(installed):
    """The name of a plugin with which lists wait: they make the file ``entered``, and go on once there is ``leave``."""
    return installed("slow", SLOW)
