"""Rewrites the parts of README.md and docs/*.md that are made from the code.

Usage: ``python docs/generate.py``, or ``nox -s docs``. Such a part stands between ``<!-- made from the code: NAME -->``
and ``<!-- end -->``. NAME is a function below, or the path of an example that is shown whole.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from google.rpc import code_pb2

from stigmer import errors, hookspecs
from stigmer.app import assembled
from stigmer.cli.exits import Code
from stigmer.settings import Settings
from stigmer.transport.limits import Limits

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- made from the code: (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """The files that may have such parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rewritten(text: str) -> str:
    """``text`` with its parts made anew."""
    return PART.sub(lambda part: part[1] + _made(part["name"]) + part[3], text)


def pipelines() -> str:
    """The steps of each operation, without plugins."""
    found = assembled(Settings(plugins=())).pipelines
    rows = [(f"`{p.operation.name}`", " → ".join(step.name for step in p.steps)) for p in found.values()]
    return _table(("operation", "steps"), rows)


def failures() -> str:
    """What clients see of each class of error."""
    rows = [
        (f"`{name}`", code_pb2.Code.Name(found.code), f"`{reason}`" if reason else "", _clause(found))
        for name, found in _error_classes().items()
        for reason in [_reason(found)]
    ]
    return _table(("class", "status", "reason", "when"), rows)


def settings() -> str:
    """Each setting with its flag and its default."""
    rows = [
        (f"`STIGMER_{name.upper()}`", f"`--{name.replace('_', '-')}`", _default(name), field.description or "")
        for name, field in Settings.model_fields.items()
        if name != "limits"
    ]
    page = "[docs/transport.md](docs/transport.md#limits)"
    rows.append(
        ("`STIGMER_LIMIT_<NAME>`", "`--limit NAME=VALUE`", "", f"{Settings.model_fields['limits'].description}: {page}")
    )
    return _table(("variable", "flag of `stigmer serve`", "default", "what"), rows)


def limits() -> str:
    """Each limit of the transport with its default."""
    defaults = dataclasses.asdict(Limits())
    rows = [(f"`{name}`", _number(defaults[name]), text) for name, text in Limits.texts().items()]
    return _table(("limit", "default", "of what"), rows)


def exits() -> str:
    """The exit codes of the command line."""
    source = inspect.getsource(Code)
    rows = [
        (str(int(code)), match[1] if (match := re.search(rf'{code.name} = \d+\n\s+"""(.*?)"""', source)) else "Done.")
        for code in Code
    ]
    return _table(("code", "meaning"), rows)


def hooks() -> str:
    """Every hook and what it is for."""
    found = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "stigmer_spec")}
    rows = [(f"`{name}({', '.join(inspect.signature(hook).parameters)})`", _sentence(hook)) for name, hook in found.items()]
    return _table(("hook", "what the plugin gives"), rows)


def _made(name: str) -> str:
    if "/" in name:
        return f"```python\n{(ROOT / name).read_text()}```\n"
    made: str = globals()[name]()
    return made


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *(tuple(row) for row in rows)]
    lines.insert(1, tuple("---" for _ in lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _error_classes() -> Mapping[str, type[errors.StigmerError]]:
    """The classes that have a status of their own."""
    own = {name: found for name, found in vars(errors).items() if inspect.isclass(found)}
    return {n: c for n, c in own.items() if issubclass(c, errors.StigmerError) and errors.StigmerError in c.__bases__}


def _reason(found: type[errors.StigmerError]) -> str:
    """The reason that clients may compare with; SESSION stands for the kind."""
    kind_in_it = {
        errors.NotFound: "SESSION_NOT_FOUND",
        errors.VersionNotFound: "SESSION_VERSION_NOT_FOUND",
        errors.AlreadyExists: "SESSION_ALREADY_EXISTS",
    }
    return "" if found is errors.InvalidArgument else kind_in_it.get(found, found.reason)


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if field.default_factory is not None:
        return "`sqlite:///` and a file in the user's data folder"
    if isinstance(field.default, tuple):
        return f"`{','.join(field.default)}`" if field.default else ""
    return {None: "", False: "off"}.get(field.default, f"`{field.default}`")


def _number(value: float) -> str:
    """A number as it is written, and how people would say it."""
    for size, unit in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if value >= size and value % size == 0:
            return f"`{value}` ({value // size} {unit})"
    return f"`{value:g}`"


def _clause(described: object) -> str:
    """The first clause of a docstring: what follows is for those who raise the error."""
    return re.split(r"[;.] ", _sentence(described))[0].removesuffix(".")


def _sentence(described: object) -> str:
    return (inspect.getdoc(described) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")


if __name__ == "__main__":
    for page in pages():
        page.write_text(rewritten(page.read_text()))
