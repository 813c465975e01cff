"""Messages are unpacked to no more than may be, and never on the loop when that takes long."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from grpclib.const import Status

from stigmer.transport import turns
from stigmer.transport.framing import GZIP, PACKED, Broken, packed, prefix, read_prefix, unpacked
from stigmer.transport.turns import Turns

MIB = 1024 * 1024


def test_prefixes():
    """A prefix holds its flag and its size."""
    assert prefix(1, 258) == b"\1\0\0\1\2"
    assert read_prefix(prefix(0, 2**32 - 1)) == (0, 2**32 - 1)
    assert read_prefix(bytearray(prefix(1, 258) + b"\xff")) == (1, 258)


@pytest.mark.parametrize("size", [0, 1, 63, 64 * 1024, 64 * 1024 + 1, 2 * MIB])
async def test_there_and_back(size):
    """What was packed is the same when it is unpacked, and may be as large as the limit."""
    message = bytes(size)
    assert await unpacked(PACKED, await packed(message, Turns()), GZIP, max(1, size), Turns()) == message
    assert gzip.decompress(await packed(message, Turns())) == message


async def refusal_of(*args):
    with pytest.raises(Broken) as caught:
        await unpacked(*args, Turns())
    return caught.value.refusal


async def test_no_more_than_the_limit():
    """A bomb costs about as much memory as the limit, not what it would become."""
    bomb = gzip.compress(bytes(100 * MIB))
    tracemalloc.start()
    try:
        refusal = await refusal_of(PACKED, bomb, GZIP, MIB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refusal.status is Status.RESOURCE_EXHAUSTED
    assert peak < 4 * MIB


async def test_many_small_parts():
    """A hundred parts are unpacked as one; a limit holds for all of them."""
    parts = gzip.compress(b"x" * 100) * 100
    assert await unpacked(PACKED, parts, GZIP, 10_000, Turns()) == b"x" * 10_000
    assert (await refusal_of(PACKED, parts, GZIP, 9_999)).status is Status.RESOURCE_EXHAUSTED


async def test_parts_of_any_size():
    """Parts are unpacked wherever one ends and the next begins, and a message whose last part ends early is INTERNAL."""
    whole = [random.Random(size).randbytes(size) for size in (0, 1, 64 * 1024 - 30, 64 * 1024, 200_000, 3)]
    parts = b"".join(map(gzip.compress, whole))
    assert await unpacked(PACKED, parts, GZIP, MIB, Turns()) == b"".join(whole)
    for left in (1, 8, 20, len(gzip.compress(whole[-1]) + gzip.compress(whole[-2])) - 1):
        assert (await refusal_of(PACKED, parts[:-left], GZIP, MIB)).status is Status.INTERNAL


async def test_many_parts_cost_no_copies():
    """A large message in many parts takes the memory of its bytes and not of a copy for each part."""
    parts = gzip.compress(random.Random(1).randbytes(4 * MIB)) + gzip.compress(b"x") * 98 + gzip.compress(b"y") + bytes(4 * MIB)
    tracemalloc.start()
    try:
        assert (await refusal_of(PACKED, parts, GZIP, 10 * MIB)).status is Status.INTERNAL
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * MIB


async def test_too_many_parts():
    """Parts cost time even when nothing is in them: there may be a hundred, not a hundred thousand."""
    assert (await refusal_of(PACKED, gzip.compress(b"") * 101, GZIP, MIB)).status is Status.INTERNAL


async def test_empty_parts():
    """Parts without content are parts, also at the limit."""
    assert await unpacked(PACKED, gzip.compress(b"x") + gzip.compress(b"") * 3, GZIP, 1, Turns()) == b"x"


@pytest.mark.parametrize("size", [10, 10 * MIB])
async def test_where_it_is_unpacked(monkeypatch, size):
    """What may take long is unpacked in a thread."""
    threads = []

    class Counting(ThreadPoolExecutor):
        def submit(self, function, *args):
            threads.append(function)
            return super().submit(function, *args)

    with Counting(1) as executor:
        monkeypatch.setattr(turns, "_THREAD", executor)
        await unpacked(PACKED, gzip.compress(bytes(size)), GZIP, 10 * MIB, Turns())
        await packed(bytes(size), Turns())
    assert len(threads) == (2 if size > MIB else 0)


@pytest.mark.parametrize(("flag", "encoding"), [(2, GZIP), (255, GZIP), (PACKED, None), (PACKED, b"identity")])
async def test_flags(flag, encoding):
    """A flag that means nothing here is INTERNAL."""
    assert (await refusal_of(flag, gzip.compress(b"x"), encoding, 100)).status is Status.INTERNAL
