"""How numbers, times and lists stand in a log line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from aiojobs_lite.sizes import MOST_IDS_SHOWN, MOST_TYPES_SHOWN

_TENTHS_BELOW_S: Final = 9.95  # shorter spans are given with a decimal
_LEAST_WAIT_S: Final = 0.05  # a shorter one would read 0.0 s
_CLOCK_FROM_S: Final = 60.0  # a shorter wait is counted from the line itself
_DAY_S: Final = 86_400
_UNITS: Final = ((_DAY_S, "day"), (3_600, "h"), (60, "min"), (1, "s"))

_WHY_SKIPPED: Final = {
    "overlap": "the job of an earlier tick is not finished",
    "too late": "missed for longer than the schedule catches up",
    "catch_up": "missed while nothing ran or it was paused, and a later tick stands for all",
    "changed": "due when the expression was replaced",
    "refused": "the options of its type refuse the job, or another job stands for it",
    "rejected": "the database refuses the job",
}


def clause(text: str) -> str:
    """Text that a semicolon follows: without a full stop at its end; an ellipsis stays."""
    return text if text.endswith("..") else text.removesuffix(".")


def counted(number: int, noun: str) -> str:
    """A number of things: `1 job`, `1,200 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def span(seconds: float) -> str:
    """A time span in its largest unit and the one below, rounded: `0.4 s`, `42 min`, `2 days 3 h`."""
    if seconds < _TENTHS_BELOW_S:
        return f"{max(0.0, seconds):.1f} s"
    whole, below = _rounded(seconds), 0
    words = []
    for size, unit in _UNITS:
        if whole >= size and below < 2:  # units are shown
            number, whole = divmod(whole, size)
            words.append(counted(number, unit) if size == _DAY_S else f"{number} {unit}")
        below += bool(words)
    return " ".join(words)


def instant(at: datetime, *, has_date: bool = True) -> str:
    """An instant, to the second: `2026-03-01 12:30:15 UTC`."""
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")
    return f"{text if has_date else text.partition(' ')[2]} UTC"


def later(at: datetime, wait: float) -> str:
    """When something comes that is `wait` seconds away: `in 0.4 s`; from a minute on `in 42 min (13:29:32 UTC)`,
    with the date on another day.
    """
    if wait < _LEAST_WAIT_S:
        return "at once"
    if wait < _CLOCK_FROM_S:
        return f"in {span(wait)}"
    since_midnight = (at.astimezone(UTC) - _midnight(at)).total_seconds()
    return f"in {span(wait)} ({instant(at, has_date=wait > since_midnight)})"


def named(noun: str, names: Collection[str]) -> str:
    """Some of many named things: `2 job types (email, report)`, `no schedules`."""
    if not names:
        return f"no {noun}s"
    return f"{counted(len(names), noun)} ({_some(list(names)[:MOST_TYPES_SHOWN], len(names))})"


def aged(attempts: Collection[tuple[str, int, float]]) -> str:
    """Some of many attempts, given as type, job and age in seconds, the oldest first: `email 12 for 3.2 s`."""
    oldest = sorted(attempts, key=lambda attempt: -attempt[2])[:MOST_IDS_SHOWN]
    return _some([f"{job_type} {job_id} for {span(age)}" for job_type, job_id, age in oldest], len(attempts))


def jobs(found: Collection[int]) -> str:
    """Some ids of many jobs, in their order: `job 7`, `jobs 7, 8`."""
    shown = _some([str(number) for number in sorted(found)[:MOST_IDS_SHOWN]], len(found))
    return f"job {shown}" if len(found) == 1 else f"jobs {shown}"


def by_type(numbers: Mapping[str, int]) -> str:
    """How many there are of each job type, the largest numbers first: `email (3), report (1)`."""
    largest = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))[:MOST_TYPES_SHOWN]
    return _some([f"{name} ({number:,})" for name, number in largest], len(numbers))


# Of single facts: their fields.


def failed_words(outcome: str, max_attempts: int, next_at: datetime, wait: float) -> dict[str, str]:
    """How an attempt failed, of how many, and when the next one comes."""
    return {
        "outcome": outcome.replace("_", " "),
        "max_attempts": f" of {max_attempts}" if max_attempts else "",
        "next_at": later(next_at, wait),
    }


def skipped_words(tick: datetime, reason: str, ticks: int) -> dict[str, str]:
    """Ticks that made no job, how many there are, and why."""
    return {
        "ticks": counted(ticks, "tick"),
        "tick": f"from {instant(tick)} on" if ticks > 1 else f"at {instant(tick)}",
        "reason": _WHY_SKIPPED.get(reason, reason),
    }


def waited_for_words(why: str, running: int, types: str, timeout: float) -> dict[str, str]:
    """What a drain waits for. If a signal began it, the next SIGINT is one to hurry."""
    attempts = counted(running, "attempt")
    if not running:
        return {"running": attempts, "types": "", "timeout": ""}
    timed = f"; after {span(timeout)} they are interrupted{_hurry(why)}"
    return {"running": attempts, "types": f": {types}", "timeout": timed}


def waits_words(why: str, running: int, timeout: float) -> dict[str, str]:
    """What a drain still waits for."""
    return {"running": counted(running, "job"), "timeout": span(timeout), "why": _hurry(why)}


def ended_words(interrupted: Collection[int], left: Collection[int], unsaved: Collection[int]) -> dict[str, str]:
    """What became of the jobs of a drain; a group without jobs is left out."""
    return {
        "interrupted": _group(interrupted, "{} interrupted", "to run again") or "no job was interrupted",
        "left": _group(left, "; {} left running", "given back when no longer running"),
        "unsaved": _group(unsaved, "; {} not stored", "given back by the next runner"),
    }


def _hurry(why: str) -> str:
    """How to end a drain sooner. The first SIGINT of all is the one that begins it."""
    if why == "SIGINT":
        return "; press Ctrl-C again to interrupt them now"
    return "; a SIGINT (Ctrl-C) interrupts them now" if why.startswith("SIG") else ""


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _group(found: Collection[int], what: str, then: str) -> str:
    return f"{what.format(len(found))} ({jobs(found)}), {then}" if found else ""


def _some(shown: list[str], number: int) -> str:
    more = number - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _rounded(seconds: float) -> int:
    """Whole seconds, rounded to the unit below the largest: 59.6 s is a minute, 23 h 59 min 40 s is a day."""
    rounded = round(seconds)
    for (below, _), (size, _) in zip(_UNITS[-2::-1], _UNITS[-3::-1], strict=False):  # an hour's minute, a day's hour
        if rounded >= size:
            rounded = round(seconds / below) * below
    return rounded
