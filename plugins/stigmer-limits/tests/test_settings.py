"""What can be set, and what refuses the start."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from stigmer_limits import Limits, Settings
from stigmer_limits.settings import Pace

from stigmer import ConfigurationError
from stigmer.testing import serving


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Nothing is set."""
    for name in ("CALLER_RATE", "ORGANIZATION_STORED", "ORGANIZATIONS"):
        monkeypatch.delenv(f"STIGMER_LIMITS_{name}", raising=False)
    return lambda name, value: monkeypatch.setenv(f"STIGMER_LIMITS_{name}", value)


async def test_is_installed_and_reads_the_environment(environment):
    """It is the installed plugin ``limits``, and puts its steps where something is limited, and only there."""
    (point,) = entry_points(group="stigmer", name="limits")
    assert isinstance(point.load(), Limits)
    environment("CALLER_RATE", "5")
    async with serving({"limits": Limits()}) as app:
        pipelines = app.assembly.pipelines.values()
        assert all(pipeline.steps[0].name == "LimitCaller" for pipeline in pipelines)
        assert not any(step.name in {"LimitOrganization", "LimitStored"} for pipeline in pipelines for step in pipeline.steps)


async def test_nothing_limited_refuses_the_start(environment):
    """A plugin that is on and does nothing is a mistake; a burst alone limits nothing."""
    environment("CALLER_BURST", "5")
    with pytest.raises(ConfigurationError, match="limits nothing"):
        async with serving({"limits": Limits()}):
            pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALLER_RATE", "0"),
        ("CALLER_RATE", "nan"),
        ("CALLER_RATE", "inf"),
        ("CALLER_RATE", "fast"),
        ("CALLER_BURST", "0"),
        ("ORGANIZATION_STORED", "-1"),
        ("ORGANIZATIONS", '{"acme": {"sotred": 5}}'),
        ("ORGANIZATIONS", '{"acme": {"rate": -1}}'),
        ("ORGANIZATIONS", "acme"),
    ],
)
async def test_wrong_values_refuse_the_start(environment, name, value):
    """In one line that names the variable, or at least the plugin's."""
    environment(name, value)
    with pytest.raises(ConfigurationError, match="STIGMER_LIMITS") as refusal:
        async with serving({"limits": Limits()}):
            pass
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("own", "pace"),
    [
        (None, Pace(10, 30)),
        ({}, Pace(10, 30)),
        ({"rate": 50}, Pace(50, 100)),
        ({"rate": 50, "burst": 5}, Pace(50, 5)),
        ({"burst": 5}, Pace(10, 5)),
        ({"rate": None}, None),
        ({"stored": 3}, Pace(10, 30)),
    ],
)
def test_what_an_organization_does_not_have_of_its_own_is_as_for_all(own, pace):
    """Its rate, its burst, or both; a rate of its own does not come with everybody's burst."""
    organizations = {} if own is None else {"acme": own}
    assert Settings(organization_rate=10, organization_burst=30, organizations=organizations).pace_of("acme") == pace


@pytest.mark.parametrize(("rate", "burst"), [(10, 20), (0.1, 1), (0.9, 2)])
def test_a_burst_is_two_seconds_worth_unless_it_is_set(rate, burst):
    """And at least one call."""
    assert Settings(caller_rate=rate).caller_pace == Pace(rate, burst)
