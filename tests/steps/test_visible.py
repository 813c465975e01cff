"""The slot VISIBLE: what a step put there is what pages, totals and tokens are made of."""

from functools import partial

import pytest

from stigmer import Caller, InvalidArgument, Owner, Visible
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsByAgentRequest, ListSessionsRequest, SessionList
from stigmer.context import RESPONSE
from stigmer.session.kind import SESSION
from stigmer.session.steps.filter_by_agent_instance import FilterByAgentInstance
from stigmer.steps import VISIBLE, BuildListResponse, ListAll
from stigmer.testing import make_context, run_steps
from stigmer.testing.stored import ACME, OTHERS, make_stored_session

BOTH = pytest.mark.parametrize(
    "kind_of_list",
    [
        ("session.list", ListAll(), partial(ListSessionsRequest, tags=["t"])),
        ("session.list_by_agent", FilterByAgentInstance(), partial(ListSessionsByAgentRequest, agent_id="ain-1")),
    ],
)


@pytest.fixture
async def sessions(services):
    """Nine sessions in the store, of two organizations in turn."""
    for number in range(9):
        owner = OTHERS if number % 2 else ACME
        await services.store.insert(SESSION, make_stored_session(f"ses-{number}", owner=owner, tags=["t"]))
    return services


async def listed(services, kind_of_list, visible, caller="ida-1", **request):
    operation, step, make_request = kind_of_list
    slots = {} if visible is ... else {VISIBLE: visible}
    ctx = make_context(operation, make_request(**request), services=services, slots=slots, caller=Caller(caller))
    return SessionList.from_binary((await run_steps(ctx, step, BuildListResponse()))[RESPONSE].wire)


def ids_of(response):
    return [entry.metadata.id for entry in response.entries]


@BOTH
@pytest.mark.parametrize(
    ("visible", "numbers"),
    [
        (..., range(9)),
        (None, range(9)),
        (Visible(), []),
        (Visible(ids=frozenset(["ses-7", "ses-2", "gone"])), [2, 7]),
        (Visible(owners=frozenset([ACME])), [0, 2, 4, 6, 8]),
        (Visible(frozenset([OTHERS, Owner(2, "none")]), frozenset(["ses-0", "ses-1"])), [0, 1, 3, 5, 7]),
    ],
)
async def test_lists_hold_what_is_visible(sessions, kind_of_list, visible, numbers):
    """Without the slot or with None everything is listed; else that alone, and the totals count nothing more."""
    found, token = [], ""
    while True:
        response = await listed(sessions, kind_of_list, visible, page_size=2, page_token=token)
        found += ids_of(response)
        assert (response.total_count, response.total_pages) == (len(numbers), (len(numbers) + 1) // 2)
        token = response.next_page_token
        if not token:
            break
    assert found == [f"ses-{number}" for number in numbers]


@BOTH
async def test_a_token_shows_nothing_more(sessions, kind_of_list):
    """A token is a position: what has become invisible since is not on the next page, and what has become visible is."""
    before, after = (Visible(ids=frozenset(f"ses-{number}" for number in numbers)) for numbers in [(0, 2, 4, 6), (1, 5, 6)])
    first = await listed(sessions, kind_of_list, before, page_size=2)
    second = await listed(sessions, kind_of_list, after, page_token=first.next_page_token)
    assert (ids_of(first), ids_of(second)) == (["ses-0", "ses-2"], ["ses-5", "ses-6"])
    assert (second.total_count, second.next_page_token) == (3, "")
    with pytest.raises(InvalidArgument):
        await listed(sessions, kind_of_list, None, caller="ida-2", page_token=first.next_page_token)


async def test_entries_are_whole(sessions):
    """A filtered entry is the session as it is stored."""
    visible = Visible(ids=frozenset(["ses-3"]))
    response = await listed(sessions, ("session.list", ListAll(), ListSessionsRequest), visible)
    stored = await sessions.store.get(SESSION, "ses-3")
    assert list(response.entries) == [Session.from_binary(stored.wire)]
