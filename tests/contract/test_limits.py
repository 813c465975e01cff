"""The row "limits" of the contract, and what a hostile client may try."""

import gzip

import grpc
import pytest

from stigmer import after, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec

MIB = 1024 * 1024
CREATE = "/ai.stigmer.agentic.session.v1.SessionCommandController/create"


class FixedClock:
    """It is always the same time, so that equal sessions have equal sizes."""

    def now_ns(self) -> int:
        return 1_767_225_600_123_456_000


def big(a_session, size: int, name: str = "big", **metadata):
    """A session with a subject of ``size`` characters."""
    return a_session(name, spec=SessionSpec(agent_instance_id="ain-1", subject="x" * size), **metadata)


async def test_five_mebibytes(wire, a_session):
    """A session of 5 MiB is created, read, listed, updated and deleted."""
    await wire.create(big(a_session, 5 * MIB, id="x"))
    assert len((await wire.get("x")).spec.subject) == 5 * MIB
    assert len((await wire.list()).entries[0].spec.subject) == 5 * MIB
    assert len((await wire.update(big(a_session, 5 * MIB + 1, id="x"))).spec.subject) == 5 * MIB + 1
    assert len((await wire.delete("x")).spec.subject) == 5 * MIB + 1


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_eleven_mebibytes_in(wire, a_session, compression):
    """A message over 10 MiB is RESOURCE_EXHAUSTED, packed or not; the channel and the server go on."""
    for _ in range(3):
        refusal = await wire.refused(wire.create(big(a_session, 11 * MIB), compression=compression))
        assert refusal.code == "RESOURCE_EXHAUSTED"
        await wire.list()
    assert await wire.count() == 0


async def test_the_limit_is_exact(served):
    """A message of 10 MiB is read, and refused only by its rules; one byte more is not read."""
    wire = await served()
    body = 10 * MIB - 5  # tag and a length of four bytes
    message = b"\x0a" + bytes([body & 127 | 128, body >> 7 & 127 | 128, body >> 14 & 127 | 128, body >> 21]) + b"v" * body
    assert len(message) == 10 * MIB
    assert (await wire.refused(wire.create(message))).code == "INVALID_ARGUMENT"
    assert (await wire.refused(wire.create(message + b"\x12"))).code == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("method", ["create", "apply", "update"])
async def test_largest_session(served, store_url, a_session, method):
    """A session of 10 MiB less 64 KiB as stored is kept; one byte more is RESOURCE_EXHAUSTED and not written."""
    wire = await served(store=store_url, clock=FixedClock())
    name = {"slug": "probe"}
    await wire.create(big(a_session, 3 * MIB, id="probe", **name))
    if method == "update":
        await wire.update(big(a_session, 3 * MIB, id="probe"))
        largest = (10 * MIB - 64 * 1024) - (len(await wire.get_bytes("probe")) - 3 * MIB)
        before = await wire.get_bytes("probe")
        refusal = await wire.refused(wire.update(big(a_session, largest + 1, id="probe")))
        assert await wire.get_bytes("probe") == before
        stored = await wire.update(big(a_session, largest, id="probe"))
    else:
        made = await wire.call(method, big(a_session, 3 * MIB, slug="other"))
        largest = (10 * MIB - 64 * 1024) - (len(await wire.get_bytes(made.metadata.id)) - 3 * MIB)
        await wire.delete(made.metadata.id)
        refusal = await wire.refused(wire.call(method, big(a_session, largest + 1, slug="other")))
        assert await wire.count() == 1
        stored = await wire.call(method, big(a_session, largest, slug="other"))
    assert refusal.code == "RESOURCE_EXHAUSTED"
    assert refusal.details == ("ErrorInfo",)
    assert len(await wire.get_bytes(stored.metadata.id)) == 10 * MIB - 64 * 1024
    assert stored.metadata.id in {entry.metadata.id for page in await wire.pages() for entry in page.entries}


async def test_a_smaller_limit_bounds_what_is_stored_too(served, store_url, a_session):
    """With a lower message limit nothing is stored whose answer would not fit: refused before anything is written."""
    wire = await served(store=store_url, max_message_bytes=128 * 1024)
    for size in (64 * 1024, 100 * 1024, 127 * 1024, 128 * 1024 - 100):
        assert (await wire.refused(wire.create(big(a_session, size)))).code == "RESOURCE_EXHAUSTED"
        assert await wire.count() == 0
    await wire.create(big(a_session, 60 * 1024))


async def test_answer_that_is_too_large(served, sqlite_url, a_session):
    """An answer over the limit is RESOURCE_EXHAUSTED; smaller ones are given."""
    before = await served(store=sqlite_url)
    await before.create(big(a_session, MIB, id="large"))
    await before.create(a_session("small", id="small"))
    await before.app.stop()
    wire = await served(store=sqlite_url, max_message_bytes=256 * 1024)
    assert (await wire.refused(wire.get("large"))).code == "RESOURCE_EXHAUSTED"
    assert (await wire.get("small")).metadata.name == "small"


async def test_answer_that_a_plugin_made_too_large(served, a_session):
    """Also an answer that a step inflated is not sent over the limit."""

    class Inflating:
        @hookimpl
        def contribute_steps(self, op):
            class TransformResponse:
                name = "TransformResponse"

                async def __call__(self, ctx):
                    from stigmer import RESPONSE, Payload

                    ctx[RESPONSE] = Payload(ctx.operation.response, wire=b"\xfa\x3f\xff\xff\xff\x05" + b"x" * (12 * MIB - 1))

            if op.verb == "get":
                yield after("LoadTarget", TransformResponse())

    wire = await served(Inflating())
    await wire.create(a_session(id="x"))
    assert (await wire.refused(wire.get("x"))).code == "RESOURCE_EXHAUSTED"


async def test_page_that_would_be_too_large(wire, a_session):
    """A page that would exceed 10 MiB ends early with a token; all pages together give everything once, in order."""
    for number in range(7):
        await wire.create(big(a_session, 3 * MIB, f"n{number}"))
    for list_, fields in ((wire.list, {}), (wire.list_by_agent, {"agent_id": "ain-1"})):
        pages = await wire.pages(list_, **fields)
        assert [len(page.entries) for page in pages] == [3, 3, 1]
        assert max(len(page.to_binary()) for page in pages) <= 10 * MIB
        assert [entry.metadata.name for page in pages for entry in page.entries] == [f"n{number}" for number in range(7)]
        assert {(page.total_count, page.total_pages) for page in pages} == {(7, 1)}


async def test_gzip_requests(wire, a_session):
    """A request that gzip packed is read."""
    stored = await wire.create(big(a_session, MIB, id="x"), compression=grpc.Compression.Gzip)
    assert await wire.get("x", compression=grpc.Compression.Gzip) == stored
    assert len(stored.spec.subject) == MIB


async def test_gzip_bomb(served):
    """A request that unpacks to 128 MiB is RESOURCE_EXHAUSTED, and the server goes on."""
    wire = await served()
    bomb = b"\x0a" + b"\0" * (128 * MIB)
    assert len(gzip.compress(bomb[: 16 * MIB])) < 64 * 1024
    assert (await wire.refused(wire.create(bomb, compression=grpc.Compression.Gzip))).code == "RESOURCE_EXHAUSTED"
    assert await wire.count() == 0
