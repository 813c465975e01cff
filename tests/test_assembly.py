"""Assembly: what plugins contribute becomes one pipeline, or one clear error."""

import dataclasses

import pytest
import random_plugins

from stigmer import ConfigurationError, Placement, after, before, last, remove, replace
from stigmer.assembly import Contribution, assemble
from stigmer.context import RESPONSE, Slot
from stigmer.pipeline import Pipeline
from stigmer.session.create import CREATE
from stigmer.session.delete import DELETE
from stigmer.session.update import UPDATE
from stigmer.steps import STATE

WANTED: Slot[str] = Slot("wanted")


class Noop:
    """A step that does nothing."""

    def __init__(self, name, requires=(), provides=()):
        self.name = name
        self.requires = frozenset(requires)
        self.provides = frozenset(provides)

    async def __call__(self, ctx):
        """Nothing."""


def put_together(*contributions: tuple[str, Placement], operation=CREATE, wrappers=()) -> Pipeline:
    return assemble(operation, "session", [Contribution(*c) for c in contributions], wrappers)


def names(pipeline: Pipeline) -> list[str]:
    return [step.name for step in pipeline.steps]


def refusal(*contributions: tuple[str, Placement], operation=CREATE) -> str:
    with pytest.raises(ConfigurationError) as caught:
        put_together(*contributions, operation=operation)
    return str(caught.value)


def test_an_operation_alone_is_its_own_steps():
    """Without plugins a pipeline is the operation's own steps, in order, each from the plugin that registered it."""
    pipeline = put_together()
    assert names(pipeline) == ["ValidateProto", "ResolveSlug", "CheckDuplicate", "BuildNewState", "Persist"]
    assert {step.origin for step in pipeline.steps} == {"session"}


def test_before_and_after_stand_next_to_their_anchor():
    """A step stands right before or right after the step that it names, and knows why."""
    pipeline = put_together(("a", before("Persist", Noop("X"))), ("a", after("ValidateProto", Noop("Y"))))
    assert names(pipeline) == ["ValidateProto", "Y", "ResolveSlug", "CheckDuplicate", "BuildNewState", "X", "Persist"]
    assert {s.name: s.why for s in pipeline.steps if s.origin == "a"} == {"X": "before Persist", "Y": "after ValidateProto"}


def test_the_first_anchor_that_is_there_counts():
    """Of several anchors the first one that the pipeline has is taken, also when another plugin brings it."""
    publish = after("CreateIamPolicies", "Persist", Noop("Publish"))
    assert names(put_together(("bus", publish)))[-2:] == ["Persist", "Publish"]
    with_fga = put_together(("bus", publish), ("fga", before("Persist", Noop("CreateIamPolicies"))))
    assert names(with_fga)[-3:] == ["CreateIamPolicies", "Publish", "Persist"]


def test_several_at_one_anchor_stand_in_order_of_plugin_names():
    """Steps at the same place are ordered by their plugins' names, within a plugin as it gives them."""
    pipeline = put_together(
        ("z", after("Persist", Noop("Z"))), ("a", after("Persist", Noop("A2"))), ("a", after("Persist", Noop("A1")))
    )
    assert names(pipeline)[-4:] == ["Persist", "A2", "A1", "Z"]


def test_last_steps_stand_after_everything_else():
    """A last step stands behind all others, several in the order of their plugins' names, and others can hang on it."""
    pipeline = put_together(
        ("z", last(Noop("ZLast"))),
        ("a", last(Noop("ALast"))),
        ("x", after("Persist", Noop("X"))),
        ("b", before("ZLast", Noop("B"))),
    )
    assert names(pipeline)[-5:] == ["Persist", "X", "ALast", "B", "ZLast"]
    assert pipeline.steps[-1].why == "last"


