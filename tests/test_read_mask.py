"""Masked bytes are what is left of a message when all other fields are cleared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer.errors import Undecodable
from stigmer.read_mask import read_mask

DESC = Session.desc()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=4)
SESSIONS = st.builds(
    Session,
    kind=TEXTS,
    metadata=st.none()
    | st.builds(ApiResourceMetadata, name=TEXTS, labels=MAPS, tags=st.lists(TEXTS), owner_scope=st.integers(0, 3)),
    spec=st.none() | st.builds(SessionSpec, subject=TEXTS, metadata=MAPS),
)
LEAVES = {"kind": None, "metadata": ("name", "labels", "tags", "owner_scope"), "spec": ("subject", "metadata")}
PATHS = [*LEAVES, *(f"{parent}.{name}" for parent, names in LEAVES.items() for name in names or ())]


def cleared(session, paths):
    """A session with only the fields of ``paths``, made field by field."""
    answer = Session()
    for path in sorted(paths, key=len, reverse=True):
        parent, _, name = path.partition(".")
        if not name:
            setattr(answer, parent, getattr(session, parent))
        elif (source := getattr(session, parent)) is not None:
            if getattr(answer, parent) is None:
                setattr(answer, parent, type(source)())
            setattr(getattr(answer, parent), name, getattr(source, name))
    return answer


@given(SESSIONS, st.sets(st.sampled_from(PATHS), min_size=1))
def test_bytes_are_narrowed_as_messages_are(session, paths):
    """Taking fields out of the bytes gives what copying them from message to message gives."""
    narrowed = read_mask(DESC, tuple(paths)).narrowed(session.to_binary())
    assert Session.from_binary(narrowed) == cleared(session, paths)


@given(MAPS, TEXTS)
def test_entries_of_maps(labels, key):
    """A key selects its entry and no other."""
    wire = Session(metadata=ApiResourceMetadata(labels=labels)).to_binary()
    quoted = key.replace("`", "``")
    narrowed = Session.from_binary(read_mask(DESC, (f"metadata.labels.`{quoted}`",)).narrowed(wire))
    assert narrowed.metadata.labels == {name: value for name, value in labels.items() if name == key}


UNKNOWN = [b"\xa0\x06\x05", b"\xa1\x06" + bytes(8), b"\xa5\x06" + bytes(4), b"\xa3\x06\xa3\x06\x08\x01\xa4\x06\xa4\x06"]


@pytest.mark.parametrize("unknown", UNKNOWN, ids=["varint", "fixed64", "fixed32", "groups"])
def test_unknown_fields_are_passed_over(unknown):
    """Fields that the schema does not know, of every wire type, are only in the answer when all around them is asked for."""
    wire = unknown + Session(kind="k").to_binary() + unknown
    assert read_mask(DESC, ("kind",)).narrowed(wire) == Session(kind="k").to_binary()
    assert read_mask(DESC, ("*",)).narrowed(wire) == wire


@given(st.binary(max_size=40))
def test_any_bytes_are_narrowed_or_undecodable(data):
    """Whatever bytes are stored, nothing else happens, and what is left is a part of them."""
    try:
        narrowed = read_mask(DESC, ("kind",)).narrowed(data)
    except Undecodable:
        return
    assert len(narrowed) <= len(data)


@pytest.mark.parametrize("data", [b"\x1a", b"\x1a\x05ab", b"\x08", b"\xff" * 12, b"\x03" * 200, b"\x04", b"\x00\x00", b"\x0f"])
def test_broken_bytes(data):
    """Cut, endless and impossible fields are refused."""
    with pytest.raises(Undecodable):
        read_mask(DESC, ("kind",)).narrowed(data)
