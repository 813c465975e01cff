"""``stigmer events tail`` shows what was published."""

import asyncio
import json

import pytest
from stigmer_nats.commands import commands
from typer.testing import CliRunner

from stigmer.cli import cli


@pytest.fixture
def tail(monkeypatch):
    """Runs the command for a bus, in a thread, since it has an event loop of its own."""

    async def run(bus, *arguments):
        monkeypatch.setenv("STIGMER_NATS_SERVERS", bus.url)
        monkeypatch.setenv("STIGMER_NATS_TIMEOUT_SECONDS", "2")
        return await asyncio.to_thread(CliRunner().invoke, commands, ["--no-follow", *arguments])

    return run


async def test_events_are_shown(bus, serve, session, published, tail):
    """A line each: when, what, which session, and who; or in JSON with the session."""
    async with serve(bus) as client:
        created = await client.create(session())
        await client.delete(created.metadata.id)
        await published(bus, 2)
        lines = (await tail(bus, "--all")).output.splitlines()
        as_json = (await tail(bus, "--all", "--json", "--session", created.metadata.id)).output.splitlines()
        others = await tail(bus, "--all", "--session", "another")
        fresh = await tail(bus)
    assert [line.split()[1:] for line in lines] == [[verb, created.metadata.id, "system"] for verb in ("created", "deleted")]
    events = [json.loads(line) for line in as_json]
    assert [event["type"] for event in events] == ["ai.stigmer.session.created", "ai.stigmer.session.deleted"]
    assert events[0]["data"]["metadata"]["name"] == "One"
    assert (others.output, others.exit_code, fresh.output, fresh.exit_code) == ("", 0, "", 0)


def test_a_bus_that_is_away_is_said_to_be(make_nats, monkeypatch):
    """One line and the exit code 69."""
    monkeypatch.setenv("STIGMER_NATS_SERVERS", make_nats().url)
    monkeypatch.setenv("STIGMER_NATS_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("STIGMER_PLUGINS", "nats")
    result = CliRunner().invoke(cli, ["events", "tail", "--no-follow"])
    assert result.exit_code == 69
    assert result.stderr.startswith("error: NATS cannot be reached")


def test_bad_settings_are_refused(monkeypatch):
    """The line names the variable."""
    monkeypatch.setenv("STIGMER_PLUGINS", "nats")
    monkeypatch.setenv("STIGMER_NATS_STREAM", "a b")
    result = CliRunner().invoke(cli, ["pipelines"])
    assert result.exit_code == 78
    assert "STIGMER_NATS_STREAM" in result.stderr
