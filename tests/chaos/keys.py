"""Judges the limits by key of a run: never over a limit or a rate, and the order of each ordered key.

What ran at once is judged by what handlers note, and by when their processes were killed. A stored instant says less:
a transaction is given it before it waits for the file, after one perhaps that was given a later one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.clocks import instant_of
from tests.chaos.flow import MOST_OF_KEY, MOST_STARTS, PERIOD_S
from tests.chaos.story import INEXACT, Run, Story, settled_eras


def over_key_limit(story: Story) -> Iterator[str]:
    """Never more attempts of one key at once than its limit, over all processes."""
    for kind, most in (("keyed", MOST_OF_KEY), ("ordered", 1), ("rated", MOST_OF_KEY)):
        for key, runs in _by_key(_owned(story, kind)).items():
            edges = [edge for run in runs for edge in ((run.begun, 1), (run.ended, -1))]
            running = 0
            for at, step in sorted(edges):
                running += step
                if running > most:
                    yield f"{running} {kind} jobs of the key {key} with the limit {most} ran at {at:.3f}"


def over_rate(story: Story) -> Iterator[str]:
    """Never more attempts of one key start within the period than its rate, over all processes.

    An attempt has started between the instant that its claim was given and the begin of its handler. A breach is known
    for sure if for too many attempts both are within the period, and if nothing was under way meanwhile that had been
    given an instant before a step of the clock.
    """
    length = PERIOD_S - INEXACT
    settled = settled_eras(story)
    for key, runs in _by_key(_of_type(story, "rated")).items():
        spans = sorted([(run.begun, _claimed(story, run)) for run in runs])
        for number, (until, _) in enumerate(spans):
            since = until - length
            if any(first <= since and until <= last for first, last in settled):
                count = sum(claimed >= since for _, claimed in spans[: number + 1])
                if count > MOST_STARTS:
                    yield f"{count} jobs of the key {key} with the rate {MOST_STARTS} started from {since:.3f} on"


def _claimed(story: Story, run: Run) -> float:
    """The instant that the claim of an attempt was given; without end, if no clock showed it."""
    found = instant_of(story.eras, run.facts["claimed_at"] / MICROSECONDS)
    return -math.inf if found is None else found


def out_of_order(story: Story) -> Iterator[str]:
    """No job of an ordered key begins before those with lower ids have ended, retries included; one that was redriven
    goes on when it can.
    """
    redriven = {record.facts["job"] for record in story.said("redriving")}
    for key, runs in _by_key(_owned(story, "ordered")).items():
        last, job_before = -math.inf, 0
        for job_id, of_job in _by_job(runs).items():
            first = min(run.begun for run in of_job)
            if first < last and job_id not in redriven:
                yield f"job {job_id} of the key {key} began {last - first:.3f} s before job {job_before} had ended"
            ended = max(run.ended for run in of_job)
            if ended > last and job_id not in redriven:
                last, job_before = ended, job_id


def _of_type(story: Story, kind: str) -> list[Run]:
    return [run for runs in story.runs.values() for run in runs if run.type == kind]


def _owned(story: Story, kind: str) -> list[Run]:
    """The attempts of a type; of those whose owner's file was removed only what had ended before."""
    return [run for run in _of_type(story, kind) if run.is_owned]


def _by_key(runs: list[Run]) -> dict[int, list[Run]]:
    found: defaultdict[int, list[Run]] = defaultdict(list)
    for run in runs:
        if run.key is not None:
            found[run.key].append(run)
    return found


def _by_job(runs: list[Run]) -> dict[int, list[Run]]:
    """The attempts of each job, in the order of the ids."""
    found: defaultdict[int, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.job].append(run)
    return dict(sorted(found.items()))
