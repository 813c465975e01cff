"""The server that attacks, cuts, fuzzing and soaks are aimed at, in a process of its own.

    python benchmarks/attacked.py ENGINE [--limits JSON] [--tls CERTIFICATE KEY]

ENGINE is ngh2, h2, or stock for grpclib's own server: the measure of what the attacks do to one that knows no limits. It prints
where it listens as a line of JSON, serves until its standard input ends, and tells who connects to ``control`` how it is.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import grpclib.server
import uvloop
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError

SERVICE = "/bench.Echo/"
UNARY, FAIL, HANG, LARGE, COLLECT, IGNORE, POUR, SPILL, CHAT = (
    SERVICE + name for name in ("Unary", "Fail", "Hang", "Large", "Collect", "Ignore", "Pour", "Spill", "Chat")
)
# Not zeros: of those the system keeps no page until somebody reads them.
LARGE_BYTES = 4 * 1024 * 1024
POURED_BYTES, SPILT_BYTES = 64 * 1024, 1024 * 1024
ENDLESS = 100_000
"""Messages of a stream without end, after which something that should have stopped it has not."""
GC_THRESHOLD = (10_000, 20, 20)
"""As ``stigmer serve`` has it: a full collection is a turn of tens of milliseconds."""
_BEAT_SECONDS = 0.005
COUNTERS = ("connections", "calls", "streams", "request_bytes", "answer_bytes")
"""What ``server.statistics`` has of now, and must not have any more once everybody is gone."""


class PlainBytes(CodecBase):
    """No messages, only bytes."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        """As it is."""
        return message

    def decode(self, data: bytes, message_type: Any) -> bytes:
        """As it is."""
        return data


class Attacked:
    """Methods of all four kinds: quick, failing, large, endless, and one that does not read."""

    def __init__(self) -> None:
        self._never = asyncio.Event()

    def __mapping__(self) -> dict[str, Handler]:
        """Path → handler."""
        kinds = {
            Cardinality.UNARY_UNARY: {UNARY: self.unary, FAIL: self.fail, HANG: self.hang, LARGE: self.large},
            Cardinality.STREAM_UNARY: {COLLECT: self.collect, IGNORE: self.hang},
            Cardinality.UNARY_STREAM: {POUR: self.pour, SPILL: self.spill},
            Cardinality.STREAM_STREAM: {CHAT: self.chat},
        }
        return {path: Handler(call, kind, bytes, bytes) for kind, calls in kinds.items() for path, call in calls.items()}

    async def unary(self, stream: Any) -> None:
        """The same back."""
        await stream.send_message(await stream.recv_message())

    async def fail(self, stream: Any) -> None:
        """Always an error."""
        await stream.recv_message()
        raise GRPCError(Status.NOT_FOUND, "there is none")

    async def hang(self, stream: Any) -> None:
        """Neither reads nor answers."""
        await self._never.wait()

    async def large(self, stream: Any) -> None:
        """Megabytes for whatever comes."""
        await stream.recv_message()
        await stream.send_message(b"x" * LARGE_BYTES)

    async def collect(self, stream: Any) -> None:
        """How many messages came."""
        count = 0
        while await stream.recv_message() is not None:
            count += 1
        await stream.send_message(b"%d" % count)

    async def pour(self, stream: Any) -> None:
        """As many messages as the request says, or without end."""
        asked = await stream.recv_message() or b""
        for _ in range(int(asked) if asked.isdigit() and len(asked) < 5 else ENDLESS):
            await stream.send_message(b"x" * POURED_BYTES)
        if not asked:
            raise RuntimeError("nobody has stopped this stream")

    async def spill(self, stream: Any) -> None:
        """Two large messages."""
        await stream.recv_message()
        for _ in range(2):
            await stream.send_message(b"x" * SPILT_BYTES)

    async def chat(self, stream: Any) -> None:
        """Each message back."""
        while (message := await stream.recv_message()) is not None:
            await stream.send_message(message)


class Pulse:
    """The processor time between two turns of the loop: what callers wait for, whatever else the machine does."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._last, self._longest = time.thread_time(), 0.0
        self._beat()

    def _beat(self) -> None:
        now = time.thread_time()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        self._loop.call_later(_BEAT_SECONDS, self._beat)

    def read(self) -> float:
        """The longest in milliseconds since this was last called."""
        longest, self._longest = self._longest, 0.0
        self._last = time.thread_time()
        return longest * 1000


def make_server(engine: str, limits: dict[str, float]) -> grpclib.server.Server:
    """The server on that engine, or grpclib's own."""
    if engine == "stock":
        return grpclib.server.Server([Attacked()], codec=PlainBytes())
    from stigmer.transport.codec import BytesCodec  # noqa: PLC0415 - stock grpclib is measured without ours
    from stigmer.transport.limits import Limits  # noqa: PLC0415 - likewise
    from stigmer.transport.server import Server  # noqa: PLC0415 - likewise

    return Server([Attacked()], codec=BytesCodec(), limits=Limits(**limits), engine=engine)


def condition(server: grpclib.server.Server, pulse: Pulse) -> dict[str, Any]:
    """How the server is, after everything that can be freed is."""
    longest = pulse.read()
    gc.collect()
    pulse.read()  # collecting takes longer than anything that was asked for
    statistics = getattr(server, "statistics", None)
    return {
        "turn": longest,
        "rss": resident(os.getpid()),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "objects": len(gc.get_objects()),
        "now": {name: getattr(statistics, name, 0) for name in COUNTERS},
        "limited": {name: count for name, count in getattr(statistics, "limited", {}).items() if count},
    }


def resident(pid: int) -> int:
    """The bytes of memory that a process has now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_socket() -> socket.socket:
    """Bound by us: stock grpclib does not tell the port that it was given."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.settimeout(0)
    return listener


async def serve(options: argparse.Namespace) -> None:
    """Serves until standard input ends."""
    server, pulse = make_server(options.engine, options.limits), Pulse()

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(condition(server, pulse)).encode())
        writer.close()

    plain, control = free_socket(), await asyncio.start_server(tell, "127.0.0.1", 0)
    await server.start(sock=plain)
    where = {"port": plain.getsockname()[1], "control": control.sockets[0].getsockname()[1], "tls_port": None}
    if options.tls and options.engine != "stock":  # which listens but once
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        context.set_alpn_protocols(["h2"])
        secure = free_socket()
        await server.start(sock=secure, ssl=context)
        where["tls_port"] = secure.getsockname()[1]
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    print(json.dumps(where), flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Takes the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=["ngh2", "h2", "stock"])
    parser.add_argument("--limits", type=json.loads, default={})
    parser.add_argument("--tls", nargs=2)
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
