"""The row "statuses" of the contract: which failure becomes which status, whatever the operation."""

import sqlite3
from pathlib import Path

import pytest

from stigmer import (
    Caller,
    DataLoss,
    PermissionDenied,
    ResourceExhausted,
    Stale,
    Unauthenticated,
    Unavailable,
    after,
    hookimpl,
)
from stigmer.client import ResourceExhausted as TooFast
from stigmer.client import SessionClient
from stigmer.store.memory import MemoryStore

CALLS = ["create", "update", "delete", "apply", "get", "get_by_reference", "list", "list_by_agent"]
FAILURES = {
    "UNAVAILABLE": Unavailable("the store is busy"),
    "RESOURCE_EXHAUSTED": ResourceExhausted("the store is full"),
    "DATA_LOSS": DataLoss("the stored session is damaged"),
    "INTERNAL": RuntimeError("password=hunter2"),
}


class Broken:
    """A store in memory that fails when it is told to."""

    def __init__(self, kinds):
        self._store = MemoryStore(kinds)
        self.failure = None

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name in {"version", "follow"}:  # what a cache asks does not wait, and does not fail
            return method

        async def call(*arguments):
            if self.failure is not None and name not in {"close", "secret"}:
                raise self.failure
            return await method(*arguments)

        return call


class BrokenStores:
    """Opens ``broken:``."""

    def __init__(self):
        self.store = None

    @hookimpl
    def open_store(self, url, kinds):
        async def opened():
            self.store = Broken(kinds)
            return self.store

        return opened() if url == "broken:" else None


class Raising:
    """Adds a step after ValidateProto that raises."""

    def __init__(self, error):
        self.error = error

    @hookimpl
    def contribute_steps(self, op):
        error = self.error

        class Raise:
            name = "Raise"

            async def __call__(self, ctx):
                raise error

        yield after("ValidateProto", Raise())


def begin(wire, a_session, method):
    """A call of ``method`` that is right for a store that holds the session ``x``, named Deploy."""
    arguments = {
        "create": lambda: wire.create(a_session("New")),
        "update": lambda: wire.update(a_session("Changed", id="x")),
        "apply": lambda: wire.apply(a_session("Changed", id="x")),
        "delete": lambda: wire.delete("x"),
        "get": lambda: wire.get("x"),
        "get_by_reference": lambda: wire.get_by_reference("deploy", org="acme"),
        "list": wire.list,
        "list_by_agent": lambda: wire.list_by_agent("ain-1"),
    }
    return arguments[method]()


@pytest.mark.parametrize("code", FAILURES)
@pytest.mark.parametrize("method", CALLS)
async def test_store_failures(served, a_session, method, code):
    """A failure of the store has its own status in every operation, never NOT_FOUND, and later calls succeed again."""
    stores = BrokenStores()
    wire = await served(stores, store="broken:")
    await wire.create(a_session(id="x"))
    stores.store.failure = FAILURES[code]
    refusal = await wire.refused(begin(wire, a_session, method))
    assert refusal.code == code
    assert "hunter2" not in refusal.text
    assert refusal.details == ("ErrorInfo",)
    stores.store.failure = None
    await begin(wire, a_session, method)


RAISED = {
    "ABORTED": Stale(),
    "PERMISSION_DENIED": PermissionDenied("unauthorized to create session in this organization"),
    "UNAUTHENTICATED": Unauthenticated("who are you?"),
    "RESOURCE_EXHAUSTED": ResourceExhausted("too many"),
    "UNAVAILABLE": Unavailable("not now"),
    "DATA_LOSS": DataLoss("damaged"),
}


@pytest.mark.parametrize("code", RAISED)
async def test_typed_failures_of_steps(served, a_session, code):
    """What a step raises has its status, its text, and an ErrorInfo with a reason in UPPER_SNAKE."""
    wire = await served(Raising(RAISED[code]))
    refusal = await wire.refused(wire.create(a_session()))
    assert (refusal.code, refusal.text) == (code, RAISED[code].text)
    assert (refusal.details, refusal.domain) == (("ErrorInfo",), "stigmer.ai")
    assert refusal.reason == refusal.reason.upper() != ""


