"""Plugins are found, let in by name, and asked in an order that does not depend on registration."""

import types
from importlib.metadata import EntryPoint

import pytest

from stigmer import ConfigurationError, Settings, after, hookimpl, plugins, session
from stigmer.plugins import Plugins
from stigmer.session.create import CREATE

SETTINGS = Settings(plugins=())


class Step:
    """A step with a name."""

    def __init__(self, name):
        self.name = name

    async def __call__(self, ctx):
        """Nothing."""


def plugin(**hooks) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{name: hookimpl(hook) for name, hook in hooks.items()})


@pytest.fixture
def installed(monkeypatch):
    """Lets a test say which entry points are installed."""

    def install(**modules):
        points = [EntryPoint(name, value, plugins.GROUP) for name, value in modules.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda group: [p for p in points if p.group == group])

    return install


def test_only_named_plugins_are_loaded(installed):
    """An installed plugin takes part only when it is named; code of others is not imported."""
    installed(session_again="stigmer.session", explosive="no.such.module")
    loaded = Plugins.load({}, ["session_again"])
    assert [(info.name, info.enabled) for info in loaded.describe()] == [("explosive", False), ("session_again", True)]


def test_a_name_that_is_not_installed_is_refused(installed):
    """An unknown name is refused and the installed ones are listed."""
    installed(mask="stigmer.session")
    with pytest.raises(ConfigurationError, match="plugin 'msak' is not installed; installed are: mask"):
        Plugins.load({}, ["msak"])


def test_a_built_in_name_is_refused(installed):
    """A built-in plugin needs no naming and cannot be taken over."""
    installed(session="elsewhere")
    with pytest.raises(ConfigurationError, match="'session' is built in"):
        Plugins.load({"session": session}, ["session"])


def test_a_plugin_that_cannot_be_imported_is_refused(installed):
    """An import error names the plugin."""
    installed(broken="no.such.module")
    with pytest.raises(ConfigurationError, match="plugin 'broken' cannot be imported: No module named 'no'"):
        Plugins.load({}, ["broken"])


def test_naming_a_plugin_twice_loads_it_once(installed):
    """A repeated name does no harm."""
    installed(again="stigmer.session")
    assert [info.name for info in Plugins.load({}, ["again", "again"]).describe()] == ["again"]


def test_a_misspelt_hook_is_refused():
    """A hook that does not exist is refused, instead of never being called."""
    with pytest.raises(ConfigurationError, match="contribute_step"):
        Plugins({"a": plugin(contribute_step=lambda op: [])})


def test_a_wrong_argument_is_refused():
    """A hook implementation that asks for an argument which the hook does not have is refused."""
    with pytest.raises(ConfigurationError, match="operation"):
        Plugins({"a": plugin(contribute_steps=lambda operation: [])})


def test_a_hook_may_take_fewer_arguments():
    """An implementation names only the arguments that it needs, so that hooks can grow."""
    loaded = Plugins(
        {"a": plugin(contribute_steps=lambda: [after("Persist", Step("X"))]), "s": plugin(register_operations=lambda: [CREATE])}
    )
    assert [step.name for step in loaded.pipelines(SETTINGS)["session.create"].steps][-1] == "X"


def test_something_that_is_no_placement_is_refused():
    """A contributed step without a place names operation and plugin."""
    loaded = Plugins({"session": session, "a": plugin(contribute_steps=lambda op: [Step("X")])})
    with pytest.raises(ConfigurationError, match=r"session\.apply: plugin 'a' contributes .* which is no Placement"):
        loaded.pipelines(SETTINGS)


def test_an_operation_registered_twice_is_refused():
    """Two plugins that serve the same operation are both named."""
    loaded = Plugins({"session": session, "copy": plugin(register_operations=lambda: [CREATE])})
    with pytest.raises(ConfigurationError, match=r"session\.create: registered by both 'copy' and 'session'"):
        loaded.pipelines(SETTINGS)


def test_two_authenticators_are_refused():
    """At most one plugin tells who calls."""
    loaded = Plugins({"a": plugin(authenticator=lambda: print), "b": plugin(authenticator=lambda: print)})
    with pytest.raises(ConfigurationError, match="'a' and 'b'"):
        loaded.authenticator(SETTINGS)


def test_a_hook_wrapper_is_refused():
    """Pluggy's own hook wrappers would hide where a contribution comes from."""
    wrapper = types.SimpleNamespace()

    def contribute_steps(op):
        return (yield)

    wrapper.contribute_steps = hookimpl(wrapper=True)(contribute_steps)
    with pytest.raises(ConfigurationError, match="'w': contribute_steps takes no hook wrappers"):
        Plugins({"session": session, "w": wrapper}).pipelines(SETTINGS)


async def test_operation_wrappers_nest_by_plugin_name():
    """The wrapper of the first plugin by name is outermost, whatever the order of registration."""
    log = []

    def wrapping(tag):
        def wrap_operation(op, call_next):
            async def handle(ctx):
                log.append(tag)
                return await call_next(ctx)

            return handle

        return plugin(wrap_operation=wrap_operation)

    async def innermost(ctx):
        log.append("call")

    loaded = Plugins({"b": wrapping("b"), "c": plugin(wrap_operation=lambda op: None), "a": wrapping("a")})
    await loaded.wrap(CREATE, innermost, SETTINGS)(None)
    assert log == ["a", "b", "call"]


async def test_step_wrappers_nest_by_plugin_name():
    """The same holds for wrappers of steps, which see the operation, the step and who brought it."""
    log = []

    def wrapping(tag):
        def wrap_step(op, step, origin, call_next):
            async def run(ctx):
                log.append((tag, op.name, step, origin))
                await call_next(ctx)

            return run

        return plugin(wrap_step=wrap_step)

    register = plugin(register_operations=lambda: [CREATE])
    loaded = Plugins({"b": wrapping("b"), "a": wrapping("a"), "own": register})
    step = loaded.pipelines(SETTINGS)["session.create"].steps[0]
    with pytest.raises(AttributeError):
        await step.run(None)
    assert log == [("a", "session.create", "ValidateProto", "own"), ("b", "session.create", "ValidateProto", "own")]
