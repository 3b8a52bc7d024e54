"""What a `JobClient` sends of events, and gives back of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.events import FindStarted, SendEvents
from aiojobs_lite.model.writes import Inserted
from aiojobs_lite.runner.client_handle import ClientHandle, client_refusal, handles_of
from aiojobs_lite.runner.events import EventToSend, check_events, new_event
from aiojobs_lite.runner.session import Session


@dataclass(frozen=True, slots=True)
class ClientSentEvent:
    """What became of an event that a `JobClient` has sent.

    Attributes:
        id: Its id.
        is_new: Whether it was the first of its id within 24 hours; else it is a repeat, and nothing was started.
        handles: The jobs that it started of types that the client knows; of a repeat as `SentEvent` has them.
    """

    id: str
    is_new: bool
    handles: tuple[ClientHandle, ...]


def events_of(events: Iterable[EventToSend], registry: Registry, now: int) -> SendEvents:
    """The write that sends events.

    Raises:
        InvalidOption: If they are no events, or too many.
        InvalidEvent: If the data of one cannot be stored.
        InvalidKey: If an option of a listener finds no key in it.
    """
    made = [new_event(event, registry, now) for event in check_events(events)]
    return SendEvents(tuple([event for event, _ in made]), frozenset(registry.names()))


def send_by(session: Session, write: SendEvents, now: int) -> list[ClientSentEvent]:
    """Sends events by the session of a client.

    Raises:
        EnqueueError: If an option of a listener refuses its job.
    """
    answer = session.write(write, now)
    if isinstance(answer, Refused):
        raise client_refusal(answer, [one for event in write.events for one in event.starts])
    found = []
    for event, sent in zip(write.events, answer or (), strict=True):
        started: Sequence[Inserted] = sent.started
        if not sent.is_new:
            first = session.ask(FindStarted(sent.id))
            started = [Inserted(job_id, is_new=False) for job_id, name in first if name in write.knows]
        handles = handles_of(session.database, Admit(event.starts), started)
        found.append(ClientSentEvent(event.key or "", sent.is_new, tuple(handles)))
    return found
