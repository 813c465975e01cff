"""What callers see, and what they cannot erase."""

from importlib.metadata import entry_points

import pytest
import stigmer_transform
from stigmer_transform import KeepHidden, Mask, TransformResponse
from stigmer_transform.rules import Rule

from stigmer import RESPONSE, ConfigurationError, Internal, Payload, Stored, after, hookimpl
from stigmer.steps import EXISTING, STATE, Existing
from stigmer.testing import StepConformance, make_context, serving

ANSWERING = ("create", "update", "delete", "apply", "restore", "get", "get_by_reference", "list", "list_by_agent")


@pytest.mark.parametrize("verb", ANSWERING)
async def test_has_the_last_word_in_every_pipeline(server, verb):
    """TransformResponse is the last step of all operations that answer sessions."""
    async with server() as call:
        assert call.pipelines[f"session.{verb}"].steps[-1].name == "TransformResponse"


async def test_hides_from_those_without_the_role(server):
    """All eight operations answer without the field to a caller without the role, and with everything else."""
    async with server() as call:
        id_ = await call.create()
        session = f'{{"metadata": {{"id": "{id_}"}}, "spec": {{"agentInstanceId": "ain-1", "subject": "t"}}}}'
        created = await call(
            "session.create",
            '{"metadata": {"name": "x", "ownerScope": "identity_account"}, '
            '"spec": {"agentInstanceId": "ain-1", "sandboxId": "box"}}',
        )
        answers = [
            created,
            await call("session.get", f'{{"value": "{id_}"}}'),
            await call("session.get_by_reference", '{"slug": "one"}'),
            *(await call("session.list")).entries,
            *(await call("session.list_by_agent", '{"agentId": "ain-1"}')).entries,
            await call("session.update", session),
            await call("session.apply", session.replace('"t"', '"u"')),
            await call("session.delete", f'{{"value": "{id_}"}}'),
        ]
        assert len(answers) == 10
        assert all(answer.spec.sandbox_id == "" for answer in answers)
        assert all(answer.spec.agent_instance_id == "ain-1" and answer.metadata.id for answer in answers)


async def test_shows_to_those_with_the_role(server):
    """A caller with the role sees the field."""
    async with server() as call:
        await call.create()
        (entry,) = (await call("session.list", "{}", "operator")).entries
        assert entry.spec.sandbox_id == "box"


async def test_hides_from_everybody_when_no_role_is_named(server, rules):
    """A rule without a role applies to all."""
    rules('[{"hide": "spec.sandbox_id"}]')
    async with server() as call:
        id_ = await call.create()
        assert (await call("session.get", f'{{"value": "{id_}"}}', "operator")).spec.sandbox_id == ""


async def test_goes_into_maps(server, rules):
    """A rule hides one entry of a map, whose key may have dots, or all of a map."""
    rules('[{"hide": "spec.metadata.api.key"}, {"hide": "spec.metadata.absent"}, {"hide": "metadata.annotations"}]')
    async with server() as call:
        session = await call("session.get", f'{{"value": "{await call.create()}"}}')
        assert session.spec.metadata == {"other": "o"}
        assert session.metadata.annotations == {}


async def test_limits_a_rule_to_operations(server, rules):
    """A rule that names operations leaves the others alone."""
    rules('[{"hide": "spec.subject", "operations": ["session.list"]}]')
    async with server() as call:
        assert (await call("session.list")).entries == []
        id_ = await call.create()
        assert (await call("session.list")).entries[0].spec.subject == ""
        assert (await call("session.get", f'{{"value": "{id_}"}}')).spec.subject == "s"
        assert "TransformResponse" not in [step.name for step in call.pipelines["session.get"].steps]


async def test_keeps_unknown_fields(server):
    """What a newer client stored is given back, masked answer or not."""
    async with server() as call:
        operation = call.pipelines["session.get"].operation
        mask = Mask.of(operation, [Rule(hide="spec.sandbox_id")])
        unknown = bytes([0xA2, 0x06, 0x03]) + b"new"  # field 100, length 3
        session = operation.response.from_json('{"spec": {"sandboxId": "box", "subject": "s"}}')
        ctx = make_context(operation, operation.request(value="x"))
        hidden = mask.hide(Payload(operation.response, wire=session.to_binary() + unknown), ctx.caller)
        assert hidden.wire.endswith(unknown) or unknown in hidden.wire
        assert b"box" not in hidden.wire


