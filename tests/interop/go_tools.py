"""Programs in Go that the tests run: where they are, and what installs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

INSTALL = {
    "client": "google.golang.org/grpc/interop/client@v1.85.0",
    "h2spec": "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible",
}
"""Packages by the names of their programs, for ``go install``."""


def find(name: str) -> str | None:
    """The program's path; None where it is not installed."""
    package, _, _ = INSTALL[name].partition("@")
    for folder in _folders():
        found = shutil.which(name, path=folder)
        # Others have programs called "client" too. One that Go has built tells its package.
        if found and package.encode() in Path(found).read_bytes():
            return found
    return None


def missing(name: str) -> str:
    """What to do about a program that is not there."""
    return f"{name} is not installed: go install {INSTALL[name]}"


def _folders() -> list[str]:
    """Where to look: where ``go install`` puts programs, then as the shell does."""
    asked = [["go", "env", name] for name in ("GOBIN", "GOPATH")] if shutil.which("go") else []
    answers = [subprocess.run(question, capture_output=True, text=True, check=True).stdout.strip() for question in asked]
    binaries, paths = answers or ("", "")
    folders = [str(Path(path) / "bin") for path in (paths or str(Path.home() / "go")).split(os.pathsep)]
    return [*filter(None, [binaries]), *folders, *os.environ.get("PATH", "").split(os.pathsep)]
