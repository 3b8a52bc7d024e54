"""Events: sending them, and looking at those that were sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import AttemptNotOwned, EventNotFound, InvalidEvent, InvalidOption
from aiojobs_lite.handlers.checks import check_each, check_text, check_whole
from aiojobs_lite.handlers.event import check_event_name
from aiojobs_lite.handlers.event_data import dump_data
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.events import EventRow, FindEvents, FindStarted, NewEvent, SendEvents, Sent, StepFence, memo_of
from aiojobs_lite.model.job_events import JOB_EVENTS
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.admission import Admission, refusal
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.jobs import StoredJobs
from aiojobs_lite.sizes import LARGEST_PAYLOAD_BYTES, LARGEST_VALUE_BYTES
from aiojobs_lite.telemetry.facts import EventSent, JobEnqueued
from aiojobs_lite.text import show

LONGEST_EVENT_ID_CHARS: Final = 200
MOST_EVENTS: Final = 5_000
"""Events that are sent together."""

_MOST_LISTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class SentEvent:
    """What became of an event that was sent.

    Attributes:
        id: Its id.
        is_new: Whether it was the first of its id within 24 hours; else it is a repeat, and nothing was started.
        handles: The jobs that it started of types that this runner knows. Of a repeat: those of the first event that
            are there still. A job that an option put together with others (`unique`, `debounce`) is not among these.
        number: Its number in this database, for `runner.events.get`; of a repeat, that of the first event.
        sent_at: When it was sent, UTC; of a repeat, when the first event was, or the repeat if that is pruned by now.
        woken: The ids of the jobs that waited for it, of those that it has reached by now.
    """

    id: str
    is_new: bool
    handles: tuple[JobHandle[Any], ...]
    number: int
    sent_at: datetime
    woken: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it was sent.

    Attributes:
        number: Its number in this database.
        id: Its id.
        name: Its name.
        data_json: What it says, as JSON, word for word.
        sent_at: When it was sent, UTC.
    """

    number: int
    id: str
    name: str
    data_json: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class EventToSend:
    """An event for `send_many`: as the arguments of `send`."""

    name: str
    data: Any = None
    id: str | None = None


class Events:
    """Sends events, and looks at those that were sent: `runner.events`.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
        registry: The job types that this runner knows.
        jobs: Reads and moves stored jobs.
        admission: Makes jobs durable under the conditions of their types.
    """

    def __init__(self, access: EngineAccess, registry: Registry, jobs: StoredJobs, admission: Admission) -> None:
        self._access = access
        self._admission = admission
        self._registry = registry
        self._jobs = jobs

    async def send_many(
        self,
        events: Iterable[EventToSend],
        *,
        step: StepFence | None = None,
        largest: int = LARGEST_PAYLOAD_BYTES,
    ) -> list[SentEvent]:
        """Sends events in one transaction, all or none; up to 5,000. See `JobRunner.send`.

        Args:
            events: Each an `EventToSend`, with the arguments of `send`.
            step: The operation of a durable handler for which they are sent, or None.
            largest: Most bytes of the data of each, as JSON.

        Raises:
            InvalidEvent, InvalidOption, EnqueueError: As of `JobRunner.send`.
            AttemptNotOwned: If the attempt of that handler is another runner's by now.
        """
        engine = self._access.engine
        given, now = check_events(events), engine.now()
        most = check_whole("largest", largest, LARGEST_VALUE_BYTES)
        made = [new_event(event, self._registry, now, most) for event in given]
        write = SendEvents(tuple([event for event, _ in made]), frozenset(self._registry.names()), step)
        answer = await engine.write(write)
        if isinstance(answer, Refused):
            raise refusal(answer, [one for event, _ in made for one in event.starts], engine.wait_for)
        if answer is None and step is not None:
            raise AttemptNotOwned(step.id, step.attempt)
        found = [
            self._sent(engine, event, types, sent) for (event, types), sent in zip(made, answer or (), strict=False)
        ]
        if step is None and not all(one.is_new for one in found):
            return [one if one.is_new else await self._first_of(engine, one) for one in found]
        return found

    async def get(self, number: int) -> StoredEvent:
        """Reads one event by its number.

        Raises:
            EventNotFound: If there is none: it was never sent, or is pruned.
        """
        return _stored(await self._find(number))

    async def started(self, number: int) -> dict[int, str]:
        """The jobs that an event has started and that are there still, of whatever type: the types by the ids.

        Raises:
            EventNotFound: If there is no such event.
        """
        found = await self._find(number)
        return dict(await self._access.engine.ask(FindStarted(found.id)))

    async def replay(self, number: int, job_type: JobType[..., Any] | str) -> JobHandle[Any]:
        """Starts one listener again, the job type or its name, with an event that was sent, whatever its `when` says.

        Raises:
            EventNotFound: If there is no such event.
            InvalidOption: If the job type listens to no events.
            UnknownJobType: If it is not registered in this runner.
            EnqueueError: If the options of the job type refuse its job.
        """
        if isinstance(job_type, str):
            job_type = self._registry.get(job_type)
        if not isinstance(job_type, JobType) or job_type.listening is None:
            raise InvalidOption("job_type", job_type, "a job type that listens to events, made by `on(...)`")
        self._registry.check(job_type)
        payload = job_type.listening.payload(memo_of(await self._find(number)))
        row = job_type.how.row(job_type, payload, self._access.engine.now())
        ((job_id, is_new),) = await self._admission.admit_all([(job_type.how, row)])
        return JobHandle(job_type, self._jobs, job_id, is_new=is_new)

    async def _first_of(self, engine: Engine, repeat: SentEvent) -> SentEvent:
        """A repeat with what is there of the event that was sent first: its instant, and handles of its jobs."""
        known = {one.name: one for one in self._registry}
        started = await engine.ask(FindStarted(repeat.number))
        handles = [JobHandle(known[name], self._jobs, job, is_new=False) for job, name in started if name in known]
        first = await engine.ask(FindEvents(ids=(repeat.number,)))
        sent_at = to_datetime(first[0].sent_at) if first else repeat.sent_at
        return replace(repeat, handles=tuple(handles), sent_at=sent_at)

    async def _find(self, number: int) -> EventRow:
        wanted = FindEvents(ids=(check_whole("number", number, LARGEST_INTEGER),))
        found = await self._access.engine.ask(wanted)
        if not found:
            raise EventNotFound(number)
        return found[0]

    def _sent(self, engine: Engine, event: NewEvent, types: Sequence[JobType[..., Any]], sent: Sent) -> SentEvent:
        handles = []
        for job_type, (job_id, is_new) in zip(types, sent.started, strict=False):
            handles.append(JobHandle(job_type, self._jobs, job_id, is_new=is_new))
            if not is_new and job_type.how.flow is not None and job_type.how.flow.drops:
                engine.count_throttled(job_type.name)
            if is_new and engine.bus.is_watched(JobEnqueued):
                engine.bus.publish(JobEnqueued(job_id, job_type.name))
        if sent.has_more:
            engine.listeners.look_again()
        for job_id in sent.cancelled:
            engine.cancel(job_id, f"event {event.name}")
        if sent.is_new and engine.bus.is_watched(EventSent):
            started = len(sent.started) + len(sent.held)
            engine.bus.publish(EventSent(event.name, event.key or "", started, len(sent.woken), len(sent.cancelled)))
        return SentEvent(event.key or "", sent.is_new, tuple(handles), sent.id, to_datetime(event.sent_at), sent.woken)

    async def list(
        self, *, name: str | None = None, before: StoredEvent | None = None, limit: int = 100
    ) -> list[StoredEvent]:
        """Lists events, the newest first.

        Args:
            name: Only those of this name.
            before: Only those behind this one, the last of the page before.
            limit: How many at most, up to 1,000.

        Raises:
            InvalidOption: If one of these cannot be.
        """
        checked = None if name is None else check_event_name(name)
        if before is not None and not isinstance(before, StoredEvent):
            raise InvalidOption("before", before, "an event of the page before, as events.list() gives it")
        behind = None if before is None else (to_micros(before.sent_at), before.number)
        wanted = FindEvents(name=checked, before=behind, limit=check_whole("limit", limit, _MOST_LISTED))
        return [_stored(row) for row in await self._access.engine.ask(wanted)]


