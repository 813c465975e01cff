"""Where the steps stand; and that no rpc is left open."""

import dataclasses
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from stigmer_openfga import OpenFga, Settings

from stigmer import ConfigurationError, hookimpl
from stigmer.app import assembled
from stigmer.settings import Settings as ServerSettings
from stigmer.testing import serving

EXPECTED = {
    "create": ["ValidateProto", "Authorize", "ResolveSlug", "CheckDuplicate", "BuildNewState", "CreateIamPolicies", "Persist"],
    "update": ["ValidateProto", "ResolveSlug", "LoadExisting", "Authorize", "BuildUpdateState", "Persist"],
    "delete": [
        *("ValidateProto", "Authorize", "ExtractResourceId", "LoadExistingForDelete", "DeleteResource", "CleanupIamPolicies"),
    ],
    "apply": [
        *("ValidateProto", "ResolveSlug", "LoadForApply", "Authorize", "BuildApplyState", "CreateIamPolicies", "Persist"),
    ],
    "get": ["ValidateProto", "Authorize", "LoadTarget"],
    "get_by_reference": ["ValidateProto", "LoadByReference", "Authorize"],
    "list": ["ValidateProto", "Authorize", "ListAll", "BuildListResponse"],
    "list_by_agent": ["ValidateProto", "Authorize", "FilterByAgentInstance", "BuildListResponse"],
    "list_versions": ["ValidateProto", "Authorize", "ListVersions", "BuildVersionsResponse"],
    "restore": ["ValidateProto", "Authorize", "LoadForRestore", "BuildRestoredState", "Persist"],
    "watch": ["ValidateProto", "Authorize", "WatchChanges"],
}


@pytest.fixture
def pipelines(by_header):
    """Of a server with the plugin."""
    return assembled(ServerSettings(plugins=()), {"openfga": OpenFga(Settings()), "identity": by_header()}).pipelines


@pytest.mark.parametrize("verb", EXPECTED)
def test_order(pipelines, verb):
    """Each pipeline has the steps that the rules on order ask for."""
    assert [step.name for step in pipelines[f"session.{verb}"].steps] == EXPECTED[verb]


def test_every_rpc_is_authorized(pipelines):
    """No rpc of any service that is served is without Authorize unless it declares that it needs none."""
    served = {pipeline.operation.path: pipeline for pipeline in pipelines.values()}
    services = {pipeline.operation.method.parent.type_name: pipeline.operation.method.parent for pipeline in pipelines.values()}
    paths = [f"/{name}/{method.name}" for name, service in services.items() for method in service.methods]
    assert len(paths) == 12
    assert [path for path in paths if path not in served] == []
    for path in paths:
        names = [step.name for step in served[path].steps]
        assert "Authorize" in names or served[path].operation.skips_authorization


def test_no_rpc_of_sessions_is_open(pipelines):
    """None of the published rpcs declares that it needs no permission."""
    assert [name for name, pipeline in pipelines.items() if pipeline.operation.skips_authorization] == []


class _Undeclared:
    """A plugin with an operation whose rpc declares nothing, and that nothing filters."""

    def __init__(self, pipelines, **changes):
        listing = pipelines["session.list"].operation
        steps = tuple(step for step in pipelines["session.get"].operation.steps)
        self.operation = _Renamed(listing.method, listing.kind, steps, **changes)

    @hookimpl
    def register_operations(self):
        return [self.operation]


@dataclasses.dataclass(frozen=True)
class _Renamed(type(assembled(ServerSettings(plugins=())).pipelines["session.list"].operation)):
    """An operation under a name of its own, which may declare that it needs no permission."""

    open: bool = False

    @property
    def verb(self):
        return "peek"

    @property
    def skips_authorization(self):
        return self.open


def test_an_rpc_that_declares_nothing_is_refused(pipelines, by_header):
    """The server does not start with an rpc of which nobody says who may call it."""
    plugins = {"openfga": OpenFga(Settings()), "identity": by_header(), "peek": _Undeclared(pipelines)}
    with pytest.raises(ConfigurationError, match=r"session\.peek: the rpc .* declares no permission"):
        assembled(ServerSettings(plugins=()), plugins)


def test_an_rpc_may_declare_that_it_needs_none(pipelines, by_header):
    """With is_public or is_skip_authorization it starts, and the rpc has no Authorize."""
    plugins = {"openfga": OpenFga(Settings()), "identity": by_header(), "peek": _Undeclared(pipelines, open=True)}
    found = assembled(ServerSettings(plugins=()), plugins).pipelines["session.peek"]
    assert "Authorize" not in [step.name for step in found.steps]


def test_nobody_serves_without_an_authenticator():
    """Authorization without anybody who tells callers apart is refused at start."""
    with pytest.raises(ConfigurationError, match="authenticator"):
        assembled(ServerSettings(plugins=()), {"openfga": OpenFga(Settings())})


@pytest.mark.parametrize("missing", ["store_id", "model_id"])
async def test_nobody_serves_without_store_and_model(by_header, missing):
    """Without the settings that ``init`` prints the start is refused, naming them."""
    settings = Settings(**{"store_id": "s", "model_id": "m", missing: ""})
    with pytest.raises(ConfigurationError, match=f"STIGMER_OPENFGA_{missing.upper()}"):
        async with serving({"openfga": OpenFga(settings), "identity": by_header()}):
            pass


def test_bad_settings_are_refused(monkeypatch, by_header):
    """A setting that makes no sense is refused at start, by its name."""
    monkeypatch.setenv("STIGMER_OPENFGA_TIMEOUT_SECONDS", "0")
    with pytest.raises(ConfigurationError, match="STIGMER_OPENFGA_TIMEOUT_SECONDS"):
        assembled(ServerSettings(plugins=()), {"openfga": OpenFga(), "identity": by_header()})
    monkeypatch.delenv("STIGMER_OPENFGA_TIMEOUT_SECONDS")
    with pytest.raises(ConfigurationError, match="STIGMER_OPENFGA_ADDRESS"):
        assembled(ServerSettings(plugins=()), {"openfga": OpenFga(Settings(address="here")), "identity": by_header()})


def test_is_found_by_name():
    """The installed package offers the plugin ``openfga``."""
    (point,) = entry_points(group="stigmer", name="openfga")
    assert isinstance(point.load(), OpenFga)


def test_off_costs_nothing():
    """A server without the plugin imports nothing of it, and its pipelines are the plain ones."""
    code = (
        "import sys, stigmer.app as a; from stigmer.settings import Settings; "
        "found = a.assembled(Settings(plugins=())).pipelines['session.get']; "
        "print([s.name for s in found.steps], [m for m in sys.modules if 'openfga' in m])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['ValidateProto', 'LoadTarget'] []"
