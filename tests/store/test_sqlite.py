"""The store in a SQLite file does what every store does."""

from __future__ import annotations

import pytest

from stigmer.store.sqlite import leads
from stigmer.testing.store import StoreConformance
from stigmer.testing.store_selection import SelectionConformance


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


class TestBroad(SelectionConformance):
    """What is selected does not depend on how much it is: here all conditions are met by more than a few."""

    @pytest.fixture
    def store(self, sqlite, monkeypatch):
        monkeypatch.setattr(leads, "FEW", 2)
        monkeypatch.setattr(leads, "_FIRST_LIMIT", 1)
        return sqlite
