"""Bytes and values that no honest client sends: refused or kept whole, and the server goes on."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec

CALLS = ["create", "update", "delete", "apply", "get", "get_by_reference", "list", "list_by_agent"]
UNDECODABLE = {
    "a lone byte": b"\xff",
    "a field without its value": b"\x0a",
    "a length beyond the end": b"\x0a\x7fabc",
    "a length of 2 GiB": b"\x0a\xff\xff\xff\xff\x07",
    "a negative length": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "an endless varint": b"\x08" + b"\xff" * 64,
    "field number 0": b"\x02\x00",
    "wire type 7": b"\x0f",
    "an end without its group": b"\x0c",
    "a group without its end": b"\xfb\x3f",
    "groups 10,000 deep": b"\xfb\x3f" * 10_000 + b"\xfc\x3f" * 10_000,
    "noise": bytes(range(256)) * 40,
}


@pytest.fixture
async def wire(served):
    """A server without plugins; nothing here reaches the store."""
    return await served()


@pytest.mark.parametrize("case", UNDECODABLE)
@pytest.mark.parametrize("method", CALLS)
async def test_undecodable_bytes(wire, method, case):
    """Bytes that are no message are INTERNAL in every operation; the text does not quote them."""
    refusal = await wire.refused(wire.call(method, UNDECODABLE[case]))
    assert refusal.code == "INTERNAL"
    assert (refusal.text, refusal.details) == ("the message cannot be decoded", ("ErrorInfo",))
    assert await wire.count() == 0


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abc\xc3"])
async def test_invalid_utf8(wire, text):
    """A string that is not UTF-8 makes the message undecodable, wherever it stands."""
    string = b"\x0a" + bytes([len(text)]) + text
    nested = b"\x1a" + bytes([len(string)]) + string
    assert (await wire.refused(wire.call("get", string))).code == "INTERNAL"
    assert (await wire.refused(wire.call("create", string))).code == "INTERNAL"
    assert (await wire.refused(wire.call("create", nested))).code == "INTERNAL"


@pytest.mark.parametrize("method", ["create", "update", "apply", "get", "delete", "get_by_reference", "list_by_agent"])
async def test_empty_message(wire, method):
    """An empty message breaks a rule in every operation that needs something."""
    assert (await wire.refused(wire.call(method, b""))).code == "INVALID_ARGUMENT"


async def test_empty_list_request(wire):
    """An empty list request is the first page of everything."""
    assert (await wire.call("list", b"")).total_count == 0


async def test_a_message_of_another_type(wire, a_session):
    """A message of another type is judged as what it was sent for; nothing is written by it."""
    session = a_session().to_binary()
    assert (await wire.refused(wire.call("get", session))).code in {"INVALID_ARGUMENT", "NOT_FOUND"}
    assert (await wire.refused(wire.call("delete", session))).code in {"INVALID_ARGUMENT", "NOT_FOUND"}
    assert (await wire.refused(wire.call("create", b"\x0a\x01x"))).code == "INVALID_ARGUMENT"
    assert await wire.count() == 0


async def test_fields_in_another_order_and_repeated(wire, a_session):
    """As protobuf says, the last value of a repeated single field counts, and sub-messages merge, whatever the order."""
    spec = b"\x22\x05\x0a\x03old" + b"\x22\x05\x0a\x03new" + b"\x22\x04\x12\x02hi"
    stored = await wire.create(spec + a_session(spec=False).to_binary())
    assert (stored.spec.agent_instance_id, stored.spec.subject) == ("new", "hi")


async def test_deep_unknown_field_is_just_bytes(wire, a_session):
    """An unknown field that would be messages 10,000 deep is kept as the bytes it is."""
    nested = b""
    for _ in range(2000):
        length = len(nested)
        nested = b"\x0a" + bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14]) + nested
    size = len(nested)
    extra = b"\xfa\x3f" + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + nested
    stored = await wire.create(a_session().to_binary() + extra)
    assert extra in (await wire.get_bytes(stored.metadata.id))


ODD = [
    "\0",
    "a\0b",
    "\x01\x1f\x7f\x80\x9f",
    "\u202e\u2066\u05e9\u05dc",
    "🚀\u200d🚀",
    "\ufeff",
    "\uffff",
    "\U0010ffff",
    "\r\n\t",
]


@pytest.mark.parametrize("text", ODD)
async def test_odd_text_is_kept(served, store_url, text):
    """Control characters, bidirectional text, emoji and noncharacters are kept in every text field, on each store."""
    from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
    from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata

    wire = await served(store=store_url)
    request = Session(
        metadata=ApiResourceMetadata(
            name=text, slug="s", org=text, owner_scope=2, labels={text: text}, annotations={text: text}, tags=[text]
        ),
        spec=SessionSpec(agent_instance_id=text, subject=text, thread_id=text, sandbox_id=text, metadata={text: text}),
    )
    stored = await wire.create(request)
    got = await wire.get(stored.metadata.id)
    assert got.spec == request.spec
    assert (got.metadata.name, got.metadata.org, got.metadata.labels) == (text, text, {text: text})
    assert (got.metadata.annotations, list(got.metadata.tags)) == ({text: text}, [text])
    assert await wire.get_by_reference("s", org=text) == got
    assert list((await wire.list(tags=[text])).entries) == [got]
    assert list((await wire.list_by_agent(text)).entries) == [got]


async def test_unknown_rpc(wire):
    """An rpc that does not exist is UNIMPLEMENTED."""
    for path in ("/ai.stigmer.agentic.session.v1.SessionQueryController/Get", "/no.such.Service/get"):
        assert (await wire.refused(wire.raw(path, b""))).code == "UNIMPLEMENTED"


async def test_thousands_of_tags_and_labels(served, store_url, a_session):
    """Many tags, labels and annotations are kept and found."""
    wire = await served(store=store_url)
    tags = [f"t{number}" for number in range(3000)]
    stored = await wire.create(a_session(tags=tags, labels=dict.fromkeys(tags, "v"), annotations=dict.fromkeys(tags, "")))
    assert list((await wire.get(stored.metadata.id)).metadata.tags) == tags
    assert (await wire.list(tags=["t0", "t1500", "t2999"])).total_count == 1


async def test_asking_for_thousands_of_tags(served, store_url, a_session):
    """A list that asks for thousands of tags is answered: a session that carries them all is found."""
    wire = await served(store=store_url)
    tags = [f"t{number}" for number in range(3000)]
    await wire.create(a_session("all", tags=tags))
    await wire.create(a_session("almost", tags=tags[1:]))
    assert await wire.names(tags=tags) == ["all"]
