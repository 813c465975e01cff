"""Errors carry a status, a public text and a reason, and nothing private."""

import pytest

from stigmer import errors
from stigmer.errors import AlreadyExists, Internal, InvalidArgument, NotFound, StigmerError, Violation
from stigmer.session.kind import SESSION


def test_one_violation_is_worded_in_one_line():
    """A single violation names field and rule."""
    assert InvalidArgument("spec.agent_instance_id", "value is required").text == (
        "validation error: spec.agent_instance_id: value is required"
    )


def test_several_violations_get_a_line_each():
    """Several violations are listed as protovalidate lists them."""
    error = InvalidArgument("a", "x", Violation("b", "y"))
    assert error.text == "validation errors:\n - a: x\n - b: y"


def test_missing_and_existing_resources_are_named():
    """Text and reason name the kind; the key is echoed."""
    assert (NotFound(SESSION, "ses-1").text, NotFound(SESSION, "ses-1").reason) == (
        "Session not found: ses-1",
        "SESSION_NOT_FOUND",
    )
    assert (AlreadyExists(SESSION, "a").text, AlreadyExists(SESSION, "a").reason) == (
        "Session already exists: a",
        "SESSION_ALREADY_EXISTS",
    )


def test_reasons_of_kinds_of_several_words_are_upper_snake():
    """A kind such as AgentInstance gives AGENT_INSTANCE_NOT_FOUND."""

    class Named:
        name = "AgentInstance"

    assert NotFound(Named(), "x").reason == "AGENT_INSTANCE_NOT_FOUND"


def test_a_long_key_is_echoed_in_part():
    """At most 128 characters of a client's id come back."""
    assert NotFound(SESSION, "x" * 20_000).text == "Session not found: " + "x" * 128


def test_a_bug_tells_the_client_nothing():
    """The cause is kept for the log and left out of the text."""
    error = Internal(ValueError("password=hunter2"))
    assert error.text == str(error) == "internal error"
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize("error", StigmerError.__subclasses__(), ids=lambda error: error.__name__)
def test_every_error_has_a_status_of_its_own_in_the_published_range(error):
    """Each class says which of the gRPC statuses it is."""
    assert 1 <= error.code <= 16
    assert error.__module__ == errors.__name__
