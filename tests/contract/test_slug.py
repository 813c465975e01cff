"""The row "slug" of the contract."""

import json
from pathlib import Path

import pytest

VECTORS = json.loads((Path(__file__).parent / "slug_vectors.json").read_text())
GIVING = {name: slug for name, slug in VECTORS.items() if slug}
EMPTY = [name for name, slug in VECTORS.items() if not slug]


def test_the_vectors_are_all_there():
    """There are 34 vectors, some of which give no slug."""
    assert (len(VECTORS), len(GIVING) + len(EMPTY)) == (34, 34)
    assert "" in EMPTY


@pytest.mark.parametrize("name", GIVING)
async def test_slug_of_a_name(served, a_session, name):
    """A session without slug gets the one that the vectors tell for its name; the name is kept as it was given."""
    wire = await served()
    metadata = (await wire.create(a_session(name))).metadata
    assert (metadata.slug, metadata.name) == (GIVING[name], name)


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("method", ["create", "apply", "update"])
async def test_name_without_a_slug(served, a_session, method, name):
    """A name that gives an empty slug, or none, is INVALID_ARGUMENT at ``metadata.name``."""
    wire = await served()
    refusal = await wire.refused(wire.call(method, a_session(name)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["metadata.name"])


@pytest.mark.parametrize("slug", ["a", "7", "my-slug", "a-b-c-1", "0-0", "x" * 512])
async def test_own_slug_is_kept(wire, a_session, slug):
    """A client's own valid slug of at most 512 characters wins over the name."""
    assert (await wire.create(a_session("Some Name", slug=slug))).metadata.slug == slug
    assert (await wire.get_by_reference(slug, org="acme")).metadata.name == "Some Name"


@pytest.mark.parametrize(
    "slug", ["A", "My-Slug", "a--b", "-a", "a-", "-", "a b", "a_b", "a.b", "é", "a\n", "\0", "\uff58", "x" * 513, "x" * 20_000]
)
@pytest.mark.parametrize("method", ["create", "apply", "update"])
async def test_invalid_own_slug_is_refused(served, a_session, method, slug):
    """An own slug that is not already a slug is INVALID_ARGUMENT at ``metadata.slug``; it is not repaired."""
    wire = await served()
    refusal = await wire.refused(wire.call(method, a_session("Fine", slug=slug)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["metadata.slug"])
    assert await wire.count() == 0


async def test_slug_without_name(wire, a_session):
    """A slug is enough: the name stays empty."""
    metadata = (await wire.create(a_session("", slug="only-slug"))).metadata
    assert (metadata.slug, metadata.name) == ("only-slug", "")


async def test_name_that_gives_a_long_slug(wire, a_session):
    """The slug of a long name is whole, and leads back to the session."""
    slug = (await wire.create(a_session("Long Name " * 200))).metadata.slug
    assert slug == "-".join(["long-name"] * 200)
    assert (await wire.get_by_reference(slug, org="acme")).metadata.slug == slug
