"""The composition root: settings → plugins → pipelines → store → server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.health.check import ServiceStatus
from grpclib.health.service import OVERALL, Health
from loguru import logger
from protobuf import DescFile

from stigmer import session
from stigmer.addresses import host_and_port
from stigmer.assembly import AUTHORIZE
from stigmer.context import Services
from stigmer.errors import ConfigurationError
from stigmer.hookspecs import Authenticator
from stigmer.identity import ANONYMOUS, SYSTEM, Caller, Clock, IdGenerator, SystemClock
from stigmer.kind import Kind
from stigmer.lifecycle import shut_down, start_up
from stigmer.listening import Listener, own, worded
from stigmer.observe import Observe
from stigmer.operation import Operation
from stigmer.pipeline import Handle, Pipeline
from stigmer.plugins import Plugins, refusal
from stigmer.rpc import DETAIL_FILES, authenticated, described, services_of
from stigmer.settings import Settings
from stigmer.steps.validate_proto import warm
from stigmer.store import Store
from stigmer.store.cached import CachedStore
from stigmer.stores import MemoryPlugin, SqlitePlugin
from stigmer.tls import Tls
from stigmer.transport.codec import BytesCodec
from stigmer.transport.reflection import reflection
from stigmer.transport.server import Server
from stigmer.transport.statistics import Statistics
from stigmer.upkeep import Upkeep
from stigmer.watching import Hubs
from stigmer.writing import writing


@dataclasses.dataclass(frozen=True, slots=True)
class Assembly:
    """A server before it is started: everything that settings and plugins decide.

    Attributes:
        settings: as given.
        plugins: those that take part.
        pipelines: by operation name.
        authenticator: tells who calls; None when every caller is ``system``.
    """

    settings: Settings
    plugins: Plugins
    pipelines: Mapping[str, Pipeline]
    authenticator: Authenticator | None

    @property
    def kinds(self) -> list[Kind[Any]]:
        """The kinds that the operations are about, by key."""
        kinds = {pipeline.operation.kind.key: pipeline.operation.kind for pipeline in self.pipelines.values()}
        return [kinds[key] for key in sorted(kinds)]

    @property
    def caller(self) -> Caller:
        """Who calls before anybody has looked."""
        return SYSTEM if self.authenticator is None else ANONYMOUS

    def handles(self) -> Iterator[tuple[Operation, Handle]]:
        """Each operation with what answers its calls: plugins' wrappers, authentication, what writes may be asked, pipeline."""
        for pipeline in self.pipelines.values():
            handle = authenticated(writing(pipeline), self.authenticator)
            yield pipeline.operation, self.plugins.wrap(pipeline.operation, handle, self.settings)


def assembled(settings: Settings, extra: Mapping[str, object] | None = None) -> Assembly:
    """The server that ``settings`` describes, with the plugins in ``extra`` beside those it names.

    Raises:
        ConfigurationError: plugins do not add up, or there is authorization but nobody who tells callers apart.
    """
    built_in = {"session": session, "sqlite": SqlitePlugin(), "memory": MemoryPlugin(), "observe": Observe()}
    plugins = Plugins.load({**built_in, **(extra or {})}, settings.plugins)
    assembly = Assembly(settings, plugins, plugins.pipelines(settings), plugins.authenticator(settings))
    if assembly.authenticator is None:
        _refuse_authorization(assembly.pipelines)
    return assembly


async def open_store(assembly: Assembly) -> Store:
    """The store that the settings name, behind a cache if they want one.

    Raises:
        ConfigurationError: no plugin knows the scheme, or the store refuses.
    """
    plugin, opening = assembly.plugins.store(assembly.settings.store, assembly.kinds)
    try:
        store = await opening
    except Exception as error:
        raise (
            error if isinstance(error, ConfigurationError) else refusal(f"plugin {plugin!r}, hook open_store", error)
        ) from error
    cache_bytes = assembly.settings.cache_bytes
    return CachedStore(store, cache_bytes) if cache_bytes else store


