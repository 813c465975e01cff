"""What tests of steps start from."""

import copy

import pytest

from stigmer import RESPONSE
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer.session.kind import SESSION
from stigmer.steps import BuildNewState, Persist, ResolveSlug
from stigmer.testing import make_context, make_services, run_steps


@pytest.fixture
def session():
    """A session as a client sends it to be created."""
    return Session(
        metadata=ApiResourceMetadata(
            name="Hello World",
            org="acme",
            owner_scope=ApiResourceOwnerScope.organization,
            labels={"a": "1"},
            tags=["x"],
        ),
        spec=SessionSpec(agent_instance_id="ain-1", subject="greetings", sandbox_id="sbx-1"),
    )


@pytest.fixture
def services():
    """Store, clock and ids that all contexts of a test share."""
    return make_services(SESSION)


@pytest.fixture
async def stored(session, services):
    """The same session, as it is once it is stored in ``services``."""
    ctx = make_context("session.create", copy.deepcopy(session), services=services)
    await run_steps(ctx, ResolveSlug(), BuildNewState(), Persist())
    return ctx[RESPONSE].message