async def test_when_to_try_again(served, a_session):
    """A refusal that time will heal carries RetryInfo beside ErrorInfo, in a client's hand as seconds, rounded up."""
    wire = await served(Raising(ResourceExhausted("too fast", reason="TOO_FAST", retry_seconds=1.2500001)))
    assert (await wire.refused(wire.create(a_session()))).details == ("ErrorInfo", "RetryInfo")
    async with SessionClient(wire.address) as client:
        with pytest.raises(TooFast) as refusal:
            await client.get("x")
    assert (refusal.value.reason, refusal.value.retry_seconds) == ("TOO_FAST", 1.250001)


@pytest.mark.parametrize("error", [KeyError, ZeroDivisionError, TimeoutError, AssertionError, OSError])
async def test_bugs(served, a_session, error):
    """Anything else that is raised is INTERNAL, without its text, and the server goes on."""
    wire = await served(Raising(error("secret")))
    for _ in range(2):
        refusal = await wire.refused(wire.create(a_session()))
        assert (refusal.code, refusal.text, refusal.details) == ("INTERNAL", "internal error", ("ErrorInfo",))


def damage(path: Path, id_: str) -> None:
    """Flips a bit in the stored bytes of a session, whatever the table is called."""
    with sqlite3.connect(path) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: {row[1] for row in database.execute(f'PRAGMA table_info("{name}")')} for name in tables}
        (table,) = [name for name in tables if {"id", "slug", "wire"} <= columns[name]]
        ((wire,),) = database.execute(f'SELECT wire FROM "{table}" WHERE id = ?', (id_,)).fetchall()
        damaged = wire[:-3] + bytes([wire[-3] ^ 1]) + wire[-2:]
        assert database.execute(f'UPDATE "{table}" SET wire = ? WHERE id = ?', (damaged, id_)).rowcount == 1
    database.close()


@pytest.mark.parametrize("method", [method for method in CALLS if method != "create"])
async def test_damaged_row(served, a_session, tmp_path, method):
    """A row with a flipped bit is DATA_LOSS in every operation that reads it; other sessions are served on."""
    wire = await served(store=f"sqlite:///{tmp_path}/s.db")
    await wire.create(a_session(id="x"))
    other = await wire.create(a_session("Other", id="y"))
    damage(tmp_path / "s.db", "x")
    refusal = await wire.refused(begin(wire, a_session, method))
    assert refusal.code == "DATA_LOSS"
    assert refusal.details == ("ErrorInfo",)
    assert await wire.get("y") == other
    await wire.create(a_session("New"))


class Authorization:
    """Lets nobody but Ann do anything, and answers all others alike."""

    @hookimpl
    def authenticator(self):
        async def identify(info):
            return Caller(info.metadata.get("x-user", "nobody"))

        return identify

    @hookimpl
    def contribute_steps(self, op):
        class Authorize:
            name = "Authorize"

            async def __call__(self, ctx):
                if ctx.caller.id != "ann":
                    raise PermissionDenied(op.authorization.error_msg)

        if op.authorization is not None:
            yield after("ValidateProto", Authorize())


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("create", "unauthorized to create session in this organization"),
        ("update", "unauthorized to update session"),
        ("delete", "unauthorized to delete session"),
        ("get", "unauthorized to get session"),
    ],
)
async def test_permission_texts(served, a_session, method, text):
    """The text of a refusal is the error_msg in the rpc's option, whether the session exists or not."""
    wire = await served(Authorization())
    eve, ann = wire.as_user("eve"), wire.as_user("ann")
    unknown = await eve.refused(begin(eve, a_session, method))
    await ann.create(a_session(id="x"))
    known = await eve.refused(begin(eve, a_session, method))
    assert unknown == known
    assert (known.code, known.text, known.reason) == ("PERMISSION_DENIED", text, "PERMISSION_DENIED")
    await begin(ann, a_session, method)
