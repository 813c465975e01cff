"""A thousand filters by chance select what a brute force selects, which shares no code with the server."""

import datetime as dt
import operator
import random

import pytest
from protobuf.wkt import FieldMask

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec

TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "ba",
    "b b",
    "*",
    "a*b",
    "\\",
    '"',
    "'",
    "(x)",
    "AND",
    "ü",
    "\N{GRINNING FACE}",
    "a\0b",
    "[a]",
    "?",
]
LABELS = ["team", "tier", "a.b/c", "", "two words"]
TEXT_FIELDS = {
    "name": lambda s: s.metadata.name,
    "slug": lambda s: s.metadata.slug,
    "org": lambda s: s.metadata.org,
    "agent_instance_id": lambda s: s.spec.agent_instance_id,
    "subject": lambda s: s.spec.subject,
    "thread_id": lambda s: s.spec.thread_id,
}
TIME_FIELDS = {
    "created_at": lambda s: s.status.audit.spec_audit.created_at,
    "updated_at": lambda s: s.status.audit.spec_audit.updated_at,
}
COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    ":": operator.eq,
}


def quoted(chance, text):
    """A literal that stands for ``text`` and nothing else."""
    if text and text.isalnum() and text.isascii() and text not in {"AND", "OR", "NOT"} and chance.random() < 0.5:
        return text
    quote = chance.choice("\"'")
    return quote + "".join(f"\\{each}" if each in f"{quote}\\*" else each for each in text) + quote


def stars(chance):
    """A pattern, and how it is tested: by the least that must stand where."""
    parts = [chance.choice(["", "", "a", "b", "*", "\N{GRINNING FACE}", "\0"]) for _ in range(chance.randint(2, 3))]
    literal = "*".join(quoted_part(part) for part in parts)
    return f'"{literal}"', lambda text: matches(text, parts)


def quoted_part(part):
    return "".join(f"\\{each}" if each in '"\\*' else each for each in part)


def matches(text, parts):
    """Whether ``text`` begins with the first part, ends with the last, and has the others between in their order."""
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    rest = text[len(first) : len(text) - len(last)]
    for part in middle:
        _, found, rest = rest.partition(part) if part else ("", "yes", rest)
        if not found:
            return False
    return True


def on_text(chance):
    field = chance.choice(list(TEXT_FIELDS))
    value = TEXT_FIELDS[field]
    if chance.random() < 0.3:
        literal, fits = stars(chance)
        if chance.random() < 0.3:
            return f"{field} != {literal}", lambda s: not fits(value(s))
        return f"{field}={literal}", lambda s: fits(value(s))
    sign, text = chance.choice(list(COMPARISONS)), chance.choice(TEXTS)
    return f"{field} {sign} {quoted(chance, text)}", lambda s: COMPARISONS[sign](value(s), text)


def on_time(chance, moments):
    field, sign = chance.choice(list(TIME_FIELDS)), chance.choice(list(COMPARISONS))
    value, (seconds, nanos) = TIME_FIELDS[field], chance.choice(moments)
    nanos += chance.choice([0, 0, 1, 500])
    hours = chance.choice([0, 2, -5])
    told = dt.datetime.fromtimestamp(seconds, dt.timezone(dt.timedelta(hours=hours)))
    zone = "Z" if hours == 0 else f"{hours:+03}:00"
    literal = f'"{told:%Y-%m-%dT%H:%M:%S}.{nanos:09}{zone}"'

    def true_of(session):
        at = value(session)
        return COMPARISONS[sign]((at.seconds, at.nanos), (seconds, nanos))

    return f"{field} {sign} {literal}", true_of


