"""Starts the servers that are measured, each in a process of its own on the first core; the load has the last one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))


def pin_load() -> None:
    """Keeps this process off the servers' core, where there are two."""
    os.sched_setaffinity(0, {CORES[-1]})


def process(*command: str) -> AbstractContextManager[tuple[str, int]]:
    """Runs a server in Python, as ``program`` does."""
    return program(sys.executable, *command)


@contextmanager
def program(*command: str, **variables: str) -> Iterator[tuple[str, int]]:
    """Runs a server that prints its address on standard error, and gives (address, pid)."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | variables) as server:
        os.sched_setaffinity(server.pid, {CORES[0]})
        try:
            yield _address(server), server.pid
        finally:
            server.terminate()


@contextmanager
def stigmer(store: str, *flags: str, program: tuple[str, ...] = ("-m", "stigmer")) -> Iterator[tuple[str, int]]:
    """A stigmer server on a free port, its log off."""
    with process(*program, "serve", "--listen", "127.0.0.1:0", "--store", store, "--log", "off", *flags) as found:
        yield found


def echo(kind: str, size: int, *certificate: str) -> AbstractContextManager[tuple[str, int]]:
    """A bare server that answers every call with ``size`` bytes: ``stock`` grpclib, or our transport on ``ngh2`` or ``h2``."""
    return process(str(HERE / "echo_server.py"), kind, str(size), *certificate)


@contextmanager
def go_echo() -> Iterator[tuple[str, int] | None]:
    """A bare grpc-go server that answers every call with its own bytes; None where there is no Go to build it."""
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "goecho"
        build = ["go", "build", "-o", str(binary)]
        if shutil.which("go") is None or subprocess.run(build, cwd=HERE / "goecho", check=False).returncode:
            yield None
            return
        with program(str(binary), GOMAXPROCS="1") as found:
            yield found


def _address(server: subprocess.Popen[str]) -> str:
    seen = []
    for line in server.stderr or ():
        seen.append(line)
        if found := re.search(r"serving on (\S+:\d+)", line):
            return found[1]
    raise RuntimeError("the server did not start:\n" + "".join(seen))
