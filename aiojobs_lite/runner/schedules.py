"""`runner.schedules`: makes cron schedules at run time, and shows and steers them and those that code declares."""

from __future__ import annotations

import builtins
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar, get_args

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.durations import Duration
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import InvalidOption, ScheduleNotFound, ScheduleTaken, UnknownJobType
from aiojobs_lite.handlers.checks import check_choice, check_text, check_whole
from aiojobs_lite.handlers.job_type import BoundJob
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.handlers.schedules import job_of_tick, options_of
from aiojobs_lite.intervals import IntervalSchedule, read_schedule
from aiojobs_lite.model.admission import Refused
from aiojobs_lite.model.schedule_rows import GetSchedule, ListSchedules, ListTicks, ScheduleRow
from aiojobs_lite.model.schedule_states import ScheduleState, state_of_schedule
from aiojobs_lite.model.schedules import DeleteSchedule, PauseSchedule, PlacedSchedule, PutSchedule, RunSchedule
from aiojobs_lite.policy.catch_up import CatchUp, Overlap, Schedule, schedule_of
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.admission import refusal
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.jobs import StoredJobs
from aiojobs_lite.runner.types import check_by
from aiojobs_lite.sizes import LONGEST_SCHEDULE_NAME_CHARS
from aiojobs_lite.telemetry.facts import JobEnqueued

T = TypeVar("T")
MOST_PREVIEWED: Final = 1000  # instants
LARGEST_SCHEDULES_PAGE: Final = 1000
TICKS_SHOWN: Final = 10
"""The latest ticks of a schedule that `get` reads."""


@dataclass(frozen=True, slots=True)
class SchedulePut:
    """What `put` has done.

    Attributes:
        name: The name of the schedule.
        is_new: Whether it was made; else one of this name was replaced.
        next_tick: When it fires next, UTC.
    """

    name: str
    is_new: bool
    next_tick: datetime


