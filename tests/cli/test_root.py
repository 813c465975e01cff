"""The root of the command line: help, version, usage, and commands that plugins add."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

PLUGIN = """
    import typer
    from stigmer import hookimpl

    @hookimpl
    def add_commands(cli):
        @cli.command()
        def {name}(word: str) -> None:
            "Says a word."
            typer.echo(f"{{word}}!")
"""


def test_version(run):
    """`--version` prints name and version."""
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"stigmer {version('stigmer')}\n")


def test_the_installed_command_is_the_same_program():
    """The entry point `stigmer` and `python -m stigmer` both work and name themselves alike."""
    entry_point = Path(sys.executable).with_name("stigmer")
    for command in ([str(entry_point)], [sys.executable, "-m", "stigmer"]):
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("Usage: stigmer [OPTIONS] COMMAND")
        assert "serve" in done.stdout


def test_no_command_is_wrong_usage(run):
    """`stigmer` alone shows the help on standard error and exits with 2."""
    result = run()
    assert result.exit_code == 2
    assert "Usage: stigmer" in result.stderr
    assert result.stderr.endswith("error: missing command\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["sesion"], "error: No such command 'sesion'. Did you mean 'session'?; see stigmer --help"),
        (["session"], "error: Missing command; see stigmer session --help"),
        (["session", "lst"], "error: No such command 'lst'"),
        (["session", "get", "--colour"], "error: No such option: --colour"),
        (["session", "create"], "error: Missing option '--file'"),
        (["session", "delete"], "error: Missing argument"),
        (["session", "list", "--page-size", "many"], "error: Invalid value for '--page-size'"),
        (["session", "list", "--page-size", "-1"], "error: Invalid value for '--page-size'"),
        (["session", "get", "a", "b"], "error: Got unexpected extra argument"),
        (["serve", "--port", "1"], "error: No such option: --port"),
        (["pipelines", "session.fly"], "error: no operation 'session.fly'; there are: session.apply"),
        (["db"], "error: Missing command; see stigmer db --help"),
        (["db", "backup"], "error: Missing argument"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_2(run, arguments, text):
    """Wrong arguments end with one `error:` line and exit code 2."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(text)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [[], ["serve"], ["session"], ["pipelines"], ["plugins"], ["db"], ["db", "check"], ["db", "backup"], ["db", "repair"]]
    + [["session", name] for name in ("create", "update", "apply", "get", "delete", "list", "list-by-agent")],
    ids=" ".join,
)
def test_every_command_has_help(run, arguments):
    """`--help` and `-h` work everywhere."""
    for flag in ("--help", "-h"):
        result = run(*arguments, flag)
        assert result.exit_code == 0
        assert result.stdout.startswith(" ".join(["Usage: stigmer", *arguments]))


def test_a_plugin_adds_a_command(run, installed):
    """A command of a plugin in STIGMER_PLUGINS is in the help, and runs."""
    name = installed("shout", PLUGIN.format(name="shout"))
    assert "shout      Says a word." in run("--help", STIGMER_PLUGINS=name).stdout
    result = run("shout", "hello", STIGMER_PLUGINS=name)
    assert (result.exit_code, result.stdout) == (0, "hello!\n")


def test_a_plugin_that_is_off_adds_nothing(run, installed):
    """Without STIGMER_PLUGINS the command is unknown."""
    installed("shout", PLUGIN.format(name="shout"))
    assert run("shout", "hello").exit_code == 2


