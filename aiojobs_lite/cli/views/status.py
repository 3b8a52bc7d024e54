"""How a database stands, as the command line shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.screen import Screen
from aiojobs_lite.cli.views.plain import as_age, as_instant, as_iso
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.troubles import Trouble
from aiojobs_lite.runner.figures import DatabaseFigures, ErrorFigures
from aiojobs_lite.runner.fullest import FullestLane
from aiojobs_lite.runner.long_running import LongRunning
from aiojobs_lite.runner.troubles import no_runner, troubles_of
from aiojobs_lite.telemetry.wording import by_type, counted, instant, named, span

_EXPLAINED: Final = "`aiojobs-lite explain` with the id of one names its limit and key"
MOST_GROUPS_SHOWN: Final = 3
"""Of dead jobs, in one line."""


class HealthProblem(NamedTuple):
    """What `check` has found.

    Attributes:
        code: The exit code.
        text: What is wrong, and what to look at.
    """

    code: ExitCode
    text: str


class HealthFound(NamedTuple):
    """What `check` says.

    Attributes:
        at: The moment.
        oldest_due_age: For how many seconds the job that has been due longest has been due.
        dead: How many jobs died lately.
        problems: What is wrong, the worst first.
    """

    at: datetime
    oldest_due_age: float
    dead: int
    problems: tuple[HealthProblem, ...]


def health_as_json(health: HealthFound) -> dict[str, Any]:
    """What `check` says, as JSON."""
    return {
        "is_fine": not health.problems, "at": as_iso(health.at), "oldest_due_age": health.oldest_due_age,
        "dead": health.dead,
        "problems": [
            {"code": int(one.code), "name": one.code.name.lower(), "text": one.text} for one in health.problems
        ],
    }  # fmt: skip


def view_health(screen: Screen, health: HealthFound) -> None:
    """Shows what `check` says: a line for each problem."""
    if not health.problems:
        screen.line("ok", style="green")
    for problem in health.problems:
        screen.line(f"{problem.code.name.lower().replace('_', ' ')}: {problem.text}", style="red")


def died_in_words(died: Sequence[ErrorFigures], now: datetime) -> str:
    """Of what jobs died, the largest groups: `174 charge, KeyError, since 20:43:10 UTC`; with the date if that was on
    another day.
    """
    shown = [
        f"{one.dead:,} {one.type}, {one.error_type}, since "
        f"{instant(one.first_at, has_date=one.first_at.date() != now.date())}"
        for one in died[:MOST_GROUPS_SHOWN]
    ]
    more = sum(one.dead for one in died[MOST_GROUPS_SHOWN:])
    return "; ".join(shown) + (f"; and {more:,} more: `aiojobs-lite dead --group`" if more else "")


def standing_as_json(now: DatabaseFigures) -> dict[str, Any]:
    """How a database stands, as JSON."""
    return {
        "at": as_iso(now.at), "counts": {status.value: now.total(status) for status in Status},
        "by_type": {
            name: {status.value: count for status, count in of_type.items()} for name, of_type in now.counts.items()
        },
        "due": {"count": now.due.count, "is_more": now.due.is_more},
        "oldest_due_at": as_iso(now.oldest_due_at), "oldest_due_age": now.oldest_due_age,
        "oldest_waiting": {
            why: {name: as_iso(at) for name, at in of_types.items()} for why, of_types in now.oldest_waiting.items()
        },
        "held": {why: {"count": one.count, "is_more": one.is_more} for why, one in now.held.items()},
        "paused": {
            name: {"since": as_iso(one.since), "until": as_iso(one.until), "by": one.by}
            for name, one in now.paused.items()
        },
        "unclaimed": dict(now.unclaimed), "runners": [_runner_as_json(one) for one in now.runners],
    }  # fmt: skip


def _runner_as_json(runner: RunnerInfo) -> dict[str, Any]:
    return {
        "id": runner.id, "pid": runner.pid, "host": runner.host, "max_running": runner.max_running,
        "running": runner.running, "is_draining": runner.is_draining, "started_at": as_iso(runner.started_at),
        "types": dict(runner.types), "silent": runner.silent,
        "troubles": [_trouble_as_json(one) for one in runner.troubles],
        "troubles_left_out": runner.troubles_left_out,
    }  # fmt: skip


def _trouble_as_json(trouble: Trouble) -> dict[str, Any]:
    return {
        "kind": trouble.kind, "since": as_iso(trouble.since), "type": trouble.type, "job_id": trouble.job_id,
        "attempt": trouble.attempt, "why": trouble.why, "place": trouble.place,
    }  # fmt: skip


def long_as_json(found: LongRunning) -> dict[str, Any]:
    """Attempts that run far longer than any did, as JSON."""
    return {
        "type": found.type, "attempts": found.attempts, "job_id": found.job_id, "age": found.age,
        "known": found.known, "longest": found.longest,
    }  # fmt: skip


def view_standing(
    screen: Screen,
    now: DatabaseFigures,
    more: Iterable[str] = (),
    fullest: FullestLane | None = None,
    *,
    locked: str | None = None,
) -> None:
    """Shows how a database stands: what is wrong first."""
    if locked is not None:
        screen.line(locked, style="red")
    for text in what_is_wrong(now, more, fullest):
        screen.line(text, style="yellow")
    oldest = ""
    if now.oldest_due_at:
        late = min(now.oldest_due_by_type, key=lambda name: now.oldest_due_by_type[name])
        oldest = f", the oldest, of {late}, for {span(now.oldest_due_age)}"
    screen.pairs([
        ("due", f"{now.due}{oldest}"),
        *((status.value, f"{now.total(status):,}") for status in Status),
        *((f"held: {why}", str(count)) for why, count in now.held.items()),
    ])  # fmt: skip
    if now.runners:
        screen.heading("living runners")
        rows = [
            (one.id, one.pid, one.host, as_age(one.started_at, now.at), f"{one.running}/{one.max_running}",
             "draining" if one.is_draining else "", named("type", sorted(one.types)))
            for one in now.runners
        ]  # fmt: skip
        screen.table(["id", "pid", "host", "started", "running", "", "types"], rows)


def what_is_wrong(now: DatabaseFigures, more: Iterable[str] = (), fullest: FullestLane | None = None) -> list[str]:
    """What a person is to know first: what stops all jobs, more such as what died lately, what waits for a person."""
    found = [f"{missing.what}: {missing.advice}"] if (missing := no_runner(now)) else []
    if now.unclaimed:
        found.append(f"no living runner has registered the type of jobs: {by_type(now.unclaimed)}")
    found += [f"{one.what}: {one.advice}" for one in troubles_of(now.runners, now.at)]
    found += more
    for name, pause in now.paused.items():
        until = f" until {as_instant(pause.until)}" if pause.until else ""
        pending = now.counts.get(name, {}).get(Status.PENDING, 0)
        oldest = now.oldest_waiting.get("paused", {}).get(name)
        due = f", the first due {as_age(oldest, now.at)}" if oldest else ""
        found.append(
            f"paused: {name} since {as_instant(pause.since)}{until}, by {pause.by}; {counted(pending, 'job')} "
            f"pending{due}"
        )
    if (waiting := now.held.get("lane")) is not None:
        oldest_age = now.waiting_age("lane")
        due = f", the first due for {span(oldest_age)}" if oldest_age else ""
        where = f"most behind {fullest}: `aiojobs-lite list --held lane`" if fullest else _EXPLAINED
        found.append(f"behind a full limit: {waiting}{due}; {where}")
    return found
