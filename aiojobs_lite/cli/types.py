"""`aiojobs-lite pause`, `resume` and `limit`: job types and limits by key."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aiojobs_lite.cli.choosing import key_of_option
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, act, look
from aiojobs_lite.cli.screen import emit
from aiojobs_lite.cli.views.types import limits_as_json, view_limits
from aiojobs_lite.errors import InvalidOption, UnknownLimit
from aiojobs_lite.limits import EVERY_KEY, LimitState

_Name = Annotated[str | None, typer.Argument(metavar="TYPE", help="A job type.")]
_Limit = Annotated[str | None, typer.Option("--limit", metavar="LIMIT", help="A limit by key, in place of a type.")]
_Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Only this key of the limit; else every key.")]
_By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who pauses; else this user and host.")]


def pause_jobs(
    job_type: _Name = None,
    *,
    limit: _Limit = None,
    key: _Key = None,
    until: Annotated[str | None, typer.Option(metavar="DURATION", help="Of a limit: when it ends by itself.")] = None,
    by: _By = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Starts no more jobs of a type, or of a limit, in every runner, until `resume`. What runs goes on."""
    given = _check_one(job_type, limit)
    if limit is None:
        act(db, lambda opened: opened.types.pause(given, by=by))
    else:
        act(db, lambda opened: opened.limits.pause(limit, key=_key(key), by=by, until=until))
    emit({"paused": given, "key": key}, lambda screen: screen.line(f"paused: {given}"), as_json=as_json)


def resume_jobs(
    job_type: _Name = None,
    *,
    limit: _Limit = None,
    key: _Key = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lets jobs of a paused type, or of a paused limit, start again."""
    given = _check_one(job_type, limit)
    if limit is None:
        act(db, lambda opened: opened.types.resume(given))
    else:
        act(db, lambda opened: opened.limits.resume(limit, key=_key(key)))
    emit({"resumed": given, "key": key}, lambda screen: screen.line(f"resumed: {given}"), as_json=as_json)


def change_or_list_limits(
    limit: Annotated[str | None, typer.Argument(metavar="LIMIT", help="Its name; none: all are listed.")] = None,
    *,
    most: Annotated[int | None, typer.Option(help="How many it allows from now on, in every runner.")] = None,
    per: Annotated[str | None, typer.Option(metavar="DURATION", help="The period of a rate.")] = None,
    key: _Key = None,
    reset: Annotated[bool, typer.Option("--reset", help="Take a change back: what code says counts.")] = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists the limits by key; with a name changes one, or shows where it stands for a key."""
    if limit is not None and most is not None:
        act(db, lambda opened: opened.limits.change(limit, most, per=per, key=_key(key)))
    elif limit is not None and reset:
        act(db, lambda opened: opened.limits.reset(limit, key=_key(key)))
    states = _states(db, limit)
    is_of_key = limit is not None and key is not None
    use = look(db, lambda opened: opened.limits.get(str(limit), key=key_of_option(str(key)))) if is_of_key else None
    emit(limits_as_json(states, use), lambda screen: view_limits(screen, states, use), as_json=as_json)


def _states(db: str | None, limit: str | None) -> list[LimitState]:
    """All limits, or those of one name.

    Raises:
        UnknownLimit: If the database has none of it.
    """
    known = look(db, lambda opened: opened.limits.list())
    found = [one for one in known if limit in (None, one.name)]
    if limit is not None and not found:
        raise UnknownLimit(limit, sorted({one.name for one in known}))
    return found


def _key(key: str | None) -> Any:
    return EVERY_KEY if key is None else key_of_option(key)


def _check_one(job_type: str | None, limit: str | None) -> str:
    """The one that is meant."""
    given = [one for one in (job_type, limit) if one is not None]
    if len(given) != 1:
        raise InvalidOption("TYPE", given, "a job type, or --limit with the name of a limit")
    return given[0]
