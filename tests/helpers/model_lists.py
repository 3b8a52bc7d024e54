"""What the model machine asks of lists by metadata and time, and the writes that go with them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from aiojobs_lite.model.edits import EditJob, ListEdits
from aiojobs_lite.model.job import PRIORITIES, Job, NewJob, Status
from aiojobs_lite.model.moments import GetJobs, ListMoments, MomentKind
from aiojobs_lite.model.queries import FindIds, FindJobs
from aiojobs_lite.model.writes import DeleteJob, RedriveAsNew, Write
from tests.helpers.instants import SECOND
from tests.helpers.model_draws import Step, kinds, some, steps, which_view
from tests.helpers.model_twins import Twins

wanted = st.dictionaries(st.sampled_from("nm"), st.lists(st.sampled_from([1, 2, True, "a"]), max_size=2), max_size=2)
times = st.none() | st.integers(0, 9)


class ListRules(RuleBasedStateMachine):
    """Lists by metadata and time; a machine gets them with its own."""

    twins: Twins

    @property
    def now(self) -> int:
        """The instant of the machine."""
        raise NotImplementedError

    @property
    def jobs(self) -> dict[int, Job]:
        """The jobs by id."""
        raise NotImplementedError

    def a_job(self, which: int) -> int:
        """The id of a job."""
        raise NotImplementedError

    def put(self, write: Write[Any], step: Step) -> None:
        """Adds a write to the transaction."""
        raise NotImplementedError

    @rule(
        view=which_view, kind=st.none() | kinds, status=st.none() | st.sampled_from(Status), metadata=wanted, ago=times,
        ended=times, text=st.none() | st.sampled_from(["e", "BOOM"]), oldest_first=st.booleans(),
    )  # fmt: skip
    def find_by_metadata(
        self, view: int, kind: str | None, status: Status | None, metadata: dict[str, Any], ago: int | None,
        ended: int | None, text: str | None, oldest_first: bool,
    ) -> None:  # fmt: skip
        since, until = (None if when is None else self.now - when * SECOND for when in (ago, ended))
        query = FindJobs(
            type=kind, status=status, metadata=metadata, error=text, created_from=since, created_to=self.now,
            completed_to=until, oldest_first=oldest_first, limit=5,
        )  # fmt: skip
        for question in (query, FindIds(query, 1000)):
            self.twins.ask(question, self.twins.views[view])

    @rule(
        view=which_view, kind=kinds, of=st.sets(st.sampled_from(MomentKind)), limit=st.integers(1, 9), since=times,
        until=times, ids=st.none() | st.lists(some), metadata=st.none() | wanted,
    )  # fmt: skip
    def list_moments(
        self, view: int, kind: str, of: set[MomentKind], limit: int, since: int | None, until: int | None,
        ids: list[int] | None, metadata: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        query = ListMoments(
            kind,
            of,
            limit,
            since=None if since is None else self.now - since * SECOND,
            until=None if until is None else self.now - until * SECOND,
            ids=None if ids is None else [self.a_job(which) for which in ids],
            metadata=metadata,
        )
        while True:
            page = self.twins.ask(query, self.twins.views[view])
            if page.next is None:
                return
            query = query._replace(after=page.next)

    @rule(view=which_view, ids=st.lists(some))
    def get_jobs(self, view: int, ids: list[int]) -> None:
        self.twins.ask(GetJobs([self.a_job(which) for which in ids]), self.twins.views[view])

    @rule(which=some, due=st.integers(-1, 2), step=steps)
    def redrive_as_new(self, which: int, due: int, step: Step) -> None:
        job = self.jobs.get(self.a_job(which))
        if job is None:
            return
        has_key = job.unique_scope == "unfinished"
        row = NewJob(
            job.type, job.payload_json, PRIORITIES[job.priority], self.now + due * SECOND, job.max_attempts, self.now,
            metadata=job.metadata_json, lane=job.lane, unique_key=job.unique_key if has_key else None,
            unique_scope=job.unique_scope if has_key else None,
        )  # fmt: skip
        self.put(RedriveAsNew(job.id, row), step)

    @rule(which=some, fits=st.booleans(), with_key=st.booleans(), step=steps)
    def edit(self, which: int, fits: bool, with_key: bool, step: Step) -> None:
        job = self.jobs.get(self.a_job(which))
        if job is None:
            return
        key = job.unique_key if with_key else "[9]"
        self.put(EditJob(job.id, job.payload_json if fits else "{}", '{"x":7}', job.lane, key), step)

    @rule(which=some, view=which_view)
    def list_edits(self, which: int, view: int) -> None:
        self.twins.ask(ListEdits(self.a_job(which)), self.twins.views[view])

    @rule(which=some, status=st.sampled_from(Status), step=steps)
    def delete_only(self, which: int, status: Status, step: Step) -> None:
        self.put(DeleteJob(self.a_job(which), status), step)
