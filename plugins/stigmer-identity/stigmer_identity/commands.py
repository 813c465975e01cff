"""``stigmer identity key``: makes, shows and revokes API keys, while servers use the file or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stigmer import ConfigurationError, NotFound
from stigmer_identity.api_key import ApiKey, mint
from stigmer_identity.callers import caller
from stigmer_identity.expiry import moment
from stigmer_identity.key_file import KeyFile

identity = typer.Typer(rich_markup_mode=None, add_completion=False, help="Look after API keys.")
key = typer.Typer(rich_markup_mode=None, add_completion=False, help="Make, show and revoke API keys.")
identity.add_typer(key, name="key")

File = Annotated[
    Path | None, typer.Option("--keys", envvar="STIGMER_IDENTITY_KEYS", metavar="FILE", help="The file of the API keys.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_HIDDEN = {"sha256"}


class _Kind:
    """How errors call what is looked for."""

    name = "ApiKey"


@key.command()
def create(
    caller_id: Annotated[str, typer.Argument(metavar="CALLER", help="Whose key it is: the id of the caller.")],
    *,
    role: Annotated[list[str] | None, typer.Option("--role", help="A role of the caller; may be repeated.")] = None,
    description: Annotated[str, typer.Option("--description", help="What the key is for.")] = "",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="WHEN", help="30d, 12h, 90m, or a date or time such as 2030-01-31.")
    ] = None,
    keys: File = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: this once, since only its hash is kept. Servers take it within half a second."""
    now = datetime.now(UTC).replace(microsecond=0)
    _check(caller_id, role or [], description)
    minted = mint()
    fields = {"roles": tuple(role or ()), "description": description, "expires_at": _moment(expires, now)}
    record = ApiKey.kept(minted, caller_id, now).model_copy(update=fields)
    _file(keys).change(lambda there: [*there, record])
    if as_json:
        _print_json({**_shown(record, now), "key": minted.text})
    else:
        typer.echo(f"key {record.id} of {caller_id}; it is shown this once:", err=True)
        typer.echo(minted.text)


@key.command("list")
def list_(keys: File = None, as_json: AsJson = False) -> None:
    """Show all keys, but not their secrets: nobody has those any more."""
    now = datetime.now(UTC)
    records = _file(keys).read()
    if as_json:
        _print_json([_shown(record, now) for record in records])
    else:
        _print_table([("ID", "STATE", "CALLER", "ROLES", "EXPIRES", "DESCRIPTION"), *(_row(record, now) for record in records)])


@key.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as list shows it.")],
    keys: File = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key: within half a second no server takes it any more. To revoke it again changes nothing."""
    now = datetime.now(UTC).replace(microsecond=0)
    found: list[ApiKey] = []

    def change(there: Sequence[ApiKey]) -> Sequence[ApiKey]:
        found.extend(_revoked(record, now) for record in there if record.id == key_id)
        if not found:
            raise NotFound(_Kind, key_id)
        return [found[0] if record.id == key_id else record for record in there]

    _file(keys).change(change)
    if as_json:
        _print_json(_shown(found[0], now))
    else:
        typer.echo(f"revoked {key_id}")


def _file(path: Path | None) -> KeyFile:
    if path is None:
        raise ConfigurationError("which file? set STIGMER_IDENTITY_KEYS, or give --keys FILE")
    return KeyFile(path)


def _check(caller_id: str, roles: Sequence[str], description: str) -> None:
    try:
        caller(caller_id, roles)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not all(role and role.isprintable() and len(role.split()) == 1 for role in roles):
        raise typer.BadParameter("a role is one printable word")
    if not description.isprintable():
        raise typer.BadParameter("a description is one line of printable characters")


def _moment(text: str | None, now: datetime) -> datetime | None:
    try:
        return moment(text, now) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _revoked(record: ApiKey, now: datetime) -> ApiKey:
    return record.model_copy(update={"revoked_at": record.revoked_at or now})


def _shown(record: ApiKey, now: datetime) -> dict[str, Any]:
    return {**record.model_dump(mode="json", exclude=_HIDDEN), "state": record.state(now)}


def _row(record: ApiKey, now: datetime) -> tuple[str, ...]:
    ends = record.expires_at.isoformat() if record.expires_at is not None else "never"
    return (record.id, record.state(now), record.caller, ",".join(record.roles) or "-", ends, record.description)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints aligned columns; what somebody wrote into the file by hand cannot move the cursor."""
    rows = [["".join(c if c.isprintable() else "\ufffd" for c in cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
