"""What is let in by version, and by hash."""

from __future__ import annotations

import re
import tomllib

import pytest


@pytest.fixture
def dependencies(root):
    """Name → how the project asks for it."""
    listed = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    return {re.split(r"[^A-Za-z0-9_-]", each, maxsplit=1)[0]: each for each in listed}


def test_the_native_engine_is_pinned_twice(root, dependencies):
    """The hashes are those of the very version that the project asks for, one for each file."""
    lines = (root / "requirements" / "ngh2.txt").read_text().splitlines()
    requirement, *hashes = [line.removesuffix("\\").strip() for line in lines if not line.startswith("#")]
    assert dependencies["ngh2"].startswith(f"{requirement};")
    assert len(set(hashes)) == len(hashes) > 30
    assert [each for each in hashes if not re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each)] == []


def test_what_is_looked_into_is_pinned(dependencies):
    """Libraries of which private names are used are of one version, or one line of versions."""
    assert {name: dependencies[name] for name in ("grpclib", "aiosqlite")} == {
        "grpclib": "grpclib==0.4.9",
        "aiosqlite": "aiosqlite==0.22.*",
    }


@pytest.mark.parametrize("file", ["noxfile.py", "Dockerfile"])
def test_the_hashes_are_asked_for(root, file):
    """Tests and the container take the native engine by its hashes."""
    assert "require-hashes" in (root / file).read_text()
