"""The line that each call leaves in the log."""

import asyncio
import json
import re
import time

import pytest

from stigmer import Caller, DataLoss, Internal, InvalidArgument, NotFound, PermissionDenied, StigmerError, Violation
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer.errors import Undecodable
from stigmer.observe import Observe

EVIL = 'a\r\nERROR b \x1b[31m {0.__class__} {} \x00\x7f\x9b\u2028\u202e\udc80 "x" status=OK'


async def _call(handle, ctx):
    try:
        await handle(ctx)
    except BaseException as error:  # noqa: BLE001 - cancellations are failures too here
        return error


def _around(op, logged, handle, **settings):
    return Observe().wrap_operation(op, handle, logged(**settings))


async def test_one_json_object_for_a_good_call(op, logged, make_call, answering):
    """A good call leaves one flat JSON object with operation, status, duration, ids, caller and peer."""
    handle = _around(op, logged, answering(), log="json")
    await handle(make_call(caller=Caller("ida-1"), peer="192.0.2.1:5"))
    (line,) = logged.text().splitlines()
    entry = json.loads(line)
    assert entry.pop("duration_ms") >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", entry.pop("time"))
    assert entry == {
        "level": "INFO",
        "message": "call",
        "operation": "session.create",
        "status": "OK",
        "request_id": "req-1",
        "caller": "ida-1",
        "peer": "192.0.2.1:5",
    }


async def test_one_plain_line_for_a_good_call(op, logged, make_call, answering):
    """In the plain form the same is one line of words and key=value pairs."""
    await _around(op, logged, answering())(make_call())
    pattern = r"\S+ INFO    call operation=session.create status=OK duration_ms=[\d.]+ request_id=req-1 caller=system\n"
    assert re.fullmatch(pattern, logged.text())


class _Named:
    name = "Session"


@pytest.mark.parametrize(
    ("error", "expected"),  # level, status, reason
    [
        (InvalidArgument("spec", "value is required"), ("INFO", "INVALID_ARGUMENT", "INVALID_ARGUMENT")),
        (NotFound(_Named, "ses-1"), ("INFO", "NOT_FOUND", "SESSION_NOT_FOUND")),
        (PermissionDenied("no"), ("WARNING", "PERMISSION_DENIED", "PERMISSION_DENIED")),
        (Undecodable(), ("WARNING", "INTERNAL", "UNDECODABLE")),
        (DataLoss("the row is damaged"), ("ERROR", "DATA_LOSS", "DATA_LOSS")),
        (Internal(ZeroDivisionError("x")), ("ERROR", "INTERNAL", "INTERNAL")),
        (ZeroDivisionError("division by zero"), ("ERROR", "INTERNAL", "INTERNAL")),
    ],
)
async def test_tells_how_and_where_a_call_failed(op, logged, make_call, error, expected):
    """A failed call's line names the status, the reason and the step; how severe it is depends on whose fault it is."""

    async def handle(ctx):
        ctx.step = "LoadTarget"
        raise error

    assert await _call(_around(op, logged, handle, log="json"), make_call()) is error
    entry = json.loads(logged.text())
    assert (entry["level"], entry["status"], entry["reason"]) == expected
    assert entry["step"] == "LoadTarget"


async def test_tells_the_traceback_of_a_bug(op, logged, make_call, answering):
    """An exception that is no status is logged with its traceback and notes, in the JSON form as one field."""
    error = ZeroDivisionError("division by zero")
    error.add_note("in step Persist (session) of session.create")
    await _call(_around(op, logged, answering(error), log="json"), make_call())
    entry = json.loads(logged.text())
    assert entry["error"] == "ZeroDivisionError"
    assert "in handle" in entry["traceback"]
    assert entry["traceback"].endswith("ZeroDivisionError: division by zero\nin step Persist (session) of session.create")


async def test_tells_the_cause_of_an_internal_error(op, logged, make_call, answering):
    """Of an error that hides its cause from the client the log has the cause."""
    await _call(_around(op, logged, answering(Internal(KeyError("slot"))), log="json"), make_call())
    assert "KeyError: 'slot'" in json.loads(logged.text())["traceback"]