def test_replace_keeps_the_name_and_takes_over_the_place():
    """A replaced step's place keeps its name, so that other plugins' anchors still hold."""
    provided = next(step for step in CREATE.steps if step.name == "Persist").provides
    pipeline = put_together(("mongo", replace("Persist", Noop("MongoPersist", provides=provided))))
    assert names(pipeline)[-1] == "Persist"
    assert (pipeline.steps[-1].origin, pipeline.steps[-1].why) == ("mongo", "replaces session's Persist")


def test_remove_takes_a_step_out_but_not_what_hangs_on_others():
    """A removed step is gone; what other steps need must still be there."""
    assert "CheckDuplicate" not in names(put_together(("fast", remove("CheckDuplicate"))))
    assert "needs slug" in refusal(("fast", remove("ResolveSlug")))


def whys(pipeline: Pipeline) -> dict[str, str]:
    return {step.name: step.why for step in pipeline.steps if step.why.startswith("left")}


def test_what_the_commit_refuses_as_well_is_left_to_it():
    """A step that only foresees does nothing where just its own plugin's steps stand between it and the commit."""
    left = {"CheckDuplicate": "left to Persist"}
    assert whys(put_together()) == left
    assert whys(put_together(("a", after("Persist", Noop("X"))), ("b", before("CheckDuplicate", Noop("Y"))))) == left
    assert whys(put_together(("a", before("Persist", Noop("X"))))) == {}
    assert whys(put_together(("a", after("CheckDuplicate", Noop("X"))))) == {}
    provided = next(step for step in CREATE.steps if step.name == "Persist").provides
    assert whys(put_together(("a", replace("Persist", Noop("P", provides=provided))))) == {}
    assert whys(put_together(("a", replace("CheckDuplicate", Noop("C"))))) == {}
    assert whys(put_together(("a", remove("BuildNewState")), ("b", before("Persist", Noop("B", provides=[STATE]))))) == {}


def test_a_step_that_foresees_without_a_commit_runs():
    """Where nothing commits, or has committed already, no step is left to it."""
    looking = Noop("Looking", provides=[RESPONSE])
    looking.foresees = True
    operation = dataclasses.replace(CREATE, steps=(looking,))
    assert whys(put_together(operation=operation)) == {}
    assert (
        whys(put_together(operation=dataclasses.replace(CREATE, steps=(*CREATE.steps[:2], *CREATE.steps[3:], looking)))) == {}
    )


def test_wrappers_go_around_every_step_the_first_one_outermost():
    """Each step is wrapped once by every wrapper, the first of them outermost."""
    seen = []

    def wrapper(tag):
        def wrap(operation, step):
            seen.append((tag, operation.name, step.name))
            return step.run

        return wrap

    put_together(wrappers=[wrapper("outer"), wrapper("inner")])
    assert [entry for entry in seen if entry[2] == "Persist"] == [
        ("inner", "session.create", "Persist"),
        ("outer", "session.create", "Persist"),
    ]


def test_an_unknown_anchor_is_refused_with_a_suggestion():
    """A misspelt anchor names operation, plugin, step, what there is, and what was probably meant."""
    text = refusal(("typo", after("Persit", Noop("X"))))
    assert "session.create" in text
    assert "'typo'" in text
    assert "X" in text
    assert "did you mean 'Persist'?" in text


def test_two_replacements_of_one_step_are_refused():
    """Two plugins that replace the same step are both named."""
    text = refusal(("a", replace("Persist", Noop("P"))), ("b", remove("Persist")))
    assert "session.create" in text
    assert "'Persist'" in text
    assert "'a'" in text
    assert "'b'" in text


def test_two_steps_of_one_name_are_refused():
    """Two steps with the same name are refused, naming both plugins."""
    text = refusal(("a", after("Persist", Noop("X"))), ("b", before("Persist", Noop("X"))))
    assert "two steps are called 'X'" in text
    assert "'a'" in text
    assert "'b'" in text


def test_a_step_named_like_an_own_one_is_refused():
    """A plugin's step cannot take the name of one of the operation's own."""
    assert "two steps are called 'ResolveSlug'" in refusal(("a", after("Persist", Noop("ResolveSlug"))))