def on_label(chance):
    name, sign, text = chance.choice(LABELS), chance.choice(list(COMPARISONS)), chance.choice(TEXTS)
    path = f"labels.{name}" if name in {"team", "a.b/c"} else f'labels."{name}"'
    if chance.random() < 0.2:
        return f"labels:{quoted(chance, name)}", lambda s: name in s.metadata.labels
    if chance.random() < 0.3:
        literal, fits = stars(chance)
        return f"{path}:{literal}", lambda s: name in s.metadata.labels and fits(s.metadata.labels[name])
    literal = quoted(chance, text)
    return f"{path} {sign} {literal}", lambda s: name in s.metadata.labels and COMPARISONS[sign](s.metadata.labels[name], text)


def on_tag(chance):
    if chance.random() < 0.4:
        literal, fits = stars(chance)
        return f"tags:{literal}", lambda s: any(map(fits, s.metadata.tags))
    text = chance.choice(TEXTS)
    return f"tags : {quoted(chance, text)}", lambda s: text in s.metadata.tags


def on_scope(chance):
    name, number = chance.choice([("organization", 2), ("identity_account", 3)])
    sign = chance.choice(["=", "!=", ":"])
    return f"owner_scope{sign}{name}", lambda s: COMPARISONS[sign](s.metadata.owner_scope, number)


def a_filter(chance, moments, depth=0):
    """A filter and the same as a function; OR binds more tightly than AND, what is negated or joined stands in parentheses."""
    if depth < 3 and chance.random() < 0.6:
        form = chance.choice(["AND", "OR", "NOT", "-", " "])
        one, true_of_one = a_filter(chance, moments, depth + 1)
        if form in {"NOT", "-"}:
            return f"{form} ({one})" if form == "NOT" else f"-({one})", lambda s: not true_of_one(s)
        other, true_of_other = a_filter(chance, moments, depth + 1)
        if form == "OR":
            return f"({one}) OR ({other})", lambda s: true_of_one(s) or true_of_other(s)
        return f"({one}) {form} ({other})", lambda s: true_of_one(s) and true_of_other(s)
    which = chance.choice(["text", "text", "time", "label", "label", "tag", "scope"])
    if which == "time":
        return on_time(chance, moments)
    return {"text": on_text, "label": on_label, "tag": on_tag, "scope": on_scope}[which](chance)


@pytest.fixture
async def five_hundred(wire, a_session):
    """Sessions by chance, as they were answered."""
    chance, made = random.Random(6), []
    for number in range(500):
        account = chance.random() < 0.3
        spec = SessionSpec(
            agent_instance_id=chance.choice(TEXTS) or "x", subject=chance.choice(TEXTS), thread_id=chance.choice(TEXTS)
        )
        session = a_session(
            chance.choice(TEXTS) or "x",
            slug=f"s-{number}",
            spec=spec,
            org="" if account else chance.choice(["acme", "ab"]),
            owner_scope=3 if account else 2,
            labels={name: chance.choice(TEXTS) for name in chance.sample(LABELS, chance.randint(0, 3))},
            tags=chance.sample(TEXTS, chance.randint(0, 3)),
        )
        made.append(await wire.create(session))
        if chance.random() < 0.2:
            session.metadata.id = made[-1].metadata.id
            session.spec.subject = chance.choice(TEXTS)
            made[-1] = await wire.update(session)
    return made


async def test_a_thousand_filters(wire, five_hundred):
    """Entries, their order and the total are those of the brute force, for a thousand filters and five hundred sessions."""
    chance = random.Random(160)
    moments = [
        (at.seconds, at.nanos - at.nanos % 1000)
        for at in (session.status.audit.spec_audit.created_at for session in chance.sample(five_hundred, 20))
    ]
    sizes = []
    for _ in range(1000):
        text, true_of = a_filter(chance, moments)
        expected = [session.metadata.id for session in five_hundred if true_of(session)]
        page = await wire.list(filter=text, page_size=1000, read_mask=FieldMask(paths=["metadata.id"]))
        assert [entry.metadata.id for entry in page.entries] == expected, text
        assert page.total_count == len(expected)
        sizes.append(len(expected))
    assert len(set(sizes)) > 150  # else the filters would say little
