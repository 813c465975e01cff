"""The store in a SQLite file does what every store does."""

from __future__ import annotations

import pytest

from stigmer.testing.store import StoreConformance


class TestSqlite(StoreConformance):
    """The suite that every store passes."""

    @pytest.fixture
    def store(self, sqlite):
        return sqlite

    @pytest.fixture
    def reopen(self, sqlite, opened):
        async def again():
            await sqlite.close()
            return await opened()

        return again
