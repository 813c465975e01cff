"""Updates, applies and restores in any order leave a history that says what happened."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import ListSessionVersionsRequest, RestoreSessionRequest
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata, ApiResourceMetadataVersion
from stigmer.app import assembled
from stigmer.errors import NotCurrent
from stigmer.session.kind import SESSION
from stigmer.testing import make_context, make_services, make_settings

PIPELINES = assembled(make_settings()).pipelines
WRITES = st.tuples(st.sampled_from(["update", "apply"]), st.integers(0, 3), st.integers(-1, 9))
RESTORES = st.tuples(st.just("restore"), st.integers(0, 9), st.integers(-1, 9))


def session(subject, version=None):
    metadata = ApiResourceMetadata(id="x", name="X", org="acme", owner_scope=2, version=version)
    return Session(metadata=metadata, spec=SessionSpec(agent_instance_id="a", subject=str(subject)))


class History:
    """A server, and what it should know of a session: each state that it was in."""

    def __init__(self):
        self.services = make_services(SESSION)
        self.states = []

    async def call(self, verb, request):
        ctx = make_context(f"session.{verb}", request, services=self.services)
        return (await PIPELINES[ctx.operation.name](ctx)).message

    async def write(self, verb, what, naming):
        """Writes, naming the version of some state or none, and notes what came of it."""
        named = self.states[naming % len(self.states)].metadata.version.id if naming >= 0 else ""
        current = self.states[-1]
        restored = self.states[what % len(self.states)]
        request = session(what, ApiResourceMetadataVersion(id=named)) if verb != "restore" else None
        request = request or RestoreSessionRequest(
            session_id="x", version_id=restored.metadata.version.id, current_version_id=named
        )
        if named not in {"", current.metadata.version.id}:
            with pytest.raises(NotCurrent) as refused:
                await self.call(verb, request)
            assert refused.value.metadata == {"currentVersionId": current.metadata.version.id}
            return
        answer = await self.call(verb, request)
        assert answer.spec == (restored.spec if verb == "restore" else session(what).spec)
        if verb == "apply" and answer.spec == current.spec:
            assert answer == current
        else:
            assert answer.metadata.version.previous_version_id == current.metadata.version.id
            self.states.append(answer)

    async def check(self):
        """Every state is told, and answered as it was."""
        listed = await self.call("list_versions", ListSessionVersionsRequest(session_id="x"))
        assert [entry.version for entry in listed.entries] == [each.metadata.version for each in reversed(self.states)]
        for state in self.states:
            reference = ApiResourceReference(org="acme", slug="x", version=state.metadata.version.id)
            assert await self.call("get_by_reference", reference) == state


@settings(max_examples=60)
@given(st.lists(WRITES | RESTORES, max_size=12))
def test_any_order(writes):
    """Each write replaces the version before, or is refused; all that was is listed, and answered as it was."""

    async def run():
        history = History()
        history.states.append(await history.call("create", session(0)))
        for verb, what, naming in writes:
            await history.write(verb, what, naming)
        await history.check()

    asyncio.run(run())
