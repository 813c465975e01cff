"""Who may know what. import-linter holds the layers; here is what it cannot say."""

from __future__ import annotations

import tomllib

import pytest

KNOWN_BY = {
    "aiosqlite": ("stigmer.store.sqlite",),
    "sqlite3": ("stigmer.store.sqlite",),
    "pluggy": ("stigmer.hookspecs", "stigmer.plugins"),
    "grpclib": ("stigmer.transport", "stigmer.rpc", "stigmer.app", "stigmer.testing", "stigmer.client"),
    "h2": ("stigmer.transport", "stigmer.client"),
    "ngh2": ("stigmer.transport", "stigmer.client.line", "stigmer.client.pace"),
    "protovalidate": ("stigmer.quick_check", "stigmer.steps.validate_proto"),
    "opentelemetry": ("stigmer.observe",),
    "prometheus_client": ("stigmer.observe",),
    "typer": ("stigmer.cli", "stigmer.hookspecs"),
    "rich": ("stigmer.cli",),
    "yaml": ("stigmer.cli",),
    "uvloop": ("stigmer.cli.process",),
    "pydantic_settings": ("stigmer.settings", "stigmer.cli.configuration", "stigmer.testing.settings"),
    "pytest": ("stigmer.testing",),
}
PUBLIC = {
    "stigmer",
    "stigmer.app",
    "stigmer.cli.configuration",
    "stigmer.cli.exits",
    "stigmer.cli.text",
    "stigmer.client.calls",
    "stigmer.client.channel",
    "stigmer.ownership",
    "stigmer.pipeline",
    "stigmer.publishing",
    "stigmer.steps",
    "stigmer.testing",
    "stigmer.transport.bucket",
    "stigmer.unknown",
}


def within(module, packages):
    """Whether a module is one of these, or below one."""
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("library", KNOWN_BY)
def test_libraries(library, server):
    """Each library is known to few modules, so that it can be exchanged there."""
    knowing = [source.module for source in server if any(within(name, [library]) for name in source.imports)]
    assert knowing != []
    assert [module for module in knowing if not within(module, KNOWN_BY[library])] == []


def test_steps_know_no_wire_and_no_database(server):
    """No step imports gRPC or a database: the same steps run under any transport and on any store."""
    foreign = ["grpclib", "grpc", "h2", "aiosqlite", "sqlite3", "stigmer.transport", "stigmer.rpc", "stigmer.store.sqlite"]
    steps = [source for source in server if "steps" in source.path.parts]
    assert len(steps) > 15
    assert [s.module for s in steps if any(within(name, foreign) for name in s.imports)] == []


def test_the_client_knows_no_server(server):
    """The client imports nothing of the server but how addresses are read."""
    allowed = {"stigmer.addresses"}
    client = [source for source in server if within(source.module, ["stigmer.client"])]
    names = {name for source in client for name in source.imports if within(name, ["stigmer"])}
    assert {name for name in names if not within(name, ["stigmer.client"])} <= allowed


def test_the_server_names_no_plugin(server, root):
    """``stigmer`` neither imports nor mentions a plugin's package."""
    packages = [path.parent.name for path in (root / "plugins").glob("*/pyproject.toml")]
    assert packages != []
    names = [name for package in packages for name in (package, package.replace("-", "_"))]
    assert [source.module for source in server if any(name in source.text for name in names)] == []


def test_plugins_use_what_is_public(plugins, root):
    """A plugin imports only what docs/plugins.md says it may use, and itself."""
    documented = (root / "docs" / "plugins.md").read_text()
    assert [name for name in PUBLIC if f"`{name}`" not in documented] == []
    used = {(s.module, name) for s in plugins for name in s.imports if within(name, ["stigmer"])}
    assert used != set()
    assert {(module, name) for module, name in used if name not in PUBLIC} == set()


def test_layers_name_every_module(server, root):
    """Each module of ``stigmer`` stands in a layer that import-linter holds."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layered = {
        name.strip()
        for contract in contracts
        if contract["type"] == "layers"
        for layer in contract["layers"]
        for part in layer.split("|")
        for name in part.split(":")
    }
    top = {".".join(source.module.split(".")[:2]) for source in server}
    assert top - layered - {"stigmer", "stigmer.__main__"} == set()
