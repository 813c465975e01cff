"""The commands, run as users run them."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def stigmer(shared_openfga, tmp_path):
    """Runs the command line with the plugin on."""
    environment = {
        **os.environ,
        "STIGMER_PLUGINS": "openfga",
        "STIGMER_STORE": f"sqlite:///{tmp_path}/s.db",
        "STIGMER_OPENFGA_ADDRESS": shared_openfga.address,
    }

    def run(*arguments, **more):
        command = [sys.executable, "-m", "stigmer", "openfga", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={**environment, **more}, timeout=60, check=False)

    return run


def test_init_prints_settings_and_may_be_repeated(stigmer, tmp_path):
    """``init`` prints two settings, the same each time, also as JSON."""
    first = stigmer("init", "--name", tmp_path.name)
    assert first.returncode == 0, first.stderr
    names = dict(line.split("=") for line in first.stdout.splitlines())
    assert list(names) == ["STIGMER_OPENFGA_STORE_ID", "STIGMER_OPENFGA_MODEL_ID"]
    assert stigmer("init", "--name", tmp_path.name).stdout == first.stdout
    assert list(json.loads(stigmer("init", "--json", **names).stdout).values()) == list(names.values())


async def test_reconcile_repairs(stigmer, world, serve, tmp_path):
    """``reconcile`` gives back and removes, ``--dry-run`` only tells; both in lines or as JSON."""
    async with serve(world, store=f"sqlite:///{tmp_path}/s.db") as call:
        id_ = await call.create()
        tuples = await world.tuples()
        await world.revoke("ann", "owner", f"session:{id_}")
        gone = await call.create("ann", SECOND)
        await call("ann", "session.delete", f'{{"value": "{gone}"}}')
        await world.grant("ann", "viewer", f"session:{gone}")
    settings = {"STIGMER_OPENFGA_STORE_ID": world.settings.store_id, "STIGMER_OPENFGA_MODEL_ID": world.settings.model_id}
    settings["STIGMER_PLUGINS"] = "openfga"
    dry = stigmer("reconcile", "--dry-run", **settings)
    assert dry.stdout.splitlines() == ["resources 1", "restored 1", "removed 1", "waiting 0", "ownerless 0"], dry.stderr
    assert json.loads(stigmer("reconcile", "--json", **settings).stdout)["restored"] == 1
    assert await world.tuples() == tuples


SECOND = '{"metadata": {"name": "Two", "ownerScope": "organization", "org": "acme"}, "spec": {"agentInstanceId": "ain-1"}}'


def test_exit_codes(stigmer):
    """OpenFGA away is 69, settings that are refused 78."""
    assert stigmer("init", STIGMER_OPENFGA_ADDRESS="127.0.0.1:1").returncode == 69
    assert stigmer("init", STIGMER_OPENFGA_ADDRESS="nowhere").returncode == 78
    assert stigmer("reconcile").returncode == 78
