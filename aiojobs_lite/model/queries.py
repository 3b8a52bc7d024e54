"""The questions that a store answers. Pure data; each is tied to the type of its answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from aiojobs_lite.model.job import Held, Job, Status
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.payloads import WaitingPayload
from aiojobs_lite.model.writes import unanswered

A_co = TypeVar("A_co", covariant=True)


class Query(Protocol[A_co]):
    """Anything that a store can be asked. `A_co` is the type of its answer."""

    def answer(self) -> A_co:
        """Never called: it ties a query to the type of its answer."""


class GetJob(NamedTuple):
    """One job with its history. Answer: the job, or None."""

    id: int

    def answer(self) -> Job | None:
        """See `Query`."""
        unanswered()


class FindJobs(NamedTuple):
    """The jobs for which every given field holds, without history, in order of their ids, the highest first unless
    `oldest_first`. Answer: a list of them.

    Where several owners insert, a smaller id may appear after a larger one.

    Attributes:
        ids: Their ids.
        status: Their status.
        type: Their type.
        owner: Their owner.
        label: Their label.
        held: Why they are held.
        in_lanes: True: only those that wait in lanes: those that an `Overview` counts under `IN_LANES`.
        batch: The batch that they are in.
        cancel_requested: True: only those that were asked to cancel; False: only the others.
        metadata: By name values: their metadata have one of them under that name, or a list with one of them. Text,
            whole numbers and booleans; `1` is neither `"1"` nor `true`.
        payload: The same of their payload.
        meter: A limit and its key that they are counted by, as `meter_text` has them.
        error: Text within their error; ASCII letters in any case.
        reason: The same within their reason.
        created_from: The earliest instant of their enqueue.
        created_to: The latest.
        completed_from: The earliest instant of their end; jobs without one do not fit.
        completed_to: The latest.
        scheduled_from: The earliest instant from which they may run.
        scheduled_to: The latest.
        before: Only ids below this one (the last of the page before, the newest first).
        after: Only ids above this one (the same, the oldest first).
        oldest_first: Whether the lowest id comes first.
        limit: At most so many.
    """

    ids: Collection[int] | None = None
    status: Status | None = None
    type: str | None = None
    owner: str | None = None
    label: str | None = None
    held: Held | None = None
    in_lanes: bool | None = None
    batch: int | None = None
    cancel_requested: bool | None = None
    metadata: Mapping[str, Sequence[str | int]] | None = None
    payload: Mapping[str, Sequence[str | int]] | None = None
    meter: str | None = None
    error: str | None = None
    reason: str | None = None
    created_from: int | None = None
    created_to: int | None = None
    completed_from: int | None = None
    completed_to: int | None = None
    scheduled_from: int | None = None
    scheduled_to: int | None = None
    before: int | None = None
    after: int | None = None
    oldest_first: bool = False
    limit: int = 100

    def answer(self) -> list[Job]:
        """See `Query`."""
        unanswered()


class IdPage(NamedTuple):
    """The ids of jobs, and the id behind which the list goes on; None at its end."""

    ids: list[int]
    next: int | None


class FindIds(NamedTuple):
    """The ids of the jobs of `FindJobs`, as many as are found while a bounded number of jobs is looked at. Answer: an
    `IdPage`.

    Attributes:
        jobs: Which jobs, and the size of the page.
        looks: At most so many jobs are looked at; of a short list that must be sorted for the page, all are.
    """

    jobs: FindJobs
    looks: int

    def answer(self) -> IdPage:
        """See `Query`."""
        unanswered()


class FirstDue(NamedTuple):
    """The first job of a type that is not held and was due at an instant, in the order of the claim, without history.
    Answer: the job, or None. Costs the same however many jobs are pending. Jobs that a limit by key holds back may be
    missing, and some of those that it did.
    """

    type: str
    until: int

    def answer(self) -> Job | None:
        """See `Query`."""
        unanswered()


class SamplePayloads(NamedTuple):
    """Some of the pending jobs of a type that are not held: in the order of the claim the first and the last ones.
    Answer: a `WaitingPayload` of each, each once.

    Costs the same however many jobs are pending.

    Attributes:
        type: Their type.
        limit: At most so many; the first ones are half of them, and the last ones.
        chars: Of each half no more are read when the payloads of those before have so many characters together.
    """

    type: str
    limit: int
    chars: int

    def answer(self) -> list[WaitingPayload]:
        """See `Query`."""
        unanswered()


class Died(NamedTuple):
    """Where a list of dead jobs goes on: behind this job; and the latest instant of death that it comes to."""

    completed_at: int
    id: int
    until: int


class DeadPage(NamedTuple):
    """The ids of dead jobs, and where the list goes on; None at its end."""

    ids: tuple[int, ...]
    next: Died | None


class ListDead(NamedTuple):
    """The dead jobs of a type (None: of every type) as of the first page, those that died first before the others.
    Answer: a `DeadPage`.

    At most `limit` dead jobs, of whatever type, are looked at. A job that dies later than all that were dead at the
    first page is on no page.

    Attributes:
        type: Their type.
        limit: The size of a page.
        after: The `next` of the page before.
    """

    type: str | None
    limit: int
    after: Died | None = None

    def answer(self) -> DeadPage:
        """See `Query`."""
        unanswered()


class ListOwners(NamedTuple):
    """The owners of all processing jobs, those of living runners included. Answer: their ids."""

    def answer(self) -> set[str]:
        """See `Query`."""
        unanswered()


class ListProcessing(NamedTuple):
    """The jobs that an owner is processing. Answer: their ids. Costs less than the jobs themselves."""

    owner: str

    def answer(self) -> set[int]:
        """See `Query`."""
        unanswered()


class ListPaused(NamedTuple):
    """The types that are paused. Answer: the `Pause` of each."""

    def answer(self) -> dict[str, Pause]:
        """See `Query`."""
        unanswered()


class CountProcessing(NamedTuple):
    """How many jobs of a type are processing, over all owners. Answer: the number."""

    type: str

    def answer(self) -> int:
        """See `Query`."""
        unanswered()


class GetChangeMark(NamedTuple):
    """A mark of what is committed: another one after each transaction that has changed anything, of whatever owner.
    Marks are compared with those of the same store alone, since it was opened. Costs nothing. Answer: the mark.
    """

    def answer(self) -> str:
        """See `Query`."""
        unanswered()


class GetDatabaseId(NamedTuple):
    """The random id of the database: made with it, and kept by every copy of it. Answer: the id."""

    def answer(self) -> str:
        """See `Query`."""
        unanswered()
