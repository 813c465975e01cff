"""Lists take an order: by time or name, each way."""

import pytest


@pytest.fixture
async def made(wire, a_session):
    """Sessions b, a, c, A, a (in another organization), of which b was updated last."""
    for name, org in (("b", "acme"), ("a", "acme"), ("c", "acme"), ("A", "other"), ("a", "third")):
        await wire.create(a_session(name, org=org, id=f"{name}-{org}"))
    await wire.update(a_session("b", id="b-acme"))


@pytest.mark.parametrize(
    ("order_by", "names"),
    [
        ("", "bacAa"),
        (" ", "bacAa"),
        ("created_at", "bacAa"),
        ("created_at asc", "bacAa"),
        ("created_at desc", "aAcab"),
        ("updated_at", "acAab"),
        ("updated_at  desc ", "baAca"),
        ("name", "Aaabc"),
        ("name desc", "cbaaA"),
    ],
)
@pytest.mark.parametrize("page_size", [1, 2, 100])
async def test_a_list_is_ordered(wire, made, order_by, names, page_size):
    """In pages of every size, and with a filter and without."""
    assert "".join(await wire.names(order_by=order_by, page_size=page_size)) == names
    without_c = "".join(await wire.names(order_by=order_by, page_size=page_size, filter="name != c"))
    assert without_c == names.replace("c", "")


async def test_what_is_equal_is_in_order_of_creation(wire, made):
    """Or in the opposite one."""
    for order_by, orgs in (("name", ["acme", "third"]), ("name desc", ["third", "acme"])):
        page = await wire.list(order_by=order_by, filter="name = a")
        assert [entry.metadata.org for entry in page.entries] == orgs


@pytest.mark.parametrize(
    ("order_by", "told"),
    [
        ("subject", "subject is none of created_at, updated_at, name"),
        ("create_at", "create_at is none of created_at, updated_at, name; did you mean created_at?"),
        ("name, created_at", "a list is ordered by one field"),
        ("name down", "down behind name is neither asc nor desc"),
        ("name desc desc", "desc desc behind name is neither asc nor desc"),
        ("name DESC", "DESC behind name is neither asc nor desc"),
        ("-name", "-name is none of created_at, updated_at, name; did you mean name?"),
    ],
)
async def test_a_mistake_is_told(wire, order_by, told):
    """An order that makes no sense is INVALID_ARGUMENT."""
    refusal = await wire.refused(wire.list(order_by=order_by))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("order_by", told),))


async def test_a_walk_meets_whoever_stays(wire, made, a_session):
    """While others are created, updated and deleted, whoever keeps his place is met once."""
    first = await wire.list(order_by="name", page_size=2)
    await wire.delete("a-acme")
    await wire.create(a_session("0", org="acme"))
    await wire.create(a_session("bb", org="acme"))
    rest = await wire.list(order_by="name", page_token=first.next_page_token)
    assert [entry.metadata.name for page in (first, rest) for entry in page.entries] == ["A", "a", "a", "b", "bb", "c"]


async def test_a_token_is_of_one_order(wire, made):
    """With another order it does not open."""
    token = (await wire.list(order_by="name", page_size=2)).next_page_token
    for order_by in ("", "name desc", "created_at"):
        refusal = await wire.refused(wire.list(order_by=order_by, page_token=token))
        assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["page_token"])
