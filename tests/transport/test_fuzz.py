"""Conversations, honest and mutated, without and with sockets: the server never breaks, hangs or keeps anything."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from attacked import make_server
from byte_path import BytePath, Manner
from fuzz_corpus import MANNERS, corpus
from fuzz_sockets import Fuzzer
from wire_mutations import mutated

HERE = Path(__file__).parent
ENGINES = ["ngh2", "h2"]
ROUNDS, MUTANTS_A_ROUND = 10, 100
CONNECTIONS_A_ROUND = 30
SEEDS = list(corpus().values())


@pytest.fixture(params=ENGINES)
async def path(request):
    """A server whose bytes come from no socket."""
    path = BytePath(request.param)
    yield path
    path.close()


def test_the_corpus_is_that_of_today():
    """The committed files are those that ``benchmarks/fuzz_corpus.py`` writes."""
    committed = {file.name: file.read_bytes() for file in (HERE / "corpus").iterdir()}
    assert committed == corpus()


def test_a_manner_is_a_byte():
    """Each byte that a conversation may begin with says how it is held."""
    assert [Manner.of(code).code for code in range(128)] == list(range(128))


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("name", corpus())
async def test_conversations_leave_nothing(path, name, manner):
    """What honest clients say, cut into whatever pieces, ends with nothing left."""
    await path.converse(bytes([manner.code]) + corpus()[name][1:])


@pytest.mark.parametrize(
    "name", ["unary", "unary-in-pieces", "unary-padded", "unary-continuations", "chat", "unary-compressed-headers"]
)
async def test_honest_calls_are_answered(path, name):
    """The conversations are really held: calls in them are answered with messages."""
    assert await path.converse(corpus()[name]) > 0


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_mutated_conversations_leave_nothing(path, seed):
    """Neither do frames that are dropped, repeated, cut, mixed up, or have odd numbers in them."""
    chance = random.Random(seed)
    for _ in range(MUTANTS_A_ROUND):
        await path.converse(mutated(chance.choice(SEEDS), chance, SEEDS))
    assert await path.converse(corpus()["unary"]) > 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("engine", ENGINES)
async def test_mutated_connections_are_closed(engine, seed):
    """Over real sockets every connection comes to its end, and an honest call is answered after each."""
    server = make_server(engine, {})
    await server.start("127.0.0.1", 0)
    host, port = server.addresses[0].rsplit(":", 1)
    try:
        fuzzer = Fuzzer(host, int(port), random.Random(seed))
        for _ in range(CONNECTIONS_A_ROUND):
            await fuzzer.connection()
    finally:
        await server.drain(0)
    assert server.statistics.connections == 0
