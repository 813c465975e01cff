"""Everything that README and docs ask somebody to type runs as written and prints what they show."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PATTERNS = ("README.md", "CONTRIBUTING.md", "AGENTS.md", "docs/**/*.md", "plugins/*/README.md")
PAGES = [str(page.relative_to(ROOT)) for pattern in PATTERNS for page in sorted(ROOT.glob(pattern))]
FOREIGN = ("grpcurl",)
PLAYED = ("docker ", "nox", ".venv/bin/nox", "git ", "towncrier ", "pip install --require-hashes ")


@pytest.mark.parametrize("page", PAGES)
def test_commands(page, terminal, commands_of):
    """The commands of a page run, one after the other, and print what the page shows."""
    for command in commands_of(page):
        if not command.text.startswith(FOREIGN):
            terminal.run(command)


@pytest.mark.parametrize("page", [page for page in PAGES if "$ grpcurl" in (ROOT / page).read_text()])
def test_commands_of_grpcurl(page, terminal, commands_of, grpcurl):
    """So do those that need grpcurl."""
    for command in commands_of(page):
        if command.text.startswith(FOREIGN):
            terminal.run(command)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_that_do_not_run(page, blocks_of):
    """What stands in blocks marked ``sh``, and does not run, needs Docker or a network, or would run these tests."""
    lines = [line for block in blocks_of(page, "sh") for line in block.splitlines()]
    assert [line for line in lines if not line.startswith(PLAYED)] == []


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("a b", "a   b\n", True),
        ("a … d", "a b c d", True),
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("a", "a\nb", False),
        ("a … d", "a b c", False),
    ],
)
def test_what_is_shown(expected, output, same, shown):
    """An ellipsis stands for anything, and everything else for itself."""
    assert shown(expected, output) is same
