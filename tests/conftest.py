"""What tests of every part share."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

pytest.register_assert_rewrite(
    *(f"stigmer.testing.{name}" for name in ("store", "store_changes", "store_feed", "store_pages", "store_selection", "step"))
)

# How long an example takes says nothing on a machine that does other things besides.
settings.register_profile("stigmer", deadline=None)
settings.load_profile("stigmer")

INSTALL = "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4"


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def grpcurl():
    """Calls grpcurl with arguments, and gives the finished process with its output as text.

    It is a client that is not ours. Where it is not installed the test is skipped; in continuous integration it fails.
    """
    binary = shutil.which("grpcurl")
    if binary is None:
        reason = f"grpcurl is not installed: {INSTALL}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)

    def call(*arguments, **options):
        return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=30, check=False, **options)

    return call


@pytest.fixture(params=["ngh2", "grpclib"])
def way(request, monkeypatch):
    """The client's connections are made on libnghttp2, or through grpclib as where ngh2 cannot be imported."""
    if request.param == "grpclib":
        monkeypatch.setattr("stigmer.client.calls.Lines", None)
    return request.param
