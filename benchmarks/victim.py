"""A server in a process of its own, a bystander in another, and what both have to tell."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attacked import resident
from attacker import Target

HERE = Path(__file__).parent
HOST = "127.0.0.1"
PATIENCE = 20.0


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the bystander saw since it was last asked: its calls, milliseconds, errors."""

    calls: int
    p50: float | None
    longest: float | None
    errors: list[str]


class Victim:
    """What is attacked: how it is, and how its bystander fares."""

    def __init__(
        self, server: subprocess.Popen[str], bystander: subprocess.Popen[str], where: Mapping[str, Any], log: Path
    ) -> None:
        self._server, self._bystander, self._log = server, bystander, log
        self.port: int = where["port"]
        self._tls_port, self._control = where["tls_port"], where["control"]

    def target(self, number: int, seconds: float, *, addresses: int = 1) -> Target:
        """The target of an attack from addresses that no attack with another number has."""
        sources = tuple(f"127.1.{number}.{last + 1}" for last in range(addresses))
        return Target(HOST, self.port, self._tls_port, sources, seconds)

    def condition(self) -> dict[str, Any]:
        """See ``attacked.condition``."""
        with socket.create_connection((HOST, self._control), PATIENCE) as asking, asking.makefile() as answer:
            return json.load(answer)

    def seen(self) -> Seen:
        """What the bystander saw since this was last called."""
        self._bystander.stdin.write("\n")
        self._bystander.stdin.flush()
        return Seen(**json.loads(self._bystander.stdout.readline()))

    def forget_peak(self) -> int:
        """The bytes of memory that the server has now, from which on the largest is looked for."""
        Path(f"/proc/{self._server.pid}/clear_refs").write_text("5")
        return resident(self._server.pid)

    def peak(self) -> int:
        """The most memory that the server had since ``forget_peak``, in bytes."""
        lines = Path(f"/proc/{self._server.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

    def log(self) -> str:
        """What the server has written to standard error."""
        return self._log.read_text()


@contextlib.contextmanager
def victim(
    engine: str, *, limits: Mapping[str, float] | None = None, per_second: float = 100, pin: bool = False
) -> Iterator[Victim]:
    """A server and its bystander; ``pin``: the server has the first core for itself, and everybody else the last."""
    cores = sorted(os.sched_getaffinity(0)) if pin else []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        command = [engine, "--limits", json.dumps(dict(limits or {})), *_certificate(Path(folder))]
        log = Path(folder) / "log"
        server = stack.enter_context(_process("attacked.py", *command, log=log, cores=cores[:1]))
        where = json.loads(server.stdout.readline() or "null")
        if where is None:
            raise RuntimeError(f"the server did not start:\n{log.read_text()}")
        bystander = stack.enter_context(_process("bystander.py", HOST, str(where["port"]), str(per_second), cores=cores[-1:]))
        found = Victim(server, bystander, where, log)
        while not (seen := found.seen()).calls:
            if seen.errors:
                raise RuntimeError(f"the server does not serve: {seen.errors}\n{log.read_text()}")
            time.sleep(0.05)
        yield found


@contextlib.contextmanager
def _process(script: str, *arguments: str, log: Path | None = None, cores: list[int]) -> Iterator[subprocess.Popen[str]]:
    """Runs a script that ends with its standard input, also when this process dies."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("w")) if log else None
        command = [sys.executable, str(HERE / script), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        stack.enter_context(process)
        stack.callback(process.kill)
        if cores:
            os.sched_setaffinity(process.pid, set(cores))
        yield process
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)


def _certificate(folder: Path) -> list[str]:
    """Arguments with a certificate that nobody trusts, if there is a tool to make it."""
    if (openssl := shutil.which("openssl")) is None:
        return []
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    kind = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([openssl, "req", *kind, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return ["--tls", certificate, key]
