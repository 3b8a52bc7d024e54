"""Judges what follows in the same transaction: jobs of deaths, jobs of operations, and cancels by events."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from aiojobs_lite.model.events import CANCELLED_BY
from tests.chaos.functions import GONE, MOURNED
from tests.chaos.steps import Durable, Key
from tests.chaos.story import Story

_CANCELLED: Final = CANCELLED_BY.format(event=GONE)


def unmourned(story: Story) -> Iterator[str]:
    """Each death of a job whose type says so has started one job, and nothing else has."""
    redriven = Durable(story).redriven
    started = Counter(job.dead for job in story.jobs.values() if job.dead is not None)
    for job in story.jobs.values():
        if job.type not in MOURNED:
            continue
        least, count = int(job.status == "dead"), started.pop(job.id, 0)
        if not least <= count <= least + redriven[job.id]:
            yield f"{job.type} job {job.id} is {job.status}, and its deaths have started {count} jobs"
    for dead, count in started.items():
        if dead not in story.deleted:
            yield f"{count} jobs were started by the death of job {dead}, which starts none"


def enqueued_otherwise(story: Story) -> Iterator[str]:
    """An operation that enqueues a job has enqueued one, the one that its handler was given."""
    made: dict[Key, list[int]] = defaultdict(list)
    for job in story.jobs.values():
        if job.parent is not None:
            made[job.parent].append(job.id)
    for (parent, name), row in Durable(story).rows.items():
        memo = json.loads(row.memo or "null")
        if row.kind == "run" and isinstance(memo, dict) and "id" in memo and made[parent, name] != [memo["id"]]:
            yield f"{name!r} of job {parent} has enqueued {made[parent, name]}, and was given {memo['id']}"


def cancelled_otherwise(story: Story) -> Iterator[str]:
    """An event cancels the functions that it matches: none of them goes on. None is cancelled by one that was not sent.
    An attempt that was claimed before the event may come to its first line after it.
    """
    redriven = Durable(story).redriven
    sent = {event.data["mark"]: event.key for event in story.evidence.events if event.name == GONE}
    acknowledged = {record.facts["key"]: record.time for record in reversed(story.said("sent"))}
    for job in story.jobs.values():
        if job.mark is None:
            continue
        if job.reason == _CANCELLED and job.mark not in sent:
            yield f"job {job.id} was cancelled by an event that was not sent"
        at = acknowledged.get(sent.get(job.mark, ""), math.inf)
        later = sum(run.begun > at and run.is_owned for run in story.runs[job.id])
        if later > 1 and not redriven[job.id]:
            yield f"job {job.id} began {later} times after an event had cancelled it, and is {job.status}"


def figures_of_reactions(story: Story) -> Iterator[tuple[str, str]]:
    """What followed, in figures."""
    rows = [json.loads(row.memo or "null") for row in story.evidence.operations if row.kind == "run"]
    yield "enqueued by functions", f"{sum(isinstance(memo, dict) and 'id' in memo for memo in rows):,}"
    yield "cancelled by events", f"{sum(job.reason == _CANCELLED for job in story.jobs.values()):,}"
    yield "started by deaths", f"{sum(job.dead is not None for job in story.jobs.values()):,}"
