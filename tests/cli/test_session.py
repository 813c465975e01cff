"""``stigmer session`` against a real server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

YAML = """
# a session
metadata:
  name: My Chat
  owner_scope: organization
  org: acme
  tags: [urgent, blue]
  labels: {team: "7"}
spec:
  agentInstanceId: ain-1
  subject: no
"""


@pytest.fixture
def stored(session):
    """Creates a session and gives its JSON."""

    def store(name, **spec):
        document = {
            "metadata": {"name": name, "org": "acme", "ownerScope": "organization", "tags": spec.pop("tags", [])},
            "spec": {"agentInstanceId": "ain-1", **spec},
        }
        result = session("create", "-f", "-", "--json", stdin=json.dumps(document))
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return store


def test_create_from_yaml(session, tmp_path):
    """A YAML file in the names of the proto or of ProtoJSON makes a session; plain words stay words."""
    (tmp_path / "chat.yaml").write_text(YAML)
    result = session("create", "-f", tmp_path / "chat.yaml", "--json")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    made = json.loads(result.stdout)
    assert made["metadata"]["slug"] == "my-chat"
    assert made["metadata"]["tags"] == ["urgent", "blue"]
    assert made["metadata"]["labels"] == {"team": "7"}
    assert made["spec"] == {"agentInstanceId": "ain-1", "subject": "no"}


def test_create_from_json_prints_fields(session):
    """JSON on standard input makes a session too; people get a line for each field."""
    document = {"metadata": {"name": "chat", "org": "acme", "ownerScope": 2}, "spec": {"agent_instance_id": "ain-1"}}
    result = session("create", "-f", "-", stdin=json.dumps(document))
    assert result.exit_code == 0
    fields = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if line.split()[0] != "AGENT")
    assert (fields["NAME"], fields["SLUG"], fields["OWNER"]) == ("chat", "chat", "org acme")
    assert fields["ID"].startswith("ses-")


def test_apply_and_update(session, stored):
    """What get prints can be changed and applied or sent as update; what it printed before that cannot any more."""
    first = made = stored("chat", subject="1")
    for verb, subject in (("apply", "2"), ("update", "3")):
        made["spec"]["subject"] = subject
        result = session(verb, "-f", "-", "--json", stdin=json.dumps(made))
        assert result.exit_code == 0
        made = json.loads(result.stdout)
        assert made["spec"]["subject"] == subject
        refused = session(verb, "-f", "-", stdin=json.dumps(first))
        assert (refused.exit_code, made["metadata"]["version"]["id"] in refused.stderr) == (1, True)
    assert json.loads(session("list", "--json").stdout)["totalCount"] == "1"


def test_get_by_id_and_slug(session, stored):
    """Both ways to name a session give the same one."""
    made = stored("chat")
    by_id = session("get", made["metadata"]["id"], "--json")
    by_slug = session("get", "--slug", "chat", "--org", "acme", "--json")
    assert json.loads(by_id.stdout) == json.loads(by_slug.stdout) == made
    assert session("get", "--slug", "chat").exit_code == 1


def test_delete(session, stored):
    """Delete shows what it removed; the second time the server says no."""
    made = stored("chat")
    result = session("delete", made["metadata"]["id"], "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, made)
    again = session("delete", made["metadata"]["id"])
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == f"error: Session not found: {made['metadata']['id']}\n"


def test_list_tables_pages_and_tags(session, stored):
    """A table has a row for each session; one page says where the next is; --tag selects; --all goes on to the end."""
    for number in range(5):
        stored(f"chat {number}", tags=["even"] if number % 2 == 0 else ["odd"])
    rows = session("list", "--all", "--page-size", "2").stdout.splitlines()
    assert [row.split()[1:3] for row in rows[1:]] == [["chat", str(number)] for number in range(5)]
    assert rows[0].split()[:4] == ["ID", "NAME", "SLUG", "OWNER"]
    page = session("list", "--page-size", "2")
    assert len(page.stdout.splitlines()) == 3
    assert page.stderr.startswith("2 of 5 sessions; the rest: --all, or --page-token ")
    token = page.stderr.split()[-1]
    assert "chat-2" in session("list", "--page-size", "2", "--page-token", token).stdout
    assert len(session("list", "--tag", "even").stdout.splitlines()) == 4
    assert len(session("list", "--tag", "even", "--tag", "odd").stdout.splitlines()) == 1


def test_lists_select_and_order(session, stored):
    """A filter, words, an order and fields, for both lists; a mistake is told."""
    for name, agent in (("b", "ain-1"), ("a", "ain-1"), ("c", "ain-2")):
        stored(name, agentInstanceId=agent, subject=f"about {name}")

    def listed(*arguments):
        return [json.loads(line) for line in session(*arguments, "--all", "--json").stdout.splitlines()]

    assert listed("list", "--order-by", "name desc", "--fields", "metadata.name, spec.subject", "--filter", "name != b") == [
        {"metadata": {"name": "c"}, "spec": {"subject": "about c"}},
        {"metadata": {"name": "a"}, "spec": {"subject": "about a"}},
    ]
    assert listed("list-by-agent", "ain-1", "--query", "about b*", "--fields", "metadata.slug") == [{"metadata": {"slug": "b"}}]
    refused = session("list", "--filter", "name")
    assert (refused.exit_code, "column 5" in refused.stderr) == (1, True)
    assert session("list-by-agent", "").exit_code == 1


def test_get_parts_and_several(session, stored):
    """Fields of one session; several sessions in the order of their ids, as a table and as lines of JSON; all or none."""
    one, two = (stored(name)["metadata"]["id"] for name in ("one", "two"))
    assert json.loads(session("get", one, "--fields", "metadata.name", "--json").stdout) == {"metadata": {"name": "one"}}
    lines = session("batch-get", two, one, "--fields", "metadata.slug", "--json").stdout.splitlines()
    assert [json.loads(line)["metadata"]["slug"] for line in lines] == ["two", "one"]
    assert [row.split()[1] for row in session("batch-get", one, two).stdout.splitlines()] == ["NAME", "one", "two"]
    assert session("batch-get", one, "nothing").exit_code == 1


def test_list_json(session, stored):
    """One page is one SessionList object; with --all there is one session on each line."""
    for number in range(3):
        stored(f"chat {number}")
    page = json.loads(session("list", "--json", "--page-size", "2").stdout)
    assert [entry["metadata"]["slug"] for entry in page["entries"]] == ["chat-0", "chat-1"]
    assert (page["totalCount"], page["totalPages"]) == ("3", 2)
    assert page["nextPageToken"]
    lines = session("list", "--json", "--all", "--page-size", "2").stdout.splitlines()
    assert [json.loads(line)["metadata"]["slug"] for line in lines] == ["chat-0", "chat-1", "chat-2"]


def test_an_empty_list_has_entries(session):
    """Programs find the fields of an empty page; people find the heading; with --all there is no line."""
    assert json.loads(session("list", "--json").stdout) == {
        "entries": [],
        "nextPageToken": "",
        "totalPages": 0,
        "totalCount": "0",
    }
    assert len(session("list").stdout.splitlines()) == 1
    assert session("list", "--json", "--all").stdout == ""


def test_list_by_agent(session, stored):
    """Only the sessions of that agent instance are listed."""
    stored("one")
    stored("two", agentInstanceId="ain-2")
    assert json.loads(session("list-by-agent", "ain-2", "--json").stdout)["entries"][0]["metadata"]["slug"] == "two"
    assert len(session("list-by-agent", "ain-1", "--all").stdout.splitlines()) == 2


def test_json_is_what_the_server_sent(session, stored):
    """Any text and fractions of seconds are given back exactly."""
    text = 'quote " backslash \\ tab \t bell \x07 csi \x9b line \u2028 bidi \u202e emoji 😀 é é'
    made = stored("chat", subject=text, metadata={"": "", "ключ": "値"})
    result = session("get", made["metadata"]["id"], "--json")
    got = json.loads(result.stdout)
    assert got["spec"] == {"agentInstanceId": "ain-1", "subject": text, "metadata": {"": "", "ключ": "値"}}
    assert "😀" in result.stdout
    assert not set("\x07\x1b\x9b\u2028\u202e") & set(result.stdout)
    assert got["status"]["audit"]["specAudit"]["createdAt"].endswith("Z")


@pytest.mark.parametrize(
    "hostile", ["\x1b[2Jgone", "a\nb", "a\rb", "\x9b31m", "\u202egnp.exe", "\x00", "\u2028", "[red]x[/red]"]
)
def test_nothing_in_a_session_reaches_the_terminal_as_a_command(session, stored, hostile):
    """Control characters, line ends and direction marks are spelt out in tables; markup is text."""
    made = stored("chat", subject=hostile, tags=[hostile], metadata={hostile: hostile})
    for result in (session("get", made["metadata"]["id"]), session("list")):
        assert result.exit_code == 0
        assert set("\x1b\r\x9b\u202e\x00\u2028").isdisjoint(result.stdout)
    assert len(session("list").stdout.splitlines()) == 2
    if hostile.startswith("["):
        assert hostile in session("list").stdout


def test_ids_in_errors_are_neutralised(session):
    """What the server echoes is spelt out as well."""
    result = session("get", "a\x1b[2J\nb")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_a_pipe_gets_whole_rows(session, stored):
    """However long a field is, a row is one line and nothing is cut."""
    made = stored("chat", subject="long " * 200)
    (_, row) = session("list").stdout.splitlines()
    assert made["metadata"]["id"] in row
    assert ("long " * 200).strip() in row


def test_a_terminal_loses_no_id(server, stored):
    """On a narrow terminal cells are folded: every character of the id is there."""
    made = stored("chat")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "stigmer", "session", "list", "--server", server]
    environment = {**os.environ, "COLUMNS": "60", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # Linux ends a terminal with EIO
            pass
        assert process.wait(30) == 0
    os.close(ours)
    column = "".join(line.split(" ")[0] for line in shown.decode().replace("\r", "").splitlines()[1:])
    assert made["metadata"]["id"] in column


def test_a_reader_that_leaves_early_is_no_traceback(server, stored):
    """`stigmer session list | head` ends without noise."""
    for number in range(20):
        stored(f"chat {number}", subject="x" * 20_000)
    command = [sys.executable, "-m", "stigmer", "session", "list", "--all", "--json", "--server", server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""


def test_several_violations_have_a_line_each(session):
    """Broken rules are listed with their fields; exit code 1."""
    result = session("create", "-f", "-", stdin='{"metadata": {"name": "!!", "ownerScope": "platform"}}')
    assert result.exit_code == 1
    first, *rules = result.stderr.splitlines()
    assert first == "error: validation errors:"
    assert [rule.split(":")[0] for rule in rules] == [" - metadata", " - metadata.name", " - spec.agent_instance_id"][
        : len(rules)
    ]
    assert len(rules) > 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["get"],
        ["get", "id", "--slug", "s"],
        ["get", "--org", "o"],
        ["get", "id", "--org", "o"],
        ["get", "--slug", "s", "--fields", "spec"],
    ],
    ids=" ".join,
)
def test_get_wants_an_id_or_a_slug(session, arguments):
    """Anything but an id, or a slug with perhaps an organization, is wrong usage."""
    result = session(*arguments)
    assert (result.exit_code, result.stderr) == (
        2,
        "error: give either ID and perhaps --fields, or --slug and perhaps --org and --version\n",
    )


def test_a_server_that_is_there_but_busy_is_1(run, busy_server):
    """A server that answers UNAVAILABLE was reached: it says no, and why."""
    result = run("session", "get", "x", "--server", busy_server)
    assert result.exit_code == 1
    assert "the store is busy" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "-f", "-"],
        ["update", "-f", "-"],
        ["apply", "-f", "-"],
        ["get", "x"],
        ["delete", "x"],
        ["list"],
        ["list-by-agent", "x"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_server_is_69(run, unused_tcp_port, arguments):
    """Every command exits with 69 and one line when nobody listens."""
    server = f"127.0.0.1:{unused_tcp_port}"
    result = run("session", *arguments, "--server", server, stdin="{}")
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr == f"error: {server}: cannot connect: Connection refused\n"


def test_a_server_that_is_no_address_is_wrong_usage(run):
    """--server without a port exits with 2."""
    result = run("session", "list", "--server", "localhost")
    assert (result.exit_code, result.stderr) == (2, "error: --server: 'localhost' is not HOST:PORT\n")


def test_a_bad_page_token_is_1(session):
    """What the server refuses exits with 1 and its text."""
    result = session("list", "--page-token", "nonsense")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: validation error: page_token: ")


def test_a_token_that_is_no_header_is_wrong_usage(session):
    """A token with a line end cannot be sent: one line, exit code 2."""
    result = session("list", "--token", "a\nb")
    assert result.exit_code == 2
    assert result.stderr == "error: --token: must be printable ASCII\n"