async def test_no_traceback_for_a_clients_fault(op, logged, make_call, answering):
    """A status that is the client's fault is told in one line, whatever caused it."""
    error = PermissionDenied("no")
    error.__cause__ = KeyError("x")
    await _call(_around(op, logged, answering(error)), make_call())
    assert len(logged.text().splitlines()) == 1


async def test_variables_stay_out_of_tracebacks(op, logged, make_call):
    """A traceback shows code, not the values that variables had."""

    async def handle(ctx):
        secret = ctx.request.spec.subject
        return {}[len(secret)]

    request = Session(spec=SessionSpec(subject="very private"))
    await _call(_around(op, logged, handle), make_call(request=request, metadata={"authorization": "Bearer hush"}))
    assert "KeyError" in logged.text()
    assert "very private" not in logged.text()
    assert "hush" not in logged.text()


async def test_a_call_past_its_deadline(op, logged, make_call, answering):
    """A call that is cancelled after its deadline is told as DEADLINE_EXCEEDED, without a traceback."""
    ctx = make_call(deadline=time.monotonic() - 1)
    error = await _call(_around(op, logged, answering(asyncio.CancelledError()), log="json"), ctx)
    assert isinstance(error, asyncio.CancelledError)
    entry = json.loads(logged.text())
    assert (entry["status"], entry["level"]) == ("DEADLINE_EXCEEDED", "WARNING")
    assert "traceback" not in entry


@pytest.mark.parametrize("ahead", [None, 60.0])
async def test_a_call_whose_client_is_gone(op, logged, make_call, answering, ahead):
    """A call that is cancelled before its deadline, or without one, is told as CANCELLED."""
    ctx = make_call(deadline=ahead and time.monotonic() + ahead)
    await _call(_around(op, logged, answering(asyncio.CancelledError()), log="json"), ctx)
    assert json.loads(logged.text())["status"] == "CANCELLED"


async def test_a_status_that_nobody_knows(op, logged, make_call, answering):
    """A plugin's error whose code is no gRPC status is UNKNOWN."""

    class Odd(StigmerError):
        code = 99

    await _call(_around(op, logged, answering(Odd("odd")), log="json"), make_call())
    assert json.loads(logged.text())["status"] == "UNKNOWN"


async def test_says_nothing_below_its_level(op, logged, make_call, answering):
    """At level WARNING good calls and the client's faults leave no line; a refusal does."""
    settings = logged(log_level="WARNING")
    for error in (None, InvalidArgument("spec", "value is required")):
        await _call(Observe().wrap_operation(op, answering(error), settings), make_call())
    assert logged.text() == ""
    await _call(Observe().wrap_operation(op, answering(PermissionDenied("no")), settings), make_call())
    assert logged.text().count("\n") == 1


@pytest.mark.parametrize("form", ["plain", "json"])
async def test_nobody_can_forge_a_line(op, logged, make_call, answering, form):
    """Line ends, escape sequences and braces in any field stay within the one line, and reach no terminal as they are."""
    error = InvalidArgument(EVIL, EVIL, Violation(EVIL, EVIL))
    ctx = make_call(caller=Caller(EVIL), request_id=EVIL, peer=EVIL)
    await _call(_around(op, logged, answering(error, EVIL), log=form), ctx)
    text = logged.text()
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert len(re.findall(r"(?:^|\s)status=\w+(?=\s)", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text))) == (form == "plain")
    if form == "json":
        entry = json.loads(text)
        assert entry["caller"] == entry["step"] == EVIL
        assert entry["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("form", ["plain", "json"])
async def test_a_traceback_cannot_forge_a_line(op, logged, make_call, answering, form):
    """Lines of an exception's own text stand behind a bar, or within the JSON object."""
    await _call(_around(op, logged, answering(ValueError(EVIL)), log=form), make_call())
    first, *others = logged.text().split("\n")[:-1]
    assert all(line.startswith("    | ") for line in others)
    assert bool(others) == (form == "plain")
    assert all(line.isprintable() for line in (first, *others))


async def test_long_fields_are_cut(op, logged, make_call, answering):
    """A field of any length takes a bounded part of a line."""
    await _around(op, logged, answering(), log="json")(make_call(caller=Caller("x" * 100_000)))
    assert len(logged.text()) < 1000
