"""What a developer runs, and what continuous integration runs: ``nox`` alone does all checks and all tests."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["check", "tests"]
nox.options.error_on_missing_interpreters = True

PROJECT = nox.project.load_toml("pyproject.toml")
PLUGINS = sorted(str(folder.parent) for folder in Path("plugins").glob("*/pyproject.toml"))
GENERATED = ["stigmer/_proto", "stigmer/client/_proto"]
IMAGE = "build/image.binpb"
PUBLISHED = "protos/published.binpb"
ENGINE = "requirements/ngh2.txt"
BUF = ["--config", "protos/buf.yaml"]


def install(session: nox.Session, *groups: str, extras: str = "") -> None:
    """Installs the project, its plugins and dependency groups; pip itself knows groups only since 25.1."""
    session.install("--require-hashes", "--no-deps", "-r", ENGINE)
    editable = [argument for plugin in PLUGINS for argument in ("-e", plugin)]
    session.install(f".{extras}", *editable, *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def check(session: nox.Session) -> None:
    """Everything that can be said about the code without running it."""
    install(session, "check", "test", extras="[observe]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    for plugin in PLUGINS:
        session.run("mypy", "-p", Path(plugin).name.replace("-", "_"))
    session.run("lint-imports")
    check_generated(session)
    session.run("buf", "lint", IMAGE, *BUF)
    session.run("buf", "breaking", IMAGE, "--against", PUBLISHED, *BUF)
    session.run("hadolint", "Dockerfile")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


def check_generated(session: nox.Session) -> None:
    """The committed message classes are those that the .proto files give now."""
    fresh = Path(session.create_tmp())
    session.run("python", "protos/generate.py", str(fresh), silent=True)
    Path(IMAGE).parent.mkdir(exist_ok=True)
    Path(IMAGE).write_bytes((fresh / IMAGE).read_bytes())
    stale = [path for folder in GENERATED for path in differences(Path(folder), fresh / folder)]
    for plugin in map(Path, PLUGINS):
        if (plugin / "protos").exists():
            session.run("python", str(plugin / "protos" / "generate.py"), str(fresh), silent=True)
            package = plugin.name.replace("-", "_")
            stale += differences(plugin / package / "_proto", fresh / package / "_proto")
    if stale:
        session.error(f"generated anew, these files would differ; run `nox -s protos`: {', '.join(stale)}")


def differences(one: Path, other: Path) -> list[str]:
    """The files below two folders that are not the same in both, compiled ones aside."""
    names = {path.relative_to(root) for root in (one, other) for path in root.rglob("*") if path.suffix in {".py", ".typed"}}
    _, differ, missing = filecmp.cmpfiles(one, other, map(str, sorted(names)), shallow=False)
    return [str(one / name) for name in differ + missing]


@nox.session
def tests(session: nox.Session) -> None:
    """All tests of the server and of the plugins, with branch coverage; arguments after ``--`` go to pytest."""
    install(session, "test", extras="[observe]")
    arguments = session.posargs or ["-n", "2", "--cov", "--cov-branch", "--cov-report", "term:skip-covered"]
    session.run("pytest", *arguments, env={"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "random")})


@nox.session(default=False)
def protos(session: nox.Session) -> None:
    """Generates the message classes anew; ``-- publish`` also makes the wire of today what later ones may not break."""
    install(session, "check")
    for script in ["protos/generate.py", *map(str, sorted(Path("plugins").glob("*/protos/generate.py")))]:
        session.run("python", script)
    if "publish" in session.posargs:
        session.run("buf", "breaking", IMAGE, "--against", PUBLISHED, *BUF)
        session.run("python", "protos/publish.py", IMAGE, PUBLISHED)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Rewrites the parts of README and docs that are made from the code."""
    install(session)
    session.run("python", "docs/generate.py")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Prints the figures in the README; arguments after ``--`` name other scripts in ``benchmarks/``."""
    run_benchmarks(session, "wire", "transport", "pipeline", "store", "visible", "observe", "transform", "identity")


@nox.session(default=False)
def load(session: nox.Session) -> None:
    """Loads realistic sessions, kills the server under load, and lets processes and plugins race."""
    run_benchmarks(session, "real_input", "races", "random_plugins", "kills", "publish_kills")


@nox.session(default=False)
def interop(session: nox.Session) -> None:
    """Soaks the server with grpc-go's client: 10,000 calls on a connection, 1,000 connections; minutes of them."""
    install(session, "test", extras="[observe]")
    session.run("python", "benchmarks/interop_soak.py", *session.posargs)


HOSTILE = {
    "attacks": ["attacks.py"],
    "resets": ["resets.py"],
    "fuzz": ["fuzz_transport.py", "--runs", "1000000"],
    "sockets": ["fuzz_transport.py", "--sockets", "60000"],
    "soak": ["soak.py"],
}


@nox.session(default=False)
@nox.parametrize("engine", ["ngh2", "h2"])
def hostile(session: nox.Session, engine: str) -> None:
    """Attacks the transport, feeds it damaged conversations and soaks it, for hours; ``-- attacks`` is one of them."""
    install(session, "test", extras="[observe]")
    for name in session.posargs or HOSTILE:
        if name == "fuzz":
            session.install("atheris", success_codes=[0, 1])  # guides where it has a wheel; else mutation is blind
        script, *arguments = HOSTILE[name]
        session.run("python", f"benchmarks/{script}", "--engine", engine, *arguments)


TORTURES = {
    "race": "benchmarks/checkpoint_race.py",
    "power": "torture/power.py",
    "faults": "torture/faults.py",
    "kills": "torture/failpoint_kills.py",
    "linear": "torture/linear.py",
    "migrations": "torture/migrations.py",
    "rot": "torture/rot.py",
}


@nox.session(default=False)
def torture(session: nox.Session) -> None:
    """Cuts the power, breaks the disk, kills and races, for hours; ``-- power`` is one of them, and prints its seed."""
    install(session, "test", extras="[observe]")
    for name in session.posargs or TORTURES:
        session.run("python", TORTURES[name])


def run_benchmarks(session: nox.Session, *names: str) -> None:
    """Runs scripts in ``benchmarks/``: those that the arguments name, or ``names``."""
    install(session, "test", extras="[observe]")
    for name in session.posargs or names:
        session.run("python", f"benchmarks/{name}.py")
