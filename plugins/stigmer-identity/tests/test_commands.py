"""``stigmer identity key``."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest
import stigmer_identity
from typer.testing import CliRunner

from stigmer.cli import cli
from stigmer.client import SessionClient, Unauthenticated
from stigmer.testing import serving


@pytest.fixture
def environment(key_file):
    """Turns the plugin and its keys on."""
    return {"STIGMER_PLUGINS": "identity", "STIGMER_IDENTITY_KEYS": str(key_file.path)}


@pytest.fixture
def run(environment):
    """Runs ``stigmer identity key`` in this process."""

    def invoke(*arguments, **changes):
        return CliRunner().invoke(cli, ["identity", "key", *arguments], env={**environment, **changes}, prog_name="stigmer")

    return invoke


def test_create_shows_the_key_once(run, key_file):
    """The key goes to standard output alone, the rest to standard error; no other command shows it."""
    created = run("create", "ida-bot", "--role", "a", "--role", "b", "--description", "for tests", "--expires", "30d")
    text = created.stdout.strip()
    assert created.exit_code == 0
    assert text not in created.stderr
    (record,) = key_file.read()
    assert (record.caller, record.roles, record.description) == ("ida-bot", ("a", "b"), "for tests")
    listed = run("list")
    assert listed.stdout.split("\n")[0].split() == ["ID", "STATE", "CALLER", "ROLES", "EXPIRES", "DESCRIPTION"]
    assert f"{record.id}  active  ida-bot  a,b" in listed.stdout
    assert text.rpartition("_")[2] not in listed.stdout + run("list", "--json").stdout + run("revoke", record.id).stdout


def test_json(run):
    """With ``--json`` each command prints the record, without hash; create prints the key too."""
    created = json.loads(run("create", "ida-bot", "--json").stdout)
    key = created.pop("key")
    assert created["id"] in key
    assert created["state"] == "active"
    assert json.loads(run("list", "--json").stdout) == [created]
    revoked = json.loads(run("revoke", created["id"], "--json").stdout)
    assert revoked["state"] == "revoked"
    assert json.loads(run("list", "--json").stdout) == [revoked]
    assert not {"sha256", "key"} & revoked.keys()


def test_revoking_again_changes_nothing(run, key_file):
    """The second time is as good as the first, and keeps its time; other keys stay."""
    run("create", "ida-a")
    run("create", "ida-b")
    first, other = key_file.read()
    assert run("revoke", first.id).exit_code == 0
    after = key_file.read()
    assert run("revoke", first.id).exit_code == 0
    assert key_file.read() == after
    assert [key.revoked_at is None for key in after] == [False, True]
    assert after[1] == other


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["revoke", "nope"], 1, "error: ApiKey not found: nope"),
        (["create", "system"], 2, "error: Invalid value: 'system' is the server itself"),
        (["create", ""], 2, "error: Invalid value: a caller's id is 1 to 256"),
        (["create", "a", "--role", "two words"], 2, "error: Invalid value: a role is one printable word"),
        (["create", "a", "--description", "a\x1b[2J"], 2, "error: Invalid value: a description is one line"),
        (["create", "a", "--expires", "soon"], 2, "error: Invalid value: 'soon' is neither"),
        (["create"], 2, "error: Missing argument"),
    ],
)
def test_refusals(run, key_file, arguments, code, text):
    """Each refusal is one line, and nothing is written."""
    result = run(*arguments)
    assert result.exit_code == code
    assert result.stderr.startswith(text)
    assert result.stderr.count("\n") == 1
    assert key_file.read() == ()


def test_without_a_file(run):
    """The commands need to know the file, and no other setting."""
    result = run("list", STIGMER_IDENTITY_KEYS="")
    assert (result.exit_code, result.stderr.count("\n")) == (78, 1)
    assert "STIGMER_IDENTITY_KEYS" in result.stderr


def test_a_foreign_file(run, key_file):
    """A file that is something else is refused and left as it is."""
    key_file.path.write_text("precious")
    for arguments in (["list"], ["create", "a"], ["revoke", "a"]):
        result = run(*arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (78, 1)
    assert key_file.path.read_text() == "precious"


async def test_another_process_changes_keys_of_a_running_server(environment, monkeypatch, eventually):
    """A key that a command makes works without restart, and stops to work when it is revoked."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    async def command(*arguments):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stigmer", "identity", "key", *arguments, "--json"),
            stdout=asyncio.subprocess.PIPE,
            env=dict(os.environ),
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(output)

    async with serving({"identity": stigmer_identity}) as app:
        made = await command("create", "ida-bot")
        async with SessionClient(app.address, metadata={"x-api-key": made["key"]}) as client:

            async def served():
                try:
                    await client.list()
                except Unauthenticated:
                    return False
                return True

            async def not_served():
                return not await served()

            await eventually(served)
            await command("revoke", made["id"])
            await eventually(not_served)
