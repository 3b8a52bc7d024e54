"""`aiojobs-lite check`: whether all is well, for a monitor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Final

import typer

from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, look
from aiojobs_lite.cli.screen import emit
from aiojobs_lite.cli.status import lock_text, read_standing
from aiojobs_lite.cli.views.status import (
    HealthFound,
    HealthProblem,
    died_in_words,
    health_as_json,
    view_health,
)
from aiojobs_lite.durations import seconds
from aiojobs_lite.runner.figures import DatabaseFigures
from aiojobs_lite.runner.troubles import TroubleInWords, no_runner, troubles_of
from aiojobs_lite.telemetry.wording import by_type, counted, span


class Ignorable(StrEnum):
    """What may be no finding: jobs that are due and wait for a reason of `DatabaseFigures.oldest_waiting`; and attempts
    that run far longer than any did.
    """

    PAUSED = "paused"
    LANE = "lane"
    PAYLOAD = "payload"
    LISTENER = "listener"
    LONG = "long"


_WHY_LATE: Final = {
    Ignorable.PAUSED: "its type is paused: `aiojobs-lite resume {type}`",
    Ignorable.LANE: "it is behind a full or paused limit, or others of its key: `aiojobs-lite explain` of a job of it",
    Ignorable.PAYLOAD: "its payload fits no handler: deploy one that takes it, or cancel it",
    Ignorable.LISTENER: "it waits for a runner of its type to take it up: start that application",
}


def check_health(
    *,
    db: DatabaseOption = None,
    max_age: Annotated[str, typer.Option(metavar="DURATION", help="How long a job may be due.")] = "5m",
    max_dead: Annotated[int, typer.Option(help="How many jobs may have died lately.")] = 0,
    within: Annotated[str, typer.Option(metavar="DURATION", help="How far back deaths count, in whole hours.")] = "1h",
    ignore: Annotated[
        list[Ignorable] | None,
        typer.Option(help="Jobs that may be due, or with `long` run, for any time. May be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Says whether all is well, for a monitor. Exits 0 if so; 3: a job is due for too long, whatever it waits for; 4:
    jobs died; 5: no runner lives that takes what waits; 6: the database is locked, or a runner cannot write it; 7: a
    handler is stuck or an event loop blocked; 8: an attempt runs far longer than any did; 1: it cannot be read. Of
    several the one that is named first: 6, 5, 7, 3, 4, 8.
    """
    longest = seconds(max_age, "max_age")
    locked = lock_text(db)
    now, types, died, long = look(db, lambda opened: read_standing(opened, within))
    dead = sum(one.dead for one in types)
    troubles = troubles_of(now.runners, now.at)
    problems = [
        *([] if locked is None else [HealthProblem(ExitCode.LOCKED, locked)]),
        *(HealthProblem(ExitCode.LOCKED, _text(one)) for one in troubles if one.kind == "degraded"),
        *_of_runners(now, troubles),
        *_late(now, longest, ignore or ()),
    ]
    if dead > max_dead:
        mostly = f", of them {died_in_words(died[:1], now.at)}" if died else ""
        text = f"{counted(dead, 'job')} died lately{mostly}: `aiojobs-lite dead --group`"
        problems.append(HealthProblem(ExitCode.DEAD, text))
    if Ignorable.LONG not in (ignore or ()):
        problems += [HealthProblem(ExitCode.LONG, f"{one.what}: {one.advice}") for one in long]
    health = HealthFound(now.at, now.oldest_due_age, dead, tuple(problems))
    emit(health_as_json(health), lambda screen: view_health(screen, health), as_json=as_json)
    return problems[0].code if problems else ExitCode.FINE


def _of_runners(now: DatabaseFigures, troubles: Iterable[TroubleInWords]) -> Iterator[HealthProblem]:
    """What is wrong with the runners, the worst first."""
    if (missing := no_runner(now)) is not None:
        yield HealthProblem(ExitCode.NO_RUNNER, _text(missing))
    elif now.unclaimed:
        yield HealthProblem(
            ExitCode.NO_RUNNER, f"no living runner has registered the type of jobs: {by_type(now.unclaimed)}"
        )
    for found in troubles:
        if found.kind != "degraded":
            yield HealthProblem(ExitCode.STUCK, _text(found))


def _text(found: TroubleInWords) -> str:
    return f"{found.what}: {found.advice}"


def _late(now: DatabaseFigures, longest: float, ignored: Collection[Ignorable]) -> Iterator[HealthProblem]:
    """The jobs that are due for too long, the oldest of each reason."""
    if now.oldest_due_age > longest:
        late = min(now.oldest_due_by_type, key=lambda name: now.oldest_due_by_type[name])
        text = f"a job has been due for {span(now.oldest_due_age)}, of {late}: `aiojobs-lite status`"
        yield HealthProblem(ExitCode.LATE, text)
    for why, text_of_why in _WHY_LATE.items():
        age, of_types = now.waiting_age(why), now.oldest_waiting.get(why, {})
        if age > longest and why not in ignored:
            late = min(of_types, key=lambda name: of_types[name])
            text = f"a job has been due for {span(age)}, of {late}, and {text_of_why.format(type=late)}"
            yield HealthProblem(ExitCode.LATE, text)
