"""Some of the payloads that wait, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable

from aiojobs_lite.model.job import Job
from aiojobs_lite.model.payloads import WaitingPayload, stored_payload
from aiojobs_lite.model.queries import SamplePayloads


def sample(claimable: Iterable[Job], query: SamplePayloads) -> list[WaitingPayload]:
    """See `SamplePayloads`; the jobs are in the order of the claim."""
    waiting = [WaitingPayload(job.id, stored_payload(job.payload_json)) for job in claimable if job.type == query.type]
    half, found = query.limit // 2, dict[int, WaitingPayload]()
    for some in (waiting[: query.limit - half], waiting[::-1][:half]):
        chars = 0
        for one in some:
            if chars < query.chars:
                found.setdefault(one.job_id, one)
            chars += len(one.payload)
    return list(found.values())
