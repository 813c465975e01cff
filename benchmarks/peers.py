"""Create, get and page beside other servers and stores of sessions, at so many sessions; one core for each server in turn.

    python benchmarks/peers.py [--sessions 10000] [--in-flight 16] [--seconds 3] [--rounds 3] [--folder KEPT]

Each peer gets a virtual environment of its own below the folder, made at the first run: ADK's api_server on SQLite
(``google-adk[db]``), LangGraph's development server (``langgraph-cli[inmem]``), and the SQLiteSession of ``openai-agents``,
which is a library: it is measured within a process, without a network between. Ours is shown with each durability.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from load import COMMAND, QUERY, Rate, create, realistic
from peer_http import Request, closed_loop
from quick_load import measure
from servers import CORES, pin_load, stigmer
from wire import unique

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsRequest, SessionId

PAGE = 50
STATE = {"subject": "Fix the build", "agent": "ain-7", "labels": {"team": "search", "env": "dev"}, "locale": "en"}
OPERATIONS = ("create", "get", "page")
OURS = {
    "stigmer, SQLite FULL": ("-m", "stigmer"),
    "stigmer, SQLite NORMAL": (str(Path(__file__).parent / "not_durable.py"),),
}
LIBRARY = Path(__file__).parent / "peer_library.py"
Operation = Callable[[float], Rate]


class Peer(NamedTuple):
    """Another keeper of sessions.

    Attributes:
        packages: what its virtual environment holds.
        serve: in its environment and folder, on a port: starts it, and gives its operations once it has the sessions.
    """

    packages: str
    serve: Callable[[Environment], contextlib.AbstractContextManager[dict[str, Operation]]]


class Environment(NamedTuple):
    """Where a peer runs.

    Attributes:
        programs: folder of its programs.
        folder: for its data, empty.
        options: of this run.
    """

    programs: Path
    folder: Path
    options: argparse.Namespace

    @property
    def count(self) -> int:
        """How many sessions it is to have."""
        return int(self.options.sessions)


@contextlib.contextmanager
def running(environment: Environment, command: list[str], port: int) -> Iterator[None]:
    """A server on the first core, once it listens."""
    log = environment.folder / "server.log"
    with log.open("w") as out, subprocess.Popen(command, cwd=environment.folder, stdout=out, stderr=out) as server:
        os.sched_setaffinity(server.pid, {CORES[0]})
        try:
            _wait_for(port, server, log)
            yield
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def over_http(environment: Environment, port: int, requests: dict[str, Callable[[], Request]]) -> dict[str, Operation]:
    """The operations of a server that speaks HTTP/1.1, once it has been filled."""
    in_flight = environment.options.in_flight

    def operation(name: str) -> Operation:
        return lambda seconds: closed_loop(port, requests[name], in_flight=in_flight, seconds=seconds)

    closed_loop(port, requests["create"], in_flight=in_flight, count=environment.count)
    return {name: operation(name) for name in OPERATIONS}


@contextlib.contextmanager
def adk(environment: Environment) -> Iterator[dict[str, Operation]]:
    """ADK's server: ids of our own choice, and a list that has no pages."""
    agent = environment.folder / "agents" / "echo"
    agent.mkdir(parents=True)
    (agent / "agent.py").write_text("from google.adk.agents import Agent\nroot_agent = Agent(name='echo', model='none')\n")
    (agent / "__init__.py").write_text("from . import agent\n")
    port, sessions = free_port(), "/apps/echo/users/ann/sessions"
    uri = f"--session_service_uri=sqlite+aiosqlite:///{environment.folder}/adk.db"
    command = [f"{environment.programs}/adk", "api_server", uri, f"--port={port}", f"{environment.folder}/agents"]
    numbers = itertools.count()
    with running(environment, command, port):
        yield over_http(
            environment,
            port,
            {
                "create": lambda: Request("POST", sessions, {"session_id": f"s{next(numbers)}", "state": STATE}),
                "get": lambda: Request("GET", f"{sessions}/s{random.randrange(environment.count)}"),
                "page": lambda: Request("GET", sessions),
            },
        )


@contextlib.contextmanager
def langgraph(environment: Environment) -> Iterator[dict[str, Operation]]:
    """LangGraph's development server, whose threads are in memory."""
    (environment.folder / "graph.py").write_text(
        "from langgraph.graph import StateGraph\nbuilder = StateGraph(dict)\nbuilder.add_node('n', lambda s: s)\n"
        "builder.set_entry_point('n')\ngraph = builder.compile()\n"
    )
    (environment.folder / "langgraph.json").write_text(
        json.dumps({"dependencies": ["."], "graphs": {"echo": "./graph.py:graph"}})
    )
    port = free_port()
    command = [f"{environment.programs}/langgraph", "dev", "--no-browser", "--no-reload", "--port", str(port)]
    known = [f"00000000-0000-4000-8000-{number:012}" for number in range(environment.count)]
    new = (f"00000000-0000-4000-9000-{number:012}" for number in itertools.count())
    ids = itertools.chain(known, new)
    with running(environment, command, port):
        yield over_http(
            environment,
            port,
            {
                "create": lambda: Request("POST", "/threads", {"thread_id": next(ids), "metadata": STATE}),
                "get": lambda: Request("GET", f"/threads/{random.choice(known)}"),
                "page": lambda: Request("POST", "/threads/search", {"limit": PAGE}),
            },
        )


