"""Judges the limits by key of a run: never over a limit, and the order of each ordered key."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.story import Run, Story
from tests.chaos.work import MOST_OF_KEY


def over_key_limit(story: Story) -> Iterator[str]:
    """Never more attempts of one key at once than its limit, over all processes."""
    for kind, most in (("keyed", MOST_OF_KEY), ("ordered", 1)):
        for key, runs in _by_key(story, kind).items():
            edges = [edge for run in runs for edge in ((run.begun, 1), (run.ended, -1))]
            running = 0
            for at, step in sorted(edges):
                running += step
                if running > most:
                    yield f"{running} {kind} jobs of the key {key} with the limit {most} ran at {at:.3f}"


def out_of_order(story: Story) -> Iterator[str]:
    """No job of an ordered key begins before those with lower ids have ended, retries included; one that was redriven
    goes on when it can.
    """
    redriven = {record.facts["job"] for record in story.said("redriving")}
    for key, runs in _by_key(story, "ordered").items():
        last, job_before = -math.inf, 0
        for job_id, of_job in _by_job(runs).items():
            first = min(run.begun for run in of_job)
            if first < last and job_id not in redriven:
                yield f"job {job_id} of the key {key} began {last - first:.3f} s before job {job_before} had ended"
            ended = max(run.ended for run in of_job)
            if ended > last and job_id not in redriven:
                last, job_before = ended, job_id


def _by_key(story: Story, kind: str) -> dict[int, list[Run]]:
    """The attempts of a type by key; of those whose owner's file was removed only what had ended before."""
    found: defaultdict[int, list[Run]] = defaultdict(list)
    for runs in story.runs.values():
        for run in runs:
            if run.type == kind and run.key is not None and run.is_owned:
                found[run.key].append(run)
    return found


def _by_job(runs: list[Run]) -> dict[int, list[Run]]:
    """The attempts of each job, in the order of the ids."""
    found: defaultdict[int, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.job].append(run)
    return dict(sorted(found.items()))
