"""The benchmark of growing stores runs, and its figures can be drawn; ``nox -s bench -- growth`` does a million."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import growth
from growth_plot import plot

SCRIPT = Path(growth.__file__)


def test_small_stores(tmp_path):
    """Every operation is measured on each size, and drawn."""
    arguments = ["--sizes", "60", "600", "--rounds", "1", "--seconds", "0.05", "--plot", tmp_path / "growth.svg"]
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120, check=False)
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]]
    assert rows == [*growth.LOADS, growth.AFTER_WRITE], done.stderr
    assert ET.parse(tmp_path / "growth.svg").getroot().tag.endswith("svg")


def test_a_plot_has_a_line_and_a_name_for_each_operation():
    """Names do not cover each other, and what is slow stands above what is quick."""
    drawn = ET.fromstring(plot([100, 10_000], {"quick": [100.0, 120.0], "slow <": [900.0, 9000.0], "also": [100.0, 120.0]}))
    texts = {each.text: float(each.get("y")) for each in drawn if each.tag.endswith("text")}
    heights = [texts["slow <: 9 ms"], texts["quick: 120 µs"], texts["also: 120 µs"]]
    assert heights == sorted(heights)
    assert heights[2] - heights[1] >= 15
