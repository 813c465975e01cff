"""What clients and operators keep secret appears in no log, no status and no span; and nobody forges a line of the log."""

from __future__ import annotations

import asyncio
import json
import signal

import grpc
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stigmer import before, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer.observe.plugin import Observe
from stigmer.testing import serving

CANARY = "c4n4ry-7f3a"
METADATA = (
    ("authorization", f"Bearer {CANARY}"),
    ("cookie", f"session={CANARY}"),
    ("x-api-key", CANARY),
    ("x-raw-bin", CANARY.encode()),
    ("user-agent", CANARY),
)
VARIABLES = {
    "STIGMER_OPENFGA_TOKEN": CANARY,
    "STIGMER_WEBHOOK_SECRET": CANARY,
    "STIGMER_NATS_SERVERS": f"nats://user:{CANARY}@127.0.0.1:1",
    "SOME_PASSWORD": CANARY,
}
BUG = """
from stigmer import before, hookimpl

class Fails:
    name = "Fails"

    async def __call__(self, ctx):
        private = ctx.request
        raise RuntimeError("a bug")

@hookimpl
def contribute_steps(op):
    if op.verb == "delete":
        yield before("DeleteResource", Fails())
"""
FORGED = [
    "a\r\n2026-01-01 | INFO | forged",
    "\x1b[31mred\x1b[0m",
    "{} {0.__class__} {message}",
    "%s %(levelname)s %n",
    "<red>tag</red>",
    "\u2028\u2029\u0085\x0b\x0c",
    "\u202eright to left",
    '"}\n{"level": "INFO"}',
]


async def ask_for_everything(wire, session, refused):
    """Calls that succeed, and calls that fail in each way; what clients are told."""
    created = await wire.create(session, metadata=METADATA)
    id_ = created.metadata.id
    await wire.get(id_, metadata=METADATA)
    calls = [
        wire.create(session, metadata=METADATA),  # ALREADY_EXISTS
        wire.call("get", b"\x0a\xff" + CANARY.encode(), metadata=METADATA),  # no message
        wire.call("create", b"\x1a\x04\xff\xff\xff\xff" + CANARY.encode(), metadata=METADATA),
        wire.call("get", SessionId(value="ses-none"), metadata=METADATA),  # NOT_FOUND
        wire.call("delete", SessionId(value=id_), metadata=METADATA),  # INTERNAL
        wire.call("update", session, metadata=(*METADATA, ("idempotency-key", "x" * 500))),
    ]
    return [await refused(call) for call in calls]


@pytest.fixture
def talkative(process, plugin_folder, sqlite_url):
    """Starts a server that logs all it can, with a plugin that fails, and secrets in its environment."""
    folder = plugin_folder("bug", BUG)

    async def start(form):
        arguments = ("--store", sqlite_url, "--log", form, "--log-level", "TRACE", "--plugins", "bug")
        return await process(*arguments, PYTHONPATH=str(folder), **VARIABLES)

    return start


@pytest.mark.parametrize("form", ["json", "plain"])
async def test_a_canary_is_seen_nowhere(talkative, connect, a_session, form):
    """Neither in metadata, nor in the body, nor in the environment; not even when a step fails that holds the request."""
    server = await talkative(form)
    session = a_session("Private", spec=SessionSpec(agent_instance_id="ain-1", subject=CANARY))
    session.metadata.annotations = {"note": CANARY}
    session.metadata.labels = {"team": CANARY}
    async with connect(await server.address()) as wire:
        refusals = await ask_for_everything(wire, session, wire.refused)
    server.kill(signal.SIGTERM)
    _, lines = await server.ended()
    assert {refusal.code for refusal in refusals} >= {"ALREADY_EXISTS", "NOT_FOUND", "INTERNAL", "INVALID_ARGUMENT"}
    assert any("session.delete" in line for line in lines)
    assert [line for line in lines if CANARY in line] == []
    assert [refusal for refusal in refusals if CANARY in repr(refusal)] == []


class Fails:
    """Fails with the request in its hands, and with what it has read of it in its text."""

    name = "Fails"

    async def __call__(self, ctx):
        raise RuntimeError(f"{ctx.request} {ctx.info.metadata}")

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "delete":
            yield before("DeleteResource", self)


async def test_a_canary_is_in_no_span(connect, a_session):
    """Neither in names nor in attributes nor in events, also of calls that fail."""
    exporter = InMemorySpanExporter()
    session = a_session("Private", spec=SessionSpec(agent_instance_id="ain-1", subject=CANARY))
    session.metadata.annotations = {"note": CANARY}
    plugins = {"observe": Observe(exporter=exporter), "fails": Fails()}
    async with serving(plugins, tracing=True) as app, connect(app.address) as wire:
        await ask_for_everything(wire, session, wire.refused)
    spans = [span.to_json() for span in exporter.get_finished_spans()]
    assert sum('"Fails"' in span for span in spans) >= 1
    assert [span for span in spans if CANARY in span] == []


async def test_a_refused_start_tells_no_password(process):
    """A store's URL that nobody opens is named without what stands before the @."""
    server = await process("--store", f"postgresql://user:{CANARY}@127.0.0.1/db")
    code, lines = await server.ended()
    assert code == 78
    assert [line for line in lines if CANARY in line] == []


@pytest.mark.parametrize("form", ["json", "plain"])
async def test_nobody_forges_a_line(process, connect, a_session, tmp_path, form):
    """Whatever stands in any field, metadata or path: a call is one line, and in JSON each line is an object."""
    server = await process("--store", f"sqlite:///{tmp_path}/stigmer.db", "--log", form, "--log-level", "DEBUG")
    address = await server.address()
    async with connect(address) as wire:
        for text in FORGED:
            printable = "".join(each for each in text if " " <= each <= "~")
            spec = SessionSpec(agent_instance_id=text, subject=text, thread_id=text)
            for call in (
                wire.call("create", a_session(text, spec=spec, id=text), metadata=(("x-request-id", printable),)),
                wire.call("get", SessionId(value=text), metadata=(("x-request-id", printable), ("user-agent", printable))),
            ):
                await call.code()
        with pytest.raises(grpc.aio.AioRpcError):
            await wire.raw("/no.such.Service/%0d%0aforged", b"")
    server.kill(signal.SIGTERM)
    _, lines = await server.ended()
    calls = [line for line in lines if "session.create" in line or "session.get" in line]
    assert len(calls) == 2 * len(FORGED)
    assert not any(line.lstrip().startswith(("2026-01-01 | INFO | forged", "forged")) for line in lines)
    assert not any(odd in line for line in lines for odd in ("\x1b", "\u2028", "\u2029", "\u0085", "\u202e", "\r"))
    if form == "json":
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        assert len(parsed) >= len(calls)


async def test_files_are_the_users_alone(process, connect, a_session, tmp_path):
    """The database, its log and what belongs to them, whatever the umask."""
    folder = tmp_path / "data"
    shell = ("sh", "-c", 'umask 000 && exec "$@"', "sh")
    server = await process("--store", f"sqlite:///{folder}/stigmer.db", prefix=shell)
    async with connect(await server.address()) as wire:
        await wire.create(a_session("One"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in await asyncio.to_thread(lambda: [*folder.iterdir()])}
    assert modes == dict.fromkeys((f"stigmer.db{suffix}" for suffix in ("", "-wal", "-shm", "-lock")), 0o600)
