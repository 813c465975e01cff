"""The project's Python files, parsed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
GENERATED = "_proto"


class Source(NamedTuple):
    """A file: where it is below the checkout, its text, and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def module(self):
        """Its dotted name, such as ``stigmer.store.sqlite.writer``."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def imports(self):
        """The full names of the modules that it imports from."""
        names = [node.module or "" for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom)]
        return names + [alias.name for node in ast.walk(self.tree) if isinstance(node, ast.Import) for alias in node.names]

    @property
    def functions(self):
        """All functions and methods, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def sources(*patterns):
    """The files that match, generated ones aside."""
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern) if GENERATED not in path.parts)
    return [Source(path.relative_to(ROOT), path.read_text(), ast.parse(path.read_text())) for path in paths]


@pytest.fixture(scope="session")
def server():
    """The files of the package ``stigmer``."""
    return sources("stigmer/**/*.py")


@pytest.fixture(scope="session")
def plugins():
    """The files of the plugins, their tests aside."""
    return [source for source in sources("plugins/*/*/**/*.py") if "tests" not in source.path.parts]


@pytest.fixture(scope="session")
def tests():
    """The files with tests, and what those share."""
    return sources("tests/**/*.py", "plugins/*/tests/**/*.py")
