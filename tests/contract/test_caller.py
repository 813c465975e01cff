"""The row "caller" of the contract."""

import pytest

from stigmer import ConfigurationError, after, hookimpl

CALLS = ["create", "update", "delete", "apply", "get", "get_by_reference", "list", "list_by_agent"]


class Authorizing:
    """Brings a step Authorize that lets everybody through."""

    @hookimpl
    def contribute_steps(self, op):
        class Authorize:
            name = "Authorize"

            async def __call__(self, ctx):
                pass

        if op.verb == "get":
            yield after("ValidateProto", Authorize())


async def test_system(wire, a_session):
    """Where nothing authenticates the caller is ``system``, whatever the metadata says."""
    stored = await wire.as_user("ann").create(a_session(owner_scope=3))
    assert stored.status.audit.spec_audit.created_by.id == "system"
    assert await wire.get_by_reference("deploy") == stored


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("request_", [b"", b"\x0a\x01x", b"\xff\xff"])
async def test_no_identity(users, method, request_):
    """A call without credentials is UNAUTHENTICATED in every operation, whether its message is good, bad or none."""
    refusal = await users.refused(users.call(method, request_))
    assert (refusal.code, refusal.reason, refusal.details) == ("UNAUTHENTICATED", "UNAUTHENTICATED", ("ErrorInfo",))


async def test_bad_credentials(users, a_session):
    """Credentials that the authenticator does not take are UNAUTHENTICATED, and nothing is written."""
    eve = users.as_user("")
    assert (await eve.refused(eve.create(a_session()))).code == "UNAUTHENTICATED"
    assert await users.as_user("ann").count() == 0


async def test_an_authenticator_that_breaks(served, a_session):
    """A bug in the authenticator lets nobody in, and tells nothing."""

    class Breaking:
        @hookimpl
        def authenticator(self):
            async def identify(info):
                raise RuntimeError("secret")

            return identify

    wire = await served(Breaking())
    refusal = await wire.refused(wire.create(a_session()))
    assert (refusal.code, refusal.text) == ("INTERNAL", "internal error")


async def test_authorization_without_authenticator(served):
    """A server that would authorize callers whom nobody tells apart does not start."""
    with pytest.raises(ConfigurationError, match=r"Authorize.*no plugin tells who calls"):
        await served(Authorizing())


async def test_authorization_with_authenticator(served, by_metadata, a_session):
    """With both, calls are served."""
    ann = (await served(Authorizing(), by_metadata)).as_user("ann")
    stored = await ann.create(a_session())
    assert await ann.get(stored.metadata.id) == stored


@pytest.mark.parametrize("service", ["", "ai.stigmer.agentic.session.v1.SessionQueryController"])
async def test_health_is_public(users, service):
    """Health asks nobody who they are."""
    request = b"\x0a" + bytes([len(service)]) + service.encode()
    assert await users.raw("/grpc.health.v1.Health/Check", request) == b"\x08\x01"


async def test_callers_do_not_mix(users, a_session):
    """Calls of several callers at once over one channel each have their own caller."""
    import asyncio

    names = [f"user{number}" for number in range(40)]
    calls = [users.as_user(name).create(a_session(owner_scope=3)) for name in names]
    stored = await asyncio.gather(*calls)
    assert [session.status.audit.spec_audit.created_by.id for session in stored] == names
