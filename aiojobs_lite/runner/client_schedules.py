"""`client.schedules`: cron schedules without an event loop. The runners fire them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from aiojobs_lite.clock import Clock
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.durations import Duration
from aiojobs_lite.errors import ScheduleNotFound
from aiojobs_lite.handlers.job_type import BoundJob
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.schedule_rows import GetSchedule, ListTicks, ScheduleRow
from aiojobs_lite.model.schedule_states import ScheduleState, state_of_schedule
from aiojobs_lite.model.schedules import PauseSchedule
from aiojobs_lite.policy.catch_up import CatchUp, Overlap
from aiojobs_lite.runner.client_handle import ClientHandle, handles_of
from aiojobs_lite.runner.schedules import (
    TICKS_SHOWN,
    SchedulePut,
    check_found,
    check_schedule_name,
    cron_of,
    delete_of,
    instants_of,
    page_of,
    put_by,
    put_of,
    run_of,
)
from aiojobs_lite.runner.session import Session
from aiojobs_lite.runner.types import check_by


class ClientSchedules:
    """The cron schedules of a client's database: `client.schedules`, as `runner.schedules`.

    Each method raises `ClientClosed` if the client is closed, `WrongEventLoop` inside an event loop, `StoreRefused` if
    the database cannot be used, and `StoreUnavailable` if it cannot be used now.

    Args:
        registry: Has the job types.
        clock: Gives an enqueue its instant.
        session: Gives the open database for one call.
    """

    def __init__(
        self, registry: Registry, clock: Clock, session: Callable[[], AbstractContextManager[Session]]
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._session = session

    def put(
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
        """Makes a schedule, or replaces one of this name wholly; see `runner.schedules.put`."""
        self._open()
        now = self._clock.now()
        write = put_of(
            name, expression, job, tz, catch_up, overlap, jitter, self._registry, now
        )  # it calls the user's code
        with self._session() as session:
            return put_by(write, session.write(write, now))

    def get(self, name: str) -> ScheduleState:
        """Reads one schedule, with its latest ticks; see `runner.schedules.get`."""
        row = self._row(name)
        with self._session() as session:
            return state_of_schedule(row, session.ask(ListTicks(name, TICKS_SHOWN)))

    def list(self, *, prefix: str = "", after: str | None = None, limit: int = 100) -> builtins.list[ScheduleState]:
        """Reads a page of schedules by name; see `runner.schedules.list`."""
        query = page_of(prefix, after, limit)
        with self._session() as session:
            return [state_of_schedule(row) for row in session.ask(query)]

    def upcoming(self, name: str, count: int = 5) -> builtins.list[datetime]:
        """The next instants at which a schedule fires; see `runner.schedules.upcoming`."""
        return instants_of(cron_of(self._row(name)), self._clock.now(), count)

    def delete(self, name: str) -> None:
        """Deletes a schedule; see `runner.schedules.delete`."""
        self._open()
        write = delete_of(name, self._registry)
        with self._session() as session:
            check_found(name, session.write(write, self._clock.now()))

    def pause(self, name: str, *, by: str | None = None) -> None:
        """Has a schedule make no job at its ticks; see `runner.schedules.pause`."""
        write = PauseSchedule(check_schedule_name(name), paused=True, by=check_by(by))
        with self._session() as session:
            check_found(name, session.write(write, self._clock.now()))

    def resume(self, name: str) -> None:
        """Has a paused schedule go on; see `runner.schedules.resume`."""
        write = PauseSchedule(check_schedule_name(name), paused=False)
        with self._session() as session:
            check_found(name, session.write(write, self._clock.now()))

    def run_now(self, name: str) -> ClientHandle:
        """Enqueues the job of a schedule at once; see `runner.schedules.run_now`."""
        row, now = self._row(name), self._clock.now()
        write = run_of(row, self._registry, now)
        with self._session() as session:
            made, database = session.write(write, now), session.database
        if made is None:  # it was deleted meanwhile
            raise ScheduleNotFound(name)
        (handle,) = handles_of(database, Admit((write.job,)), made if isinstance(made, Refused) else [made])
        return handle

    def _row(self, name: str) -> ScheduleRow:
        query = GetSchedule(check_schedule_name(name))
        with self._session() as session:
            return check_found(name, session.ask(query))

    def _open(self) -> None:
        """Opens the database if need be, and reads the groups and modules."""
        with self._session():
            pass
