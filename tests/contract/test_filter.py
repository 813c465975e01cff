"""Lists take a filter: AIP-160's comparisons on fields, labels and tags."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec

MIXED = {"team": "search", "a.b/c": "1", "tier": "gold"}


@pytest.fixture
async def four(wire, a_session):
    """Four sessions that differ, by name: One, Two, Three, Four."""

    def spec(subject="", thread=""):
        return SessionSpec(agent_instance_id=f"ain-{subject[:3] or 'x'}", subject=subject, thread_id=thread)

    made = [
        await wire.create(a_session("One", spec=spec("fix it"), labels=MIXED, tags=["urgent", "nightly"])),
        await wire.create(a_session("Two", spec=spec("build it", "thr-1"), labels={"team": "docs"}, tags=["calm"])),
        await wire.create(a_session("Three", spec=spec(), org="other", tags=["*"])),
        await wire.create(a_session("Four", spec=spec('say "hi"'), org="", owner_scope=3)),
    ]
    return {session.metadata.name: session for session in made}


@pytest.fixture
def select(wire, four):
    """The initials of what a filter selects."""

    async def names(filter_, **fields):
        names = await wire.names(filter=filter_, page_size=2, **fields)
        return "".join({"One": "1", "Two": "2", "Three": "3", "Four": "4"}[name] for name in names)

    return names


@pytest.mark.parametrize(
    ("filter_", "selected"),
    [
        ("", "1234"),
        ("  ", "1234"),
        ("name = One", "1"),
        ("name=One", "1"),
        ('name = "One"', "1"),
        ("name = 'One'", "1"),
        ("name:One", "1"),
        ("name = one", ""),
        ("name != One", "234"),
        ("-name = One", "234"),
        ("NOT name = One", "234"),
        ("NOT (name = One OR name = Two)", "34"),
        ("name > One", "23"),
        ("name >= One", "123"),
        ("name < One", "4"),
        ("name <= One", "14"),
        ("name = T*", "23"),
        ("name != T*", "14"),
        ("name = *e", "13"),
        ("name = *hr*", "3"),
        ("name = T*e", "3"),
        (r"tags:\*", "3"),
        ("tags:*", "123"),
        ("NOT tags:*", "4"),
        ("tags:urgent", "1"),
        ("tags:urgent AND tags:nightly", "1"),
        ("tags:ur*", "1"),
        ("tags:urgent tags:calm", ""),
        ("tags:urgent OR tags:calm", "12"),
        ("slug = three", "3"),
        ("org = acme", "12"),
        ('org = other OR org = ""', "34"),
        ("owner_scope = organization", "123"),
        ("owner_scope = identity_account", "4"),
        ("owner_scope != identity_account", "123"),
        ("agent_instance_id = ain-fix", "1"),
        ("subject:*", "124"),
        ("NOT subject:*", "3"),
        ("subject = ''", "3"),
        ('subject = "fix it"', "1"),
        (r"""subject = "say \"hi\"" """, "4"),
        ("""subject = 'say "hi"'""", "4"),
        ("thread_id = thr-1", "2"),
        ("labels.team = search", "1"),
        ("labels.team != search", "2"),
        ("NOT labels.team = search", "234"),
        ("labels.team:*", "12"),
        ("labels.team = *o*", "2"),
        ("labels.team != *o*", "1"),
        ("labels.team > docs", "1"),
        ("labels:team", "12"),
        ('labels."a.b/c" = 1', "1"),
        ('labels:"a.b/c"', "1"),
        ("labels.a.b/c = 1", "1"),
        ("labels.nothing = x", ""),
        ("labels.nothing != x", ""),
        ("created_at > 2020-01-01T00:00:00Z", "1234"),
        ('created_at > "2020-01-01T00:00:00Z"', "1234"),
        ('created_at < "2020-01-01T00:00:00+02:00"', ""),
        ('updated_at:* AND created_at != "2020-01-01T00:00:00.123456789Z"', "1234"),
        # OR binds more tightly than AND, and side by side is AND.
        ("name = One AND org = acme OR org = other", "1"),
        ("name = One OR name = Three org = acme", "1"),
        ("(name = One AND org = acme) OR org = other", "13"),
    ],
)
async def test_a_filter_selects(select, filter_, selected):
    """What a filter says is what is listed."""
    assert await select(filter_) == selected


async def test_times_are_exact(wire, four):
    """A time compares with what clients are told, to the last digit."""
    at = four["Two"].status.audit.spec_audit.created_at
    told = f"{at.to_datetime():%Y-%m-%dT%H:%M:%S}.{at.nanos:09}Z" if hasattr(at, "to_datetime") else at.to_json().strip('"')
    assert await wire.names(filter=f'created_at = "{told}"') == ["Two"]
    assert await wire.names(filter=f'created_at < "{told}"') == ["One"]
    assert await wire.names(filter=f'created_at >= "{told}"') == ["Two", "Three", "Four"]


async def test_filters_hold_beside_tags_and_agents(wire, four):
    """All that a request selects by must be true."""
    assert await wire.names(filter="org = acme", tags=["calm"]) == ["Two"]
    assert [e.metadata.name for e in (await wire.list_by_agent("ain-fix", filter="name = One")).entries] == ["One"]
    assert [e.metadata.name for e in (await wire.list_by_agent("ain-fix", filter="name = Two")).entries] == []


async def test_totals_and_tokens_are_of_the_selection(wire, four):
    """Totals count what is selected; a token is of no use with another filter."""
    first = await wire.list(filter="org = acme", page_size=1)
    assert (first.total_count, first.total_pages, len(first.entries)) == (2, 2, 1)
    rest = await wire.list(filter="org = acme", page_token=first.next_page_token)
    assert [entry.metadata.name for entry in rest.entries] == ["Two"]
    refusal = await wire.refused(wire.list(filter="org = other", page_token=first.next_page_token))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["page_token"])


@pytest.mark.parametrize(
    ("filter_", "told"),
    [
        ("nmae = x", "column 1: there is no field nmae; did you mean name?"),
        ("a = 1 AND spec = 2", "column 1: there is no field a"),
        ("name", "column 5: expected one of = != < <= > >= : behind name"),
        ("name =", "column 7: expected a value"),
        ("name = = x", "column 8: expected a value"),
        ("= x", "column 1: expected the name of a field where = stands"),
        ("name = x AND", "column 13: expected the name of a field where the filter ends"),
        ("AND name = x", "column 1: expected the name of a field where AND stands"),
        ("name = x )", "column 10: ) cannot stand here"),
        ("(name = x", "column 10: a closing parenthesis is missing for the one in column 1"),
        ('name = "x', "column 8: this quote is not closed"),
        ("name = x, org = y", "column 9: , cannot stand here"),
        ("name.first = x", "column 6: name has no fields"),
        ("tags = x", 'column 6: tags are asked for with a colon, such as tags:"urgent"'),
        ("tags.a:x", "column 6: tags have no fields"),
        (
            "labels = x",
            "column 8: labels are compared one by one, such as labels.team = x; labels:team asks whether there is one",
        ),
        ("owner_scope > organization", "column 13: owner_scope has no order"),
        (
            "owner_scope = organisation",
            "column 15: owner_scope is one of organization, identity_account; did you mean organization?",
        ),
        ("created_at > yesterday", 'column 14: yesterday is no time; write it as "2026-01-31T12:00:00Z"'),
        ('created_at > "2020-02-30T00:00:00Z"', "column 14: there is no time 2020-02-30T00:00:00Z"),
        ("NOT NOT name = x", "column 5: expected the name of a field where NOT stands"),
        ("(" * 31 + "name = x" + ")" * 31, "column 31: more than 30 parentheses are open"),
        (" OR ".join(["name = x"] * 201), "column 2401: a filter has at most 200 comparisons"),
        ("name = " + "x" * 5000, "a filter has at most 4096 characters"),
        ("x" * 300 + " = 1", f"column 1: there is no field {'x' * 64}…"),
    ],
)
@pytest.mark.parametrize("list_", ["list", "list_by_agent"])
async def test_a_mistake_is_told_with_its_place(wire, list_, filter_, told):
    """A filter that makes no sense is INVALID_ARGUMENT; the violation names field, column and reason."""
    call = wire.list(filter=filter_) if list_ == "list" else wire.list_by_agent("ain-1", filter=filter_)
    refusal = await wire.refused(call)
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("filter", told),))


async def test_the_largest_filter_is_answered(wire, four):
    """Two hundred comparisons, and thirty parentheses inside each other, are carried out."""
    assert await wire.names(filter=" OR ".join(["name = Two"] * 200)) == ["Two"]
    assert await wire.names(filter=" ".join(["labels.team=*oc*"] * 199)) == ["Two"]
    assert await wire.names(filter="(" * 30 + "name = Two" + ")" * 30) == ["Two"]
    assert await wire.names(filter="-(" * 30 + "name = Two" + ")" * 30) == ["Two"]


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE session; --", 'a"b', "\0", "%", "_", "[a]", "a\0b", "\N{GRINNING FACE}", "?", "{}"]
)
async def test_odd_texts_are_texts(wire, a_session, value):
    """No text means anything but itself: not to SQL, and not to a pattern."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    await wire.create(
        a_session("Odd", spec=SessionSpec(agent_instance_id="a", subject=value), labels={value: value}, tags=[value])
    )
    await wire.create(a_session("Other", spec=SessionSpec(agent_instance_id="a", subject="x")))
    for filter_ in (
        f'subject = "{quoted}"',
        f'subject = "{quoted}*"',
        f'subject = "*{quoted}*"',
        f'tags:"{quoted}"',
        f'tags:"*{quoted}"',
        f'labels."{quoted}" = "{quoted}"',
        f'labels:"{quoted}"',
        f'labels."{quoted}" = "*{quoted}*"',
    ):
        assert await wire.names(filter=filter_) == ["Odd"], filter_
