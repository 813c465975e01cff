"""Stores of both kinds, and what tests do to files."""

from __future__ import annotations

import contextlib

import pytest

from stigmer.store.memory import MemoryStore
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import KINDS


@pytest.fixture
def path(tmp_path):
    """Where a store's file is, or will be."""
    return tmp_path / "stigmer.db"


@pytest.fixture
def memory():
    """A store in memory."""
    return MemoryStore(KINDS)


@pytest.fixture
async def opened(path):
    """Opens the store in ``path``, or in another file; all are closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(file=path, kinds=KINDS):
            store = await open_sqlite(file, kinds)
            stack.push_async_callback(store.close)
            return store

        yield open_


@pytest.fixture
async def sqlite(opened):
    """An empty store in a file."""
    return await opened()
