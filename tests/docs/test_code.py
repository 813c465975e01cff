"""The code in the documentation runs, and what is made from the code is up to date."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stigmer import PermissionDenied, hookspecs
from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionSpec
from stigmer.client import PermissionDenied as Refused
from stigmer.testing import SteppingClock, make_context, make_services, run_steps, serving
from stigmer.transport.refusal import Reason

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", "AGENTS.md", *DOCS]
HOUR_NS = 3_600_000_000_000


def module_of(path):
    """The module in a file that is part of no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def office_hours(root):
    return module_of(root / "examples" / "office-hours" / "office_hours.py")


@pytest.mark.parametrize("page", ["README.md", *DOCS])
def test_parts_made_from_the_code(page, root):
    """Such parts are what the code gives now; if not, ``nox -s docs`` makes them anew."""
    text = (root / page).read_text()
    assert module_of(root / "docs" / "generate.py").rewritten(text) == text


@pytest.mark.parametrize("page", ["docs/history.md", "docs/plugins.md", "docs/stores.md"])
def test_python_blocks(page, blocks_of, tmp_path):
    """The Python of a page, put together, is a module whose tests pass."""
    (tmp_path / "test_page.py").write_text("\n".join(blocks_of(page, "python")))
    arguments = ["-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_links(page, root):
    """Links between pages and into the repository lead somewhere."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", (root / page).read_text())
    assert [link for link in links if link and not ((root / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", DOCS)
def test_pages_are_linked(page, root):
    """Each page can be reached from the index of its folder."""
    path = root / page
    index = path.parent / "README.md"
    assert path == index or f"({path.name})" in index.read_text()


def test_every_hook_is_documented(root):
    """Each hook stands in docs/plugins.md."""
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, "stigmer_spec")]
    text = (root / "docs" / "plugins.md").read_text()
    assert [name for name in hooks if f"`{name}(" not in text] == []


def test_every_refusal_of_the_transport_is_documented(root):
    """Each reason that the transport gives stands in docs/errors.md; that of a bug of its handlers is not for clients."""
    text = (root / "docs" / "errors.md").read_text()
    assert [reason.name for reason in Reason if f"`{reason.name}`" not in text] == ["BUG"]


@pytest.mark.parametrize(("hour", "open_"), [(7, False), (8, True), (17, True), (18, False)])
async def test_the_ten_line_plugin(hour, open_, office_hours):
    """The README's plugin lets sessions be created in office hours only."""
    async with (
        serving({"office-hours": office_hours}, clock=SteppingClock(hour * HOUR_NS)) as app,
        SessionClient(app.address) as client,
    ):
        metadata = ApiResourceMetadata(name="Early", owner_scope=ApiResourceOwnerScope.identity_account)
        session = Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1"))
        if open_:
            assert (await client.create(session)).metadata.slug == "early"
        else:
            with pytest.raises(Refused):
                await client.create(session)


async def test_the_ten_line_step_alone(office_hours):
    """A step can be tried without a server."""
    ctx = make_context("session.create", None, services=make_services(clock=SteppingClock(0)))
    with pytest.raises(PermissionDenied):
        await run_steps(ctx, office_hours.OfficeHours())


async def test_health_example(root, tmp_path, monkeypatch):
    """The health example tells a server that serves from none, at a port and at a unix socket."""
    monkeypatch.chdir(tmp_path)
    health = module_of(root / "examples" / "health.py")
    async with serving(listen="127.0.0.1:0,unix:s.sock") as app:
        addresses = app.addresses
        assert [await health.serves(address) for address in addresses] == [True, True]
    assert [await health.serves(address) for address in addresses] == [False, False]


def test_descriptors_for_other_clients(root):
    """The image that clients generate from has every file of the API."""
    client = module_of(root / "examples" / "grpcio_client.py")
    files = {str(path.relative_to(root / "protos")) for path in (root / "protos").rglob("*.proto")}
    assert set(client.FILES) - {"buf/validate/validate.proto"} == files


def test_first_command_and_second(root, blocks_of):
    """The README's first two commands set up and run the server, and all checks; continuous integration runs the second."""
    first, second = blocks_of("README.md", "console")[:2]
    assert first == "$ python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/stigmer serve\n"
    pattern = re.search(r"sed -n '(.*)' README.md", (root / ".ci" / "run").read_text())[1]
    done = subprocess.run(["sed", "-n", pattern, str(root / "README.md")], capture_output=True, text=True, check=True)
    assert f"$ {done.stdout}" == second


def test_compose(root):
    """The compose file builds this image, keeps the data in a volume and opens the server on loopback only."""
    compose = yaml.safe_load((root / "docker-compose.yml").read_text())
    service = compose["services"]["stigmer"]
    volume, _, mounted = service["volumes"][0].partition(":")
    assert volume in compose["volumes"]
    assert service["ports"] == ["127.0.0.1:7234:7234"]
    dockerfile = (root / "Dockerfile").read_text()
    assert f"VOLUME {mounted}\n" in dockerfile
    assert "EXPOSE 7234\n" in dockerfile
    assert f"sqlite:///{mounted}/" in dockerfile


def test_docker_context(root):
    """The image's context lets everything in that the Dockerfile or the build of the package needs."""
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(?!\. )(\S+)", (root / "Dockerfile").read_text(), re.MULTILINE)
    assert {"LICENSE", "NOTICE", "README.md", "plugins", "pyproject.toml", "stigmer", *copied} == allowed
    assert [name for name in allowed if not (root / name).exists()] == []
