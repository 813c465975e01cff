"""BuildListResponse makes the message that an encoder would make, from bytes that nobody decodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer import RESPONSE, Page, Stored
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsRequest, SessionList
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer.steps import PAGE, BuildListResponse
from stigmer.testing import make_context, run_steps
from stigmer.wire import varint

SESSIONS = st.lists(st.builds(lambda text: Session(spec=SessionSpec(subject=text)), st.text(max_size=300)), max_size=5)


async def respond(page, **request):
    ctx = make_context("session.list", ListSessionsRequest(**request), slots={PAGE: page})
    return (await run_steps(ctx, BuildListResponse()))[RESPONSE].wire


@given(SESSIONS, st.integers(min_value=0, max_value=2**40))
async def test_the_bytes_are_those_of_the_message(sessions, total):
    """Decoding gives the entries in order and the totals."""
    page = Page([Stored(n, 1, session.to_binary()) for n, session in enumerate(sessions, 1)], more=False, total=total)
    decoded = SessionList.from_binary(await respond(page, page_size=1000))
    assert (decoded.entries, decoded.total_count, decoded.next_page_token) == (sessions, total, "")


@pytest.mark.parametrize(
    ("total", "size", "pages"), [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2), (101, 0, 2), (1001, 5000, 2)]
)
async def test_pages_are_counted_by_the_size_that_is_in_force(total, size, pages):
    """total_pages is the total over the page size, rounded up; 0 stands for 100, more than 1,000 for 1,000."""
    page = Page([], more=False, total=total)
    assert SessionList.from_binary(await respond(page, page_size=size)).total_pages == pages


@given(st.integers(min_value=0, max_value=2**63))
def test_varints_are_protobufs(number):
    """Seven bits a byte, the least significant first, all but the last marked."""
    data = varint(number)
    assert sum((byte & 127) << 7 * place for place, byte in enumerate(data)) == number
    assert [byte >> 7 for byte in data] == [1] * (len(data) - 1) + [0]
