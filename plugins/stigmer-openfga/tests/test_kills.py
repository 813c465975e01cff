"""Real kills, a few of them; ``benchmarks/openfga_kills.py`` does as many as one likes."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "openfga_kills.py"


def test_killed_servers_let_nobody_in(shared_openfga):
    """Servers are killed while they create and delete: no stranger sees anything, and reconciling makes all agree."""
    found = subprocess.run([sys.executable, SCRIPT, "3"], capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "3 kills: 0 times" in found.stdout
