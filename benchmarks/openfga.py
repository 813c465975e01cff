"""What authorization costs: get against OpenFGA's own checks, and lists for callers who see few, some and all.

Usage: ``python benchmarks/openfga.py [SESSIONS]``; needs ``openfga`` on the path or in ``~/go/bin``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc.aio
from load import QUERY, measure
from servers import CORES, pin_load, process
from stigmer_openfga import OpenFga, Settings
from stigmer_openfga._proto.openfga.v1 import openfga_pb as pb
from stigmer_openfga.client import Client, Relation
from stigmer_openfga.names import user
from stigmer_openfga.policies import policies_of
from stigmer_openfga.provision import provision

from stigmer import Caller, CallInfo, Kind, Owner, Store, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsRequest, SessionId, SessionList
from stigmer.app import App, assembled, open_store
from stigmer.ownership import ORGANIZATION
from stigmer.settings import Settings as ServerSettings
from stigmer.store.document import make_document

OPENFGA = "/openfga.v1.OpenFGAService"
SESSIONS, GETS, FEW, SOME = 10_000, 500, 3, 100
LIST_CACHE = "1"
SECONDS = 2.0


class ByHeader:
    """Believes the metadata ``x-user``."""

    @hookimpl
    def authenticator(self) -> Any:
        """Tells who calls; whoever does not say is the one who made all sessions."""

        async def identify(info: CallInfo) -> Caller:
            return Caller(str(info.metadata.get("x-user", "maker")))

        return identify


@contextlib.contextmanager
def openfga() -> Iterator[str]:
    """The address of an OpenFGA that keeps everything in memory."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        address, http = (f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two))
    binary = shutil.which("openfga") or str(Path.home() / "go" / "bin" / "openfga")
    flags = ["--playground-enabled=false", "--metrics-enabled=false", "--profiler-enabled=false", "--log-level", "none"]
    command = [binary, "run", "--datastore-engine", "memory", *flags, "--grpc-addr", address, "--http-addr", http]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "GOMAXPROCS": "1"}
    ) as running:
        os.sched_setaffinity(running.pid, {CORES[0]})
        try:
            for _ in range(500):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{http}/healthz"):
                    break
                time.sleep(0.02)
            yield address
        finally:
            running.kill()


