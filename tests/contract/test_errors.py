"""The row "errors" of the contract: texts and details."""

import pytest

from stigmer import errors

INVALID = "validation error: metadata: value is required"


async def test_one_violation(wire):
    """One broken rule is one line: the field path and the rule's text."""
    refusal = await wire.refused(wire.create(b""))
    assert (refusal.code, refusal.text) == ("INVALID_ARGUMENT", INVALID)
    assert refusal.violations == (("metadata", "value is required"),)
    assert refusal.details == ("BadRequest",)


async def test_several_violations(wire, a_session):
    """Several broken rules are a heading and a line each, in field order, and a violation each."""
    request = a_session("", org="acme")
    request.kind = "Agent"
    request.spec.agent_instance_id = ""
    refusal = await wire.refused(wire.create(request))
    assert refusal.text == (
        "validation errors:\n"
        " - kind: value must equal `Session`\n"
        " - metadata.name: value is required\n"
        " - spec.agent_instance_id: value is required"
    )
    assert refusal.details == ("BadRequest",)
    assert refusal.fields == ["kind", "metadata.name", "spec.agent_instance_id"]


async def test_several_violations_of_a_reference(wire):
    """The same holds for queries."""
    refusal = await wire.refused(wire.get_by_reference("", kind=40, version="a b"))
    assert refusal.fields == ["kind", "slug", "version"]
    assert refusal.text.startswith("validation errors:\n - kind: ")


async def test_not_found(wire):
    """NOT_FOUND names kind and id or slug, with the reason in an ErrorInfo."""
    by_id, by_slug = await wire.refused(wire.get("x")), await wire.refused(wire.get_by_reference("my-slug", org="o"))
    assert (by_id.code, by_id.text) == ("NOT_FOUND", "Session not found: x")
    assert (by_slug.code, by_slug.text) == ("NOT_FOUND", "Session not found: my-slug")
    for refusal in (by_id, by_slug):
        assert (refusal.details, refusal.reason, refusal.domain) == (("ErrorInfo",), "SESSION_NOT_FOUND", "stigmer.ai")


async def test_already_exists(wire, a_session):
    """ALREADY_EXISTS names kind and slug or id, with the reason in an ErrorInfo."""
    await wire.create(a_session(id="x"))
    by_slug = await wire.refused(wire.create(a_session(id="y")))
    by_id = await wire.refused(wire.create(a_session("Other", id="x")))
    assert by_slug.text == "Session already exists: deploy"
    assert by_id.text == "Session already exists: x"
    for refusal in (by_id, by_slug):
        assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "SESSION_ALREADY_EXISTS")
        assert (refusal.details, refusal.domain) == (("ErrorInfo",), "stigmer.ai")


@pytest.mark.parametrize("length", [128, 129, 20_000])
async def test_echo_is_short(wire, a_session, length):
    """Ids and slugs of a client come back at most 128 characters long, in characters and not bytes."""
    for id_ in ("x" * length, "é" * length):
        expected = f"Session not found: {id_[:128]}"
        assert (await wire.refused(wire.get(id_))).text == expected
        assert (await wire.refused(wire.delete(id_))).text == expected
        assert (await wire.refused(wire.update(a_session(id=id_)))).text == expected
        assert (await wire.refused(wire.apply(a_session(id=id_)))).text == expected
        assert (await wire.refused(wire.get_by_reference(id_, org="acme"))).text == expected


@pytest.mark.parametrize("id_", ["a\nb", "50% off", "%41", "ünï🚀", "a\tb", "\x7f", "\0"])
async def test_echo_is_exact(wire, id_):
    """What is echoed arrives as it was sent, whatever HTTP/2 headers can hold."""
    assert (await wire.refused(wire.get(id_))).text == f"Session not found: {id_}"


async def test_no_step_names(wire, a_session):
    """No text tells of steps, pipelines or Python."""
    await wire.create(a_session(id="x"))
    calls = [
        wire.create(b""),
        wire.create(a_session()),
        wire.create(a_session("Other", id="x")),
        wire.create(b"\xff"),
        wire.update(a_session(id="y")),
        wire.update(a_session(spec=False)),
        wire.apply(a_session(id="y")),
        wire.delete("y"),
        wire.get("y"),
        wire.get_by_reference("y"),
        wire.list(page_size=-1),
        wire.list(page_token="x"),
        wire.list_by_agent("a", page_token="x"),
    ]
    steps = ["ValidateProto", "ResolveSlug", "CheckDuplicate", "Load", "Build", "Persist", "DeleteResource", "FilterBy"]
    for call in calls:
        refusal = await wire.refused(call)
        for word in (*steps, "step", "pipeline", "Traceback", "stigmer", "Error:"):
            assert word not in refusal.text


def test_constructors():
    """Every kind has the same errors: four constructors that take the kind, a key, a field or a cause."""

    class Kind:
        name = "AgentInstance"

    not_found, exists = errors.NotFound(Kind, "k"), errors.AlreadyExists(Kind, "s")
    assert (not_found.text, not_found.reason) == ("AgentInstance not found: k", "AGENT_INSTANCE_NOT_FOUND")
    assert (exists.text, exists.reason) == ("AgentInstance already exists: s", "AGENT_INSTANCE_ALREADY_EXISTS")
    assert errors.InvalidArgument("f", "is bad").text == "validation error: f: is bad"
    cause = ValueError("secret")
    assert "secret" not in errors.Internal(cause).text
    assert errors.Internal(cause).__cause__ is cause
