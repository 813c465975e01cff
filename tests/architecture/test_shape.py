"""Sizes, names and places of files and functions."""

from __future__ import annotations

import statistics
import subprocess

import pytest

FILE_LINES, TEST_FILE_LINES, OPERATION_LINES, STEP_LINES = 300, 400, 30, 120
FUNCTION_LINES = 50
TYPICAL_FILE, TYPICAL_FUNCTION = 80, 8
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "core", "lib"}
TOP = {
    *("protos", "stigmer", "plugins", "tests", "benchmarks", "torture", "docs", "examples", "changelog.d", "requirements"),
    *("pyproject.toml", "noxfile.py", "Dockerfile", "docker-compose.yml"),
    *("README.md", "CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md", "LICENSE", "NOTICE"),
}


def length(function):
    """Lines of a function, from its name to its end."""
    return function.end_lineno - function.lineno + 1


def too_long(sources, limit):
    """The files with more lines than that."""
    found = {str(source.path): len(source.text.splitlines()) for source in sources}
    return {path: lines for path, lines in found.items() if lines > limit}


def test_top_level(root):
    """Nothing but what is meant is committed at the top of the checkout."""
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False).stdout.split("\n")
    found = {name.partition("/")[0] for name in listed if name and not name.startswith(".")}
    if not found:
        pytest.skip("not a git checkout")
    assert found - TOP == set()


def test_files(server, plugins):
    """No file is longer than a few screens, and the typical one is short; test kits count as tests."""
    code = [source for source in [*server, *plugins] if "testing" not in source.path.parts]
    assert too_long(code, FILE_LINES) == {}
    assert statistics.median(len(source.text.splitlines()) for source in code) <= TYPICAL_FILE


def test_test_files(server, tests):
    """Neither is one with tests, though tables may make it longer."""
    assert too_long([*tests, *(source for source in server if "testing" in source.path.parts)], TEST_FILE_LINES) == {}


def test_functions(server, plugins, tests):
    """No function is longer than a screen, and the typical one is a few lines."""
    named = {f"{s.path}:{f.name}": length(f) for s in [*server, *plugins, *tests] for f in s.functions}
    assert {name: lines for name, lines in named.items() if lines > FUNCTION_LINES} == {}
    assert statistics.median(named.values()) <= TYPICAL_FUNCTION


def test_operations_are_one_file_each(server):
    """An operation is one short file that is named after it."""
    from stigmer.session import register_operations

    files = {source.path.stem: source for source in server if source.path.parts[:2] == ("stigmer", "session")}
    verbs = [operation.verb for operation in register_operations()]
    assert [verb for verb in verbs if verb not in files] == []
    assert too_long([files[verb] for verb in verbs], OPERATION_LINES) == {}


def test_steps_are_one_file_each(server):
    """A step is one file, named after it."""
    from stigmer import steps

    names = [name for name in steps.__all__ if callable(getattr(steps, name)) and hasattr(getattr(steps, name), "name")]
    files = {source.path.stem.replace("_", ""): source for source in server if source.path.parts[:2] == ("stigmer", "steps")}
    assert len(names) > 10
    assert [name for name in names if name.lower() not in files] == []
    assert too_long(files.values(), STEP_LINES) == {}


def test_names_say_what_is_inside(server, plugins, tests):
    """No module is a place for whatever has no other."""
    parts = {part: str(source.path) for source in [*server, *plugins, *tests] for part in source.path.with_suffix("").parts}
    assert {part: parts[part] for part in VAGUE & parts.keys()} == {}


def test_nobody_else_reads_the_environment(server):
    """Settings alone read the environment; all others are given what they need."""
    reading = [s.module for s in server if "os.environ" in s.text or "getenv" in s.text]
    assert [module for module in reading if module != "stigmer.settings"] == []


def test_noqa_gives_its_reason(server, plugins, tests):
    """Each exception from a rule says why it is one."""
    lines = [(str(s.path), line.strip()) for s in [*server, *plugins, *tests] for line in s.text.splitlines()]
    excepted = [(path, line) for path, line in lines if "# noqa" in line and "test_shape" not in path]
    assert excepted != []
    assert [line for line in excepted if " - " not in line[1].partition("# noqa")[2]] == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX", "HACK"])
def test_nothing_is_left_for_later(word, server, plugins, tests):
    """What is there is done."""
    found = [str(s.path) for s in [*server, *plugins, *tests] if word in s.text and s.path.name != "test_shape.py"]
    assert found == []
