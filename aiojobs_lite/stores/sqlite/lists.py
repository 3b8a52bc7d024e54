"""Lists of jobs: by which index they are found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiojobs_lite.clock import FIRST_INSTANT, LAST_INSTANT
from aiojobs_lite.model.columns import JOB, LARGEST_INTEGER, job_of
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.queries import FindIds, FindJobs, IdPage
from aiojobs_lite.stores.sqlite.rows import Sql

FEW: Final = 20_000  # jobs: no more are sorted for a page; a walk in the order of the ids soon finds some of more
_ENDS: Final = frozenset({Status.COMPLETED, Status.DEAD, Status.CANCELLED})


class ListSource(NamedTuple):
    """Where jobs are looked for.

    Attributes:
        name: The name of its query.
        keys: What of the question its index is searched by.
        by: The order of its index, if that is not the id alone.
        probe: The query that says whether it has more than a few jobs, if they must be sorted.
    """

    name: str
    keys: tuple[str, ...] = ()
    by: tuple[str, ...] = ("id",)
    probe: str = ""


_ALL: Final = ListSource("jobs_of_all")
_PROCESSING: Final = ListSource("jobs_processing")
_OF_REASON_AND_TYPE: Final = ListSource("jobs_held", ("held", "type"))
_OF_REASON: Final = ListSource("jobs_held_of_any_type", ("held",))
_LABEL: Final = ListSource("jobs_of_label", ("label",))
_FINISHED: Final = ListSource("jobs_finished", ("status",), probe="more_finished")
_ENDED: Final = ListSource("jobs_ended", probe="more_ended")
_PENDING: Final = ListSource("jobs_pending", ("type",), probe="more_pending")
_PENDING_OF_ANY_TYPE: Final = ListSource("jobs_pending_of_any_type", probe="more_pending_of_any_type")
_IN_LANES: Final = ListSource("jobs_in_lanes", probe="more_in_lanes")
_BATCH: Final = ListSource("jobs_of_batch", ("batch",), ("first_id", "id"))


def find_jobs(connection: sqlite3.Connection, sql: Sql, query: FindJobs) -> list[Job]:
    """See `FindJobs`."""
    if query.ids is not None and not query.ids:
        return []  # SQLite would look at every job
    source = source_of(connection, sql, query)
    return list(map(job_of, connection.execute(statement(sql, source, query), asked_of(query)).fetchall()))


def find_ids(connection: sqlite3.Connection, sql: Sql, query: FindIds) -> IdPage:
    """See `FindIds`."""
    jobs = query.jobs
    if jobs.ids is not None and not jobs.ids:
        return IdPage([], None)
    source = source_of(connection, sql, jobs)
    if source.probe:  # it is sorted as a whole for each question
        return _sorted(connection, sql, source, jobs)
    place = _walked(connection, sql, query) if source is _ALL else _stop(connection, sql, source, query)
    bounds = {} if place is None else {"first": place} if not jobs.oldest_first else {"last": place}
    found = connection.execute(statement(sql, source, jobs, "id"), {**asked_of(jobs), **bounds})
    ids = [job_id for (job_id,) in found.fetchall()]
    return IdPage(ids, ids[-1] if ids and len(ids) == jobs.limit else place)


def _sorted(connection: sqlite3.Connection, sql: Sql, source: ListSource, query: FindJobs) -> IdPage:
    """The first of a source that has no order of ids, all of which are looked at: they are few."""
    ids = [job_id for (job_id,) in connection.execute(statement(sql, source, query, "id"), asked_of(query)).fetchall()]
    return IdPage(ids, ids[-1] if ids and len(ids) == query.limit else None)


def source_of(connection: sqlite3.Connection, sql: Sql, query: FindJobs) -> ListSource:
    """The source in which the fewest jobs are looked at."""
    if query.ids is not None:
        return ListSource("jobs_of_ids") if query.batch is None else ListSource("jobs_of_batch_and_ids", ("batch",))
    if query.batch is not None:
        return _BATCH
    if is_of_processing(query):
        return _PROCESSING  # no other has an owner, or was asked to cancel
    if query.held is not None:
        return _OF_REASON if query.type is None else _OF_REASON_AND_TYPE
    few = _source_of_few(query)
    if few is not None and _is_of_few(connection, sql, few, query):
        return few
    return _ALL if query.label is None else _LABEL


def _source_of_few(query: FindJobs) -> ListSource | None:
    """One that has no order of ids: it must be sorted."""
    if query.in_lanes:
        return _IN_LANES
    if query.status in _ENDS:
        return _FINISHED
    if query.label is not None:
        return None
    if query.status is Status.PENDING:
        return _PENDING_OF_ANY_TYPE if query.type is None else _PENDING
    if query.completed_from is not None or query.completed_to is not None:
        return _ENDED
    return None


def _is_of_few(connection: sqlite3.Connection, sql: Sql, source: ListSource, query: FindJobs) -> bool:
    """Whether a source has so few jobs that they may be sorted; the jobs themselves are not read."""
    return not connection.execute(sql[source.probe], {**asked_of(query), "offset": FEW}).fetchall()


def _stop(connection: sqlite3.Connection, sql: Sql, source: ListSource, query: FindIds) -> int | None:
    """The id of the last job that is looked at; None if the source has no more."""
    asked = {**_keys(source, query.jobs), "limit": 2, "offset": min(query.looks, LARGEST_INTEGER) - 1}
    found = connection.execute(statement(sql, source, query.jobs, "id"), asked).fetchall()
    return found[0][0] if len(found) == 2 else None


def _walked(connection: sqlite3.Connection, sql: Sql, query: FindIds) -> int | None:
    """The same of all jobs: as many ids further on, from the first that there is: ids may lie far apart."""
    first, last = _range_of(query.jobs)
    lowest, highest = connection.execute(sql["bounds_of_ids"], {"first": first, "last": last}).fetchall()[0]
    if lowest is None:
        return None
    if query.jobs.oldest_first:
        place = int(lowest) + query.looks - 1
        return place if place < highest else None
    place = int(highest) - query.looks + 1
    return place if place > lowest else None


def statement(sql: Sql, source: ListSource, query: FindJobs, selected: str = ", ".join(JOB)) -> str:
    """The query of a source."""
    way = "" if query.oldest_first else " DESC"
    ordered = f"ORDER BY {', '.join(f'{by}{way}' for by in source.by)}"
    filled = sql[source.name].replace("{selected}", selected).replace("{ordered}", ordered)
    return filled if query.ids is None else filled.replace("{ids}", ", ".join(str(int(job_id)) for job_id in query.ids))


def asked_of(query: FindJobs) -> dict[str, Any]:
    """The parameters of the query."""
    first, last = _range_of(query)
    return {
        **query._asdict(),
        "metadata": asked_fields(query.metadata),
        "payload": asked_fields(query.payload),
        "in_payload": _needle(query.payload),
        "in_metadata": _needle(query.metadata),
        "ended_from": FIRST_INSTANT if query.completed_from is None else query.completed_from,
        "ended_to": LAST_INSTANT if query.completed_to is None else query.completed_to,
        "first": first,
        "last": last,
        "offset": 0,
    }


def _keys(source: ListSource, query: FindJobs) -> dict[str, Any]:
    """The parameters that ask for no more than a source has."""
    kept = ("ended_from", "ended_to", "first", "last", *source.keys)
    return {name: value if name in kept else None for name, value in asked_of(query).items()}


def _range_of(query: FindJobs) -> tuple[int, int]:
    first = -LARGEST_INTEGER if query.after is None else query.after + 1
    return first, LARGEST_INTEGER if query.before is None else query.before - 1


def asked_fields(wanted: Mapping[str, Sequence[str | int]] | None) -> str | None:
    """The fields that jobs are asked for, as JSON."""
    return json.dumps({name: [*values] for name, values in wanted.items()}) if wanted else None


def _needle(wanted: Mapping[str, Sequence[str | int]] | None) -> str | None:
    """Text that each JSON object has which fits, unless it writes some characters otherwise, by a backslash: a look at
    it costs a thirtieth of a look at the fields.
    """
    for values in (wanted or {}).values():
        if len(values) == 1:
            text = json.dumps(values[0], ensure_ascii=False)
            return None if "\\" in text else text
    return None


def is_of_processing(query: FindJobs) -> bool:
    """Whether no other jobs than processing ones fit."""
    return query.status is Status.PROCESSING or (query.status is None and bool(query.owner or query.cancel_requested))
