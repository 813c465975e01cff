"""Which files are taken, and what is said about the others."""

from __future__ import annotations

import json

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.cli.document import MAX_BYTES, Refused, parse_document
from stigmer.cli.shape import message_of

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nmetadata: {tags: *b}"


def read(text):
    """The session that ``text`` spells."""
    data = text if isinstance(text, bytes) else text.encode()
    return message_of(Session, parse_document(data))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("---\n", "holds nothing, not a mapping"),
        ("just words", "holds text, not a mapping"),
        ("[1, 2]", "holds a list, not a mapping"),
        ("3", "holds a number, not a mapping"),
        ("a: 1\n---\nb: 2\n", "line 2: a second document begins; one is expected"),
        (BOMB, "line 2: aliases (*a) are not taken; write the value again"),
        ("a: *a", "line 1: aliases (*a) are not taken; write the value again"),
        ("[" * 5000, "line 1: is nested too deeply"),
        ("a: " * 5000, "line 1, column 5: mapping values are not allowed in this context"),
        ('{"a":' * 100_000, "is nested too deeply"),
        ("metadata:\n\tname: x", "line 2, column 1: found character that cannot start any token"),
        ("metadata: {name: x", "did not find expected ',' or '}'"),
        ('{"metadata": {"name": }}', "line 1, column 23: Expecting value"),
        ('{"spec": {"subject": NaN}}', "NaN is no JSON value"),
        ('{"spec": {"subject": "a", "subject": "b"}}', "the key 'subject' is there twice"),
        ("spec:\n  subject: a\n  subject: b", "line 3: the key 'subject' is there twice"),
        ("? [a]\n: b", "line 1: a key must be text"),
        ("a: !!python/object/apply:os.system ['x']", "line 1, column 4: could not determine a constructor for the tag"),
        (b"\xff\xfe", "is not UTF-8: byte 0"),
        ("spec: {subject: \x1b}", "holds a character that YAML does not allow, at position 16"),
    ],
    ids=range(22),
)
def test_what_is_no_document_is_refused(text, expected):
    """Each text that is not exactly one plain mapping gets one message that says what and where."""
    with pytest.raises(Refused) as caught:
        read(text)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metdata: {}", "metdata: no such field; did you mean metadata?"),
        ("metadata: {nam: x}", "metadata.nam: no such field; did you mean name?"),
        ("metadata: {name: 5}", "metadata.name: a number where text is expected; quote it"),
        ("metadata: {name: 1.5}", "metadata.name: a number where text is expected; quote it"),
        ("spec: {subject: true}", "spec.subject: true or false where text is expected; quote it"),
        ("spec: {subject: [a]}", "spec.subject: a list where text is expected"),
        ("spec: {subject: {a: b}}", "spec.subject: a mapping where text is expected"),
        ("spec: words", "spec: text where a mapping is expected"),
        ("metadata: []", "metadata: a list where a mapping is expected"),
        ("metadata: {tags: a}", "metadata.tags: text where a list is expected"),
        ("metadata: {tags: [a, 5]}", "metadata.tags[1]: a number where text is expected; quote it"),
        ("metadata: {tags: [null]}", "metadata.tags[0]: nothing where text is expected"),
        ("metadata: {labels: {a: 1}}", "metadata.labels.a: a number where text is expected; quote it"),
        ("metadata: {labels: [a]}", "metadata.labels: a list where a mapping is expected"),
        ("spec: {metadata: {a: }}", "spec.metadata.a: nothing where text is expected"),
        ("metadata: {owner_scope: organisation}", "metadata.owner_scope: 'organisation' is none of"),
        ("metadata: {owner_scope: organisation}", "did you mean organization?"),
        ("metadata: {owner_scope: 9}", "metadata.owner_scope: 9 is none of"),
        ("metadata: {owner_scope: true}", "metadata.owner_scope: True is none of"),
        ("metadata: {owner_scope: [organization]}", "metadata.owner_scope: ['organization'] is none of"),
        ("metadata: {owner_scope: 2, ownerScope: 3}", "metadata.ownerScope: is there twice, also as owner_scope"),
        (
            "status: {audit: {spec_audit: {created_at: yesterday}}}",
            "status.audit.spec_audit.created_at: 'yesterday' is no timestamp",
        ),
        ("status: {audit: {spec_audit: {created_at: 5}}}", "status.audit.spec_audit.created_at: 5 is no timestamp"),
        ("metadata: {name: !!binary aGk=}", "metadata.name: bytes where text is expected"),
        ("metadata: {tags: !!set {a, b}}", "metadata.tags: set where a list is expected"),
        ('{"spec": {"subject": "\\ud800"}}', "spec.subject: holds half a character"),
        ('{"spec": {"metadata": {"\\ud800": "a"}}}', "spec.metadata: holds half a character"),
    ],
    ids=range(27),
)
def test_what_does_not_fit_is_named(text, expected):
    """Each field that is unknown, of the wrong type or there twice is named with its path."""
    with pytest.raises(Refused) as caught:
        read(text)
    assert expected in str(caught.value)


