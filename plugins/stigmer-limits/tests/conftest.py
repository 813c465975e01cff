"""A server with the plugin, and calls to it by several callers."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from stigmer_limits import Limits, Settings

from stigmer import Caller
from stigmer.testing import make_context, make_services, serving


class Calls:
    """Calls operations of a server as its clients do, but for the network and the authenticator."""

    def __init__(self, app):
        self.store = app.store
        self.pipelines = app.assembly.pipelines
        self._handles = {operation.name: handle for operation, handle in app.assembly.handles()}
        self._services = make_services(store=app.store)

    async def __call__(self, verb, json="{}", by="ann", metadata=None):
        """The answer as a client decodes it."""
        operation = self.pipelines[f"session.{verb}"].operation
        request = operation.request.from_json(json)
        ctx = make_context(operation, request, caller=Caller(by), services=self._services, metadata=metadata)
        answer = await self._handles[operation.name](ctx)
        return answer.type.from_binary(answer.wire)

    async def create(self, name, org="acme", **options):
        """A session of an organization, or of the caller when ``org`` is empty."""
        return await self("create", session(name, org), **options)


def session(name, org="acme", subject="s"):
    """The JSON of a session."""
    owner = f'"org": "{org}", "ownerScope": "organization"' if org else '"ownerScope": "identity_account"'
    return f'{{"metadata": {{"name": "{name}", {owner}}}, "spec": {{"agentInstanceId": "ain-1", "subject": "{subject}"}}}}'


@pytest.fixture
def session_json():
    """Makes the JSON of a session."""
    return session


@pytest.fixture
def limited():
    """Starts a server with these limits and, by ``others``, other plugins."""

    @asynccontextmanager
    async def start(others=(), store="memory:", **settings):
        async with serving({"limits": Limits(Settings(**settings)), **dict(others)}, store=store) as app:
            yield Calls(app)

    return start
