"""Unknown fields are kept, taken over and compared."""

from hypothesis import given
from hypothesis import strategies as st

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer.unknown import same, take_unknown, unknown_bytes

FIELD_31_ABC = b"\xfa\x01\x03abc"
FIELD_31_ABD = b"\xfa\x01\x03abd"


def session(unknown: bytes = b"", in_spec: bytes = b"") -> Session:
    message = Session.from_binary(unknown)
    message.spec = SessionSpec.from_binary(in_spec)
    return message


def test_only_the_unknown_fields_of_the_message_itself_are_given():
    """Known fields and what is unknown further in are left out."""
    assert unknown_bytes(session(FIELD_31_ABC, FIELD_31_ABD)) == FIELD_31_ABC
    assert unknown_bytes(Session(kind="Session")) == b""


def test_a_source_with_unknown_fields_replaces_those_of_the_target():
    """The target gets the source's unknown fields in place of its own; its known fields stay."""
    target = session(FIELD_31_ABC)
    target.kind = "Session"
    result = take_unknown(target, session(FIELD_31_ABD))
    assert (result.kind, unknown_bytes(result)) == ("Session", FIELD_31_ABD)


def test_a_source_without_unknown_fields_changes_nothing():
    """An older client that knows no such field does not erase it."""
    assert unknown_bytes(take_unknown(session(FIELD_31_ABC), Session())) == FIELD_31_ABC


def test_unknown_fields_count_at_every_depth_when_messages_are_compared():
    """Messages that differ only in an unknown field, also within, are not the same."""
    assert same(session(FIELD_31_ABC, FIELD_31_ABC), session(FIELD_31_ABC, FIELD_31_ABC))
    assert not same(session(FIELD_31_ABC), session(FIELD_31_ABD))
    assert not same(session(in_spec=FIELD_31_ABC), session(in_spec=FIELD_31_ABD))
    assert not same(session(in_spec=FIELD_31_ABC), session())


@given(st.dictionaries(st.text(), st.text()))
def test_the_order_of_a_map_does_not_count(entries):
    """Maps are compared as maps."""
    there, back = SessionSpec(metadata=entries), SessionSpec(metadata=dict(reversed(list(entries.items()))))
    assert same(Session(spec=there), Session(spec=back))