async def serve(store: str, on: str) -> None:
    """A server, with the plugin or without, until it is killed; its settings are in the environment."""
    plugins = {"identity": ByHeader(), **({"openfga": OpenFga()} if on == "on" else {})}
    app = await App.start(ServerSettings(listen="127.0.0.1:0", store=store, log="off", plugins=()), plugins)
    print(f"serving on {app.address}", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


async def fill(url: str, count: int, client: Client) -> list[str]:
    """Stores sessions of one organization and their tuples, and grants of few and some of them; their ids."""
    described = assembled(ServerSettings(store=url, plugins=()))
    store, kind, ids = await open_store(described), described.kinds[0], []
    create = described.pipelines["session.create"].operation.request
    relations: list[Relation] = []
    for number in range(count):
        state = _session(create, number)
        ids.append(state.metadata.id)
        relations += policies_of(kind.key, state)
    await _insert(store, kind, [_session(create, number) for number in range(count)])
    await store.close()
    relations += [Relation(user("maker") or "", "member", "organization:acme")]
    relations += [Relation(user("admin") or "", "admin", "organization:acme")]
    for who, seen in (("few", FEW), ("some", SOME)):
        relations += [Relation(user(who) or "", "viewer", f"session:{id_}") for id_ in ids[:: max(1, count // seen)][:seen]]
    for start in range(0, len(relations), 100):
        await client.write(relations[start : start + 100])
    return ids


def _session(type_: Any, number: int) -> Any:
    return type_.from_json(
        f'{{"metadata": {{"id": "ses-{number}", "slug": "s-{number}", "org": "acme", "ownerScope": "organization"}}, '
        f'"spec": {{"agentInstanceId": "ain-{number % 100}", "subject": "Session {number}"}}, '
        '"status": {"audit": {"specAudit": {"createdBy": {"id": "maker"}}}}}'
    )


async def _insert(store: Store, kind: Kind[Any], states: list[Any]) -> None:
    for start in range(0, len(states), 500):
        documents = [make_document(kind, state, Owner(ORGANIZATION, "acme")) for state in states[start : start + 500]]
        await asyncio.gather(*(store.insert(kind, document) for document in documents))


def _checks(settings: Settings, ids: list[str]) -> Iterator[bytes]:
    for id_ in itertools.cycle(ids):
        yield pb.CheckRequest(
            store_id=settings.store_id,
            authorization_model_id=settings.model_id,
            tuple_key=_key(id_),
            consistency=pb.ConsistencyPreference.HIGHER_CONSISTENCY,
        ).to_binary()


def _batches(settings: Settings, ids: list[str]) -> Iterator[bytes]:
    for start in itertools.cycle(range(0, len(ids), 50)):
        yield pb.BatchCheckRequest(
            store_id=settings.store_id,
            authorization_model_id=settings.model_id,
            checks=[pb.BatchCheckItem(tuple_key=_key(i), correlation_id=str(n)) for n, i in enumerate(ids[start : start + 50])],
            consistency=pb.ConsistencyPreference.HIGHER_CONSISTENCY,
        ).to_binary()


def _key(id_: str) -> pb.CheckRequestTupleKey:
    return pb.CheckRequestTupleKey(user=user("maker") or "", relation="can_view", object=f"session:{id_}")


async def pages(address: str, who: str, times: int) -> tuple[int, float, float]:
    """(total, first page in ms, median of later ones in ms) of pages of 50."""
    took = []
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(f"{QUERY}/list")
        for _ in range(times):
            began = time.perf_counter()
            answer = await call(ListSessionsRequest(page_size=50).to_binary(), metadata=(("x-user", who),))
            took.append((time.perf_counter() - began) * 1000)
    return SessionList.from_binary(answer).total_count, took[0], statistics.median(took[1:])


async def compare_gets(stigmer: str, settings: Settings, ids: list[str]) -> None:
    """One caller, and 64 calls in flight; alternating, and the median of three rounds."""
    gets = (SessionId(value=id_).to_binary() for id_ in itertools.cycle(ids))
    rounds = []
    for _ in range(3):
        check = await measure(settings.address, f"{OPENFGA}/Check", _checks(settings, ids), in_flight=1, seconds=SECONDS)
        get = await measure(stigmer, f"{QUERY}/get", gets, in_flight=1, seconds=SECONDS)
        batch = await measure(settings.address, f"{OPENFGA}/BatchCheck", _batches(settings, ids), in_flight=2, seconds=SECONDS)
        many = await measure(stigmer, f"{QUERY}/get", gets, in_flight=64, seconds=SECONDS)
        rounds.append((check.p50_us, get.p50_us, batch.per_second * 50, many.per_second))
    check_p50, get_p50, batched, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"one caller, p50:   Check {check_p50:.0f} us, get with Authorize {get_p50:.0f} us: {get_p50 / check_p50:.2f} x")
    print(f"64 in flight:      BatchCheck {batched:.0f} checks/s, get with Authorize {rate:.0f}/s: {rate / batched:.2f} x")


async def compare_lists(on: str, off: str, count: int) -> None:
    """The first page of 50 for callers who see few, some, and all for two reasons."""
    total, _, plain = await pages(off, "anybody", 50)
    print(f"list without the plugin: total {total}, {plain:.2f} ms")
    for who in ("few", "some", "admin", "maker"):
        total, cold, warm = await pages(on, who, 50)
        print(f"list for {who:6}: total {total:6}, cold {cold:7.2f} ms, warm {warm:7.2f} ms: {warm / plain:.2f} x")
        assert total == {"few": FEW, "some": SOME}.get(who, count)


@contextlib.asynccontextmanager
async def world(count: int) -> AsyncIterator[tuple[Settings, str, list[str]]]:
    """An OpenFGA on the first core and a store, both filled: (settings, URL, ids). The environment leads to them."""
    with openfga() as address, tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/s.db"
        bare = Client(Settings(address=address))
        found = await provision(bare, "bench")
        bare.close()
        settings = Settings(address=address, store_id=found.store_id, model_id=found.model_id)
        client = Client(settings)
        ids = await fill(url, count, client)
        client.close()
        for name, value in found._asdict().items():
            os.environ[f"STIGMER_OPENFGA_{name.upper()}"] = value
        os.environ |= {"STIGMER_OPENFGA_ADDRESS": address, "STIGMER_OPENFGA_RECONCILE_SECONDS": "0"}
        os.environ["STIGMER_OPENFGA_LIST_CACHE_SECONDS"] = LIST_CACHE
        yield settings, url, ids


@contextlib.contextmanager
def stigmer(url: str, on: str) -> Iterator[str]:
    """A server beside the load: OpenFGA has the other core for itself."""
    with process(__file__, "serve", url, on) as (address, pid):
        os.sched_setaffinity(pid, {CORES[-1]})
        yield address


async def main(count: int) -> None:
    """Gets with as many sessions as OpenFGA's memory store answers quickly about, lists with all."""
    pin_load()
    async with world(GETS) as (settings, url, ids):
        with stigmer(url, "on") as on:
            await compare_gets(on, settings, ids)
    async with world(count) as (_, url, _):
        with stigmer(url, "on") as on, stigmer(url, "off") as off:
            await compare_lists(on, off, count)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        import uvloop

        uvloop.run(serve(*sys.argv[2:]))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS))
