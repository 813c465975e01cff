"""Prepares an OpenFGA: a store, and the model in it."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from stigmer_openfga._proto.openfga.v1.openfga_pb import AuthorizationModel
from stigmer_openfga.client import Client


class Provisioned(NamedTuple):
    """What ``STIGMER_OPENFGA_STORE_ID`` and ``STIGMER_OPENFGA_MODEL_ID`` are set to."""

    store_id: str
    model_id: str


def load_model() -> AuthorizationModel:
    """The model that comes with the plugin."""
    return AuthorizationModel.from_json(files("stigmer_openfga").joinpath("model.json").read_text())


async def provision(client: Client, name: str, store_id: str = "") -> Provisioned:
    """The store called ``name``, or the one with ``store_id``, and the model in it; made if they are not there yet.

    Raises:
        NoAnswer: OpenFGA does not answer.
    """
    if not store_id:
        stores = await client.stores(name)
        store_id = stores[0].id if stores else await client.create_store(name)
    model = load_model()
    for found in await client.models(store_id):
        if _same(found, model):
            return Provisioned(store_id, found.id)
    return Provisioned(store_id, await client.write_model(store_id, model))


def _same(one: AuthorizationModel, other: AuthorizationModel) -> bool:
    return _bare(one) == _bare(other)


def _bare(model: AuthorizationModel) -> AuthorizationModel:
    """The model without its id and without fields that only its tools know."""
    bare = AuthorizationModel.from_json(model.to_json())
    bare.id = ""
    return bare
