"""What each query reads, in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiojobs_lite.model.after import ListAfter
from aiojobs_lite.model.ahead import (
    ListAhead,
    ListEndedAhead,
)
from aiojobs_lite.model.batches import (
    FindBatchOf,
    GetBatch,
    ListBatchOwners,
)
from aiojobs_lite.model.expiries import GetExpiry
from aiojobs_lite.model.limits import (
    ListLimits,
    LookAtLane,
)
from aiojobs_lite.model.progress import GetLog, GetStandings
from aiojobs_lite.model.queries import (
    CountProcessing,
    FindJobs,
    FirstDue,
    GetDatabaseId,
    GetJob,
    ListDead,
    ListOwners,
    ListPaused,
    ListProcessing,
    SamplePayloads,
)
from aiojobs_lite.model.runners import ListRunners
from tests.helpers import (
    memory_after,
    memory_ahead,
    memory_batches,
    memory_limits,
    memory_payloads,
    memory_progress,
    memory_runners,
)
from tests.helpers.memory_rows import Rows

READS: Final[Mapping[type, Callable[[Rows, Any], Any]]] = {
    CountProcessing: lambda rows, query: rows.processing(query.type),
    GetBatch: memory_batches.get_batch,
    GetDatabaseId: lambda rows, _query: rows.database,
    GetExpiry: lambda rows, query: rows.expiries.get(query.id),
    GetJob: lambda rows, query: rows.jobs.get(query.id),
    FindBatchOf: memory_batches.find_batch_of,
    GetLog: lambda rows, query: memory_progress.get_log(rows.logs, query),
    GetStandings: lambda rows, query: memory_progress.get_standings(rows.jobs, rows.logs, query),
    FindJobs: Rows.find,
    FirstDue: Rows.first_due,
    ListLimits: lambda rows, _query: memory_limits.listed(rows),
    LookAtLane: memory_limits.look_at_lane,
    ListAfter: memory_after.list_after,
    ListAhead: memory_ahead.ahead,
    ListDead: Rows.dead,
    ListEndedAhead: memory_ahead.ended_ahead,
    ListBatchOwners: memory_batches.list_batch_owners,
    ListOwners: Rows.owners,
    ListPaused: lambda rows, _query: dict(rows.paused),
    SamplePayloads: lambda rows, query: memory_payloads.sample(rows.claimable(), query),
    ListProcessing: lambda rows, query: {job.id for job in rows.jobs.values() if job.owner == query.owner},
    ListRunners: lambda rows, _query: memory_runners.list_runners(rows.runners, rows.jobs.values()),
}
"""Every query."""
