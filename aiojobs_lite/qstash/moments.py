"""Lists of what happened to messages, for the dead letter list and the events: by cursor, and bounded."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection
from typing import Final, NamedTuple

from aiojobs_lite.handlers.requests import DELIVERY
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.moments import Moment, MomentKind
from aiojobs_lite.qstash.api import Api
from aiojobs_lite.qstash.bulk import ids_of
from aiojobs_lite.qstash.filters import MessageFilter

MOST_LOOKED_AT: Final = 10_000  # moments by one request: a list of what is rare goes on at its cursor
LARGEST_ANSWER_CHARS: Final = 16 * 1024 * 1024
MOMENTS_AT_ONCE: Final = 500
JOBS_READ_AT_ONCE: Final = 50  # jobs with their payloads, in memory
_CURSOR: Final = re.compile(r"(-?\d{1,18})_([a-z]+)_(\d{1,19})_(\d{1,19})_(\d)", re.ASCII)


class ListPlace(NamedTuple):
    """Where a list goes on: behind a moment, and so many entries of the next one.

    Attributes:
        after: The moment; None: the list begins.
        skip: How many entries.
    """

    after: Moment | None
    skip: int = 0

    def cursor(self) -> str:
        """The same as text."""
        at, kind, job_id, attempt = self.after or _BEGIN
        return f"{at}_{kind.value}_{job_id}_{attempt}_{self.skip}"


_BEGIN: Final = Moment(LARGEST_INTEGER // 10, MomentKind.CANCELLED, LARGEST_INTEGER, LARGEST_INTEGER)


def place_of_cursor(cursor: str | None) -> ListPlace:
    """Where a list goes on.

    Raises:
        ApiError: 400, if it is no cursor of ours.
    """
    if cursor is None:
        return ListPlace(None)
    found = _CURSOR.fullmatch(cursor)
    if found is None or found[2] not in set(MomentKind) or max(int(found[3]), int(found[4])) > LARGEST_INTEGER:
        raise ApiError(400, "the cursor is none that a list has answered: leave it out to begin anew")
    return ListPlace(Moment(int(found[1]), MomentKind(found[2]), int(found[3]), int(found[4])), int(found[5]))


class Happened(NamedTuple):
    """A moment with its job, and the moment before it in the list."""

    moment: Moment
    job: Job
    before: Moment | None


class MomentList:
    """Reads the moments that a filter asks for, the latest first.

    Args:
        api: What endpoints work with.
        asked: The filter.
        kinds: What is listed.

    Attributes:
        rest: Where the list goes on when the iteration ends; None: it is at its end.
    """

    def __init__(self, api: Api, asked: MessageFilter, kinds: Collection[MomentKind]) -> None:
        self._api = api
        self._asked = asked
        self._kinds = kinds
        self.start = place_of_cursor(asked.cursor)
        self.rest: Moment | None = None

    async def __aiter__(self) -> AsyncGenerator[Happened, None]:
        """Iterates until so many were looked at as a request may look at, or the jobs are as large as it may answer."""
        jobs, asked = self._api.runner.jobs, self._asked
        ids = None if asked.ids is None else ids_of(self._api, asked.ids)
        after, before, looked_at, size = self.start.after, self.start.after, 0, 0
        while looked_at < MOST_LOOKED_AT and size < LARGEST_ANSWER_CHARS:
            page = await jobs.moments(
                DELIVERY, kinds=self._kinds, ids=ids, metadata=asked.metadata, since=asked.since, until=asked.until,
                limit=MOMENTS_AT_ONCE, after=after,
            )  # fmt: skip
            looked_at += MOMENTS_AT_ONCE
            for start in range(0, len(page.moments), JOBS_READ_AT_ONCE):
                some = page.moments[start : start + JOBS_READ_AT_ONCE]
                found = await jobs.get_many({moment.job_id for moment in some})
                size += sum(len(job.payload_json) for job in found.values())
                for moment in some:
                    if (job := found.get(moment.job_id)) is not None:
                        yield Happened(moment, job, before)
                    before = moment
                if size >= LARGEST_ANSWER_CHARS and (some[-1] != page.moments[-1] or page.next is not None):
                    self.rest = some[-1]
                    return
            self.rest = after = page.next
            if after is None:
                return
            before = after