async def test_does_not_decode_for_those_who_see_all(server):
    """For a caller from whom nothing is hidden the stored bytes go out, whatever they are."""
    async with server() as call:
        operation = call.pipelines["session.get"].operation
        mask = Mask.of(operation, [Rule(hide="spec.sandbox_id", unless_role="operator")])
        payload = Payload(operation.response, wire=b"\xff not a message")
        ctx = make_context(operation, operation.request(value="x"))
        assert mask.hide(payload, type(ctx.caller)("x", frozenset({"operator"}))) is payload


async def test_leaves_shared_messages_alone(server):
    """The message that other parts of the server hold is not changed."""
    async with server() as call:
        operation = call.pipelines["session.get"].operation
        session = operation.response.from_json('{"spec": {"sandboxId": "box"}}')
        ctx = make_context(operation, operation.request(value="x"))
        hidden = Mask.of(operation, [Rule(hide="spec.sandbox_id")]).hide(Payload.of(session), ctx.caller)
        assert (hidden.message.spec.sandbox_id, session.spec.sandbox_id) == ("", "box")


class _Late:
    """A plugin whose step comes after all others and answers something of its own."""

    name = "Late"
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx):
        type_ = ctx.operation.response
        ctx[RESPONSE] = Payload.of(type_.from_json('{"spec": {"sandboxId": "box", "subject": "late"}}'))

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "get":
            yield after("LoadTarget", self)


async def test_masks_what_later_steps_answer(server):
    """A step that another plugin puts at the end still stands before TransformResponse: it cannot uncover anything."""
    async with server(zzz=_Late()) as call:
        id_ = await call.create()
        assert [step.name for step in call.pipelines["session.get"].steps][-2:] == ["Late", "TransformResponse"]
        spec = (await call("session.get", f'{{"value": "{id_}"}}')).spec
        assert (spec.subject, spec.sandbox_id) == ("late", "")


class _Publisher:
    """A plugin that publishes, and cleans up, after the write."""

    class _Named:
        def __init__(self, name):
            self.name = name

        async def __call__(self, ctx):
            pass

    @hookimpl
    def contribute_steps(self, op):
        if op.verb in {"create", "update", "apply", "delete"}:
            yield after("Persist", "DeleteResource", self._Named("Publish"))


@pytest.mark.parametrize("verb", ["create", "update", "apply", "delete"])
async def test_stands_after_publish(server, verb):
    """Publish runs first, so that a failing mask does not keep it from running."""
    async with server(zzz=_Publisher()) as call:
        names = [step.name for step in call.pipelines[f"session.{verb}"].steps]
        assert names[-2:] == ["Publish", "TransformResponse"]


@pytest.mark.parametrize("verb", ["update", "apply"])
async def test_writing_back_what_was_read_erases_nothing(server, rules, verb):
    """A caller who reads, changes and writes back leaves what is hidden from it as it was."""
    rules(
        '[{"hide": "spec.sandbox_id", "unless_role": "operator"}, {"hide": "spec.metadata.api.key", "unless_role": "operator"}]'
    )
    async with server() as call:
        id_ = await call.create()
        session = await call("session.get", f'{{"value": "{id_}"}}')
        session.spec.subject = "changed"
        await call(f"session.{verb}", session.to_json())
        spec = (await call("session.get", f'{{"value": "{id_}"}}', "operator")).spec
        assert (spec.subject, spec.sandbox_id, spec.metadata) == ("changed", "box", {"api.key": "k", "other": "o"})


async def test_entries_of_a_hidden_map_count_one_by_one(server, rules):
    """Of a map that is hidden as a whole the entries that are sent are stored, the others stay."""
    rules('[{"hide": "spec.metadata", "unless_role": "operator"}]')
    async with server() as call:
        id_ = await call.create()
        session = await call("session.get", f'{{"value": "{id_}"}}')
        session.spec.metadata = {"other": "new", "third": "t"}
        await call("session.update", session.to_json())
        spec = (await call("session.get", f'{{"value": "{id_}"}}', "operator")).spec
        assert spec.metadata == {"api.key": "k", "other": "new", "third": "t"}


