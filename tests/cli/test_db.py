"""``stigmer db``: checking and copying stores."""

from __future__ import annotations

import json
import sqlite3

import pytest

SERVING = "stigmer is serving on "


@pytest.fixture
def store(child, run, tmp_path):
    """The URL of a store that holds one session, and whose server has stopped."""
    url = f"sqlite:///{tmp_path / 'one.db'}"
    serve = child("serve", "--store", url, "--listen", "127.0.0.1:0")
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    _create(run, address, "kept")
    serve.process.terminate()
    assert serve.end() == 0
    return url


def _create(run, address, name):
    document = {"metadata": {"name": name, "org": "acme", "owner_scope": 2}, "spec": {"agent_instance_id": "ain-1"}}
    result = run("session", "create", "-f", "-", "--server", address, stdin=json.dumps(document))
    assert result.exit_code == 0, result.stderr


def test_a_sound_store_is_well(run, store):
    """Check says so and exits with 0, however the store is named."""
    for result in (run("db", "check", "--store", store), run("db", "check", STIGMER_STORE=store)):
        assert (result.exit_code, result.stdout, result.stderr) == (0, "all is well\n", "")


def test_what_is_wrong_is_listed(run, store, tmp_path):
    """A row whose bytes were changed is a line on standard output; exit code 1."""
    with sqlite3.connect(tmp_path / "one.db") as connection:
        (table,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE '%wire%' AND name LIKE '%session%'"
        ).fetchone()
        connection.execute(f"UPDATE {table} SET wire = wire || x'00'")
    connection.close()
    result = run("db", "check", "--store", store)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) >= 1
    assert result.stderr.startswith("error: ")


def test_what_one_copy_still_has_is_mended(run, child, store, tmp_path):
    """Repair keeps a copy of what was, says line by line what it has mended, and a server then answers as before."""
    with sqlite3.connect(tmp_path / "one.db") as connection:
        connection.execute("UPDATE session SET wire = wire || x'00'")
    connection.close()
    result = run("db", "repair", tmp_path / "was.db", "--store", store)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("mended: session ses-")
    assert result.stdout.endswith("\nall is well\n")
    assert run("db", "check", "--store", f"sqlite:///{tmp_path / 'was.db'}").exit_code == 1
    serve = child("serve", "--store", store, "--listen", "127.0.0.1:0")
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    assert run("session", "get", "--slug", "kept", "--org", "acme", "--server", address).exit_code == 0


def test_what_cannot_be_mended_is_named(run, store, tmp_path):
    """Exit code 1, and it stays as it is."""
    with sqlite3.connect(tmp_path / "one.db") as connection:
        connection.execute("UPDATE session SET wire = x'00', document = ''")
        connection.execute("DELETE FROM session_change")
    connection.close()
    result = run("db", "repair", tmp_path / "was.db", "--store", store)
    assert result.exit_code == 1
    assert "left: session ses-" in result.stdout
    assert result.stderr.startswith("error: ")


def test_a_backup_is_a_store(run, child, store, tmp_path):
    """Backup writes a copy that a server serves; it never overwrites."""
    target = tmp_path / "copy.db"
    result = run("db", "backup", target, "--store", store)
    assert (result.exit_code, result.stdout) == (0, f"copied to {target}\n")
    serve = child("serve", "--store", f"sqlite:///{target}", "--listen", "127.0.0.1:0")
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    assert run("session", "get", "--slug", "kept", "--org", "acme", "--server", address).exit_code == 0
    again = run("db", "backup", target, "--store", store)
    assert again.exit_code == 78
    assert again.stderr.startswith(f"error: backup {target}: ")


def test_both_work_beside_a_server(run, child, store, tmp_path):
    """A store can be checked and copied while a server uses it."""
    serve = child("serve", "--store", store, "--listen", "127.0.0.1:0")
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    _create(run, address, "second")
    assert run("db", "check", "--store", store).exit_code == 0
    assert run("db", "backup", tmp_path / "copy.db", "--store", store).exit_code == 0
    _create(run, address, "third")
    serve.process.terminate()
    assert serve.end() == 0


@pytest.mark.parametrize("command", [["check"], ["backup", "copy.db"], ["repair", "copy.db"]], ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:///missing.db", "there is no file missing.db"),
        ("sqlite:///foreign.db", "foreign.db"),
        ("sqlite:///empty.db", "empty.db"),
        ("sqlite:missing", "write sqlite:////absolute/path.db"),
        ("mongodb://x", "a store of the scheme 'mongodb' is opened by no plugin"),
    ],
)
def test_a_store_that_is_refused_is_78(run, tmp_path, command, url, text):
    """A missing, foreign or empty file and an unknown scheme are refused with one line; nothing is made."""
    (tmp_path / "foreign.db").write_bytes(b"no database" * 1000)
    (tmp_path / "empty.db").touch()
    before = sorted(tmp_path.iterdir())
    result = run("db", *command, "--store", url)
    assert result.exit_code == 78
    assert text in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["foreign.db", "empty.db"])
def test_serve_refuses_what_is_no_store(run, tmp_path, name):
    """`stigmer serve` exits with 78 on a file that is not its own and leaves it as it is."""
    (tmp_path / "foreign.db").write_bytes(b"no database" * 1000)
    (tmp_path / "empty.db").touch()
    size = (tmp_path / name).stat().st_size
    result = run("serve", "--store", f"sqlite:///{name}", "--listen", "127.0.0.1:0")
    assert result.exit_code == 78
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert (tmp_path / name).stat().st_size == size


def test_memory_has_nothing_to_copy(run):
    """A store in memory is well and cannot be copied."""
    assert run("db", "check", "--store", "memory:").exit_code == 0
    assert run("db", "backup", "copy.db", "--store", "memory:").exit_code == 78
