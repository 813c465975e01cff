"""Random calls over the wire, with restarts and with plugins on and off: SQLite and memory answer what a model says."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from stigmer import RESPONSE, Payload, after, before, hookimpl, last
from stigmer.app import App
from stigmer.client import (
    ApiResourceMetadata,
    ApiResourceMetadataVersion,
    ApiResourceOwnerScope,
    ApiResourceReference,
    Session,
    SessionClient,
    SessionError,
    SessionSpec,
)
from stigmer.testing.settings import make_settings

CHOSEN = st.sampled_from(["ses-0", "ses-1", "ses-2"])
GIVEN = st.sampled_from(["given-0", "given-1"])
"""Names of the tests' own for sessions whose id the server chooses."""
IDS = st.one_of(CHOSEN, GIVEN)
SLUGS = st.sampled_from(["a", "b", "c"])
AGENTS = st.sampled_from(["ain-1", "ain-2"])
SUBJECTS = st.sampled_from(["", "one", "two", "drei {} \x1b\r\n"])
TAGS = st.lists(st.sampled_from(["red", "blue"]), max_size=2, unique=True)
WHICH = st.integers(-1, 6)
ACME = {"org": "acme", "owner_scope": ApiResourceOwnerScope.organization}


@dataclasses.dataclass(frozen=True)
class Content:
    """What is written."""

    subject: str
    agent: str
    tags: tuple[str, ...]


CONTENTS = st.builds(Content, SUBJECTS, AGENTS, TAGS.map(tuple))


@dataclasses.dataclass
class Kept:
    """What the model knows of a session: each state that it was in, the newest last."""

    slug: str
    states: list[Content]

    def write(self, content, tags=None):
        """Tags that are not given stay."""
        self.states.append(dataclasses.replace(content, tags=tags or content.tags or self.states[-1].tags))


class Busy:
    """A plugin that takes part in everything and changes nothing."""

    @hookimpl
    def contribute_steps(self, op):
        yield before(op.steps[0].name, Step("First"))
        yield after(op.steps[0].name, Step("Second"))
        if op.verb != "watch":
            yield last(Again())

    @hookimpl
    def wrap_operation(self, op, call_next):
        async def handle(ctx):
            return await call_next(ctx)

        return handle if op.verb == "get" else None


class Step:
    """Gives way."""

    def __init__(self, name):
        self.name = name

    async def __call__(self, ctx):
        await asyncio.sleep(0)


class Again:
    """Decodes the answer and encodes it anew."""

    name = "TransformResponse"
    requires = provides = frozenset({RESPONSE})

    async def __call__(self, ctx):
        ctx[RESPONSE] = Payload.of(ctx[RESPONSE].message)


class Side:
    """One server, its client, and somebody who watches."""

    def __init__(self, store):
        self.store = store
        self.versions = {}
        self.mirror = {}
        self.ids = {}

    async def start(self, plugins):
        self.app = await App.start(make_settings(store=self.store), plugins)
        self.client = SessionClient(self.app.address, timeout=20)
        self.watching = asyncio.create_task(self._watch())

    async def _watch(self):
        async with contextlib.aclosing(self.client.live()) as states:
            async for there in states:
                self.mirror = {self.alias(id_): content_of(session) for id_, session in there.items()}

    async def stop(self):
        self.watching.cancel()
        await asyncio.wait([self.watching])
        self.client.close()
        await self.app.stop()

    def id(self, alias):
        """The server's id for the model's."""
        return self.ids.get(alias, alias)

    def alias(self, id_):
        """The model's id for the server's."""
        return next((alias for alias, given in self.ids.items() if given == id_), id_)

    def note(self, session):
        """The server's names for the states that the model knows."""
        names = self.versions.setdefault(self.alias(session.metadata.id), [])
        if session.metadata.version.id not in names:
            names.append(session.metadata.version.id)

    async def follows(self, expected):
        """Waits until whoever watches has seen it all."""
        end = asyncio.get_running_loop().time() + 10
        while self.mirror != expected and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)
        assert self.mirror == expected


def content_of(session):
    return Content(session.spec.subject, session.spec.agent_instance_id, tuple(session.metadata.tags))


