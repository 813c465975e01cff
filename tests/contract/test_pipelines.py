"""The rows of steps of the operations: their names and their order are part of the contract."""

import pytest

from stigmer import Settings, after, before, hookimpl
from stigmer.app import assembled

from .watching import watch

ROWS = {
    "create": "ValidateProto ResolveSlug CheckDuplicate BuildNewState Persist",
    "update": "ValidateProto ResolveSlug LoadExisting BuildUpdateState Persist",
    "delete": "ValidateProto ExtractResourceId LoadExistingForDelete DeleteResource",
    "apply": "ValidateProto ResolveSlug LoadForApply BuildApplyState Persist",
    "get": "ValidateProto LoadTarget",
    "batch_get": "ValidateProto LoadTargets",
    "get_by_reference": "ValidateProto LoadByReference",
    "list": "ValidateProto ListAll BuildListResponse",
    "list_by_agent": "ValidateProto FilterByAgentInstance BuildListResponse",
    "list_versions": "ValidateProto ListVersions BuildVersionsResponse",
    "restore": "ValidateProto LoadForRestore BuildRestoredState Persist",
    "watch": "ValidateProto WatchChanges",
}


class Recorder:
    """Writes down which steps run in which operation."""

    def __init__(self):
        self.ran: dict[str, list[str]] = {}

    @hookimpl
    def wrap_step(self, op, step, call_next):
        async def run(ctx):
            self.ran.setdefault(op.verb, []).append(step)
            await call_next(ctx)

        return run


class Named:
    """A step that does nothing."""

    def __init__(self, name):
        self.name = name

    async def __call__(self, ctx):
        pass


class CloudSteps:
    """Places every step that only plugins bring where the design says that it stands."""

    @hookimpl
    def contribute_steps(self, op):
        loads = {
            "update": after("LoadExisting", Named("Authorize")),
            "apply": after("LoadForApply", Named("Authorize")),
            "get_by_reference": after("LoadByReference", Named("Authorize")),
            "list": before("ListAll", Named("Authorize")),
            "list_by_agent": before("FilterByAgentInstance", Named("Authorize")),
        }
        yield loads.get(op.verb, after("ValidateProto", Named("Authorize")))
        if op.verb in {"create", "apply"}:
            yield before("Persist", Named("CreateIamPolicies"))
        if op.verb == "delete":
            yield after("DeleteResource", Named("CleanupIamPolicies"))
        if op.verb in {"create", "update", "delete", "apply", "restore"}:
            yield after("CleanupIamPolicies", "Persist", "DeleteResource", Named("Publish"))


def test_there_are_exactly_these_operations():
    """A server without plugins has the eight operations on sessions, batch get, and the two on their history."""
    assert set(assembled(Settings(plugins=())).pipelines) == {f"session.{verb}" for verb in ROWS}


@pytest.mark.parametrize("verb", ROWS)
def test_row(verb):
    """Each operation has exactly the steps of its row, in order."""
    pipeline = assembled(Settings(plugins=())).pipelines[f"session.{verb}"]
    assert [step.name for step in pipeline.steps] == ROWS[verb].split()


async def test_calls_run_their_row(served, a_session):
    """A call through the wire runs the steps of its row, in order, and nothing else."""
    recorder = Recorder()
    wire = await served(recorder)
    stored = await wire.create(a_session("One"))
    await wire.update(a_session(id=stored.metadata.id))
    await wire.apply(a_session("Two"))
    await wire.get(stored.metadata.id)
    await wire.batch_get(stored.metadata.id)
    await wire.get_by_reference("one", org="acme")
    await wire.list()
    await wire.list_by_agent("ain-1")
    await wire.list_versions(stored.metadata.id)
    await wire.restore(stored.metadata.id, stored.metadata.version.id)
    await wire.delete(stored.metadata.id)
    await (await watch(wire).begun()).stop()
    assert recorder.ran == {verb: row.split() for verb, row in ROWS.items()}


async def test_steps_of_plugins_stand_where_the_design_puts_them(served, by_metadata, a_session):
    """Authorize, CreateIamPolicies, CleanupIamPolicies and Publish find their places around the rows."""
    recorder = Recorder()
    wire = (await served(by_metadata, CloudSteps(), recorder)).as_user("ann")
    stored = await wire.create(a_session("One"))
    await wire.update(a_session(id=stored.metadata.id))
    await wire.apply(a_session("Two"))
    await wire.get(stored.metadata.id)
    await wire.batch_get(stored.metadata.id)
    await wire.get_by_reference("one", org="acme")
    await wire.list()
    await wire.list_by_agent("ain-1")
    await wire.list_versions(stored.metadata.id)
    await wire.restore(stored.metadata.id, stored.metadata.version.id)
    await wire.delete(stored.metadata.id)
    await (await watch(wire).begun()).stop()
    assert {verb: " ".join(steps) for verb, steps in recorder.ran.items()} == {
        "create": "ValidateProto Authorize ResolveSlug CheckDuplicate BuildNewState CreateIamPolicies Persist Publish",
        "update": "ValidateProto ResolveSlug LoadExisting Authorize BuildUpdateState Persist Publish",
        "delete": "ValidateProto Authorize ExtractResourceId LoadExistingForDelete DeleteResource CleanupIamPolicies Publish",
        "apply": "ValidateProto ResolveSlug LoadForApply Authorize BuildApplyState CreateIamPolicies Persist Publish",
        "get": "ValidateProto Authorize LoadTarget",
        "batch_get": "ValidateProto Authorize LoadTargets",
        "get_by_reference": "ValidateProto LoadByReference Authorize",
        "list": "ValidateProto Authorize ListAll BuildListResponse",
        "list_by_agent": "ValidateProto Authorize FilterByAgentInstance BuildListResponse",
        "list_versions": "ValidateProto Authorize ListVersions BuildVersionsResponse",
        "restore": "ValidateProto Authorize LoadForRestore BuildRestoredState Persist Publish",
        "watch": "ValidateProto Authorize WatchChanges",
    }