def test_two_plugins_add_commands(run, installed):
    """Each plugin's command is there."""
    names = ",".join(installed(name, PLUGIN.format(name=name)) for name in ("shout", "sing"))
    assert run("shout", "a", STIGMER_PLUGINS=names).stdout == "a!\n"
    assert run("sing", "b", STIGMER_PLUGINS=names).stdout == "b!\n"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1 / 0", "plugin 'bad' cannot be imported: division by zero"),
        ("from stigmer import hookimpl\n\n@hookimpl\ndef add_comands(cli): ...", "plugin refused"),
        ("from stigmer import hookimpl\n\n@hookimpl\ndef add_commands(cli): 1 / 0", "a plugin's commands cannot be added"),
        (PLUGIN.format(name="serve"), "a plugin brings the command 'serve', which is built in"),
    ],
    ids=["import", "misspelt", "raises", "built-in"],
)
def test_a_bad_plugin_spoils_only_its_own_commands(run, installed, source, text):
    """With a plugin that cannot be loaded help and client commands work, with a warning; a command of a plugin says why not."""
    name = installed("bad", source)
    shown = run("--help", STIGMER_PLUGINS=name)
    assert shown.exit_code == 0
    assert "session" in shown.stdout
    assert f"warning: commands of plugins are missing: {text}" in shown.stderr
    asked = run("bad", STIGMER_PLUGINS=name)
    assert asked.exit_code == 78
    assert asked.stderr.startswith(f"error: {text}")
    assert asked.stderr.count("\n") == 1
    assert run("session", "--help", STIGMER_PLUGINS=name).stderr == ""


def test_two_plugins_with_one_command_are_refused(run, installed):
    """Two plugins that bring the same command are told of; neither wins silently."""
    names = ",".join(installed(name, PLUGIN.format(name="shout")) for name in ("one", "two"))
    result = run("shout", "a", STIGMER_PLUGINS=names)
    assert result.exit_code == 78
    assert "plugins bring 2 commands, but with fewer names: shout" in result.stderr


def test_client_commands_do_not_load_the_server(tmp_path):
    """`stigmer session --help` imports neither the server nor gRPC nor YAML."""
    code = """if True:
        import sys
        from stigmer.cli import cli
        sys.argv[1:] = ["session", "--help"]
        try:
            cli()
        finally:
            print(*sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "stigmer.cli.session" in loaded
    assert not loaded & {"stigmer.app", "stigmer.transport.server", "grpclib.client", "yaml", "aiosqlite", "uvloop"}


def test_json_of_plugins_and_pipelines_is_whole(run, installed):
    """`--json` gives every plugin with its state, and the steps that plugins bring, with reason."""
    source = """
        from stigmer import after, hookimpl

        class Nap:
            name = "Nap"
            async def __call__(self, ctx): ...

        @hookimpl
        def contribute_steps(op):
            yield after("ValidateProto", Nap())
    """
    name = installed("nap", source)
    off = {each["name"]: each for each in json.loads(run("plugins", "--json").stdout)}
    assert off["nap"] == {"name": "nap", "source": "nap-plugin 1.0", "enabled": False, "hooks": []}
    assert off["session"]["enabled"]
    on = {each["name"]: each for each in json.loads(run("plugins", "--json", "--plugins", name).stdout)}
    assert on["nap"] == {"name": "nap", "source": "nap-plugin 1.0", "enabled": True, "hooks": ["contribute_steps"]}
    (create,) = json.loads(run("pipelines", "create", "--json", STIGMER_PLUGINS=name).stdout)
    assert create["operation"] == "session.create"
    assert create["rpc"] == "/ai.stigmer.agentic.session.v1.SessionCommandController/create"
    assert create["steps"][1] == {"name": "Nap", "plugin": "nap", "why": "after ValidateProto"}


def test_tables_of_plugins_and_pipelines_have_a_line_each(run):
    """Tables name every operation and step in plain lines without colours or trailing spaces."""
    lines = run("pipelines").stdout.splitlines()
    assert len(lines) == 1 + 40
    assert lines[0].split() == ["OPERATION", "#", "STEP", "PLUGIN", "WHY"]
    assert ["session.create", "5", "Persist", "session"] in [line.split() for line in lines]
    assert all(line == line.rstrip() and "\x1b" not in line for line in lines)
    assert len(run("pipelines", "session.get").stdout.splitlines()) == 1 + 2
    assert ["session", "on", "built", "in", "register_operations"] in [
        line.split() for line in run("plugins").stdout.splitlines()
    ]


@pytest.mark.parametrize("command", [["pipelines"], ["plugins"], ["serve"], ["db", "check"]], ids=" ".join)
def test_an_unknown_plugin_is_refused(run, command):
    """Commands that need the plugins refuse one that is not installed, with 78."""
    result = run(*command, "--plugins", "nope", STIGMER_STORE="memory:")
    assert result.exit_code == 78
    assert result.stderr.splitlines()[-1].startswith("error: plugin 'nope' is not installed; installed are:")
