"""What attempts report while they run: how far they are, and their logs."""

from __future__ import annotations

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Claimed, JobProgress, Outcome, Status
from aiojobs_lite.model.progress import GetLog, GetStandings, JobLog, LogLine, NewLine, Report, Standing
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.model.writes import DeleteJob, Prune, RedriveJob
from aiojobs_lite.sizes import LONGEST_LOG_LINE_CHARS, MOST_LOG_LINES
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import NOW, again, answers, at, claimed, close, complete, finished, new, one, running, stored


def report(job: Claimed, serial: int, *lines: str, far: float | None = None, dropped: int = 0) -> Report:
    """What an attempt reports: lines, each a second after the one before, or how far it is, or both."""
    instant = None if far is None else at(serial)
    made = tuple(NewLine(at(serial + index), text) for index, text in enumerate(lines))
    return Report(job.id, job.attempt, job.owner, serial, instant, far, None, made, dropped)


async def texts(store: Store, job_id: int) -> list[str]:
    return [line.text for line in (await store.ask(GetLog(job_id))).lines]


class Progressing:
    async def test_the_last_report_is_that_of_the_job(self, store: Store) -> None:
        job, other = await running(store, new(), new())
        assert (await stored(store, job.id)).progress is None
        first = Report(job.id, 1, "one", 1, at(1), 0.25, "one of four")
        assert await one(store, first) is True
        assert await one(store, first._replace(serial=2, at=at(2), fraction=None, text="\U0001f600")) is True
        wanted = JobProgress(None, "\U0001f600", 1, to_datetime(at(2)))
        assert (await stored(store, job.id)).progress == wanted
        assert (await stored(store, other.id)).progress is None
        assert await store.ask(GetLog(job.id)) == JobLog()

    async def test_it_outlives_its_attempt_until_a_later_one_reports(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, report(job, 1, "first", far=0.5))
        await one(store, again(job))
        (job,) = await claimed(store)
        await one(store, report(job, 2, "second"))
        await one(store, close(job))
        assert await one(store, RedriveJob(job.id))
        assert (await stored(store, job.id)).progress == JobProgress(0.5, None, 1, to_datetime(at(1)))
        assert [line[1:] for line in await logged(store, job.id)] == [(1, at(1), "first"), (2, at(2), "second")]

    async def test_an_attempt_that_is_not_owned_reports_nothing(self, store: Store) -> None:
        (job,) = await running(store, new())
        mine = report(job, 1, "line", far=0.5)
        for stale in (mine._replace(owner="two"), mine._replace(attempt=2), mine._replace(id=job.id + 1)):
            assert await one(store, stale) is False
        await one(store, complete(job))
        assert await one(store, mine) is False
        assert (await stored(store, job.id)).progress is None
        assert await store.ask(GetLog(job.id)) == JobLog()

    async def test_what_cannot_be_stored_is_rejected(self, store: Store) -> None:
        (job,) = await running(store, new())
        for bad in (report(job, 1, "\ud800"), Report(job.id, 1, "one", 1, at(1), None, "\ud800")):
            with pytest.raises(StoreRejected):
                await one(store, bad)
        assert (await stored(store, job.id)).progress is None


