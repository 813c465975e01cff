"""Every hook is implemented somewhere in the tests, and asked for only while the server starts or stops."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stigmer import hookspecs
from stigmer.client import SessionClient
from stigmer.plugins import Plugins
from stigmer.testing import serving

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "stigmer_spec")]


@pytest.mark.parametrize("hook", HOOKS)
def test_tested(hook, tests):
    """A test implements the hook, so that somebody notices when it is not asked any more."""
    implemented = re.compile(rf"\bdef {hook}\(|\b{hook}=")
    here = Path(__file__).parent.name
    assert [str(source.path) for source in tests if implemented.search(source.text) and here not in source.path.parts] != []


@pytest.mark.parametrize("hook", HOOKS)
def test_asked(hook, server):
    """The server asks for the hook somewhere."""
    assert [source.module for source in server if f'"{hook}"' in source.text] != []


async def test_no_hook_runs_on_the_request_path(monkeypatch):
    """Once the server listens, a call asks no plugin manager."""
    asked = []
    original = Plugins.implementations

    def counted(self, hook):
        asked.append(hook)
        return original(self, hook)

    monkeypatch.setattr(Plugins, "implementations", counted)
    async with serving() as app, SessionClient(app.address) as client:
        at_start = len(asked)
        await client.list()
        assert len(asked) == at_start > 0
