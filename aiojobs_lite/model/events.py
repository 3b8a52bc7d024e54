"""Events: what the user's domain says has happened. An event starts the job types that listen to it, and ends the waits
that match it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.event_match import EventMark, EventMatch, values_at
from aiojobs_lite.model.job_events import JOB_EVENTS
from aiojobs_lite.model.writes import Inserted, unanswered

SAME_ID_US: Final = 24 * 3600 * 1_000_000
"""For so long an event of the same id starts and wakes nothing again."""

DELIVERED_AT_ONCE: Final = 1_000
"""Operations and jobs that wait for an event, and which one transaction reaches."""

STARTED_AMONG: Final = 1_000
"""Ids of jobs among which those are looked for that an event has started."""

CANCELLED_BY: Final = "event {event}"
"""The reason of a job that an event has cancelled."""

_ANY: Final = "*"


def fits(pattern: str, name: str) -> bool:
    """Whether an event of a name fits a pattern: the name itself, or the beginning of names, with an asterisk, which
    stands for no event of the library's own.
    """
    if name in JOB_EVENTS.values() or not pattern.endswith(_ANY):
        return name == pattern
    return name.startswith(pattern[:-1])


class NewEvent(NamedTuple):
    """One event that is sent.

    Attributes:
        name: Its name.
        data: What it says, as a JSON object, word for word as it came.
        sent_at: When, in microseconds.
        key: The id that its sender gave it; None: it has none of its own.
        starts: The jobs that it starts of the types that the sender knows.
    """

    name: str
    data: str
    sent_at: int
    key: str | None = None
    starts: tuple[Candidate, ...] = ()


class Sent(NamedTuple):
    """What became of an event.

    Attributes:
        id: Its number.
        is_new: Whether it was stored; else an event has its key that was sent less than 24 hours before it, or after
            it, by another clock; `id` is that one's.
        started: What became of its jobs, in their order.
        held: The jobs of other types that it started, which are held until a runner knows their type.
        woken: The jobs an operation of which it has ended.
        cancelled: The jobs that it cancelled, or asked to.
        has_more: Whether others wait for it still: `DeliverEvents` goes on.
    """

    id: int
    is_new: bool
    started: tuple[Inserted, ...] = ()
    held: tuple[int, ...] = ()
    woken: tuple[int, ...] = ()
    cancelled: tuple[int, ...] = ()
    has_more: bool = False


class StepFence(NamedTuple):
    """The operation of an attempt for which something is done: done exactly once, and only if the attempt is owned."""

    id: int
    attempt: int
    owner: str
    name: str


class SendEvents(NamedTuple):
    """Stores events, all or none. Answer: a `Sent` each; `Refused` if a job is refused by its conditions, and then
    nothing is stored; None if it is for an operation whose attempt is not owned.

    First the jobs of all events that are new are added, as one `Admit` adds them; the position of one that is refused
    counts through the jobs of all events. Then for each event that is new, in their order:

    - Of each stored listener whose type the sender does not know, and whose pattern fits, a job is added that is held
      with the reason `listener`: its payload is the event (`memo_of`), priority and attempts are as stored.
    - Each operation that waited for it before ends, with the event as its memo (`memo_of`). A job that is suspended for
      it is due now.
    - Each job that it cancels is cancelled, or asked to, with the reason `event <name>`. It cancels none of its own.

    An event was sent since a job was enqueued if the job, or the one that was held in its place, was stored before it,
    whatever their instants say: a clock may be set back. It comes before the jobs that it starts, and behind those of
    the events before it.

    At most `DELIVERED_AT_ONCE` operations and jobs are reached in one transaction, the others by `DeliverEvents`; none,
    if an event of the same name before it has not reached all: each waits for one, and gets the first that was sent.

    For an operation it comes before the ends of its transaction, as a `Report` does. The operation is done then, of the
    kind `run`, with the memo `{"ids":[...]}` of the numbers of the events; one that has ended already sends nothing,
    and the answer is an empty tuple.

    Attributes:
        events: The events.
        knows: The types of which the sender made the jobs itself, or found that the event does not start them.
        step: The operation for which they are sent, or None.
    """

    events: tuple[NewEvent, ...]
    knows: Collection[str] = ()
    step: StepFence | None = None

    def answer(self) -> tuple[Sent, ...] | Refused | None:
        """See `Write`."""
        unanswered()


class Delivered(NamedTuple):
    """What became of events that had not reached all.

    Attributes:
        woken: See `Sent`.
        cancelled: See `Sent`.
        has_more: Whether some have still not reached all.
    """

    woken: tuple[int, ...] = ()
    cancelled: tuple[int, ...] = ()
    has_more: bool = False


class DeliverEvents(NamedTuple):
    """Goes on with events that have not reached all that waited for them when they were sent, the first one first,
    until `DELIVERED_AT_ONCE` are reached. Answer: a `Delivered`.
    """

    def answer(self) -> Delivered:
        """See `Write`."""
        unanswered()


class Listener(NamedTuple):
    """A job type that listens to events.

    Attributes:
        type: The type.
        patterns: The names of the events, or their beginnings with an asterisk.
        priority: Of its jobs.
        max_attempts: Of its jobs.
    """

    type: str
    patterns: tuple[str, ...]
    priority: int
    max_attempts: int


class SetListeners(NamedTuple):
    """Stores what these types listen to, in place of what they did; types without patterns listen no more."""

    listeners: tuple[Listener, ...]

    def answer(self) -> None:
        """See `Write`."""
        unanswered()


class PlaceHeld(NamedTuple):
    """Puts the job of a listener in the place of one that is held for it (`listener`), or drops it. Answer: what became
    of the job; None: it was dropped, or no such one is held any more. `Refused`: the held one stays.

    The held one is deleted. It was pending already: no `max_pending` refuses the job. For a new job all events count
    that were sent since the held one was added: they end its waits, when these begin. An event that cancels a new
    job, and was sent since the held one was added, cancels it at once, the first such one; but not the one that it was
    held for.

    Attributes:
        id: The held job.
        place: The job, with its conditions; None: the event does not start the type.
    """

    id: int
    place: Candidate | None

    def answer(self) -> Inserted | Refused | None:
        """See `Write`."""
        unanswered()


class PruneEvents(NamedTuple):
    """Deletes events that were sent before an instant and have reached all, the oldest first, but not the one with the
    highest id. Answer: how many.

    Attributes:
        before: The instant in microseconds.
        limit: Most of them.
    """

    before: int
    limit: int

    def answer(self) -> int:
        """See `Write`."""
        unanswered()


class EventRow(NamedTuple):
    """An event as it is stored; see `NewEvent`."""

    id: int
    name: str
    data: str
    sent_at: int
    key: str | None


class FindEvents(NamedTuple):
    """Events, those that were sent last first. Answer: the rows.

    Attributes:
        ids: Of these ids; None: of any.
        name: Of this name; None: of any.
        before: Behind the one that was sent then, in microseconds, and has this id (the last of the page before); None:
            from the first.
        limit: Most of them.
        is_unreached: Those alone that have not reached all that waited for them (`DeliverEvents`).
    """

    ids: Collection[int] | None = None
    name: str | None = None
    before: tuple[int, int] | None = None
    limit: int = 100
    is_unreached: bool = False

    def answer(self) -> tuple[EventRow, ...]:
        """See `Query`."""
        unanswered()


class FindStarted(NamedTuple):
    """The jobs that an event has started and that are there still, of whatever type: those whose payload has the event,
    among the ids of the next `STARTED_AMONG` jobs behind those before it. Answer: the id and the type of each, by id.

    Attributes:
        id: The number of the event.
    """

    id: int

    def answer(self) -> tuple[tuple[int, str], ...]:
        """See `Query`."""
        unanswered()


class FindCancelled(NamedTuple):
    """The jobs that an event would cancel if it were sent now, pending or processing. Answer: their ids, rising.

    Attributes:
        event: The name of the event.
        data: What it says, as JSON.
        after: Only behind this id.
        limit: Most of them.
    """

    event: str
    data: str
    after: int = 0
    limit: int = 1_000

    def answer(self) -> tuple[int, ...]:
        """See `Query`."""
        unanswered()


def memo_of(event: EventRow) -> str:
    """The event as JSON: its id, name, its data word for word as it came, and when it was sent in microseconds."""
    key = json.dumps(str(event.id) if event.key is None else event.key)
    return f'{{"id":{key},"name":{json.dumps(event.name)},"data":{event.data},"sent_at":{event.sent_at}}}'


def mark_of(memo: str) -> EventMark:
    """Which event a memo of `memo_of` is; its data are not read.

    Raises:
        ValueError: If it is another text.
    """
    key, _ = json.JSONDecoder().raw_decode(memo, len('{"id":'))
    return EventMark(str(key), int(memo.rpartition('"sent_at":')[2].removesuffix("}")))


def matches(match: EventMatch, event: EventRow) -> bool:
    """Whether an event is one that an operation waits for."""
    return match.event == event.name and values_at(data_of(event), match.fields) == match.values


def data_of(event: EventRow) -> Any:
    """What an event says; None if another program has written something else than JSON."""
    try:
        return json.loads(event.data)
    except (ValueError, RecursionError):
        return None
