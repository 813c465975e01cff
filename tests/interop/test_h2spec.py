"""HTTP/2 itself, by h2spec: what fails on each engine, and why, is known and written down."""

from __future__ import annotations

import asyncio
import re
from xml.etree import ElementTree as ET

import pytest

from .h2spec_failures import ALWAYS, FEWEST, SKIPPED, SOMETIMES
from .serving import serving

CASES = 145
SECONDS = 120
PATIENCE = "1"
"""Seconds that h2spec waits for what a server does not do."""


@pytest.fixture
async def report(engine, service, h2spec, tmp_path):
    """h2spec's report on the engine, as an element tree."""
    path = tmp_path / "report.xml"
    async with serving(engine, [service]) as served:
        process = await asyncio.create_subprocess_exec(
            *(h2spec, "--host", "127.0.0.1", "--port", str(served.port), "--timeout", PATIENCE, "--junit-report", str(path)),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(SECONDS):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    # It quotes what it received as it is, which need not be XML.
    return ET.fromstring(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", path.read_text(errors="replace")))


def cases(report):
    """How each case ended: the kind and text of what is noted about it, nothing when it passed; by its id."""
    return {
        f"{suite.get('package')}/{number}": {note.tag: note.text for note in case}
        for suite in report.iter("testsuite")
        for number, case in enumerate(suite.iter("testcase"), 1)
    }


async def test_failures_are_known(engine, report):
    """What h2spec finds wrong is what the table explains, no more and no less, races aside."""
    found = cases(report)
    skipped = {case for case, notes in found.items() if "skipped" in notes}
    failed = {case: notes for case, notes in found.items() if notes and case not in skipped}
    assert len(found) == CASES
    assert {case: notes for case, notes in failed.items() if case not in ALWAYS[engine] | SOMETIMES} == {}
    assert ALWAYS[engine].keys() - failed.keys() == set(), "these pass: the table is too long"
    assert skipped == SKIPPED
    assert CASES - len(failed) - len(skipped) >= FEWEST[engine]
