"""The authorization model: its own tests, its names, and that lists see exactly what ``can_view`` allows."""

import asyncio
import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest
from stigmer_openfga.client import Relation
from stigmer_openfga.names import entity, id_of, user
from stigmer_openfga.provision import load_model, provision

from stigmer.app import assembled
from stigmer.settings import Settings

HERE = Path(__file__).parent
FGA = Path(sys.executable).parent / "fga"


def relations(type_):
    """Names of the relations of a type."""
    (found,) = (each for each in load_model().type_definitions if each.type == type_)
    return set(found.relations)


def operations():
    """The operations of a plain server."""
    return [pipeline.operation for pipeline in assembled(Settings(plugins=())).pipelines.values()]


def permissions():
    """The enum of permissions, by name."""
    (config, *_) = (operation.authorization for operation in operations() if operation.authorization)
    return {value.name for value in type(config.permission)}


def test_model_tests():
    """The model's own table of who may do what holds."""
    command = [FGA, "model", "test", "--tests", HERE.parent / "stigmer_openfga" / "model.fga.yaml"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_committed_json_is_current():
    """``model.json`` is what ``model.fga`` gives now."""
    spec = importlib.util.spec_from_file_location("generate", HERE.parent / "protos" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.model_json() == (generate.MODEL.parent / "model.json").read_text()


@pytest.mark.parametrize("type_", ["organization", "session"])
def test_permissions_are_the_contracts(type_):
    """Each relation that is a permission has a name of the contract's enum."""
    named = {name for name in relations(type_) if name.startswith("can_")}
    assert named - permissions() == set()
    assert {"owner"} <= relations(type_) & permissions()


def test_every_permission_that_an_rpc_asks_for_is_there():
    """What the rpcs declare are relations of the types that they name."""
    asked = {(o.authorization.resource_kind.name, o.authorization.permission.name) for o in operations() if o.authorization}
    assert len(asked) == 4
    assert [(type_, permission) for type_, permission in asked if permission not in relations(type_)] == []


@pytest.mark.parametrize("id_", ["a", "*", "a:b", "a#b", "ä ö", "%2A", "auth0|1@x", "\ud800", "a/b", "x" * 200])
def test_names_are_one_to_one(id_):
    """An id comes back from its name, which has no character that means anything to OpenFGA."""
    name = entity("identity_account", id_)
    assert id_of(name) == id_
    assert not set(name.partition(":")[2]) & set(":#* \t\n/")


@pytest.mark.parametrize("id_", ["", "x" * 231, "ä" * 100])
def test_what_has_no_name(id_):
    """Who has an empty or overlong id has no name, and so holds nothing."""
    assert user(id_) is None


async def test_provisioning_twice_changes_nothing(world, shared_openfga):
    """A second ``init`` finds the store and the model; a store that is named by id gets the model too."""
    first = await provision(world.client, "twice")
    assert await provision(world.client, "twice") == first
    assert await provision(world.client, "ignored", first.store_id) == first
    assert (await provision(world.client, "another")).store_id != first.store_id
    assert len(await world.client.models(first.store_id)) == 1


ORGS, USERS = ["o1", "o2", "o3"], [f"u{number}" for number in range(6)]
GRANTS = ["viewer", "editor", "owner"]


def a_world(chance):
    """Random memberships; they are written before any session is made."""
    for org in ORGS:
        for who in USERS:
            relation = chance.choice(["", "", "member", "admin", "owner", "session_viewer", "session_editor"])
            if relation:
                yield Relation(user(who), relation, f"organization:{org}")
        if chance.random() < 0.4:
            relation = chance.choice(["session_viewer", "session_editor"])
            yield Relation(f"organization:{chance.choice(ORGS)}#member", relation, f"organization:{org}")


@pytest.mark.parametrize("seed", range(6))
async def test_lists_are_exactly_what_may_be_viewed(server, world, seed):
    """In a random world each caller's list holds the sessions that Check allows them to view: these, and no others."""
    chance, ids = random.Random(seed), []
    await world.client.write(sorted(set(a_world(chance))))
    async with server() as call:
        for org in ORGS:
            await world.grant("maker", "member", f"organization:{org}")
        for number in range(24):
            scope = chance.choice(["organization", "organization", "identity_account"])
            maker = "maker" if scope == "organization" else chance.choice(USERS)
            json = (
                f'{{"metadata": {{"name": "s{number}", "ownerScope": "{scope}", "org": "{chance.choice(ORGS)}"}}, '
                '"spec": {"agentInstanceId": "a"}}'
            )
            ids.append(await call.create(maker, json))
        for id_ in chance.sample(ids, 12):
            who = chance.choice([*map(user, USERS), f"organization:{chance.choice(ORGS)}#member"])
            relation = chance.choice(GRANTS if who.startswith("identity") else GRANTS[:2])
            await world.client.write([Relation(who, relation, f"session:{id_}")])
        for who in [*USERS, "maker", "nobody"]:
            questions = [Relation(user(who), "can_view", f"session:{id_}") for id_ in ids]
            allowed = await asyncio.gather(*(world.client.check(each, fresh=True) for each in questions))
            page = await call(who, "session.list")
            assert [entry.metadata.id for entry in page.entries] == [i for i, may in zip(ids, allowed, strict=True) if may]
            assert page.total_count == sum(allowed)