async def test_hidden_fields_can_be_written(server):
    """What a caller sends in a field that it cannot see is stored, and not shown to it."""
    async with server() as call:
        id_ = await call.create()
        session = await call("session.get", f'{{"value": "{id_}"}}')
        session.spec.sandbox_id = "mine"
        assert (await call("session.update", session.to_json())).spec.sandbox_id == ""
        assert (await call("session.get", f'{{"value": "{id_}"}}', "operator")).spec.sandbox_id == "mine"


async def test_those_who_see_a_field_can_empty_it(server):
    """For a caller with the role empty means empty."""
    async with server() as call:
        id_ = await call.create()
        session = await call("session.get", f'{{"value": "{id_}"}}', "operator")
        session.spec.sandbox_id = ""
        await call("session.update", session.to_json(), "operator")
        assert (await call("session.get", f'{{"value": "{id_}"}}', "operator")).spec.sandbox_id == ""


async def test_an_apply_of_what_was_read_writes_nothing(server):
    """An apply that changes nothing beside what is hidden leaves the session, its audit included, as it is."""
    async with server() as call:
        id_ = await call.create()
        before = await call.payload("session.get", f'{{"value": "{id_}"}}', "operator")
        session = await call("session.get", f'{{"value": "{id_}"}}')
        answer = await call("session.apply", session.to_json())
        assert answer.spec.sandbox_id == ""
        assert (await call.payload("session.get", f'{{"value": "{id_}"}}', "operator")).wire == before.wire


async def test_an_apply_that_creates_keeps_nothing(server):
    """Where nothing is stored yet there is nothing to keep."""
    async with server() as call:
        created = await call(
            "session.apply",
            '{"metadata": {"name": "x", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "ain-1"}}',
        )
        assert created.metadata.slug == "x"


@pytest.mark.parametrize(
    ("rules_text", "told"),
    [
        (
            '[{"hide": "spec.sandbx_id"}]',
            "rule hide='spec.sandbx_id': no field in SessionSpec 'sandbx_id'; did you mean 'sandbox_id'",
        ),
        ('[{"hide": "spek.sandbox_id"}]', "no field in Session 'spek'; did you mean 'spec'"),
        ('[{"hide": "zzz"}]', "no field in Session 'zzz'; there is only api_version, kind, metadata, spec, status"),
        ('[{"hide": "spec.subject.x"}]', "nothing in subject can be named"),
        ('[{"hide": "metadata.tags.x"}]', "nothing in tags can be named"),
        ('[{"hide": "spec."}]', "hide: String should match"),
        ('[{"hide": ""}]', "hide: String should match"),
        ('[{"hide": "spec..subject"}]', "no field in SessionSpec ''"),
        ('[{"hide": "spec.subject", "unless_roles": "x"}]', "unless_roles: Extra inputs are not permitted"),
        (
            '[{"hide": "spec.subject", "operations": ["session.lst"]}]',
            "no operation 'session.lst'; did you mean 'session.list'",
        ),
        ('[{"hide": "spec.subject", "kind": "sesion"}]', "no kind 'sesion'; did you mean 'session'"),
        ("nonsense", "STIGMER_TRANSFORM_RULES"),
        ("{}", "STIGMER_TRANSFORM_RULES"),
    ],
)
async def test_refuses_rules_that_would_hide_nothing(rules, rules_text, told):
    """A rule that is about nothing keeps the server from starting; the text names the rule and what was meant."""
    rules(rules_text)
    with pytest.raises(ConfigurationError) as refused:
        async with serving({"transform": stigmer_transform}):
            pass
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_refuses_to_do_nothing(monkeypatch):
    """The plugin without any rules is a mistake; an empty list is a decision."""
    monkeypatch.delenv("STIGMER_TRANSFORM_RULES", raising=False)
    monkeypatch.delenv("STIGMER_TRANSFORM_FILE", raising=False)
    with pytest.raises(ConfigurationError, match="has no rules"):
        async with serving({"transform": stigmer_transform}):
            pass
    monkeypatch.setenv("STIGMER_TRANSFORM_RULES", "[]")
    async with serving({"transform": stigmer_transform}) as app:
        assert all(step.origin != "transform" for line in app.assembly.pipelines.values() for step in line.steps)


