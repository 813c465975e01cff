"""Finds plugins, lets in those that are named, and asks them for operations and steps."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from stigmer import hookspecs
from stigmer.assembly import Contribution, StepWrapper, assemble
from stigmer.errors import ConfigurationError
from stigmer.hookspecs import Authenticator
from stigmer.kind import Kind
from stigmer.operation import Operation
from stigmer.pipeline import Handle, Pipeline, PlacedStep, Run
from stigmer.settings import Settings
from stigmer.step import Placement
from stigmer.store import Store

T = TypeVar("T")

GROUP = "stigmer"
"""The entry-point group in which installed packages offer plugins."""


@dataclasses.dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin that is built in or installed.

    Attributes:
        name: what ``STIGMER_PLUGINS`` calls it.
        source: ``built in``, or the distribution and its version.
        enabled: whether it takes part.
        hooks: the hooks that it implements, if it takes part.
    """

    name: str
    source: str
    enabled: bool
    hooks: tuple[str, ...] = ()


class Plugins:
    """The plugins that take part in one server."""

    def __init__(self, plugins: Mapping[str, object]) -> None:
        """Registers ``plugins``, by name.

        Raises:
            ConfigurationError: one implements a hook that does not exist, or takes arguments that a hook does not have.
        """
        self._manager = pluggy.PluginManager("stigmer")
        self._manager.add_hookspecs(hookspecs)
        try:
            for name, plugin in sorted(plugins.items()):
                self._manager.register(plugin, name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ConfigurationError(f"plugin refused: {error}") from error

    @classmethod
    def load(cls, built_in: Mapping[str, object], names: Sequence[str]) -> Plugins:
        """The built-in plugins and the installed ones that are named. Code of others is not even imported.

        Raises:
            ConfigurationError: a name is not installed, is taken by a built-in plugin, or its package cannot be imported.
        """
        installed = _installed()
        loaded = dict(built_in)
        for name in dict.fromkeys(names):
            if name in built_in:
                raise ConfigurationError(f"plugin {name!r} is built in and always on; do not name it")
            if name not in installed:
                there = ", ".join(installed) or "none"
                raise ConfigurationError(f"plugin {name!r} is not installed; installed are: {there}")
            try:
                loaded[name] = installed[name].load()
            except Exception as error:
                raise ConfigurationError(f"plugin {name!r} cannot be imported: {error}") from error
        return cls(loaded)

    def pipelines(self, settings: Settings) -> dict[str, Pipeline]:
        """The pipelines of all operations, by operation name.

        Raises:
            ConfigurationError: operations or steps do not add up; the text names them and their plugins.
        """
        owners: dict[str, tuple[str, Operation]] = {}
        for plugin, operations in self._ask("register_operations"):
            for operation in _all(operations, Operation, f"plugin {plugin!r} registers"):
                operation.check_kind()
                if operation.name in owners:
                    both = f"{owners[operation.name][0]!r} and {plugin!r}"
                    raise ConfigurationError(f"{operation.name}: registered by both {both}")
                owners[operation.name] = (plugin, operation)
        return {
            name: assemble(operation, plugin, self._contributions(operation), [self._step_wrapper(settings)])
            for name, (plugin, operation) in sorted(owners.items())
        }

    def wrap(self, operation: Operation, handle: Handle, settings: Settings) -> Handle:
        """``handle`` with everything that plugins put around the operation; the first plugin by name is outermost."""
        for _, implementation in reversed(list(self.implementations("wrap_operation"))):
            handle = implementation(op=operation, call_next=handle, settings=settings) or handle
        return handle

    def authenticator(self, settings: Settings) -> Authenticator | None:
        """The one authenticator, or None.

        Raises:
            ConfigurationError: two plugins bring one.
        """
        found = list(self._ask("authenticator", settings=settings))
        if len(found) > 1:
            names = " and ".join(repr(name) for name, _ in found)
            raise ConfigurationError(f"authenticators are brought by {names}; turn one of them off")
        return found[0][1] if found else None

    def store(self, url: str, kinds: Sequence[Kind[Any]]) -> tuple[str, Awaitable[Store]]:
        """The plugin that knows the scheme of ``url``, and its store, still to be awaited.

        Raises:
            ConfigurationError: no plugin knows it, or two do.
        """
        found: list[tuple[str, Awaitable[Store]]] = []
        try:
            for offer in self._ask("open_store", url=url, kinds=kinds):
                found.append(offer)  # noqa: PERF402 - what was found before one raises has to be let go
        except ConfigurationError:
            _drop(opening for _, opening in found)
            raise
        if len(found) == 1:
            return found[0]
        _drop(opening for _, opening in found)
        names = " and ".join(repr(name) for name, _ in found)
        scheme = url.partition(":")[0]
        why = f"is opened by both {names}; turn one of them off" if found else "is opened by no plugin that is on"
        raise ConfigurationError(f"a store of the scheme {scheme!r} {why}")

    def implementations(self, hook: str) -> Iterator[tuple[str, Any]]:
        """(plugin, implementation) of ``hook``, by plugin name. An implementation is called with the hook's arguments."""
        for found in sorted(getattr(self._manager.hook, hook).get_hookimpls(), key=lambda impl: impl.plugin_name):
            if found.wrapper or found.hookwrapper:
                raise ConfigurationError(f"plugin {found.plugin_name!r}: {hook} takes no hook wrappers")
            yield found.plugin_name, _Implementation(hook, found)

    def describe(self) -> list[PluginInfo]:
        """All plugins that are built in or installed, by name."""
        installed = _installed()
        found = {name: PluginInfo(name, _source(point), enabled=False) for name, point in installed.items()}
        for name, plugin in self._manager.list_name_plugin():
            callers = self._manager.get_hookcallers(plugin) or []
            hooks = tuple(sorted(caller.name for caller in callers))
            source = found[name].source if name in found else "built in"
            found[name] = PluginInfo(name, source, enabled=True, hooks=hooks)
        return [found[name] for name in sorted(found)]

    def _contributions(self, operation: Operation) -> list[Contribution]:
        contributions: list[Contribution] = []
        for plugin, placements in self._ask("contribute_steps", op=operation):
            who = f"{operation.name}: plugin {plugin!r} contributes"
            contributions += [Contribution(plugin, placement) for placement in _all(placements, Placement, who)]
        return contributions

    def _step_wrapper(self, settings: Settings) -> StepWrapper:
        implementations = list(self.implementations("wrap_step"))

        def wrap(operation: Operation, step: PlacedStep) -> Run:
            run = step.run
            for _, implementation in reversed(implementations):
                wrapped = implementation(op=operation, step=step.name, origin=step.origin, call_next=run, settings=settings)
                run = wrapped or run
            return run

        return wrap

    def _ask(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """(plugin, result) of each implementation, by plugin name: pluggy's own order depends on registration."""
        for plugin, implementation in self.implementations(hook):
            result = implementation(**arguments)
            if result is not None:
                yield plugin, result


class _Implementation:
    """A hook implementation, called with those of the arguments that it asks for."""

    def __init__(self, hook: str, found: pluggy.HookImpl) -> None:
        self._function = found.function
        self._names = found.argnames
        self._who = f"plugin {found.plugin_name!r}, hook {hook}"

    def __call__(self, **arguments: Any) -> Any:
        """What the implementation gives; a generator is run to its end.

        Raises:
            ConfigurationError: it raised; the text names plugin and hook.
        """
        try:
            result = self._function(*(arguments[name] for name in self._names))
            return list(result) if inspect.isgenerator(result) else result
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise refusal(self._who, error) from error


def _all(given: Any, type_: type[T], who: str) -> list[T]:
    """The things in ``given``, each of which must be a ``type_``."""
    things = list(given) if isinstance(given, Iterable) else [given]
    for thing in things:
        if not isinstance(thing, type_):
            raise ConfigurationError(f"{who} {thing!r}, which is no {type_.__name__}")
    return things


def _drop(openings: Iterable[Awaitable[Store]]) -> None:
    """Lets go of stores that nobody will wait for."""
    for opening in openings:
        if inspect.iscoroutine(opening):
            opening.close()


def refusal(who: str, error: BaseException) -> ConfigurationError:
    """What the one who starts the server reads when ``who`` fails."""
    kind = "" if isinstance(error, ConfigurationError) else f"{type(error).__name__}: "
    return ConfigurationError(f"{who}: {kind}{error}")


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def _source(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"
