"""Judges the batches of a run: all are complete, and each has enqueued its callbacks, once and after its last job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from tests.chaos.story import Story


def callbacks(story: Story) -> Iterator[str]:
    """Each batch is complete, and its callbacks were enqueued once, after the last of its jobs had ended; none was if
    its block failed. A block whose end was acknowledged did not fail.
    """
    stored = {batch.id: batch for batch in story.evidence.batches}
    made = Counter((job.type, job.batch) for job in story.jobs.values() if job.batch is not None)
    for batch_id in {batch_id for _, batch_id in made if batch_id not in stored}:
        yield f"there is no batch {batch_id}, and it has a callback"
    for record in story.said("closed"):
        batch = stored.get(record.facts["batch"])
        if batch is None or batch.is_abandoned:
            yield f"the block of batch {record.facts['batch']} ended, and is {batch and 'abandoned'} in the end"
    for batch in stored.values():
        if batch.outcome is None:
            yield f"batch {batch.id} is not complete in the end"
            continue
        is_whole = not batch.is_abandoned
        wanted = {"completed": is_whole, "succeeded": is_whole and batch.outcome == "succeeded"}
        for kind, count in wanted.items():
            if made[kind, batch.id] != count:
                yield f"batch {batch.id} has {made[kind, batch.id]} callbacks {kind!r}, not {int(count)}"
    yield from _before_the_end(story)


def _before_the_end(story: Story) -> Iterator[str]:
    """Callbacks that began before a job of their batch had ended, which was not redriven."""
    redriven = {record.facts["job"] for record in story.said("redriving")}
    ended = _ends(story, redriven)
    for job in story.jobs.values():
        for run in story.runs.get(job.id, []) if job.batch is not None else []:
            if run.begun < ended.get(job.batch or 0, run.begun):
                yield f"a callback of batch {job.batch} began {ended[job.batch or 0] - run.begun:.3f} s before its end"


def _ends(story: Story, but: Collection[int]) -> dict[int, float]:
    """When the last of the jobs of each batch had ended, but some."""
    of_call = {record.facts["call"]: record.facts.get("batch") for record in story.said("called")}
    of_job = {job.id: of_call.get(job.call or "") for job in story.jobs.values()}
    for record in story.said("acknowledged"):  # some of them were deleted
        of_job |= dict.fromkeys(record.facts["jobs"], of_call.get(record.facts["call"]))
    found: dict[int, float] = {}
    for job_id, batch in of_job.items():
        if batch is not None and job_id not in but:
            for run in story.runs.get(job_id, []):
                if run.is_owned:
                    found[batch] = max(found.get(batch, run.ended), run.ended)
    return found
