"""The row "apply" of the contract; what it shares with update stands in test_update.py."""

import pytest

from stigmer import after, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope as Scope
from stigmer.testing import SteppingClock

UNSET = Scope.api_resource_owner_scope_unspecified
RICH = {"labels": {"a": "1", "b": "2", "c": "3"}, "annotations": {"n": "1", "o": "2"}, "tags": ["x", "y"]}


class Publisher:
    """Publishes as the design says: what was committed, and nothing else."""

    def __init__(self):
        self.published = []
        self.called_back = []

    @hookimpl
    def contribute_steps(self, op):
        publisher = self

        class Publish:
            name = "Publish"

            async def __call__(self, ctx):
                async def called_back():
                    publisher.called_back.append(ctx.operation.verb)

                ctx.after_commit(called_back)
                if ctx.committed:
                    publisher.published.append(ctx.operation.verb)

        if op.verb == "apply":
            yield after("Persist", Publish())


@pytest.fixture
def rich_spec():
    """A spec in which every field is set."""
    return SessionSpec(agent_instance_id="a", subject="s", thread_id="t", sandbox_id="b", metadata={"k": "v", "l": "w"})


async def test_creates(wire, a_session):
    """An apply of a name that nobody has creates the session."""
    answer = await wire.apply(a_session("My Deploy"))
    assert answer.metadata.slug == "my-deploy"
    assert answer.status.audit.spec_audit.event == "created"
    assert await wire.get(answer.metadata.id) == answer


async def test_updates_what_is_there(wire, a_session):
    """A second apply of the name changes the one session; there is still one row."""
    first = await wire.apply(a_session())
    second = await wire.apply(a_session(spec=SessionSpec(agent_instance_id="ain-2")))
    assert second.metadata.id == first.metadata.id
    assert second.status.audit.spec_audit.event == "updated"
    assert second.spec.agent_instance_id == "ain-2"
    assert await wire.count() == 1


async def test_unknown_id_is_not_created(wire, a_session):
    """An apply with an id that is nowhere is NOT_FOUND and creates nothing."""
    refusal = await wire.refused(wire.apply(a_session(id="nobody")))
    assert (refusal.code, refusal.text) == ("NOT_FOUND", "Session not found: nobody")
    assert await wire.count() == 0


async def test_deleted_id_is_not_brought_back(wire, a_session):
    """An apply with the id of a deleted session is NOT_FOUND."""
    await wire.create(a_session(id="x"))
    await wire.delete("x")
    assert (await wire.refused(wire.apply(a_session(id="x")))).code == "NOT_FOUND"


async def test_deleted_slug_is_created_anew(wire, a_session):
    """An apply by the name of a deleted session makes a new one, with a new id and new audit."""
    old = await wire.apply(a_session())
    await wire.delete(old.metadata.id)
    new = await wire.apply(a_session())
    assert new.metadata.id != old.metadata.id
    assert new.status.audit.spec_audit.event == "created"


async def test_creating_without_spec(wire, a_session):
    """An apply that creates may leave the spec out."""
    assert (await wire.apply(a_session(spec=False))).spec is None


