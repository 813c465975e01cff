"""Documents: one function makes everything that is stored of a message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protobuf import Message
from protobuf.wkt import Timestamp

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import (
    ApiResourceAudit,
    ApiResourceAuditInfo,
    ApiResourceAuditStatus,
)
from stigmer.errors import InvalidArgument, ResourceExhausted
from stigmer.session.kind import SESSION
from stigmer.store import Owner
from stigmer.store.document import agrees, make_document

OWNER = Owner(2, "acme")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=6)


def session(labels=None, annotations=None, spec=None, **metadata):
    return Session(
        metadata=ApiResourceMetadata(labels=labels or {}, annotations=annotations or {}, **metadata),
        spec=SessionSpec(agent_instance_id="ain-1", metadata=spec or {}),
    )


def shuffled(entries):
    return dict(reversed(entries.items()))


@given(MAPS, MAPS, MAPS)
def test_same_content_gives_same_json_and_bytes(labels, annotations, spec):
    """The order in which map entries were added does not show."""
    one = make_document(SESSION, session(labels, annotations, spec), OWNER)
    two = make_document(SESSION, session(shuffled(labels), shuffled(annotations), shuffled(spec)), OWNER)
    assert (one.json, one.wire) == (two.json, two.wire)
    assert list(json.loads(one.json).get("spec", {}).get("metadata", {})) == sorted(spec)


@given(MAPS, MAPS)
def test_wire_and_json_agree(labels, spec):
    """What is made of one message agrees, and so does what is made of what was stored."""
    document = make_document(SESSION, session(labels, None, spec), OWNER)
    again = make_document(SESSION, Session.from_binary(document.wire), OWNER)
    assert agrees(SESSION, document.json, document.wire)
    assert again.json == document.json


def test_only_the_order_of_maps_changes():
    """The message stays equal; entries of its maps are in order of their keys afterwards."""
    message, before = session(labels={"b": "1", "a": "2"}), session(labels={"b": "1", "a": "2"})
    make_document(SESSION, message, OWNER)
    assert message == before
    assert list(message.metadata.labels) == ["a", "b"]


def test_what_is_indexed_is_the_messages():
    """Id, slug, org, tags without repetition, labels and the kind's own columns come from the message, the owner does not."""
    message = session(id="ses-1", slug="s", org="o", tags=["b", "a", "b"], labels={"x": "y"})
    document = make_document(SESSION, message, OWNER)
    assert (document.id, document.slug, document.org, document.owner) == ("ses-1", "s", "o", OWNER)
    assert (list(document.tags), document.labels) == (["b", "a"], {"x": "y"})
    assert document.indexed == {
        "agent_instance_id": "ain-1",
        "subject": "",
        "thread_id": "",
        "name": "",
        "created_at": 0,
        "updated_at": 0,
    }


def test_times_are_indexed_in_microseconds():
    """What is finer is cut off, so that what is indexed compares as what was asked for."""
    audit = ApiResourceAuditInfo(created_at=Timestamp(seconds=5, nanos=1999), updated_at=Timestamp(seconds=-1, nanos=500_000))
    message = Session(status=ApiResourceAuditStatus(audit=ApiResourceAudit(spec_audit=audit)))
    indexed = make_document(SESSION, message, OWNER).indexed
    assert (indexed["created_at"], indexed["updated_at"]) == (5_000_001, -999_500)


def test_without_metadata_everything_is_empty():
    """A message may lack what is indexed."""
    document = make_document(SESSION, Session(), OWNER)
    assert (document.id, document.tags, document.labels, document.json) == ("", (), {}, "{}")


def test_too_large_is_refused():
    """One byte more than the limit is ResourceExhausted; the limit itself is not."""
    message = session(name="x" * 100)
    size = len(message.to_binary())
    make_document(SESSION, message, OWNER, max_wire_bytes=size)
    with pytest.raises(ResourceExhausted, match=f"{size} bytes, at most {size - 1}"):
        make_document(SESSION, message, OWNER, max_wire_bytes=size - 1)


def test_without_a_json_form_is_refused():
    """A timestamp that JSON cannot word breaks a rule; its content is not quoted."""
    created = ApiResourceAuditInfo(created_at=Timestamp(seconds=10**15))
    message = Session(status=ApiResourceAuditStatus(audit=ApiResourceAudit(spec_audit=created)))
    with pytest.raises(InvalidArgument, match=r"^validation error: session: value must have a JSON form$"):
        make_document(SESSION, message, OWNER)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "",
        "[]",
        "null",
        '{"metadata": 1}',
        '{"nothing": 1}',
        '{"metadata":{"id":"ses-2"},"spec":{"agentInstanceId":"ain-1"}}',
    ],
)
def test_json_of_something_else_disagrees(text):
    """Whatever the text is, it is compared and never raises."""
    assert not agrees(SESSION, text, make_document(SESSION, session(id="ses-1"), OWNER).wire)


def test_undecodable_bytes_disagree():
    """Bytes that are no message agree with nothing."""
    assert not agrees(SESSION, "{}", b"\xff\xff")


def test_json_may_be_worded_otherwise():
    """Another order of fields, or white space, says the same."""
    document = make_document(SESSION, session(id="ses-1"), OWNER)
    worded = json.dumps(dict(reversed(json.loads(document.json).items())), indent=1)
    assert agrees(SESSION, worded, document.wire)


def test_unknown_fields_do_not_disagree():
    """They are in the bytes alone, since JSON has no room for them."""
    document = make_document(SESSION, Session.from_binary(session(id="ses-1").to_binary() + b"\x9a\x3f\x05later"), OWNER)
    assert b"later" in document.wire
    assert agrees(SESSION, document.json, document.wire)


def test_maps_further_down_are_sorted_too():
    """In lists, in oneofs, in maps of messages, and in types that contain themselves."""
    from protobuf.wkt import Struct

    from stigmer.store.document import _canonical_json

    def struct(keys):
        inner = {"inner": dict.fromkeys(keys, 1), "list": [dict.fromkeys(keys, True)]}
        return Struct.from_json(json.dumps(dict.fromkeys(keys, inner)))

    def text(message: Message):
        return _canonical_json(message)

    assert text(struct("abc")) == text(struct("cba"))
    assert json.loads(text(struct("cba"))) == json.loads(struct("abc").to_json())