class ReportsAndEnds:
    async def test_a_report_comes_before_the_ends_of_its_transaction(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await answers(store, complete(job), report(job, 1, "last", far=1)) == [Status.COMPLETED, True]
        assert await texts(store, job.id) == ["last"]

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    async def test_a_report_in_the_unit_of_an_end_is_stored_with_it(self, store: Store, outcome: Outcome) -> None:
        (job,) = await running(store, new())
        before, last = report(job, 1, "first"), report(job, 2, "last", far=1)._replace(goes_with_end=True)
        end = complete(job) if outcome is Outcome.SUCCEEDED else again(job)
        applied = await store.apply([(end, last), (before,)], NOW)
        assert applied.answers[1:] == [True, True]
        assert await texts(store, job.id) == ["first", "last"]
        found = (await stored(store, job.id)).progress
        assert found is not None
        assert found.fraction == 1

    async def test_and_refused_with_it(self, store: Store) -> None:
        (job,) = await running(store, new())
        last = report(job, 2, "last", far=1)._replace(goes_with_end=True)
        applied = await store.apply([(complete(job)._replace(owner="two"), last)], NOW)
        assert applied.answers == [None, None]
        assert await texts(store, job.id) == []

    async def test_one_of_a_job_that_its_transaction_deletes_leaves_nothing(self, store: Store) -> None:
        (job,) = await running(store, new())
        last = report(job, 1, "last", far=1)._replace(goes_with_end=True)
        applied = await store.apply([(DeleteJob(job.id),), (complete(job), last)], NOW)
        assert applied.answers == [Status.COMPLETED, Status.COMPLETED, False]
        assert await store.ask(GetLog(job.id)) == JobLog()


async def logged(store: Store, job_id: int) -> list[tuple[int, int, int, str]]:
    """The lines of a log, each with its number, its attempt and its instant."""
    log = await store.ask(GetLog(job_id))
    return [(line.number, line.attempt, round(line.at.timestamp() * 1e6), line.text) for line in log.lines]


class Logging:
    async def test_lines_are_numbered_in_their_order(self, two: tuple[Store, Store]) -> None:
        job, other = await running(two[0], new(), new())
        await one(two[0], report(job, 1, "a", "b"))
        await one(two[0], report(other, 2, "x"))
        await one(two[0], report(job, 3, "c"))
        lines = [(1, 1, at(1), "a"), (2, 1, at(2), "b"), (3, 1, at(3), "c")]
        for store in two:
            assert await logged(store, job.id) == lines
        assert await two[1].ask(GetLog(job.id, 2)) == JobLog((LogLine(3, 1, to_datetime(at(3)), "c"),))
        assert await two[1].ask(GetLog(job.id, 3)) == JobLog()
        assert await two[1].ask(GetLog(99)) == JobLog()

    async def test_a_report_that_comes_twice_adds_its_lines_once(self, store: Store) -> None:
        (job,) = await running(store, new())
        mine = report(job, 1, "a", far=0.5)
        assert await answers(store, mine, mine) == [True, True]
        assert await one(store, mine) is True
        assert await texts(store, job.id) == ["a"]

    async def test_the_newest_lines_are_kept_and_the_others_are_counted(self, store: Store) -> None:
        (job,) = await running(store, new())
        long = "x" * (LONGEST_LOG_LINE_CHARS - 10)
        for serial in range(1, 8):
            lines = [f"{serial} {index} {long}" for index in range(MOST_LOG_LINES // 5)]
            await one(store, report(job, serial, *lines))
        log = await store.ask(GetLog(job.id))
        assert (len(log.lines), log.dropped) == (MOST_LOG_LINES, MOST_LOG_LINES * 2 // 5)
        assert (log.lines[0].text[:4], log.lines[0].number) == ("3 0 ", log.dropped + 1)

    async def test_lines_that_were_never_stored_are_counted_too(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, report(job, 1, "a"))
        await one(store, report(job, 2, "b", dropped=10))
        await one(store, report(job, 3, "c"))
        log = await store.ask(GetLog(job.id))
        assert ([line.number for line in log.lines], log.dropped) == ([1, 12, 13], 10)
        log = await store.ask(GetLog(job.id, 5))
        assert ([line.number for line in log.lines], log.dropped) == ([12, 13], 6)


class Standings:
    async def test_they_say_how_jobs_stand(self, store: Store) -> None:
        job, failed, quiet = await running(store, *(new() for _ in range(3)))
        await answers(store, report(job, 1, "a", "b", far=0.5), again(failed, reason="why"))
        assert await store.ask(GetStandings([quiet.id, 99, failed.id, job.id])) == {
            quiet.id: Standing(Status.PROCESSING, 1, None, None, None, 0),
            failed.id: Standing(Status.PENDING, 1, None, "ValueError: no", "why", 0),
            job.id: Standing(Status.PROCESSING, 1, JobProgress(0.5, None, 1, to_datetime(at(1))), None, None, 2),
        }
        assert await store.ask(GetStandings(())) == {}


class DeletingReports:
    async def test_a_job_that_is_deleted_takes_its_reports_along(self, store: Store) -> None:
        (job,) = await running(store, new())
        await answers(store, report(job, 1, "a", far=0.5), complete(job))
        assert await one(store, DeleteJob(job.id)) is Status.COMPLETED
        assert await store.ask(GetLog(job.id)) == JobLog()
        assert await store.ask(GetStandings([job.id])) == {}

    async def test_pruning_counts_a_job_with_a_long_log_as_several(self, store: Store) -> None:
        long, short, plain = await running(store, *(new() for _ in range(3)))
        await answers(store, report(long, 1, *"x" * 125), report(short, 2, "y", far=1))
        for second, job in enumerate((long, short, plain)):
            await one(store, complete(job), second)
        last = await finished(store, new(), Status.DEAD)
        write = Prune(at(99), at(99), at(0), 2)
        assert await one(store, write, 100) == 3
        assert await store.ask(GetJob(short.id)) is not None
        assert [await one(store, write, 100) for _ in range(3)] == [2, 1, 0]
        for job_id in (long.id, short.id, last):
            assert await store.ask(GetLog(job_id)) == JobLog()
