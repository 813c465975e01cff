"""``stigmer session watch``, ``versions`` and ``restore``, and writes that are repeated or tried."""

from __future__ import annotations

import json
import signal

import pytest

DOCUMENT = """
metadata: {name: One, org: acme, owner_scope: organization}
spec: {agent_instance_id: ain-1, subject: %s}
"""


@pytest.fixture
def do(run, server):
    """Runs a command of ``stigmer session`` that goes well; gives what it printed, taken apart where it is JSON."""

    def call(*arguments, stdin=None):
        result = run("session", *arguments, "--server", server, stdin=stdin)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.output.splitlines()] if "--json" in arguments else result.output

    return call


def create(do, subject="about", *more):
    (session,) = do("create", "-f", "-", "--json", *more, stdin=DOCUMENT % subject)
    return session


def test_versions_are_listed_and_restored(do):
    """The newest first, as a table or one object a line; restoring one makes a new one."""
    created = create(do)
    id_, first = created["metadata"]["id"], created["metadata"]["version"]["id"]
    do("apply", "-f", "-", stdin=DOCUMENT % "another")
    second, listed = do("versions", id_, "--json")
    assert (listed["version"]["id"], listed["event"], listed["actor"]["id"]) == (first, "created", "system")
    assert second["version"]["previousVersionId"] == first
    table = do("versions", id_).splitlines()
    assert table[0].split() == ["VERSION", "EVENT", "TIME", "WHO", "MESSAGE"]
    assert [row.split()[0] for row in table[1:]] == [second["version"]["id"], first]
    (restored,) = do("restore", id_, first, "--message", "back", "--json")
    assert (restored["spec"]["subject"], restored["metadata"]["version"]["message"]) == ("about", "back")
    (then,) = do("get", "--slug", "one", "--org", "acme", "--version", second["version"]["id"], "--json")
    assert then["spec"]["subject"] == "another"


def test_a_restore_can_be_bound_to_the_current_version(do, run, server):
    """If somebody came in between, nothing is restored, and the exit code is 1."""
    created = create(do)
    id_, first = created["metadata"]["id"], created["metadata"]["version"]["id"]
    do("apply", "-f", "-", stdin=DOCUMENT % "another")
    result = run("session", "restore", id_, first, "--if-current", first, "--server", server)
    assert (result.exit_code, "is not current" in result.stderr) == (1, True)


def test_writes_can_be_repeated_or_tried(do):
    """With a key the same create twice is one; with --validate-only nothing is written."""
    assert create(do, "about", "--idempotency-key", "k") == create(do, "about", "--idempotency-key", "k")
    id_ = do("list", "--json")[0]["entries"][0]["metadata"]["id"]
    do("delete", id_, "--validate-only")
    assert do("get", id_, "--json")[0]["metadata"]["id"] == id_


def test_events_are_shown_until_it_is_interrupted(child, do, server):
    """A line each, first what is there; Ctrl-C ends it with 0."""
    created = create(do)
    watching = child("session", "watch", "--initial", "--server", server)
    assert watching.process.stdout.readline().split() == ["ADDED", created["metadata"]["id"], "One"]
    do("delete", created["metadata"]["id"])
    date, time, *rest = watching.process.stdout.readline().split()
    assert (date[:2], time[-1], rest) == ("20", "Z", ["DELETED", created["metadata"]["id"], "One"])
    watching.process.send_signal(signal.SIGINT)
    assert watching.end() == 0


def test_a_watch_goes_on_from_a_token(child, do, server):
    """Programs read one object a line, and keep the token of the last."""
    watching = child("session", "watch", "--json", "--bookmarks", "--server", server)
    bookmark = json.loads(watching.process.stdout.readline())
    assert bookmark["type"] == "BOOKMARK"
    created = create(do)
    again = child("session", "watch", "--json", "--from", bookmark["resumeToken"], "--server", server)
    for each in (watching, again):
        event = json.loads(each.process.stdout.readline())
        assert (event["type"], event["session"]["metadata"]["id"]) == ("ADDED", created["metadata"]["id"])
        each.process.send_signal(signal.SIGINT)
        assert each.end() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--from", "nonsense"), 1, "resume_token"),
        (("--filter", "nonsense ="), 1, "filter"),
        (("--from", "x", "--initial"), 2, "do not go together"),
    ],
)
def test_bad_watches_are_refused(run, server, arguments, code, words):
    """One line, and the code that tells whose mistake it is."""
    result = run("session", "watch", *arguments, "--server", server)
    assert (result.exit_code, words in result.stderr) == (code, True)


def test_nobody_to_watch_at(run, unused_tcp_port):
    """A server that is not there at first is not waited for: exit code 69."""
    assert run("session", "watch", "--server", f"127.0.0.1:{unused_tcp_port}").exit_code == 69
