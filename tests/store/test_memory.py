"""The store in memory does what every store does."""

from __future__ import annotations

import pytest

from stigmer.errors import ConfigurationError
from stigmer.session.kind import SESSION
from stigmer.testing.store import StoreConformance, make_stored_session


class TestMemory(StoreConformance):
    """The suite that every store passes."""

    @pytest.fixture
    def store(self, memory):
        return memory


async def test_backup_is_refused(memory, tmp_path):
    """There is nothing to copy to a file."""
    with pytest.raises(ConfigurationError, match="memory"):
        await memory.backup(tmp_path / "copy")


async def test_check_names_a_document_that_disagrees(memory):
    """JSON of something else is found."""
    document = make_stored_session("ses-1")._replace(json=make_stored_session("ses-2").json)
    await memory.insert(SESSION, document)
    assert await memory.check() == ["session ses-1: document and wire bytes disagree"]