class App:
    """A server that runs.

    Attributes:
        assembly: what it is made of.
        store: where the documents are.
        clock: the time.
    """

    def __init__(self, assembly: Assembly, store: Store, clock: Clock, tls: Tls | None = None) -> None:
        self.assembly = assembly
        self.store = store
        self.clock = clock
        self._tls = tls
        self._health = ServiceStatus()
        self._sockets = contextlib.ExitStack()
        self._upkeep = Upkeep(store, assembly.kinds, clock, assembly.settings)
        self._addresses: list[str] = []
        self._hubs = Hubs(store)
        services = Services(store, clock, IdGenerator(clock), self._hubs, assembly.settings.max_message_bytes)
        handlers = services_of(assembly.handles(), services, assembly.caller)
        health = Health({OVERALL: [self._health], **{handler: [self._health] for handler in handlers}})
        names = [*(handler.name for handler in handlers), "grpc.health.v1.Health"]
        files = [pipeline.operation.method.parent.file for pipeline in assembly.pipelines.values()]
        reflecting = reflection([*_with_dependencies(files), *DETAIL_FILES], names)
        self._server = Server(
            [*handlers, health, *reflecting],
            codec=BytesCodec(),
            status_details_codec=ProtoStatusDetailsCodec(),
            limits=assembly.settings.limits,
            describe=described,
        )

    @classmethod
    async def start(
        cls,
        settings: Settings,
        extra: Mapping[str, object] | None = None,
        clock: Clock | None = None,
        listeners: Sequence[Listener] | None = None,
    ) -> Self:
        """Assembles, opens the store and listens.

        Args:
            settings: of the server.
            extra: plugins by name, beside those that the settings name.
            clock: the time; the machine's when left out.
            listeners: what to listen on; made from the settings when left out.

        Raises:
            ConfigurationError: settings, plugins, certificates or store are refused, or an address cannot be listened on.
        """
        assembly = assembled(settings, extra)
        tls = Tls.of(settings)
        warm({pipeline.operation.request for pipeline in assembly.pipelines.values()})
        store = await open_store(assembly)
        try:
            app = cls(assembly, store, clock or SystemClock(), tls)
            await app._listen(listeners)
        except BaseException:
            await store.close()
            raise
        return app

    @property
    def addresses(self) -> list[str]:
        """What the server listens on: HOST:PORT, [IPV6]:PORT or unix:PATH, in the order of the settings."""
        return self._addresses

    @property
    def address(self) -> str:
        """The first of ``addresses``."""
        return self.addresses[0]

    @property
    def statistics(self) -> Statistics:
        """What the transport counts."""
        return self._server.statistics

    def reload(self) -> None:
        """Reads certificates again, for connections from now on."""
        if self._tls is not None:
            self._tls.reload()

    async def stop(self) -> None:
        """Lets calls in flight finish, then stops plugins and closes the store, whatever of that fails."""
        self._health.set(False)
        grace = self.assembly.settings.drain_seconds
        try:
            if not await self._server.drain(grace):
                logger.warning("calls were still running after {} s and were cancelled", grace)
        finally:
            self._sockets.close()
            try:
                await self._upkeep.stop()
                await shut_down(self.assembly.plugins, self)
            finally:
                await self._hubs.close()
                await self.store.close()

    async def _listen(self, listeners: Sequence[Listener] | None) -> None:
        try:
            await start_up(self.assembly.plugins, self)
            for listener in listeners or self._sockets.enter_context(own(self.assembly.settings.listen)):
                await self._bind(listener)
            self._addresses = self._server.addresses
        except BaseException:
            await self._server.drain(0)
            self._sockets.close()
            await shut_down(self.assembly.plugins, self)
            raise
        if self._tls is not None:
            watching = asyncio.create_task(self._tls.watch())
            self._sockets.callback(watching.cancel)
        self._upkeep.start()
        self._health.set(True)

    async def _bind(self, listener: Listener) -> None:
        with worded(listener.address):
            if listener.sock is not None:
                await self._server.start(sock=listener.sock)
            else:
                host, port = host_and_port(listener.address)
                ssl = None if self._tls is None else self._tls.context
                await self._server.start(host, port, ssl=ssl, reuse_port=listener.shared)


def _refuse_authorization(pipelines: Mapping[str, Pipeline]) -> None:
    for name, pipeline in pipelines.items():
        for step in pipeline.steps:
            if step.name == AUTHORIZE:
                text = f"plugin {step.origin!r} brings {AUTHORIZE}, but no plugin tells who calls"
                raise ConfigurationError(f"{name}: {text}; turn an authenticator on")


def _with_dependencies(files: Iterable[DescFile]) -> list[bytes]:
    """The files and all they import, each after what it imports, without repetition."""
    found: dict[str, bytes] = {}

    def walk(file: DescFile) -> None:
        if file.proto.name not in found:
            for dependency in file.dependencies:
                walk(dependency)
            found[file.proto.name] = file.proto.to_binary()

    for file in files:
        walk(file)
    return list(found.values())
