"""The composition root puts a server together, or says why it cannot."""

import socket
import types

import grpc.aio
import pytest

from stigmer import RESPONSE, Caller, ConfigurationError, Settings, Unauthenticated, after, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer.app import App, assembled
from stigmer.identity import ANONYMOUS
from stigmer.testing import serving

GET = "/ai.stigmer.agentic.session.v1.SessionQueryController/get"


class Authorize:
    """A step with the contract's name, which lets everybody in."""

    name = "Authorize"

    async def __call__(self, ctx):
        """Nothing."""


class WhoAmI:
    """Answers with the caller's id."""

    name = "WhoAmI"
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx):
        """Raises what the client reads."""
        raise Unauthenticated(f"you are {ctx.caller.id}")


def plugin(**hooks):
    return types.SimpleNamespace(**{name: hookimpl(hook) for name, hook in hooks.items()})


def settings(**given):
    return Settings(**{"listen": "127.0.0.1:0", "store": "memory:", "log": "off", "plugins": (), **given})


def placing(step):
    return lambda op: [after("ValidateProto", step)]


def identify(caller):
    async def authenticate(info):
        return caller

    return lambda: authenticate


async def get(address):
    async with grpc.aio.insecure_channel(address) as channel:
        return await channel.unary_unary(GET)(SessionId(value="x").to_binary())


def test_these_operations_are_built_in():
    """Without plugins the server has the contract's eight operations, batch get, two on history, and one kind."""
    assembly = assembled(settings())
    verbs = "create update delete apply get batch_get get_by_reference list list_by_agent list_versions restore watch"
    assert set(assembly.pipelines) == {f"session.{verb}" for verb in verbs.split()}
    assert [kind.key for kind in assembly.kinds] == ["session"]


def test_authorization_without_an_authenticator_is_refused():
    """A server that decides who may do what, but not who calls, does not start."""
    with pytest.raises(ConfigurationError, match="plugin 'fga' brings Authorize, but no plugin tells who calls"):
        assembled(settings(), {"fga": plugin(contribute_steps=placing(Authorize()))})


def test_authorization_with_an_authenticator_is_accepted():
    """With both, it starts."""
    both = plugin(contribute_steps=placing(Authorize()), authenticator=identify(Caller("alice")))
    assert assembled(settings(), {"fga": both}).authenticator is not None


async def test_an_unknown_scheme_is_refused():
    """A store URL that no plugin knows names the scheme."""
    with pytest.raises(ConfigurationError, match="a store of the scheme 'mongodb' is opened by no plugin"):
        await App.start(settings(store="mongodb://x"))


async def test_a_taken_address_is_refused():
    """An address that somebody else listens on is refused, and the store is closed again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"cannot listen on {address}"):
            await App.start(settings(listen=address))


async def test_of_several_addresses_one_is_taken(tmp_path, monkeypatch):
    """When one of the addresses is refused the others are listened on no more, and a socket's file is gone."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"cannot listen on {address}"):
            await App.start(settings(listen=f"unix:s.sock,{address}"))
    assert not (tmp_path / "s.sock").exists()


async def test_several_addresses_are_listened_on(tmp_path, monkeypatch):
    """All addresses answer; ``address`` is the first, and both are known after the end too."""
    monkeypatch.chdir(tmp_path)
    async with serving(listen="127.0.0.1:0,unix:s.sock,[::1]:0") as app:
        assert app.addresses[0] == app.address
        assert [address.rpartition(":")[0] for address in app.addresses] == ["127.0.0.1", "unix", "[::1]"]
        for address in app.addresses:
            with pytest.raises(grpc.aio.AioRpcError, match="not found"):
                await get(address)
    assert len(app.addresses) == 3


async def test_plugins_are_started_and_stopped_with_the_server():
    """``startup`` is awaited before the server listens, ``shutdown`` after the last call; plain functions will do as well."""
    log = []

    async def startup(app):
        log.append("async startup")

    async def shutdown(app):
        log.append("async shutdown")

    sync = plugin(startup=lambda: log.append("startup"), shutdown=lambda: log.append("shutdown"))
    async with serving({"b": plugin(startup=startup, shutdown=shutdown), "a": sync}):
        assert log == ["startup", "async startup"]
    assert log[2:] == ["shutdown", "async shutdown"]


