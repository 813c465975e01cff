"""Checks that wait together go out together."""

import asyncio

import pytest
from stigmer_openfga.client import Relation
from stigmer_openfga.coalesce import Checks
from stigmer_openfga.connection import NoAnswer

QUESTIONS = [Relation(f"identity_account:u{number}", "can_view", "session:x") for number in range(120)]


class Fake:
    """An OpenFGA that says yes to even users, when it is let."""

    def __init__(self):
        self.asked = []
        self.go = asyncio.Event()
        self.go.set()
        self.silent = set()
        self.begun = asyncio.Event()

    async def check(self, question, *, fresh):
        return (await self.check_all([question], fresh=fresh))[0]

    async def check_all(self, questions, *, fresh):
        self.asked.append((len(questions), fresh))
        self.begun.set()
        await self.go.wait()
        if len(questions) > 1 and questions[0] in self.silent:
            raise NoAnswer
        return [None if q in self.silent else int(q.user.partition(":u")[2]) % 2 == 0 for q in questions]


async def turns():
    """Lets everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def checks(fake, **options):
    """Checks that ask ``fake``."""
    return Checks(fake, **{"size": 50, "batches": 2, "seconds": 5, **options})


async def test_what_waits_together_goes_together():
    """120 checks of one moment are three calls of at most 50, each with its own answer."""
    fake = Fake()
    found = await asyncio.gather(*(checks_.allowed(q, fresh=True) for checks_ in [checks(fake)] for q in QUESTIONS))
    assert [size for size, _ in fake.asked] == [50, 50, 20]
    assert found == [number % 2 == 0 for number in range(120)]


async def test_one_goes_alone():
    """A single check waits for no others."""
    fake = Fake()
    assert await checks(fake).allowed(QUESTIONS[0], fresh=True)
    assert fake.asked == [(1, True)]


async def test_the_same_question_is_asked_once():
    """64 callers who ask the same at once are one check; caches are never mixed with freshness."""
    fake = Fake()
    asking = checks(fake)
    await asyncio.gather(*(asking.allowed(QUESTIONS[0], fresh=number % 2 == 0) for number in range(64)))
    assert sorted(fake.asked) == [(1, False), (1, True)]


@pytest.mark.parametrize(("fresh", "times"), [(True, 2), (False, 1)])
async def test_what_has_gone_out_may_be_older_than_a_revocation(fresh, times):
    """A question under way is shared only where caches are allowed."""
    fake = Fake()
    fake.go.clear()
    asking = checks(fake)
    first = asyncio.create_task(asking.allowed(QUESTIONS[0], fresh=fresh))
    await fake.begun.wait()
    second = asyncio.create_task(asking.allowed(QUESTIONS[0], fresh=fresh))
    await turns()
    assert len(fake.asked) == times
    fake.go.set()
    assert await asyncio.gather(first, second) == [True, True]


@pytest.mark.parametrize("batches", [1, 2, 4])
async def test_what_waits_goes_when_there_is_room(batches):
    """However few calls may be under way, all that waits is asked in the end, without anybody new coming."""
    fake = Fake()
    asking = checks(fake, batches=batches)
    await asyncio.gather(*(asking.allowed(question, fresh=True) for question in QUESTIONS))
    assert [size for size, _ in fake.asked] == [50, 50, 20]


async def test_at_most_so_many_calls():
    """While two calls are under way the rest waits, and then goes together."""
    fake = Fake()
    fake.go.clear()
    asking, tasks = checks(fake), []
    for question in QUESTIONS[:10]:
        tasks.append(asyncio.create_task(asking.allowed(question, fresh=True)))
        await turns()
    assert fake.asked == [(1, True), (1, True)]
    fake.go.set()
    await asyncio.gather(*tasks)
    assert fake.asked == [(1, True), (1, True), (8, True)]


async def test_what_was_not_answered_is_no_answer():
    """An item without a clear answer fails alone; a call that fails, fails all that went with it."""
    fake = Fake()
    fake.silent = {QUESTIONS[1]}
    asking = checks(fake)
    found = await asyncio.gather(*(asking.allowed(q, fresh=True) for q in QUESTIONS[:3]), return_exceptions=True)
    assert (found[0], type(found[1]), found[2]) == (True, NoAnswer, True)
    fake.silent = {QUESTIONS[0]}
    found = await asyncio.gather(*(asking.allowed(q, fresh=True) for q in QUESTIONS[:3]), return_exceptions=True)
    assert [type(each) for each in found] == [NoAnswer] * 3


async def test_nobody_waits_longer_than_allowed():
    """A check gives up at its time or at the call's deadline; others that share it are not disturbed by a cancellation."""
    fake = Fake()
    fake.go.clear()
    asking = checks(fake, seconds=0.05)
    with pytest.raises(NoAnswer):
        await asking.allowed(QUESTIONS[0], fresh=True)
    with pytest.raises(NoAnswer):
        await asking.allowed(QUESTIONS[2], fresh=True, deadline=0.0)
    patient = checks(fake)
    one, other = (asyncio.create_task(patient.allowed(QUESTIONS[4], fresh=True)) for _ in range(2))
    await turns()
    one.cancel()
    fake.go.set()
    assert await other
    await asking.close()


async def test_closing_lets_nobody_wait():
    """Whoever waits when the server stops gets no answer, at once."""
    fake = Fake()
    fake.go.clear()
    asking = checks(fake)
    tasks = [asyncio.create_task(asking.allowed(question, fresh=True)) for question in QUESTIONS]
    await fake.begun.wait()
    await asking.close()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(each) for each in found} == {NoAnswer}
