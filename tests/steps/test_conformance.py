"""Every reusable step does what all steps do."""

import pytest

from stigmer import Owner, Query
from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import ListSessionVersionsRequest, RestoreSessionRequest
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsByAgentRequest, ListSessionsRequest, SessionId
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference
from stigmer.context import Slot
from stigmer.session.kind import SESSION
from stigmer.session.steps.filter_by_agent_instance import FilterByAgentInstance
from stigmer.steps import (
    EARLIER,
    EXISTING,
    PAGE,
    RESOURCE_ID,
    SLUG,
    STATE,
    VERSIONS,
    BuildApplyState,
    BuildListResponse,
    BuildNewState,
    BuildRestoredState,
    BuildUpdateState,
    BuildVersionsResponse,
    CheckDuplicate,
    DeleteResource,
    Existing,
    ExtractResourceId,
    ListAll,
    ListVersions,
    LoadByReference,
    LoadExisting,
    LoadExistingForDelete,
    LoadForApply,
    LoadForRestore,
    LoadTarget,
    Persist,
    ResolveSlug,
    ValidateProto,
)
from stigmer.steps.slots import Versions
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
    (ListVersions(), "list_versions", "versions", []),
    (BuildVersionsResponse(), "list_versions", "versions", [VERSIONS]),
    (LoadForRestore(), "restore", "restore", []),
    (BuildRestoredState(), "restore", "restore", [EXISTING, EARLIER]),
    (Persist(), "restore", "restore", [STATE, EXISTING]),
]


class TestSteps(StepConformance):
    """All of them, each in a context in which it succeeds."""

    @pytest.fixture(params=TABLE, ids=lambda row: f"{row[0].name}-{row[1]}")
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
            "versions": ListSessionVersionsRequest(session_id=stored.metadata.id),
            "restore": RestoreSessionRequest(session_id=stored.metadata.id, version_id=stored.metadata.version.id),
        }
        found = await services.store.find(SESSION, Owner(2, "acme"), "hello-world")
        filled: dict[Slot, object] = {
            SLUG: "another" if name == "new" else "hello-world",
            STATE: stored,
            EXISTING: Existing.of(SESSION, found),
            RESOURCE_ID: stored.metadata.id,
            PAGE: await services.store.page(SESSION, Query()),
            EARLIER: stored,
            VERSIONS: Versions(await services.store.versions(SESSION, stored.metadata.id), more=False),
        }
        slots = {slot: filled[slot] for slot in wanted}
        return make_context(f"session.{verb}", requests[name], services=services, slots=slots)