def test_steps_that_only_hang_on_each_other_are_refused():
    """A circle of anchors is refused and shown."""
    text = refusal(("a", after("B", Noop("A"))), ("b", after("A", Noop("B"))))
    assert "A (a: after B)" in text
    assert "B (b: after A)" in text


def test_a_need_that_no_earlier_step_meets_is_refused():
    """A step that reads a slot which only a later step fills is refused, naming step, plugin and slot."""
    early = before("ValidateProto", Noop("Early", requires={WANTED}))
    late = after("Persist", Noop("Late", provides={WANTED}))
    assert "'Early' (a) needs wanted" in refusal(("a", early), ("b", late))


def test_a_pipeline_without_an_answer_is_refused():
    """Some step must provide the response."""
    assert "no step provides the response" in refusal(("a", remove("Persist")))


def test_a_pipeline_that_lost_its_restart_is_refused():
    """The step at which a lost race begins again cannot be removed."""
    provided = next(step for step in UPDATE.steps if step.name == "LoadExisting").provides
    text = refusal(
        ("a", remove("LoadExisting")), ("b", before("ResolveSlug", Noop("Own", provides=provided))), operation=UPDATE
    )
    assert "restarts at 'LoadExisting'" in text


def test_an_anchor_without_a_step_is_refused_where_it_is_written():
    """``after`` without anchor or step is refused when it is called."""
    for wrong in (lambda: after(Noop("X")), lambda: before("Persist"), lambda: after("A", "B")):
        with pytest.raises(ConfigurationError, match="takes the names of one or more steps"):
            wrong()


def test_nothing_can_be_put_after_a_last_step():
    """A last step is last: it is no anchor for ``after``."""
    assert "places X after 'Mask'" in refusal(("a", last(Noop("Mask"))), ("b", after("Mask", Noop("X"))))


class Synchronous:
    """A step that cannot be awaited."""

    name = "Synchronous"

    def __call__(self, ctx):
        """Nothing."""


class HalfUndoable(Noop):
    """A step whose undo cannot be awaited."""

    def undo(self, ctx):
        """Nothing."""


@pytest.mark.parametrize("step", [Synchronous(), HalfUndoable("Half"), Noop], ids=["call", "undo", "class"])
def test_what_is_no_step_is_refused(step):
    """A step is an object whose call, and undo if any, are coroutine functions."""
    step_name = getattr(step, "name", "X")
    if isinstance(step, type):
        step.name = step_name
    assert f"step {step_name!r} of 'a' must be an object" in refusal(("a", after("Persist", step)))


def test_a_lost_race_is_authorized_again():
    """A pipeline whose Authorize stands before its Load step restarts at Authorize."""
    early = after("ValidateProto", Noop("Authorize"))
    assert put_together(("fga", early), operation=DELETE).restart == 1
    assert put_together(("fga", after("LoadExisting", Noop("Authorize"))), operation=UPDATE).restart == 2


def test_what_stands_in_place_of_the_commit_commits():
    """A step that replaces the one that writes counts as the one that writes, whatever it says of itself."""
    assert [step.name for step in put_together().steps if step.commits] == ["Persist"]
    replaced = put_together(("a", replace("Persist", Noop("Other", provides=[RESPONSE]))))
    assert [step.name for step in replaced.steps if step.commits] == ["Persist"]


def test_provides_of_a_replacement_counts():
    """What a replaced step provided is no longer there if the replacement does not provide it."""
    text = refusal(("a", replace("ResolveSlug", Noop("X", provides={RESPONSE}))))
    assert "needs slug" in text


def test_registration_order_never_matters():
    """Random plugin sets give one outcome, pipeline or error, whatever the order in which they are registered."""
    assembled, refused = random_plugins.run(sets=300, orders=6)
    assert assembled > 30
    assert refused > 30
