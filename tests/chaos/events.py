"""Judges the events and the children of a run: none is lost, none comes twice."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.clocks import instant_of
from tests.chaos.evidence import EventRow
from tests.chaos.functions import LISTENERS
from tests.chaos.operations import BY
from tests.chaos.steps import Durable, Key
from tests.chaos.story import Story

_SAME_ID_US: Final = 24 * 3600 * MICROSECONDS


def lost_events(story: Story) -> Iterator[str]:
    """Each event that was acknowledged is there, and has started a job of each type that listens to it."""
    stored = {event.key for event in story.evidence.events}
    for record in story.said("sent"):
        if record.facts["key"] not in stored:
            yield f"the event {record.facts['key']} was acknowledged and is not there"
    sent = _sent_by(story)
    for record in story.said("has sent"):
        by = _by(record.facts["by"])
        if not sent[by]:
            yield f"{by[1]!r} of job {by[0]} has sent an event that is not there"
    started = _started(story)
    for event in story.evidence.events:
        for listener, fits in LISTENERS.items():
            if fits(event.name, event.data) and not started[listener, event.key]:
                yield f"the event {event.name} {event.key} has started no {listener}"


def doubled_events(story: Story) -> Iterator[str]:
    """An operation sends one event, an id stands for one within 24 hours, and each starts one job of each listener, and
    none of a type that does not listen to it.
    """
    for by, count in _sent_by(story).items():
        if count > 1:
            yield f"{by[1]!r} of job {by[0]} has sent {count} events"
    by_key: dict[str, list[EventRow]] = defaultdict(list)
    for event in story.evidence.events:
        by_key[event.key].append(event)
    for key, events in by_key.items():
        shown = sorted(event.sent_at for event in events)
        if any(later - earlier < _SAME_ID_US for earlier, later in pairwise(shown)):
            yield f"{len(events)} events have the id {key}"
    for (kind, key), count in _started(story).items():
        fitting = sum(LISTENERS[kind](event.name, event.data) for event in by_key[key])
        if count > fitting:
            yield f"{fitting} events {key} have started {count} jobs of {kind}"


def unanswered(story: Story) -> Iterator[str]:
    """A wait for an event is over in vain only if none was there that matches; and what it was given matches it."""
    durable, events = Durable(story), {event.key: event for event in story.evidence.events}
    acknowledged = {record.facts["key"]: record.time for record in reversed(story.said("sent"))}
    acknowledged |= _acknowledged_by_operations(story)
    begun = reversed(story.said("waiting"))  # what was noted first counts
    wanted = {(record.facts["job"], record.facts["step"]): record.facts for record in begun}
    for key, facts in wanted.items():
        row = durable.rows.get(key)
        if row is None or row.state == "waiting" or row.ended_at is None:
            continue
        given = json.loads(row.memo or "null")
        if given is not None:
            if given["id"] not in events or not _matches(events[given["id"]], facts):
                yield f"{key[1]!r} of job {key[0]} was given the event {given['id']}, which does not match"
            continue
        over = instant_of(story.eras, row.ended_at / MICROSECONDS)
        for event in events.values():
            is_early = event.sent_at < facts["since"]  # by a clock that was set back meanwhile
            if (
                over is not None
                and acknowledged.get(event.key, over) < over
                and not is_early
                and _matches(event, facts)
            ):
                yield f"{key[1]!r} of job {key[0]} was over in vain, {event.key} was there"


def _acknowledged_by_operations(story: Story) -> dict[str, float]:
    keys = {_by(event.data[BY]): event.key for event in story.evidence.events if BY in event.data}
    said = {_by(record.facts["by"]): record.time for record in reversed(story.said("has sent"))}
    return {keys[by]: at for by, at in said.items() if by in keys}


def _matches(event: EventRow, facts: dict[str, object]) -> bool:
    match = facts["match"]
    assert isinstance(match, dict)
    return event.name == facts["event"] and all(event.data.get(name) == value for name, value in match.items())


def doubled_children(story: Story) -> Iterator[str]:
    """An operation starts one child, which is the one whose end it is given; each child has an operation."""
    durable = Durable(story)
    made = Counter(job.parent for job in story.jobs.values() if job.parent is not None)
    for key, count in made.items():
        if count > 1 + durable.redriven[key[0]]:  # then the operations are forgotten that wait
            yield f"{key[1]!r} of job {key[0]} has started {count} children"
        row = durable.rows.get(key)
        if row is None and key[0] in story.jobs and not durable.redriven[key[0]]:
            yield f"there is no {key[1]!r} of job {key[0]}, and it has a child"
    for key, row in durable.rows.items():
        child = story.jobs.get(story.evidence.children.get(key, 0))
        if row.kind != "child" or child is None or durable.redriven[child.id]:
            continue
        if child.parent != key:
            yield f"{key[1]!r} of job {key[0]} waits for job {child.id}, which is the child of {child.parent}"
        given = json.loads(row.memo or "null")
        if row.state == "done" and (child.status, child.result) != ("completed", given["data"]):
            yield f"{key[1]!r} of job {key[0]} was given {given}, and job {child.id} is {child.status} {child.result}"


def figures_of_events(story: Story) -> Iterator[tuple[str, str]]:
    """What was sent and waited for, in figures."""
    waits = [row for row in story.evidence.operations if row.kind == "event" and row.state == "done"]
    in_vain = sum(row.memo == "null" for row in waits)
    by_operations = sum(BY in event.data for event in story.evidence.events)
    listening = sum(job.event is not None for job in story.jobs.values())
    yield "events", f"{len(story.evidence.events):,} ({by_operations:,} of functions), {listening:,} jobs of listeners"
    yield "waits for events", f"{len(waits):,} ({in_vain:,} in vain)"
    yield "children", f"{sum(job.parent is not None for job in story.jobs.values()):,}"


def _by(value: list[object]) -> Key:
    job, step = value
    return int(str(job)), str(step)


def _sent_by(story: Story) -> Counter[Key]:
    return Counter(_by(event.data[BY]) for event in story.evidence.events if BY in event.data)


def _started(story: Story) -> Counter[tuple[str, str]]:
    return Counter((job.type, job.event) for job in story.jobs.values() if job.event is not None)