@pytest.mark.parametrize("metadata", [{}, {"id": "x"}, {"name": "Renamed", "id": "x"}])
async def test_updating_without_spec(wire, a_session, metadata):
    """An apply that updates needs a spec: INVALID_ARGUMENT at ``spec``, and nothing changes."""
    stored = await wire.create(a_session(id="x"))
    refusal = await wire.refused(wire.apply(a_session(**metadata, spec=False)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["spec"])
    assert await wire.get("x") == stored


async def test_scope_rule_when_it_creates(wire, a_session):
    """An apply without scope that would create answers the scope rule."""
    refusal = await wire.refused(wire.apply(a_session(owner_scope=UNSET, org="acme")))
    assert refusal.code == "INVALID_ARGUMENT"
    assert "organization or identity_account scope" in refusal.text


@pytest.mark.parametrize("by_id", [True, False])
async def test_no_change_writes_nothing(served, store_url, a_session, rich_spec, by_id):
    """An apply of what is stored answers the stored bytes; neither audit nor revision moves and nothing is published."""
    publisher = Publisher()
    wire = await served(publisher, store=store_url, clock=SteppingClock())
    stored = await wire.apply(a_session(**RICH, spec=rich_spec))
    before = await wire.get_bytes(stored.metadata.id)
    request = a_session(id=stored.metadata.id if by_id else "", **RICH, spec=rich_spec)
    for _ in range(3):
        assert await wire.apply(request) == stored
    assert await wire.get_bytes(stored.metadata.id) == before
    assert (publisher.published, publisher.called_back) == (["apply"], ["apply"])


async def test_maps_have_no_order(wire, a_session, rich_spec):
    """The same labels, annotations and spec metadata in another order are no change."""
    stored = await wire.apply(a_session(**RICH, spec=rich_spec))
    turned = {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in RICH.items()}
    rich_spec.metadata = dict(reversed(rich_spec.metadata.items()))
    assert await wire.apply(a_session(**turned, spec=rich_spec)) == stored


async def test_what_is_left_out_is_no_change(wire, a_session, rich_spec):
    """Metadata that an apply leaves out is kept, so leaving it out changes nothing."""
    stored = await wire.apply(a_session(**RICH, spec=rich_spec))
    assert await wire.apply(a_session("", slug="deploy", spec=rich_spec)) == stored
    assert await wire.apply(a_session("", id=stored.metadata.id, owner_scope=UNSET, spec=rich_spec)) == stored


async def test_client_status_is_no_change(wire, a_session):
    """A whole session as it was read can be applied again: its status does not count."""
    stored = await wire.apply(a_session())
    assert await wire.apply(stored) == stored


@pytest.mark.parametrize(
    "change",
    [
        {"name": "deploy"},
        {"labels": {"a": "1", "b": "2"}},
        {"labels": {"a": "1", "b": "2", "c": "4"}},
        {"annotations": {"n": "1"}},
        {"tags": ["y", "x"]},
        {"tags": ["x", "y", "y"]},
    ],
)
async def test_any_change_of_metadata_is_written(wire, a_session, change):
    """A difference in name, labels, annotations or tags is stored."""
    stored = await wire.apply(a_session(**RICH))
    answer = await wire.apply(a_session(**{"slug": "deploy", **RICH, **change}))
    assert answer.status.audit.spec_audit.event == "updated"
    assert getattr(answer.metadata, *change) == next(iter(change.values()))
    assert await wire.get(stored.metadata.id) == answer


@pytest.mark.parametrize(
    "change",
    [{"agent_instance_id": "b"}, {"subject": ""}, {"thread_id": "u"}, {"sandbox_id": ""}, {"metadata": {"k": "v"}}],
)
async def test_any_change_of_the_spec_is_written(wire, a_session, rich_spec, change):
    """A difference in any field of the spec is stored."""
    await wire.apply(a_session(spec=rich_spec))
    for field, value in change.items():
        setattr(rich_spec, field, value)
    answer = await wire.apply(a_session(spec=rich_spec))
    assert (answer.status.audit.spec_audit.event, answer.spec) == ("updated", rich_spec)


async def test_unknown_fields_count(wire, a_session):
    """The same unknown fields are no change, other ones are; those that are left out are kept."""
    bare, extra = a_session().to_binary(), b"\xfa\x3f\x03old"
    stored = await wire.apply(bare + extra)
    assert await wire.apply(bare + extra) == stored
    assert await wire.apply(bare) == stored
    changed = await wire.apply(bare + b"\xfa\x3f\x03new")
    assert changed.status.audit.spec_audit.event == "updated"
    assert b"new" in changed.to_binary()
    assert b"old" not in changed.to_binary()


async def test_unknown_fields_of_the_spec_count(wire, a_session):
    """An unknown field in the spec is a change when it comes and, the spec being replaced whole, when it goes."""
    head = a_session(spec=False).to_binary()
    with_field, without = head + b"\x22\x09\x0a\x01a\xfa\x3f\x03old", head + b"\x22\x03\x0a\x01a"
    first = await wire.apply(with_field)
    assert await wire.apply(with_field) == first
    second = await wire.apply(without)
    assert second.status.audit.spec_audit.event == "updated"
    assert b"old" not in second.to_binary()
