"""Slugs keep what every address can hold."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer.slug import MAX_LENGTH, gives_slug, is_slug, slugify


@given(st.text())
def test_a_name_gives_a_slug_or_nothing(name):
    """Whatever the name, what comes out is empty or a slug, and a slug of a slug is itself."""
    slug = slugify(name)
    assert slug == "" or re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert slugify(slug) == slug
    assert gives_slug(name) == bool(slug)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Deploy", "deploy"),
        ("My Deploy 2", "my-deploy-2"),
        ("  a  --  b! ", "a-b"),
        ("-x-", "x"),
        ("Vérifier", "vrifier"),
        ("İx", "ix"),
        ("a\n", "a"),
        ("会話", ""),
        ("-", ""),
    ],
)
def test_what_cannot_stand_in_a_slug_is_left_out(name, slug):
    """Letters become small, spaces dashes, dashes stand alone and between, and everything else goes."""
    assert slugify(name) == slug


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("a-b-3", True),
        ("x" * MAX_LENGTH, True),
        ("x" * (MAX_LENGTH + 1), False),
        ("", False),
        ("-a", False),
        ("a-", False),
        ("a--b", False),
        ("A", False),
        ("é", False),
        ("a b", False),
        ("a\n", False),
        ("a/b", False),
    ],
)
def test_a_clients_own_slug_must_be_one(text, good):
    """A slug is made of a-z and 0-9 with single dashes between, at most 512 characters."""
    assert is_slug(text) is good
