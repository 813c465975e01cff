"""The boundary between transport and pipeline: what a call is told about itself, and how the transport's refusals look."""

import asyncio

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from stigmer import CallInfo, after, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer.testing import serving

GET = "/ai.stigmer.agentic.session.v1.SessionQueryController/get"
REQUEST = SessionId(value="x").to_binary()
MIB = 1024 * 1024


class Look:
    """A plugin that keeps what steps see of a call, or never ends it."""

    name = "Look"

    def __init__(self, *, stuck=False):
        self.infos, self.ids = [], []
        self._stuck = stuck

    async def __call__(self, ctx):
        info = ctx.info
        self.infos.append(CallInfo(dict(info.metadata), info.peer, info.deadline, info.certificate))
        self.ids.append((ctx.request_id, ctx.request_id))
        if self._stuck:
            await asyncio.Event().wait()

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "get":
            yield after("ValidateProto", self)


async def refused(address, request=REQUEST, **options):
    """The error that a call ends with, and the reason in its details."""
    channel_options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, channel_options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(options.pop("path", GET))(request, **options)
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata()).get("grpc-status-details-bin", b""))
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)
    return caught.value, (info.domain, info.reason)


async def test_a_step_sees_its_call():
    """Metadata, the client's address and its deadline are there for who asks; no certificate without TLS."""
    look = Look()
    async with serving({"look": look}) as app:
        before = asyncio.get_running_loop().time()
        await refused(app.address, metadata=(("x-one", "1"), ("two-bin", b"\0")), timeout=20)
    (info,) = look.infos
    assert (info.metadata["x-one"], info.metadata["two-bin"]) == ("1", b"\0")
    assert info.peer.startswith("127.0.0.1:")
    assert before + 15 < info.deadline < before + 25
    assert info.certificate is None


@pytest.mark.parametrize(("listen", "peer"), [("[::1]:0", "[::1]:"), ("unix:s.sock", "")])
async def test_peers_have_addresses_of_several_sorts(listen, peer, tmp_path, monkeypatch):
    """The address of a client is written like the server's; a client on a unix socket has none."""
    monkeypatch.chdir(tmp_path)
    look = Look()
    async with serving({"look": look}, listen=listen) as app:
        await refused(app.address)
    assert look.infos[0].peer.startswith(peer)
    assert bool(look.infos[0].peer) is bool(peer)


@pytest.mark.parametrize(("given", "taken"), [("req-7", True), ("x" * 128, True), ("x" * 129, False)])
async def test_request_ids(given, taken):
    """A client's own request id is taken over if it is fit for a log line; else it gets a new one, the same for all who ask."""
    look = Look()
    async with serving({"look": look}) as app:
        await refused(app.address, metadata=(("x-request-id", given),))
    ((first, second),) = look.ids
    assert (first == given) is taken
    assert first == second != ""


async def test_refusals_of_the_transport_have_reasons():
    """What the transport itself refuses has the same details as every other error: domain and reason."""
    async with serving({"look": Look(stuck=True)}, limits={"default_deadline_seconds": "0.3"}) as app:
        cases = {
            "MESSAGE_TOO_LARGE": {"request": b"\x0a" + b"x" * 11 * MIB},
            "DEADLINE_EXCEEDED": {},
            "UNKNOWN_METHOD": {"path": "/no.such.Service/call"},
        }
        for reason, options in cases.items():
            error, found = await refused(app.address, **options)
            assert found == ("stigmer.ai", reason), error
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
