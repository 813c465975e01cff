"""Every reusable step does what all steps do."""

import pytest

from stigmer import Owner, Query
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsByAgentRequest, ListSessionsRequest, SessionId
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference
from stigmer.context import Slot
from stigmer.session.kind import SESSION
from stigmer.session.steps.filter_by_agent_instance import FilterByAgentInstance
from stigmer.steps import (
    EXISTING,
    PAGE,
    RESOURCE_ID,
    SLUG,
    STATE,
    BuildApplyState,
    BuildListResponse,
    BuildNewState,
    BuildUpdateState,
    CheckDuplicate,
    DeleteResource,
    Existing,
    ExtractResourceId,
    ListAll,
    LoadByReference,
    LoadExisting,
    LoadExistingForDelete,
    LoadForApply,
    LoadTarget,
    Persist,
    ResolveSlug,
    ValidateProto,
)
from stigmer.testing import StepConformance, make_context

TABLE = [
    # step, operation, request, slots that are filled
    (ValidateProto(), "create", "session", []),
    (ResolveSlug(), "create", "session", []),
    (CheckDuplicate(), "create", "new", [SLUG]),
    (BuildNewState(), "create", "new", [SLUG]),
    (Persist(), "update", "stored", [STATE, EXISTING]),
    (LoadExisting(), "update", "stored", [SLUG]),
    (BuildUpdateState(), "update", "stored", [EXISTING]),
    (LoadForApply(), "apply", "new", [SLUG]),
    (BuildApplyState(), "apply", "stored", [SLUG, EXISTING]),
    (ExtractResourceId(), "delete", "id", []),
    (LoadExistingForDelete(), "delete", "id", [RESOURCE_ID]),
    (DeleteResource(), "delete", "id", [EXISTING]),
    (LoadTarget(), "get", "id", []),
    (LoadByReference(), "get_by_reference", "reference", []),
    (ListAll(), "list", "list", []),
    (FilterByAgentInstance(), "list_by_agent", "agent", []),
    (BuildListResponse(), "list", "list", [PAGE]),
]


class TestSteps(StepConformance):
    """All of them, each in a context in which it succeeds."""

    @pytest.fixture(params=TABLE, ids=lambda row: row[0].name)
    def row(self, request):
        return request.param

    @pytest.fixture
    def step(self, row):
        return row[0]

    @pytest.fixture
    async def ctx(self, row, session, stored, services):
        _, verb, name, wanted = row
        fresh = type(session).from_binary(session.to_binary())
        fresh.metadata.name = "Another"
        requests = {
            "session": session,
            "new": fresh,
            "stored": stored,
            "id": SessionId(value=stored.metadata.id),
            "reference": ApiResourceReference(org="acme", slug="hello-world"),
            "list": ListSessionsRequest(),
            "agent": ListSessionsByAgentRequest(agent_id="ain-1"),
        }
        found = await services.store.find(SESSION, Owner(2, "acme"), "hello-world")
        filled: dict[Slot, object] = {
            SLUG: "another" if name == "new" else "hello-world",
            STATE: stored,
            EXISTING: Existing.of(SESSION, found),
            RESOURCE_ID: stored.metadata.id,
            PAGE: await services.store.page(SESSION, Query()),
        }
        slots = {slot: filled[slot] for slot in wanted}
        return make_context(f"session.{verb}", requests[name], services=services, slots=slots)