def check_events(events: Iterable[EventToSend]) -> list[EventToSend]:
    """Checks what is sent together.

    Raises:
        InvalidOption: If they are no events, or too many.
    """
    given: list[EventToSend] = check_each("events", events, "events, each an EventToSend(name, data)")
    if not 1 <= len(given) <= MOST_EVENTS or not all(isinstance(one, EventToSend) for one in given):
        raise InvalidOption("events", given, f"1 to {MOST_EVENTS:,} events, each an EventToSend(name, data)")
    return given


def check_event(event: EventToSend, largest: int = LARGEST_PAYLOAD_BYTES) -> tuple[str, str, str | None]:
    """Checks what an event says of itself; returns its name, its data as JSON, and its id.

    Raises:
        InvalidOption: If its name or its id cannot be one.
        InvalidEvent: If its data cannot be stored.
    """
    name = check_event_name(event.name)
    if name in JOB_EVENTS.values():
        raise InvalidOption("name", name, "a name of your own: the library itself sends the events of this name")
    key = None if event.id is None else check_text("id", event.id, LONGEST_EVENT_ID_CHARS)
    return name, dump_data(name, event.data, largest), key


def new_event(
    event: EventToSend, registry: Registry, now: int, largest: int = LARGEST_PAYLOAD_BYTES
) -> tuple[NewEvent, list[JobType[..., Any]]]:
    """An event to be stored, and the types of the jobs that it starts.

    Raises:
        InvalidOption: If its name or its id cannot be one.
        InvalidEvent: If its data cannot be stored, or `when` of a listener raises.
        InvalidKey: If an option of a listener finds no key in it.
    """
    name, data, key = check_event(event, largest)
    key = key or uuid.uuid4().hex
    memo = memo_of(EventRow(0, name, data, now, key))
    types = [one for one in registry if _starts(one, name, memo)]
    starts = [_candidate(one, one.listening.payload(memo), now) for one in types if one.listening is not None]
    return NewEvent(name, data, now, key, tuple(starts)), types


def _starts(job_type: JobType[..., Any], name: str, memo: str) -> bool:
    """Whether an event starts a type."""
    if job_type.listening is None:
        return False
    try:
        return job_type.listening.starts(name, memo)
    except Exception as error:
        raise InvalidEvent(name, f"when= of the listener {job_type.name!r} raised {show(error)}") from error


def _candidate(job_type: JobType[..., Any], payload: str, now: int) -> Candidate:
    how = job_type.how
    return how.candidate(how.row(job_type, payload, now))


def _stored(row: EventRow) -> StoredEvent:
    key = str(row.id) if row.key is None else row.key
    return StoredEvent(row.id, key, row.name, row.data, to_datetime(row.sent_at))
