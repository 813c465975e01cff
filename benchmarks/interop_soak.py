"""grpc-go's client calls a server thousands of times with large messages, on one connection and on one for each call.

python benchmarks/interop_soak.py [--calls 10000] [--connections 1000] [--engine ngh2 h2] [--workers 4]

Every call must succeed, each within ten seconds, and the server's memory must not grow with their number.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import servers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from interop.certificates import Certificates
from interop.go_tools import find, missing
from interop.service import InteropService

from stigmer.transport.limits import Limits
from stigmer.transport.server import Server

SLOWEST_MS = 10_000
SOAK_SECONDS = 900
PARTING_SECONDS = 10
WARM_UP = 1000
"""Calls, and connections, before a server's memory is looked at for the first time."""
GROWTH_MIB = 64
"""What it may have grown by at the end of a soak after those."""
LIMITS = Limits(connections=5000, connections_per_address=5000)
"""The client leaves the connections of a channel_soak open until its end."""


async def serve(engine: str, folder: str) -> None:
    """Serves until it is told to end, with TLS when there is a folder for the certificate."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = Server([InteropService()], engine=engine, limits=LIMITS)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await server.start(sock=listener, ssl=Certificates(Path(folder)).server_context() if folder else None)
    host, port = listener.getsockname()
    print(f"serving on {host}:{port}", file=sys.stderr, flush=True)
    await ended.wait()
    server.close()
    await server.wait_closed()


def open_files(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def settled(pid: int, files: int) -> float:
    """MiB of memory that a server has once the connections of a soak are gone, or do not go."""
    deadline = time.monotonic() + PARTING_SECONDS
    while open_files(pid) > files and time.monotonic() < deadline:
        time.sleep(0.05)
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def soak(client: str, address: str, folder: str, *, case: str, calls: int, workers: int) -> tuple[bool, float, str]:
    """Runs one of the client's soaks: whether it is content, how long it took, and its summary."""
    host, port = address.rsplit(":", 1)
    tls = ["--use_tls", "--use_test_ca", f"--ca_file={folder}/authority.pem"] if folder else []
    limits = [f"--soak_overall_timeout_seconds={SOAK_SECONDS}", f"--soak_per_iteration_max_acceptable_latency_ms={SLOWEST_MS}"]
    amount = [f"--soak_iterations={calls}", f"--soak_num_threads={workers}", "--soak_max_failures=0"]
    began = time.perf_counter()
    done = subprocess.run(
        [client, f"--test_case={case}", f"--server_host={host}", f"--server_port={port}", *tls, *limits, *amount],
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - began
    found = re.search(r"soak test successes: (\d+) / (\d+) iterations", done.stderr)
    whole = found is not None and found[1] == found[2] == str(calls)
    failed = [line for line in done.stderr.splitlines() if " failed: " in line or " exceeds " in line]
    return done.returncode == 0 and whole, took, "\n".join([found[0] if found else done.stderr[-500:], *failed[:3]])


def run(client: str, engine: str, case: str, calls: int, workers: int, *, tls: bool) -> bool:
    """One soak of a server of its own; true when all went well."""
    with tempfile.TemporaryDirectory() as name:
        folder = name if tls else ""
        with servers.process(__file__, "--serve", engine, folder) as (address, pid):
            files = open_files(pid)
            soak(client, address, folder, case=case, calls=min(calls, WARM_UP), workers=workers)
            before = settled(pid, files)
            content, took, summary = soak(client, address, folder, case=case, calls=calls, workers=workers)
            grown = settled(pid, files) - before
    print(f"{engine:5} {'tls' if tls else 'plain':5} {case:12} {calls / took:6.0f}/s  {grown:+6.1f} MiB  {summary}", flush=True)
    return content and grown < GROWTH_MIB


def main() -> int:
    """Takes the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--engine", nargs="*", default=["ngh2", "h2"])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--serve", nargs=2)
    arguments = parser.parse_args()
    if arguments.serve:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(*arguments.serve))
        return 0
    client = find("client")
    if client is None:
        print(missing("client"))
        return 1
    cases = {"rpc_soak": arguments.calls, "channel_soak": arguments.connections}
    content = [
        run(client, engine, case, calls, arguments.workers, tls=tls)
        for engine in arguments.engine
        for tls in (False, True)
        for case, calls in cases.items()
    ]
    return 0 if all(content) else 1


def loop_factory():
    """uvloop's, which production has; None where it is not."""
    try:
        import uvloop  # noqa: PLC0415 - not every platform has it
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
