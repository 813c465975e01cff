"""A server with the plugin, and calls to it by callers with and without roles."""

from contextlib import asynccontextmanager

import pytest
import stigmer_transform

from stigmer import Caller
from stigmer.identity import SystemClock
from stigmer.testing import make_context, make_services, serving


@pytest.fixture
def rules(monkeypatch):
    """Sets the rules."""
    monkeypatch.delenv("STIGMER_TRANSFORM_FILE", raising=False)

    def set_rules(text):
        monkeypatch.setenv("STIGMER_TRANSFORM_RULES", text)

    set_rules('[{"hide": "spec.sandbox_id", "unless_role": "operator"}]')
    return set_rules


class Calls:
    """Calls operations of a server as its clients do, but for the network."""

    def __init__(self, app):
        self.pipelines = app.assembly.pipelines
        self._handles = {operation.name: handle for operation, handle in app.assembly.handles()}
        self._services = make_services(store=app.store, clock=SystemClock())  # the server forgets what is old

    async def payload(self, name, json="{}", *roles, metadata=None):
        """The answer as it goes out."""
        operation = self.pipelines[name].operation
        request = operation.request.from_json(json)
        caller = Caller("ida-1", frozenset(roles))
        ctx = make_context(operation, request, caller=caller, services=self._services, metadata=metadata)
        return await self._handles[name](ctx)

    async def __call__(self, name, json="{}", *roles, metadata=None):
        """The answer as a client decodes it."""
        answer = await self.payload(name, json, *roles, metadata=metadata)
        return answer.type.from_binary(answer.wire)

    async def create(self):
        """A session with something in every field that tests hide; its id."""
        return (await self("session.create", SESSION, "operator")).metadata.id


SESSION = """{
  "metadata": {"name": "One", "ownerScope": "identity_account", "annotations": {"a": "1", "b": "2"}},
  "spec": {"agentInstanceId": "ain-1", "subject": "s", "sandboxId": "box", "metadata": {"api.key": "k", "other": "o"}}
}"""


@pytest.fixture
def session_json():
    """A session with something in every field that tests hide."""
    return SESSION


@pytest.fixture
def server(rules):
    """Starts a server with the plugin and, by name, others."""

    @asynccontextmanager
    async def start(**others):
        async with serving({"transform": stigmer_transform, **others}) as app:
            yield Calls(app)

    return start