def test_both_spellings_and_forms_mean_the_same():
    """YAML, YAML in flow style, JSON, names of the proto and of ProtoJSON all give one message."""
    expected = Session.from_json('{"metadata":{"name":"x","ownerScope":"organization"},"spec":{"agentInstanceId":"a"}}')
    for text in (
        "metadata: {name: x, owner_scope: organization}\nspec: {agent_instance_id: a}",
        "metadata:\n  name: x\n  ownerScope: 2\nspec:\n  agentInstanceId: a\n",
        "{metadata: {name: x, owner_scope: organization}, spec: {agentInstanceId: a}}",
        '{"metadata": {"name": "x", "owner_scope": 2}, "spec": {"agent_instance_id": "a"}, "status": null}',
        b"\xef\xbb\xbf" + b"metadata: {name: x, owner_scope: organization}\nspec: {agent_instance_id: a}\n",
        "%YAML 1.2\n---\nmetadata: {name: x, owner_scope: organization}\nspec: {agent_instance_id: a}\n...\n",
    ):
        assert read(text) == expected


@pytest.mark.parametrize(
    "word", ["no", "yes", "on", "off", "y", "2024-01-01", "12:30:45", "007", "0x1f", "1_000", "1.2.3", ".inf", "NaN", "=", "<<"]
)
def test_plain_words_stay_text(word):
    """What YAML 1.1 would take for a boolean, a date or an odd number is text, as a value and as a key."""
    session = read(f"spec:\n  subject: {word}\n  metadata:\n    {word}: {word}\n")
    assert session.spec.subject == word
    assert dict(session.spec.metadata) == {word: word}


def test_keys_are_text():
    """A key that looks like a number, a boolean or nothing is text, and the same key when it is there quoted too."""
    assert dict(read("spec: {metadata: {5: a, true: b, null: c, 1.5: d}}").spec.metadata) == {
        "5": "a",
        "true": "b",
        "null": "c",
        "1.5": "d",
    }
    with pytest.raises(Refused, match="the key '5' is there twice"):
        read('spec: {metadata: {5: a, "5": b}}')


def test_what_get_prints_can_be_read():
    """ProtoJSON of any session gives that session again, audit included."""
    session = Session.from_json(
        json.dumps(
            {
                "apiVersion": "agentic.stigmer.ai/v1",
                "metadata": {"name": "é😀\u2028", "labels": {"": ""}, "version": {"id": "1"}},
                "status": {"audit": {"specAudit": {"createdAt": "2024-01-01T00:00:00.123456789Z", "createdBy": {"id": "a"}}}},
            }
        )
    )
    assert read(session.to_json()) == session


def test_a_file_of_any_size_is_bounded():
    """More than a session can be is refused before it is parsed."""
    with pytest.raises(Refused, match="is larger than 16 MiB"):
        parse_document(b"#" * (MAX_BYTES + 1))


@pytest.mark.parametrize(("name", "text"), [("missing.yaml", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_wrong_usage(run, name, text):
    """A missing file or a folder gives one line and exit code 2, before any server is asked."""
    result = run("session", "create", "-f", name)
    assert (result.exit_code, result.stderr) == (2, f"error: {name}: {text}\n")


def test_a_bad_file_is_wrong_usage(run, tmp_path):
    """A file that does not fit names file and field; standard input is called so; a .json file must be JSON."""
    (tmp_path / "a.yaml").write_text("spec: {subjct: x}")
    result = run("session", "apply", "-f", "a.yaml")
    assert (result.exit_code, result.stderr) == (2, "error: a.yaml: spec.subjct: no such field; did you mean subject?\n")
    result = run("session", "update", "-f", "-", stdin="")
    assert (result.exit_code, result.stderr) == (2, "error: standard input: is empty\n")
    (tmp_path / "a.json").write_text("spec: {subject: x}")
    assert run("session", "create", "-f", "a.json").stderr == "error: a.json: line 1, column 1: Expecting value\n"
