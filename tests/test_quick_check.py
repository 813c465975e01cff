"""A quick check is sure of nothing that protovalidate refuses, and of every message that people send."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protobuf import Oneof
from protovalidate import Validator
from protovalidate._gen.buf.validate.validate_pb import BoolRules, FieldRules, Ignore, Rule, StringRules, ext_field

from stigmer._proto.ai.stigmer.agentic.session.v1 import api_pb, io_pb, spec_pb
from stigmer._proto.ai.stigmer.commons.apiresource import io_pb as commons_pb
from stigmer._proto.ai.stigmer.commons.apiresource import metadata_pb
from stigmer.quick_check import quick_check

SCOPE_RULE = "session.owner_scope.org_or_identity_only"
REQUESTS = [
    api_pb.Session,
    io_pb.SessionId,
    io_pb.ListSessionsRequest,
    io_pb.ListSessionsByAgentRequest,
    io_pb.BatchGetSessionsRequest,
    commons_pb.ApiResourceReference,
]
VALIDATOR = Validator()

texts = st.sampled_from(["", "Session", "agentic.stigmer.ai/v1", "latest", "v1.2-x_y", "a\n", "latest\n", "é", "x" * 65])
numbers = st.integers(-2, 9)


def sessions():
    metadata = st.builds(metadata_pb.ApiResourceMetadata, name=texts, owner_scope=st.integers(0, 9))
    spec = st.builds(spec_pb.SessionSpec, agent_instance_id=texts)
    return st.builds(api_pb.Session, api_version=texts, kind=texts, metadata=st.none() | metadata, spec=st.none() | spec)


messages = st.one_of(
    sessions(),
    st.builds(io_pb.SessionId, value=texts),
    st.builds(io_pb.ListSessionsRequest, page_size=numbers),
    st.builds(io_pb.ListSessionsByAgentRequest, agent_id=texts, page_size=numbers),
    st.builds(io_pb.BatchGetSessionsRequest, ids=st.lists(texts, max_size=3) | st.just(["x"] * 1001)),
    st.builds(commons_pb.ApiResourceReference, scope=st.integers(0, 9), version=texts),
)


@given(messages)
def test_it_says_what_protovalidate_says(message):
    """Of the messages that requests are made of, it is sure exactly when no rule is broken."""
    assert quick_check(type(message).desc())(message) == (not VALIDATOR.collect_violations(message))


@given(sessions())
def test_a_rule_may_be_waived_for_an_unset_number(session):
    """With the scope's rule waived it is sure exactly when no other rule is broken, or that one by an unset scope."""
    broken = [found.proto.rule_id for found in VALIDATOR.collect_violations(session)]
    if session.metadata is not None and not session.metadata.owner_scope:
        broken = [rule for rule in broken if rule != SCOPE_RULE]
    assert quick_check(type(session).desc(), SCOPE_RULE)(session) == (not broken)


@pytest.mark.parametrize("type_", REQUESTS, ids=lambda type_: type_.desc().name)
def test_every_request_can_be_checked(type_):
    """The rules of all requests are plain, so that a good one is never looked at twice."""
    good = {
        "Session": api_pb.Session(metadata=metadata_pb.ApiResourceMetadata(owner_scope=2)),
        "SessionId": io_pb.SessionId(value="x"),
        "ListSessionsByAgentRequest": io_pb.ListSessionsByAgentRequest(agent_id="x"),
        "BatchGetSessionsRequest": io_pb.BatchGetSessionsRequest(ids=["x"]),
    }
    assert quick_check(type_.desc())(good.get(type_.desc().name, type_()))


def of_rules(rules):
    """The descriptor of a message with one text field that has ``rules``."""
    proto = SimpleNamespace(options={ext_field: rules})
    field = SimpleNamespace(proto=proto, local_name="value", value=SimpleNamespace(oneof=None))
    return SimpleNamespace(proto=SimpleNamespace(options=None), type_name="test.Odd", oneofs=[], fields=[field])


@pytest.mark.parametrize(
    "rules",
    [
        FieldRules(type=Oneof("string", StringRules(max_len=1))),
        FieldRules(type=Oneof("string", StringRules(pattern=r"\d"))),
        FieldRules(type=Oneof("bool", BoolRules(const=True))),
        FieldRules(type=Oneof("string", StringRules(const="")), ignore=Ignore.ALWAYS),
        FieldRules(cel=[Rule(id="odd", expression="this.size() < 2")]),
    ],
)
def test_it_is_not_sure_of_rules_that_it_does_not_know(rules):
    """A message with a rule that is not plain is never surely right, whatever is in it."""
    assert not quick_check(of_rules(rules))(SimpleNamespace(value=""))


def test_it_is_sure_of_a_field_without_odd_rules():
    """The same message with a plain rule is: what the test above tells apart is the rule."""
    assert quick_check(of_rules(FieldRules(type=Oneof("string", StringRules(const="")))))(SimpleNamespace(value=""))