async def test_a_start_that_fails_is_cleaned_up():
    """When a plugin cannot start, all are told to shut down, also if one of them fails at that, and nothing is left open."""
    log = []

    def fail():
        raise ConfigurationError("no bus")

    def stumble():
        raise OSError("cannot stop")

    plugins = {
        "a": plugin(startup=lambda: log.append("a up"), shutdown=stumble),
        "b": plugin(startup=fail, shutdown=lambda: log.append("b down")),
        "c": plugin(startup=lambda: log.append("c up"), shutdown=lambda: log.append("c down")),
    }
    with pytest.raises(ConfigurationError, match="no bus"):
        await App.start(settings(), plugins)
    assert log == ["a up", "b down", "c down"]


async def test_the_authenticator_decides_who_calls():
    """The caller of a call is who the authenticator says."""
    who = plugin(contribute_steps=placing(WhoAmI()), authenticator=identify(Caller("alice")))
    async with serving({"who": who}) as app:
        with pytest.raises(grpc.aio.AioRpcError, match="you are alice"):
            await get(app.address)


async def test_without_an_authenticator_the_caller_is_system():
    """When nobody authenticates, every caller is ``system``."""
    async with serving({"who": plugin(contribute_steps=placing(WhoAmI()))}) as app:
        with pytest.raises(grpc.aio.AioRpcError, match="you are system"):
            await get(app.address)


async def test_an_authenticator_that_breaks_lets_nobody_in():
    """A bug in the authenticator is answered INTERNAL, without its text."""

    async def broken(info):
        raise KeyError("token")

    async with serving({"who": plugin(authenticator=lambda: broken)}) as app:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await get(app.address)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INTERNAL, "internal error")


async def test_two_plugins_for_one_scheme_are_refused():
    """When two plugins know a scheme the start is refused, both are named, and neither store is opened."""
    opened = []

    def opening(name):
        async def open_it(kinds):
            opened.append(name)

        return plugin(open_store=lambda url, kinds: open_it(kinds))

    with pytest.raises(ConfigurationError, match="scheme 'x' is opened by both 'a' and 'b'"):
        await App.start(settings(store="x:"), {"b": opening("b"), "a": opening("a")})
    assert opened == []


@pytest.mark.parametrize("hook", ["register_operations", "contribute_steps", "authenticator", "open_store", "startup"])
async def test_a_plugin_that_fails_at_start_is_named(hook):
    """Whatever hook fails, the start is refused with the plugin, the hook and what went wrong."""

    def broken():
        raise OSError("no such thing")

    with pytest.raises(ConfigurationError, match=f"plugin 'odd', hook {hook}: OSError: no such thing"):
        await App.start(settings(), {"odd": plugin(**{hook: broken})})


async def test_a_store_or_bus_that_cannot_be_reached_is_named():
    """A failure while a store is opened, or a plugin starts, is refused with the plugin's name."""

    async def unreachable():
        raise OSError("connection refused")

    for hook, given in (("open_store", {"store": "far:"}), ("startup", {})):
        with pytest.raises(ConfigurationError, match=f"plugin 'far', hook {hook}: OSError: connection refused"):
            await App.start(settings(**given), {"far": plugin(**{hook: unreachable})})


@pytest.mark.parametrize("nobody", [None, Caller(""), "alice"])
async def test_an_authenticator_that_names_nobody_lets_nobody_in(nobody):
    """What is no caller with an id is no identity."""
    async with serving({"who": plugin(authenticator=identify(nobody))}) as app:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await get(app.address)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_before_authentication_nobody_calls():
    """What plugins put around an operation sees no caller yet: nothing can be granted to ``system`` by mistake."""
    seen = []

    def wrap_operation(op, call_next):
        async def handle(ctx):
            seen.append(ctx.caller)
            return await call_next(ctx)

        return handle

    both = plugin(wrap_operation=wrap_operation, authenticator=identify(Caller("alice")))
    async with serving({"w": both}) as app:
        with pytest.raises(grpc.aio.AioRpcError):
            await get(app.address)
    assert seen == [ANONYMOUS]
