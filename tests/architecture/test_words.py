"""Docstrings: every module and everything public has one, and every test says what it holds."""

from __future__ import annotations

import ast
import inspect

import pytest

import stigmer
from stigmer import hookspecs

DEFINITIONS = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def is_sentence(text):
    """Whether a docstring's first paragraph ends like a sentence, or leads to what follows."""
    return (text or "").split("\n\n")[0].rstrip().endswith((".", "?", ":"))


def undocumented(node, prefix):
    """The public classes, functions and methods below ``node`` that have no docstring."""
    missing = []
    for child in node.body:
        if isinstance(child, DEFINITIONS) and not child.name.startswith("_"):
            name = f"{prefix}.{child.name}"
            overloaded = any("overload" in ast.unparse(decorator) for decorator in child.decorator_list)
            if not overloaded and not ast.get_docstring(child):
                missing.append(name)
            if isinstance(child, ast.ClassDef):
                missing += undocumented(child, name)
    return missing


def test_modules(server, plugins, tests):
    """Each module says in its docstring what lives there."""
    assert [str(s.path) for s in [*server, *plugins, *tests] if not is_sentence(ast.get_docstring(s.tree))] == []


def test_public_definitions(server, plugins):
    """Each public class, function and method has a docstring."""
    assert [name for source in [*server, *plugins] for name in undocumented(source.tree, source.module)] == []


def test_tests(tests):
    """Each test says in a sentence what it holds."""
    found = [(str(s.path), f) for s in tests for f in s.functions if f.name.startswith("test_")]
    assert len(found) > 100
    assert [f"{path}:{f.name}" for path, f in found if not is_sentence(ast.get_docstring(f))] == []


def test_conformance_suites(server):
    """So do the tests of the suites that plugins and stores inherit."""
    found = [f for s in server if "testing" in s.path.parts for f in s.functions if f.name.startswith("test_")]
    assert len(found) > 5
    assert [f.name for f in found if not is_sentence(ast.get_docstring(f))] == []


@pytest.mark.parametrize("name", stigmer.__all__)
def test_public_names(name):
    """What plugin authors import is there and, unless it is a value, has a docstring of its own."""
    found = getattr(stigmer, name)
    assert not (inspect.isclass(found) or inspect.isfunction(found)) or is_sentence(inspect.getdoc(found))


def test_public_names_are_in_order():
    """The list of public names is sorted, and complete."""
    imported = {name for name in vars(stigmer) if not name.startswith("_") and not inspect.ismodule(getattr(stigmer, name))}
    assert set(stigmer.__all__) == imported


def test_hooks():
    """Each hook says what it is for in at most two sentences."""
    hooks = [value for value in vars(hookspecs).values() if hasattr(value, "stigmer_spec")]
    assert len(hooks) > 5
    assert [hook.__name__ for hook in hooks if not is_sentence(hook.__doc__) or hook.__doc__.count(". ") > 1] == []