@pytest.mark.parametrize("text", ["- hide: metadata.annotations\n", '[{"hide": "metadata.annotations"}]'])
async def test_reads_a_file_too(server, monkeypatch, tmp_path, text):
    """Rules of a YAML or JSON file count beside those of the environment."""
    (tmp_path / "rules.yaml").write_text(text)
    monkeypatch.setenv("STIGMER_TRANSFORM_FILE", str(tmp_path / "rules.yaml"))
    async with server() as call:
        session = await call("session.get", f'{{"value": "{await call.create()}"}}')
        assert (session.metadata.annotations, session.spec.sandbox_id) == ({}, "")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read"),
        (b"- hide: [", "while parsing"),
        (b"- hide: 1", "hide: Input should be"),
        (b"\xff\xfe\xff", "can't decode"),
    ],
)
async def test_refuses_a_bad_file(server, monkeypatch, tmp_path, content, told):
    """A file that cannot be read, or holds something else, is told by name."""
    file = tmp_path / "rules.yaml"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("STIGMER_TRANSFORM_FILE", str(file))
    with pytest.raises(ConfigurationError) as refused:
        async with server():
            pass
    assert str(file) in str(refused.value)
    assert told in str(refused.value)


def test_is_found_by_its_entry_point():
    """Installed, the plugin is offered to stigmer under its name."""
    assert entry_points(group="stigmer")["transform"].load() is stigmer_transform


async def test_a_failing_mask_lets_nothing_out(server, monkeypatch):
    """When masking fails after the commit the call fails too: the write is kept, the answer is not given."""
    async with server() as call:
        with monkeypatch.context() as patch:
            patch.setattr(Mask, "hide", lambda *_: 1 / 0)
            with pytest.raises(Internal):
                await call.create()
        assert len((await call("session.list")).entries) == 1


class TestTransformResponse(StepConformance):
    """TransformResponse does as all steps do."""

    @pytest.fixture
    def ctx(self):
        """An answer to mask."""
        ctx = make_context("session.get", None)
        return make_context(
            "session.get", ctx.operation.request(value="ses-1"), slots={RESPONSE: Payload.of(ctx.operation.response())}
        )

    @pytest.fixture
    def step(self, ctx):
        """A step that hides one field."""
        return TransformResponse(Mask.of(ctx.operation, [Rule(hide="spec.subject")]))


class TestKeepHidden(StepConformance):
    """KeepHidden does as all steps do."""

    @pytest.fixture
    def ctx(self, session_json):
        """A stored session and the state that is to replace it."""
        type_ = make_context("session.apply", None).operation.request
        stored = type_.from_json(session_json)
        existing = Existing(Stored(sequence=1, revision=1, wire=stored.to_binary()), stored)
        return make_context("session.apply", type_(), slots={EXISTING: existing, STATE: type_()})

    @pytest.fixture
    def step(self, ctx):
        """A step that keeps one field."""
        return KeepHidden(Mask.of(ctx.operation, [Rule(hide="spec.subject")]))

    async def test_makes_the_messages_on_the_way(self, step, ctx):
        """A field is kept also when the state lacks the message that it is in, and what is stored is not shared with it."""
        await step(ctx)
        assert ctx[STATE].spec.subject == "s"
        assert ctx[STATE].spec.sandbox_id == ""
        assert ctx[STATE].spec is not ctx[EXISTING].message.spec

    async def test_shares_nothing_with_what_was_loaded(self, ctx):
        """What is kept can be changed by later steps without changing what was loaded."""
        await KeepHidden(Mask.of(ctx.operation, [Rule(hide="spec")]))(ctx)
        assert ctx[STATE].spec == ctx[EXISTING].message.spec
        assert ctx[STATE].spec is not ctx[EXISTING].message.spec