@contextlib.contextmanager
def openai_agents(environment: Environment) -> Iterator[dict[str, Operation]]:
    """A library: it is called in a process of its own, by as many tasks as others have calls in flight."""
    options = environment.options
    command = [f"{environment.programs}/python", str(LIBRARY), f"{environment.folder}/agents.db"]
    with subprocess.Popen(
        [*command, str(options.sessions), str(options.in_flight)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        os.sched_setaffinity(child.pid, {CORES[0]})

        def ask(name: str, seconds: float) -> Rate:
            assert child.stdin is not None
            assert child.stdout is not None
            print(name, seconds, file=child.stdin, flush=True)
            return Rate(*json.loads(child.stdout.readline()))

        ask("fill", 0)
        yield {name: (lambda seconds, name=name: ask(name, seconds)) for name in OPERATIONS}
        assert child.stdin is not None
        child.stdin.close()


@contextlib.contextmanager
def ours(program: tuple[str, ...], environment: Environment) -> Iterator[dict[str, Operation]]:
    """This server."""
    options = environment.options
    store = f"sqlite:///{environment.folder}/stigmer.db"
    with stigmer(store, program=program) as (address, _):
        seeded = asyncio.run(create(address, [realistic(number).to_binary() for number in range(options.sessions)]))
        ids = [Session.from_binary(answer).metadata.id for answer in seeded]
        gets = (SessionId(value=random.choice(ids)).to_binary() for _ in itertools.count())
        runs: dict[str, tuple[str, Iterator[bytes]]] = {
            "create": (f"{COMMAND}/create", unique(int(options.rounds * options.seconds * 12_000))),
            "get": (f"{QUERY}/get", gets),
            "page": (f"{QUERY}/list", itertools.repeat(ListSessionsRequest(page_size=PAGE).to_binary())),
        }

        def operation(path: str, requests: Iterator[bytes]) -> Operation:
            return lambda seconds: measure(address, path, requests, in_flight=options.in_flight, seconds=seconds)

        yield {name: operation(*run) for name, run in runs.items()}


PEERS = {
    "ADK api_server, SQLite": Peer("google-adk[db]", adk),
    "LangGraph dev, in memory": Peer("langgraph-cli[inmem]", langgraph),
    "openai-agents SQLiteSession": Peer("openai-agents", openai_agents),
}


def install(folder: Path, packages: str) -> Path:
    """Makes a virtual environment with ``packages``, unless it is there; gives the folder of its programs."""
    home = folder / packages.partition("[")[0]
    if not (home / "done").exists():
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "-q", packages], check=True)
        (home / "done").touch()
    return home / "bin"


def compare(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, list[Rate]]]:
    """Rates of each keeper and operation, round by round."""
    with contextlib.ExitStack() as stack:
        keepers = {}
        for name, program in OURS.items():
            own = Environment(folder, Path(stack.enter_context(tempfile.TemporaryDirectory())), options)
            keepers[name] = stack.enter_context(ours(program, own))
        for name in options.peers:
            programs = install(folder, PEERS[name].packages)
            its = Environment(programs, Path(stack.enter_context(tempfile.TemporaryDirectory())), options)
            print(f"{name}: filling", file=sys.stderr)
            keepers[name] = stack.enter_context(PEERS[name].serve(its))
        found: dict[str, dict[str, list[Rate]]] = {name: {each: [] for each in OPERATIONS} for name in keepers}
        for _ in range(options.rounds):
            for operation in OPERATIONS:
                for name, keeper in keepers.items():
                    found[name][operation].append(keeper[operation](options.seconds))
        return found


def table(found: dict[str, dict[str, list[Rate]]]) -> None:
    """Prints medians of calls a second, and how many times as many the first keeper answers."""
    first = next(iter(found))
    print(f"| calls/s (of {first}) | {' | '.join(OPERATIONS)} |\n|---|{'---|' * len(OPERATIONS)}")
    for name, rates in found.items():
        cells = []
        for operation, rounds in rates.items():
            ratio = statistics.median(a.per_second / b.per_second for a, b in zip(found[first][operation], rounds, strict=True))
            cells.append(f"{statistics.median(each.per_second for each in rounds):,.1f} (1/{ratio:,.1f})")
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Installs, fills, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    options = parser.parse_args()
    pin_load()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        table(compare(options, folder.resolve()))


if __name__ == "__main__":
    main()