class Schedules:
    """The cron schedules of a runner: `runner.schedules`.

    What awaits the database raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database
    cannot.

    Args:
        access: The way to the engine.
        schedules: Those that code declares, by name; the runner adds to it.
        registry: Has the job types, those without a schedule too.
        jobs: Reads the jobs that are made.
        now: Reads the clock from which a preview starts, in microseconds.
    """

    def __init__(
        self,
        access: EngineAccess,
        schedules: Mapping[str, Schedule],
        registry: Registry,
        jobs: StoredJobs,
        now: Callable[[], int],
    ) -> None:
        self._access = access
        self._schedules = schedules
        self._registry = registry
        self._jobs = jobs
        self._now = now

    def names(self) -> tuple[str, ...]:
        """The names of all schedules that the code of this runner declares."""
        return tuple(self._schedules)

    def preview(self, name: str, count: int = 5) -> builtins.list[datetime]:
        """The next `count` instants (1 to 1,000) at which a declared schedule fires, UTC. Starts and reads nothing.

        Raises:
            UnknownJobType: If no code declares it; `upcoming` knows those that were made at run time as well.
            InvalidOption: If `count` is out of range.
        """
        if not isinstance(name, str) or name not in self._schedules:
            problem = "is not registered"
            if isinstance(name, str) and self._registry.find(name) is not None:
                problem = "is a job type without a schedule, which runs only when it is enqueued"
            raise UnknownJobType(name, self._schedules, "Declare it with @runner.cron(...).", problem)
        return instants_of(self._schedules[name].cron, self._now(), count)

    async def upcoming(self, name: str, count: int = 5) -> builtins.list[datetime]:
        """The next `count` instants (1 to 1,000) at which a schedule fires, UTC, if it is not paused.

        Raises:
            ScheduleNotFound: If there is no such schedule.
            InvalidOption: If `count` is out of range.
        """
        return instants_of(cron_of(await self._row(name)), self._now(), count)

    async def put(
        self,
        name: str,
        expression: str | CronSchedule,
        job: BoundJob[Any],
        *,
        tz: str = "UTC",
        catch_up: CatchUp = "latest",
        overlap: Overlap = "skip",
        jitter: Duration | None = None,
    ) -> SchedulePut:
        """Makes a schedule, or replaces one of this name wholly. Each runner fires it that has the type of its jobs.

        A new one never fires for the past. One that is replaced keeps its pause and, if the expression and the zone are
        the same, its next tick: to put it at each start of a program loses no tick.

        Args:
            name: Its name, such as `report:42`, which no declared schedule has: 1 to 200 printable characters.
            expression: Five fields, or six with the seconds first; an interval, `every("45m")`; or a
                `CronSchedule`, which has its own zone.
            job: What it enqueues, made by `job_type.bind(...)`. Of the options of one enqueue it keeps `delay`,
                `priority`, `max_attempts`, `label`, `metadata`, `expires` and `limits`.
            tz: Time zone in which the expression is read.
            catch_up: What becomes of ticks that were missed; see `@runner.cron`.
            overlap: What becomes of a tick while the job of the one before is not finished; see `@runner.cron`.
            jitter: Each tick fires up to so much later; see `@runner.cron`.

        Raises:
            InvalidSchedule: If the expression or the zone cannot work.
            InvalidOption: If another argument, or an option of the job, cannot work.
            UnknownJobType: If the type of the job is not registered in this runner.
            ScheduleTaken: If code declares a schedule of this name.
        """
        engine = self._access.engine
        write = put_of(name, expression, job, tz, catch_up, overlap, jitter, self._registry, engine.now())
        return put_by(write, await self._change(engine, engine.write(write)))

    async def get(self, name: str) -> ScheduleState:
        """Reads one schedule, with its latest ticks.

        Raises:
            ScheduleNotFound: If there is no such schedule.
        """
        row = await self._row(name)
        return state_of_schedule(row, await self._access.engine.ask(ListTicks(name, TICKS_SHOWN)))

    async def list(
        self, *, prefix: str = "", after: str | None = None, limit: int = 100
    ) -> builtins.list[ScheduleState]:
        """Reads a page of schedules by name, those that code declares as well, without their ticks.

        Args:
            prefix: Only those whose names begin so.
            after: Name of the last schedule of the page before.
            limit: Size of the page, 1 to 1,000.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        return list(map(state_of_schedule, await self._access.engine.ask(page_of(prefix, after, limit))))

    async def delete(self, name: str) -> None:
        """Deletes a schedule. Its jobs stay.

        One that another program declares comes back when that fires it or starts; of one that no code declares any more
        nothing is left.

        Raises:
            ScheduleNotFound: If there is no such schedule.
            ScheduleTaken: If the code of this runner declares it.
        """
        engine, write = self._access.engine, delete_of(name, self._registry)
        check_found(name, await self._change(engine, engine.write(write)))

    async def pause(self, name: str, *, by: str | None = None) -> None:
        """Has a schedule make no job at its ticks, in every runner of the database, until `resume`.

        Args:
            name: Its name. One that is paused already stays as it is.
            by: The person or program that pauses it, shortened to 200 characters; None: the user, the host and the
                process id.

        Raises:
            ScheduleNotFound: If there is no such schedule.
            InvalidOption: If `by` is no text.
        """
        engine, write = self._access.engine, PauseSchedule(check_schedule_name(name), paused=True, by=check_by(by))
        check_found(name, await self._change(engine, engine.write(write)))

    async def resume(self, name: str) -> None:
        """Has a paused schedule go on. Its ticks meanwhile were missed: `catch_up` says what becomes of them.

        Raises:
            ScheduleNotFound: If there is no such schedule.
        """
        engine, write = self._access.engine, PauseSchedule(check_schedule_name(name), paused=False)
        check_found(name, await self._change(engine, engine.write(write)))

    async def run_now(self, name: str) -> JobHandle[Any]:
        """Enqueues the job of a schedule at once, between its ticks, whether it is paused or not, and whether the job
        before is finished or not. The job has no `tick`.

        Raises:
            ScheduleNotFound: If there is no such schedule.
            UnknownJobType: If the type of its job is not registered in this runner.
            EnqueueError: If an option of the type refuses it.
        """
        engine = self._access.engine
        write = run_of(await self._row(name), self._registry, engine.now())
        made = await engine.order(engine.write(write))
        if made is None:  # it was deleted meanwhile
            raise ScheduleNotFound(name)
        if isinstance(made, Refused):
            raise refusal(made, [write.job], engine.wait_for)
        job_type = self._registry.get(write.job.row.type)
        if made.is_new and engine.bus.is_watched(JobEnqueued):
            engine.bus.publish(JobEnqueued(made.id, job_type.name))
        return JobHandle(job_type, self._jobs, made.id, is_new=made.is_new)

    async def _row(self, name: str) -> ScheduleRow:
        return check_found(name, await self._access.engine.ask(GetSchedule(check_schedule_name(name))))

    async def _change(self, engine: Engine, writing: Coroutine[Any, Any, T]) -> T:
        """Carries out what was ordered; the ticker of this runner looks at it."""

        async def change() -> T:
            answer = await writing
            engine.ticker.look_again()
            return answer

        return await engine.order(change())


# What a `JobClient` does likewise.


def put_of(
    name: str,
    expression: str | CronSchedule,
    job: BoundJob[Any],
    tz: str,
    catch_up: str,
    overlap: str,
    jitter: Duration | None,
    registry: Registry,
    now: int,
) -> PutSchedule:
    """The write that makes a schedule.

    Raises:
        InvalidSchedule: If the expression or the zone cannot work.
        InvalidOption: If another argument, or an option of the job, cannot work.
        UnknownJobType: If the type of the job is not registered.
        ScheduleTaken: If code declares a schedule of this name.
    """
    _check_not_declared(check_schedule_name(name), registry)
    check_choice("catch_up", catch_up, get_args(CatchUp))
    check_choice("overlap", overlap, get_args(Overlap))
    if not isinstance(job, BoundJob):
        raise InvalidOption("job", job, "a job with its arguments, made by job_type.bind(...)")
    registry.check(job)
    schedule = schedule_of(name, expression, tz, jitter=jitter)
    next_tick, options = schedule.next_after(now), options_of(job)
    made = PutSchedule(
        name, *schedule.rule, next_tick, job.job_type.name, job.payload, options, catch_up, overlap,
        secrets.randbits(62), now,
    )  # fmt: skip
    job_of_tick(job.job_type, ScheduleRow(*made[:9]), next_tick, now)  # a key that is not found is refused here
    return made


def put_by(write: PutSchedule, answer: PlacedSchedule) -> SchedulePut:
    """What a put has done.

    Raises:
        ScheduleTaken: If code declares a schedule of this name.
    """
    if answer.is_taken:
        raise ScheduleTaken(write.name, is_declared=True)
    return SchedulePut(write.name, answer.is_new, to_datetime(answer.next_tick))


def delete_of(name: str, registry: Registry) -> DeleteSchedule:
    """The write that deletes a schedule.

    Raises:
        ScheduleTaken: If code declares it.
    """
    _check_not_declared(check_schedule_name(name), registry)
    return DeleteSchedule(name)


def run_of(row: ScheduleRow, registry: Registry, now: int) -> RunSchedule:
    """The write that makes a job of a schedule between its ticks.

    Raises:
        UnknownJobType: If the type of its job is not registered.
        EnqueueError: If an option of the type finds no key in the payload.
    """
    job_type = registry.get(row.name if row.job_type is None else row.job_type)
    return RunSchedule(row.name, job_of_tick(job_type, row, None, now))


def page_of(prefix: object, after: object, limit: object) -> ListSchedules:
    """The question for a page of schedules.

    Raises:
        InvalidOption: If an argument cannot work.
    """
    if prefix != "":
        check_text("prefix", prefix, LONGEST_SCHEDULE_NAME_CHARS)
    behind = None if after is None else check_text("after", after, LONGEST_SCHEDULE_NAME_CHARS)
    return ListSchedules(str(prefix), behind, check_whole("limit", limit, LARGEST_SCHEDULES_PAGE))


def instants_of(cron: CronSchedule | IntervalSchedule, now: int, count: object) -> builtins.list[datetime]:
    """The next instants of a schedule.

    Raises:
        InvalidOption: If `count` is out of range.
    """
    return cron.upcoming(to_datetime(now), check_whole("count", count, MOST_PREVIEWED))


def cron_of(row: ScheduleRow) -> CronSchedule | IntervalSchedule:
    """When a schedule fires."""
    return read_schedule(row.expression, row.tz, row.name)


def check_schedule_name(name: object) -> str:
    """The name of a schedule.

    Raises:
        InvalidOption: If it cannot be one.
    """
    return check_text("name", name, LONGEST_SCHEDULE_NAME_CHARS)


def check_found(name: str, found: T | None) -> T:
    """What was found by the name of a schedule.

    Raises:
        ScheduleNotFound: If nothing was.
    """
    if found is None or found is False:
        raise ScheduleNotFound(name)
    return found


def _check_not_declared(name: str, registry: Registry) -> None:
    job_type = registry.find(name)
    if job_type is not None and job_type.cron is not None:
        raise ScheduleTaken(name, is_declared=True)
