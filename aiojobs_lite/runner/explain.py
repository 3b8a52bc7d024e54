"""`runner.jobs.explain`: why a job does not run, in one sentence.

`look_at` reads what is known of a job, `sentence` puts it into words and does nothing else; `explain_with_usual` does
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, to_datetime
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.engine.phase import Phase
from aiojobs_lite.engine.workers import most_workers
from aiojobs_lite.errors import JobNotFound
from aiojobs_lite.model.after import ListAfter
from aiojobs_lite.model.expiries import GetExpiry
from aiojobs_lite.model.job import Held, Job, Outcome, Status
from aiojobs_lite.model.limits import LaneState, LookAtLane
from aiojobs_lite.model.micro_batch import items_of
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.queries import CountProcessing, GetJob, ListPaused
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.steps import Awaited, ListAwaited
from aiojobs_lite.model.unique import UniqueScope
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.awaited import what_ends
from aiojobs_lite.runner.figures import JobFigures
from aiojobs_lite.runner.troubles import why_long, why_still, why_stuck
from aiojobs_lite.sizes import MOST_IDS_SHOWN
from aiojobs_lite.telemetry.wording import counted, instant, later, span

NO_LIMITS: Final = LaneState((), None)
_LOOKS: Final = 3  # at a job that moves meanwhile
_WHY_LATER: Final = {
    Outcome.FAILED: "after attempt {attempt} failed ({error})",
    Outcome.TIMED_OUT: "after attempt {attempt} took longer than its timeout",
    Outcome.LOST: "after attempt {attempt} ended with its process",
    Outcome.SNOOZED: "since its handler snoozed it",
    Outcome.INTERRUPTED: "after a drain interrupted it",
}
_WAITS: Final = {
    Held.LISTENER: "an event started it for a type that the sender did not know: a runner of that type takes it up",
}


@dataclass(frozen=True, slots=True)
class OwnRunner:
    """What only the runner itself knows.

    Attributes:
        id: Its owner id.
        phase: Where it stands in its life.
        fault: Why the database cannot be written, or None.
        slots: How many of its slots are taken.
        slots_of_type: How many of them by attempts of the job's type.
        workers: How many of its worker processes are taken; None if the job's type needs none.
        is_saving: Whether the job's attempt has ended, and the end is still to be saved.
        stopped: Why the job's attempt was asked to stop, or None.
    """

    id: str
    phase: Phase
    fault: str | None
    slots: int
    slots_of_type: int
    workers: int | None = None
    is_saving: bool = False
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """A job, and all that may keep it from running, at one moment.

    Attributes:
        job: The job with its history.
        now: The moment.
        pause: The pause of its type, or None.
        processing: How many jobs of its type are processing, over all owners.
        runners: The runners of the database.
        is_owner_dead: Whether the job is processing, and its owner is dead.
        lane: Where its limits by key stand.
        own: What the runner that is asked knows.
        expires_at: When the job expires, or None.
        after: Some of the jobs that it runs after, and that have not ended.
        gathers: How many items it has, and how many it takes, if it still gathers some.
        awaited: The operations for which it is suspended.
        why_long: How one knows that it runs far longer than usual; empty if it does not.
    """

    job: Job
    now: datetime
    pause: Pause | None
    processing: int
    runners: Sequence[RunnerInfo]
    is_owner_dead: bool
    own: OwnRunner
    lane: LaneState = NO_LIMITS
    expires_at: datetime | None = None
    after: Sequence[int] = ()
    gathers: tuple[int, int] | None = None
    awaited: Sequence[Awaited] = ()
    why_long: str = ""


async def look_at(engine: Engine, job_id: int) -> Situation:
    """What is known of a job now.

    Raises:
        JobNotFound: If no job has this id.
    """
    job = await _read(engine, job_id)
    for _ in range(_LOOKS):
        pauses = await engine.ask(ListPaused())
        processing = await engine.ask(CountProcessing(job.type))
        runners, dead = await engine.runners()
        expiry = await engine.ask(GetExpiry(job_id))
        lane = NO_LIMITS
        if job.lane is not None and job.status is Status.PENDING:
            lane = await engine.ask(LookAtLane(job.lane, job_id, engine.now()))
        awaited = await engine.ask(ListAwaited(job_id)) if job.snoozes else ()  # it counts suspensions as well
        before, job = job, await _read(engine, job_id)
        if before == job:
            break
    after = await engine.ask(ListAfter(job_id, MOST_IDS_SHOWN)) if job.held is Held.AFTER else ()
    run = engine.attempts.find(job_id)
    with_slots = engine.attempts.with_slots
    own = OwnRunner(
        engine.identity.owner,
        engine.phase,
        engine.fault,
        len(with_slots),
        sum(run.job_type.name == job.type for run in with_slots),
        _workers_taken(engine, job.type),
        is_saving=job_id in engine.attempts.unsaved_ends,
        stopped=run.stopped.value if run is not None and run.stopped is not None else None,
    )
    now, pause = to_datetime(engine.now()), pauses.get(job.type)
    expires_at = None if expiry is None else to_datetime(expiry)
    gathers = _gathers(engine, job)
    is_lost = job.owner in dead
    return Situation(job, now, pause, processing, runners, is_lost, own, lane, expires_at, after, gathers, awaited)


def _gathers(engine: Engine, job: Job) -> tuple[int, int] | None:
    """How many items a job has, and how many it takes: while it has a key it gathers some."""
    if job.unique_scope is not UniqueScope.PENDING or job.started_at or job.type not in engine.registry.names():
        return None
    flow, items = engine.registry.get(job.type).how.flow, items_of(stored_payload(job.payload_json))
    return None if flow is None or flow.batch is None or items is None else (len(items), flow.batch.size)


def _workers_taken(engine: Engine, job_type: str) -> int | None:
    if job_type not in engine.registry.names() or engine.registry.get(job_type).mode != "process":
        return None
    return sum(run.job_type.mode == "process" for run in engine.attempts.with_slots)


async def _read(engine: Engine, job_id: int) -> Job:
    job = await engine.ask(GetJob(job_id))
    if job is None:
        raise JobNotFound(job_id)
    return job


async def explain_with_usual(access: EngineAccess, job_id: int) -> str:
    """Why a job does not run, in one sentence; of one that runs also whether that takes far longer than usual.

    Raises:
        JobNotFound: If no job has this id.
    """
    found = await look_at(access.engine, job_id)
    if found.job.status is Status.PROCESSING and not found.is_owner_dead:
        found = replace(found, why_long=await why_long(JobFigures(access), found.job, found.now))
    return sentence(found)


def sentence(found: Situation) -> str:
    """Why the job does not run; or that it runs, or is finished, and how."""
    return f"{_clause(found).rstrip('.')}."  # it may end with the text of an error


def _clause(found: Situation) -> str:
    job = found.job
    name = f"job {job.id} of {job.type}"
    if job.status is Status.PENDING:
        reasons = _reasons(found)
        if reasons:
            return f"{name} waits: {'; and '.join(reasons)}{_expiry(found)}"
        return (
            f"{name} is due, and nothing holds it back: it starts after the jobs that were due before it"
            f"{_expiry(found)}"
        )
    if job.status is Status.PROCESSING:
        return f"{name} runs: {_running(found)}"
    at = instant(job.completed_at or found.now)
    if job.status is Status.COMPLETED:
        return f"{name} is completed: attempt {job.attempts} of {job.max_attempts} succeeded at {at}"
    if job.status is Status.DEAD:
        error = f"; its latest error was {job.error}" if job.error else ""
        return f"{name} is dead since {at}: {job.reason or 'no reason is stored'}{error}"
    return f"{name} was cancelled at {at}: {job.reason or 'no reason was given'}"


def _running(found: Situation) -> str:
    job = found.job
    began = f"began {span(max(0.0, (found.now - (job.started_at or found.now)).total_seconds()))} ago"
    owner = _name_of(job.owner or "", found)
    more = [f"attempt {job.attempts} of {job.max_attempts} {began} in {owner}"]
    if found.is_owner_dead:
        again = "and a live one gives the job back within seconds"
        if not any(one.is_alive for one in found.runners):
            again = "no other one lives, and the job runs again when one starts"
        more.append(f"that runner is dead, {again}")
    if job.owner == found.own.id and found.own.is_saving:
        more.append("its handler has ended, and the end is being saved")
    if found.why_long:
        more.append(found.why_long)
    if job.cancel_requested:
        more.append("it was asked to cancel")
    elif job.owner == found.own.id and found.own.stopped:
        more.append(f"it was asked to stop ({found.own.stopped})")
    if job.interrupted:
        more.append("the drain of its runner left it running")
    more += [why for runner in found.runners if runner.id == job.owner and (why := why_stuck(job, runner, found.now))]
    return "; ".join(more)


def _reasons(found: Situation) -> list[str]:
    """All that keeps a pending job from running: each of them has to end."""
    job, reasons = found.job, []
    wait = (job.scheduled_at - found.now).total_seconds()
    if job.held is Held.AFTER:
        jobs = ", ".join(map(str, found.after))
        reasons.append(f"it runs after other jobs, which have not all ended ({jobs or 'none is left'})")
    elif job.held is Held.EVENT:
        ends = what_ends(found.awaited, job.scheduled_at, found.now) or "an operation ends"
        reasons.append(f"it is suspended until {ends}")
    elif job.held in _WAITS:
        reasons.append(_WAITS[job.held])
    elif job.held is not None:
        reasons.append(f"it is held ({job.held}) until a handler takes it: {job.reason or 'no reason is stored'}")
    elif wait > 0 and found.gathers is not None:
        count, most = found.gathers
        at = instant(job.scheduled_at, has_date=job.scheduled_at.date() != found.now.date())
        reasons.append(f"it gathers items: {count:,} of {most:,}, until {at}")
    elif wait > 0 and found.awaited:
        reasons.append(f"it is suspended until {what_ends(found.awaited, job.scheduled_at, found.now)}")
    elif wait > 0:
        reasons.append(f"it is due {later(job.scheduled_at, wait)}{_why_later(job)}")
    if found.pause is not None:
        reasons.append(f"its type is {_paused(found.pause)}")
    reasons += [
        f"the limit {state.limit.name!r} is {_paused(state.limit.pause)}, for the key {state.limit.key}"
        for state in found.lane.meters
        if state.limit.pause is not None
    ]
    if reasons:  # what may change until then is no reason yet
        return reasons + _without_runner(found)
    if found.own.fault is not None:
        reasons.append(f"the database cannot be written ({found.own.fault})")
    return reasons + (_without_runner(found) or _limits_reached(found) + _without_slot(found))


def _paused(pause: Pause) -> str:
    since = f" since {instant(pause.since)}" if pause.since else ""
    until = f" until {instant(pause.until)}" if pause.until else ""
    return f"paused{since}{until}{f', by {pause.by}' if pause.by else ''}"


def _limits_reached(found: Situation) -> list[str]:
    """The limits by key that are reached, and the job that comes before it in its order."""
    reasons = []
    for limit, taken, free_at in found.lane.meters:
        if limit.most is None or taken < limit.most:
            continue
        reached = f"the limit {limit.name!r} is reached for the key {limit.key}: {taken:,} of {limit.most:,}"
        if limit.per is None or free_at is None:
            reasons.append(f"{reached} are processing over all runners")
            continue
        at = to_datetime(free_at)
        wait = max(0.0, (at - found.now).total_seconds())
        period = span(limit.per / MICROSECONDS)
        reasons.append(f"{reached} attempts began within {period}, and the next may {later(at, wait)}")
    if found.lane.before is not None:
        reasons.append(f"its key is ordered, and job {found.lane.before} comes before it")
    return reasons


def _expiry(found: Situation) -> str:
    if found.expires_at is None:
        return ""
    wait = (found.expires_at - found.now).total_seconds()
    if wait <= 0:
        return f"; it expired {instant(found.expires_at)}, and the next claim of any runner cancels it"
    return f"; it expires {later(found.expires_at, wait)}"


def _why_later(job: Job) -> str:
    latest = job.history[-1] if job.history else None
    if latest is None:
        return "" if job.schedule is None else f", as the cron schedule {job.schedule} made it"
    if not job.attempts and latest.outcome not in {Outcome.SNOOZED, Outcome.INTERRUPTED}:
        return ""  # it was sent back to pending since
    why = _WHY_LATER.get(latest.outcome, "")
    return f" {why.format(attempt=latest.attempt, error=job.error)}" if why else ""


def _without_runner(found: Situation) -> list[str]:
    """That no runner could ever run it, as they are."""
    known = [runner for runner in found.runners if runner.is_alive and found.job.type in runner.types]
    if not known:
        lives = any(runner.is_alive for runner in found.runners)
        return ["no live runner has registered its type" if lives else "no runner lives"]
    if any(runner.max_running for runner in known):
        return []
    names = " and ".join(_name_of(runner.id, found) for runner in known)
    return [f"all live runners that have registered its type run nothing (max_running=0): {names}"]


def _without_slot(found: Situation) -> list[str]:
    """That every runner that could run it is stopping, or has no slot left."""
    able = [one for one in found.runners if one.is_alive and one.max_running and found.job.type in one.types]
    going = [runner for runner in able if _is_going(runner, found)]
    if not going:
        return [f"{_name_of(runner.id, found)} is {_standing(runner, found)}" for runner in able]
    if all(still := [why_still(_name_of(runner.id, found), runner, found.now) for runner in going]):
        return still
    allowed = [runner for runner in going if _has_slot_of_type(runner, found)]
    if not allowed:
        most = max(runner.types[found.job.type] or 0 for runner in going)
        more = max(found.own.slots_of_type - found.processing, 0)
        stuck = f" and {counted(more, 'handler')} that ended too late" if more else ""
        number = f"{found.processing:,} of {most:,}"
        return [f"the limit of its type is reached: {number} are processing over all runners{stuck}"]
    full = [_taken(runner, found) for runner in allowed]
    return [] if "" in full else [f"all slots are taken: {', '.join(full)}"]


def _is_going(runner: RunnerInfo, found: Situation) -> bool:
    return found.own.phase is Phase.RUNNING if runner.id == found.own.id else not runner.is_draining


def _standing(runner: RunnerInfo, found: Situation) -> str:
    is_starting = runner.id == found.own.id and found.own.phase < Phase.RUNNING
    return "starting" if is_starting else "draining"


def _has_slot_of_type(runner: RunnerInfo, found: Situation) -> bool:
    limit = runner.types[found.job.type]
    own = found.own.slots_of_type if runner.id == found.own.id else 0
    return limit is None or max(found.processing, own) < limit


def _taken(runner: RunnerInfo, found: Situation) -> str:
    """How many slots of a runner are taken, if all are; else nothing."""
    own = found.own if runner.id == found.own.id else None
    if own is not None and own.workers is not None and own.workers >= most_workers():
        return f"{own.workers:,} of {most_workers():,} worker processes of {_name_of(runner.id, found)}"
    taken = runner.running if own is None else own.slots
    return "" if taken < runner.max_running else f"{taken:,} of {runner.max_running:,} in {_name_of(runner.id, found)}"


def _name_of(owner: str, found: Situation) -> str:
    runner = next((runner for runner in found.runners if runner.id == owner), None)
    if owner == found.own.id:
        return f"this runner ({owner})"
    return f"the runner {owner}" + (f" (pid {runner.pid} on {runner.host})" if runner else "")