class Servers(RuleBasedStateMachine):
    """Does the same to both servers and to the model."""

    @initialize()
    def open(self):
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.sides = [Side(f"sqlite:///{self.folder}/stigmer.db"), Side("memory:")]
        self.plugins = {}
        self.there, self.used = {}, set()
        for side in self.sides:
            self.runner.run(side.start(self.plugins))

    def ask(self, call, expected):
        """Makes a call on both; the answer, or the name of the error, is as expected."""
        for side in self.sides:
            assert self.runner.run(answered(call(side))) == expected

    def write(self, call, id_, error):
        """As ``ask``, for what changes a session or is refused."""

        async def noted(side):
            session = await call(side)
            if id_ not in side.ids and id_.startswith("given"):
                side.ids[id_] = session.metadata.id
            side.note(session)
            return side.alias(session.metadata.id), session.metadata.slug, content_of(session)

        kept = self.there.get(id_)
        self.ask(noted, error or (id_, kept.slug, kept.states[-1]))

    def at(self, slug):
        return next((id_ for id_, kept in self.there.items() if kept.slug == slug), None)

    @rule(id_=CHOSEN, slug=SLUGS, content=CONTENTS)
    def create(self, id_, slug, content):
        error = "AlreadyExists" if id_ in self.used or self.at(slug) else None
        if error is None:
            self.there[id_] = Kept(slug, [content])
            self.used.add(id_)
            for side in self.sides:
                side.versions.pop(id_, None)
        self.write(lambda side: side.client.create(session(content, id=id_, name=slug, **ACME)), id_, error)

    @rule(id_=IDS, content=CONTENTS, which=WHICH)
    def update(self, id_, content, which):
        kept = self.there.get(id_)
        stale = kept is not None and 0 <= which < len(kept.states) - 1
        error = "NotFound" if kept is None else "Aborted" if stale else None
        if error is None:
            kept.write(content)

        def call(side):
            names = side.versions.get(id_, [])
            version = ApiResourceMetadataVersion(id=names[which]) if 0 <= which < len(names) and kept else None
            return side.client.update(session(content, id=side.id(id_), name="x", version=version))

        self.write(call, id_, error)

    @rule(slug=SLUGS, content=CONTENTS, id_=GIVEN)
    def apply(self, slug, content, id_):
        found = self.at(slug)
        if found is None and id_ not in self.used:
            self.there[id_] = Kept(slug, [content])
            self.used.add(id_)
            self.write(lambda side: side.client.apply(session(content, name=slug, **ACME)), id_, None)
        elif found is not None:
            kept = self.there[found]
            before_ = kept.states[-1]
            kept.write(content)
            if kept.states[-1] == before_:
                kept.states.pop()  # nothing changes, and so nothing is written; names are given as they are
            self.write(lambda side: side.client.apply(session(content, name=slug, slug=slug, **ACME)), found, None)

    @rule(id_=IDS, key=st.integers(1, 10**9))
    def delete_twice(self, id_, key):
        kept = self.there.pop(id_, None)
        expected = "NotFound" if kept is None else kept.states[-1]

        async def twice(side):
            how = {"idempotency_key": str(key)} if kept else {}
            answers = [content_of(await side.client.delete(side.id(id_), **how)) for _ in range(1 + bool(kept))]
            assert answers[0] == answers[-1]
            return answers[0]

        self.ask(twice, expected)

    @rule(id_=IDS, content=CONTENTS)
    def rehearse(self, id_, content):
        """Nothing is written: the model stays as it is."""

        async def tried(side):
            return (await side.client.update(session(content, id=side.id(id_)), validate_only=True)).spec.subject

        self.ask(tried, content.subject if id_ in self.there else "NotFound")

    @rule(id_=IDS, which=st.integers(0, 6))
    def restore(self, id_, which):
        kept = self.there.get(id_)
        if kept is None or which >= len(kept.states):
            return
        kept.write(kept.states[which], kept.states[which].tags)
        kept.states[-1] = kept.states[which]
        self.write(lambda side: side.client.restore(side.id(id_), side.versions[id_][which]), id_, None)

    @rule(id_=IDS, slug=SLUGS)
    def read(self, id_, slug):
        async def by_id(side):
            return content_of(await side.client.get(side.id(id_)))

        async def by_slug(side):
            found = await side.client.get_by_reference(ApiResourceReference(org="acme", slug=slug))
            return side.alias(found.metadata.id)

        async def history(side):
            return [each.version.id async for each in side.client.versions(side.id(id_))] == side.versions.get(id_, [])[::-1]

        self.ask(by_id, self.there[id_].states[-1] if id_ in self.there else "NotFound")
        self.ask(by_slug, self.at(slug) or "NotFound")
        self.ask(history, True if id_ in self.there else "NotFound")

    @rule(ids=st.lists(IDS, min_size=1, max_size=3, unique=True))
    def read_many(self, ids):
        async def many(side):
            return [side.alias(each.metadata.id) for each in await side.client.batch_get([side.id(id_) for id_ in ids])]

        self.ask(many, ids if set(ids) <= set(self.there) else "NotFound")

    @rule(tags=TAGS, agent=AGENTS, size=st.integers(1, 3))
    def list_(self, tags, agent, size):
        async def tagged(side):
            return {side.alias(each.metadata.id) async for each in side.client.sessions(tags=tags, page_size=size)}

        async def of_agent(side):
            return {side.alias(each.metadata.id) async for each in side.client.sessions_by_agent(agent, page_size=size)}

        newest = {id_: kept.states[-1] for id_, kept in self.there.items()}
        self.ask(tagged, {id_ for id_, content in newest.items() if set(tags) <= set(content.tags)})
        self.ask(of_agent, {id_ for id_, content in newest.items() if content.agent == agent})

    @rule()
    def watch(self):
        expected = {id_: kept.states[-1] for id_, kept in self.there.items()}
        for side in self.sides:
            self.runner.run(side.follows(expected))

    @rule(busy=st.booleans())
    @precondition(lambda self: self.there)
    def restart(self, busy):
        """With other plugins; what is in memory would be gone."""
        side = self.sides[0]
        self.runner.run(side.stop())
        self.runner.run(side.start({"busy": Busy()} if busy else {}))

    def teardown(self):
        if not hasattr(self, "runner"):
            return
        try:
            self.watch()
            assert self.runner.run(self.sides[0].app.store.check()) == []
        finally:
            for side in self.sides:
                self.runner.run(side.stop())
            self.runner.close()
            shutil.rmtree(self.folder)


def session(content, **metadata):
    spec = SessionSpec(agent_instance_id=content.agent, subject=content.subject)
    return Session(metadata=ApiResourceMetadata(tags=[*content.tags], **metadata), spec=spec)


async def answered(call):
    try:
        return await call
    except SessionError as error:
        return type(error).__name__


Servers.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


class TestServers(Servers.TestCase):
    """Hypothesis looks for calls after which a server differs from the model."""
