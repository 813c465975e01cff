"""What a call takes as a store grows: every operation through the wire, one call at a time, on stores of several sizes.

    python benchmarks/growth.py [--sizes 100 10000 1000000] [--rounds 3] [--seconds 1] [--folder KEPT] [--plot growth.svg]

Each size has a server of its own on the first core, and each operation is measured on all of them in turn; figures are
medians of the rounds' medians, in microseconds. Seeding a million takes minutes; ``--folder`` keeps the files for the next run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from growth_plot import plot
from load import COMMAND, QUERY
from protobuf.wkt import Timestamp
from quick_load import measure
from servers import pin_load, stigmer

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsByAgentRequest as ByAgent
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsRequest, SessionId
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import (
    ApiResourceAudit,
    ApiResourceAuditInfo,
    ApiResourceAuditStatus,
)
from stigmer.client import SessionClient
from stigmer.session.kind import SESSION
from stigmer.store import Document, Owner
from stigmer.store.document import make_document
from stigmer.store.sqlite import open_sqlite

GROUP = 500
"""So many sessions share an agent instance, and so many a label: what selective lists and filters find in a large store."""
PAGE = 50
RECENT = 1000
LIMIT = 1.5
"""So many times as long may a call take in the largest store as in the smallest."""
_WORDS = ["fix", "build", "review", "deploy", "translate", "summarize", "plan", "test", "draft", "answer"]


def session(number: int) -> Session:
    """A session of an organization, about something that a rare and a common word describe."""
    info = ApiResourceAuditInfo(
        created_at=Timestamp(seconds=1_750_000_000 + number), updated_at=Timestamp(seconds=1_750_000_000)
    )
    return Session(
        metadata=ApiResourceMetadata(
            id=f"ses-{number:026}",
            name=f"Session {number}",
            slug=f"session-{number}",
            org=f"org-{number % 97}",
            owner_scope=ApiResourceOwnerScope.organization,
            labels={"batch": f"b{number // GROUP}", "third": str(number % 3)},
            tags=[f"tag-{number % 3}"],
        ),
        spec=SessionSpec(
            agent_instance_id=f"ain-{number // GROUP}",
            subject=f"Please {_WORDS[number % 10]} what group{number // GROUP} needs, as soon as there is time for it",
            thread_id=f"thread-{number:08x}",
            metadata={"model": "large"},
        ),
        status=ApiResourceAuditStatus(audit=ApiResourceAudit(spec_audit=info)),
    )


def document(number: int) -> Document:
    """The same as it is stored."""
    message = session(number)
    owner = Owner(ApiResourceOwnerScope.organization, message.metadata.org if message.metadata else "")
    return make_document(SESSION, message, owner)


async def seed(path: Path, size: int) -> None:
    """Writes so many sessions to a new file, as a server would."""
    store = await open_sqlite(path, [SESSION])
    for first in range(0, size, 2000):
        batch = [document(number) for number in range(first, min(first + 2000, size))]
        await asyncio.gather(*(store.insert(SESSION, each) for each in batch))
        print(f"\r{path.name}: {first + len(batch):,} sessions", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    await store.close()


class Load(NamedTuple):
    """An operation: its path, and what makes the requests for a store of a size.

    Attributes:
        limit: how many times as long it may take in the largest store as in the smallest; None where it is told only.
        cache: whether the server has one. A small store would be in it as a whole.
    """

    path: str
    requests: Callable[[int], Iterator[bytes]]
    limit: float | None = LIMIT
    cache: bool = True


class Server(NamedTuple):
    """The servers of a store: one as it comes, and one without a cache."""

    address: str
    uncached: str


def _ids(size: int) -> Iterator[int]:
    chance = random.Random(size)
    while True:
        yield chance.randrange(size)


def _recent(size: int) -> Iterator[bytes]:
    """The same thousand again and again, as most gets are."""
    return itertools.cycle([SessionId(value=f"ses-{n:026}").to_binary() for n in range(max(0, size - RECENT), size)])


def _lists(**fields: object) -> Callable[[int], Iterator[bytes]]:
    """Requests for a page, in which ``{group}`` stands for any group of sessions."""

    def requests(size: int) -> Iterator[bytes]:
        for number in _ids(size):
            words = {name: str(value).format(group=number // GROUP) for name, value in fields.items()}
            yield ListSessionsRequest(page_size=PAGE, **words).to_binary()

    return requests


def _applies(size: int) -> Iterator[bytes]:
    """To sessions that nobody updates."""
    return (session(number & ~1).to_binary() for number in _ids(size))


def _creates(size: int) -> Iterator[bytes]:
    for number in itertools.count(size):
        created = session(number)
        name = f"New {random.getrandbits(60):x}"
        created.metadata = ApiResourceMetadata(name=name, org="org-new", owner_scope=ApiResourceOwnerScope.organization)
        yield created.to_binary()


def _updates(size: int) -> Iterator[bytes]:
    for number in _ids(size):
        changed = session(number | 1)
        if changed.spec:
            changed.spec.thread_id = f"{random.getrandbits(60):x}"
        yield changed.to_binary()


LOADS = {
    "get": Load(f"{QUERY}/get", lambda size: (SessionId(value=f"ses-{n:026}").to_binary() for n in _ids(size)), cache=False),
    "get, out of the cache": Load(f"{QUERY}/get", _recent),
    "get by reference": Load(
        f"{QUERY}/getByReference",
        lambda size: (ApiResourceReference(org=f"org-{n % 97}", slug=f"session-{n}").to_binary() for n in _ids(size)),
        cache=False,
    ),
    "first page": Load(f"{QUERY}/list", _lists()),
    "middle page": Load(f"{QUERY}/list", _lists()),
    "page of an agent's": Load(
        f"{QUERY}/listByAgent",
        lambda size: (ByAgent(agent_id=f"ain-{n // GROUP}", page_size=PAGE).to_binary() for n in _ids(size)),
    ),
    "filter on a label": Load(f"{QUERY}/list", _lists(filter="labels.batch = b{group}")),
    "filter, newest first": Load(
        f"{QUERY}/list", _lists(filter="labels.batch = b{group} AND NOT tags:tag-1", order_by="created_at desc")
    ),
    "search": Load(f"{QUERY}/list", _lists(query="group{group} needs")),
    "by name": Load(f"{QUERY}/list", _lists(order_by="name")),
    "filter that a third meets": Load(f"{QUERY}/list", _lists(filter="labels.third = 1"), None),
    "apply, nothing changes": Load(f"{COMMAND}/apply", _applies),
    "update": Load(f"{COMMAND}/update", _updates),
    "create": Load(f"{COMMAND}/create", _creates),
}
AFTER_WRITE = "filter that a third meets, after a write"


async def middle(address: str, size: int) -> bytes:
    """The request for the page in the middle of all."""
    async with SessionClient(address) as client:
        page, token = None, ""
        for _ in range(max(1, size // 2000)):
            page = await client.list(page_size=min(1000, size // 2), page_token=token, read_mask=["metadata.id"])
            token = page.next_page_token
    return ListSessionsRequest(page_size=PAGE, page_token=token).to_binary()


async def after_writes(address: str, count: int) -> float:
    """Microseconds of the page and total of a broad filter, each time somebody has just written; the median."""
    took = []
    async with SessionClient(address) as client:
        creates = _creates(0)
        for _ in range(count):
            await client._connection.call(f"{COMMAND}/create", next(creates), repeatable=False)  # noqa: SLF001 - bytes
            began = asyncio.get_running_loop().time()
            await client.list(filter="labels.third = 1", page_size=PAGE)
            took.append(asyncio.get_running_loop().time() - began)
    return statistics.median(took) * 1e6


def compare(options: argparse.Namespace, servers: dict[int, Server]) -> dict[str, list[float]]:
    """Medians of each operation, one for each size."""
    middles = {size: asyncio.run(middle(server.address, size)) for size, server in servers.items()}
    found: dict[str, list[list[float]]] = {}
    for name, load in LOADS.items():
        streams = {s: itertools.repeat(middles[s]) if name == "middle page" else load.requests(s) for s in servers}
        for _ in range(options.rounds):
            for column, (size, server) in enumerate(servers.items()):
                address = server.address if load.cache else server.uncached
                rate = measure(address, load.path, streams[size], in_flight=1, seconds=options.seconds)
                found.setdefault(name, [[] for _ in servers])[column].append(rate.p50_us)
    for _ in range(options.rounds):
        for column, server in enumerate(servers.values()):
            took = asyncio.run(after_writes(server.address, 5))
            found.setdefault(AFTER_WRITE, [[] for _ in servers])[column].append(took)
    return {name: [statistics.median(column) for column in columns] for name, columns in found.items()}


def table(sizes: list[int], found: dict[str, list[float]]) -> bool:
    """Prints the medians; whether all are within their limits."""
    print(f"| p50 in µs, of sessions: | {' | '.join(f'{size:,}' for size in sizes)} | grows | limit |")
    print(f"|---|{'---|' * len(sizes)}---|---|")
    fine = True
    for name, medians in found.items():
        limit = LOADS[name].limit if name in LOADS else None
        grows = medians[-1] / medians[0]
        fine = fine and (limit is None or grows <= limit)
        print(f"| {name} | {' | '.join(f'{each:,.0f}' for each in medians)} | {grows:.2f} x | {limit or ''} |")
    return fine


def main() -> int:
    """Seeds what is missing, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    pin_load()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        servers = {}
        for size in options.sizes:
            path = folder / f"{size}.db"
            if not path.exists():
                asyncio.run(seed(path, size))
            store = f"sqlite:///{path.resolve()}"
            addresses = [stack.enter_context(stigmer(store, "--cache-bytes", kept))[0] for kept in ("67108864", "0")]
            servers[size] = Server(*addresses)
        found = compare(options, servers)
    fine = table(options.sizes, found)
    if options.plot:
        options.plot.write_text(plot(options.sizes, found))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
