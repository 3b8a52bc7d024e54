"""Figures: how they add up, by hour and of all time, which error types are kept apart, and what is pruned."""

from __future__ import annotations

import pytest

from aiojobs_lite.model.figures import (
    ALL_TYPES,
    DAY,
    HOUR,
    MOST_ERROR_TYPES,
    NO_ERROR,
    OTHER_ERRORS,
    AddFigures,
    DurationFigures,
    EndFigures,
    ErrorSum,
    FigureSum,
    ListHours,
    PruneFigures,
    SumErrors,
    SumFigures,
    hour_of,
)
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import NOW, answers, one

FIRST = hour_of(NOW)
SECOND = FIRST + HOUR


def ended(
    attempts: int, outcome: Outcome = Outcome.SUCCEEDED, error_type: str = NO_ERROR, job_type: str = "a", **more: int
) -> EndFigures:
    """Attempts that ended alike."""
    given = {"dead": 0, "cancelled": 0, "micros": 0, "first_at": NOW, "last_at": NOW} | more
    return EndFigures(job_type, outcome, error_type, attempts, **given)


def took(attempts: int, bucket: int, outcome: Outcome = Outcome.SUCCEEDED, job_type: str = "a") -> DurationFigures:
    """Attempts that took as long."""
    return DurationFigures(job_type, outcome, bucket, attempts)


def added(hour: int, *figures: EndFigures | DurationFigures) -> AddFigures:
    """What adds them to an hour."""
    ends = tuple(one for one in figures if isinstance(one, EndFigures))
    return AddFigures(hour, ends, tuple(one for one in figures if isinstance(one, DurationFigures)))


FAILED = Outcome.FAILED


class Figures:
    async def test_they_add_up_by_hour_and_of_all_time(self, store: Store) -> None:
        await one(store, added(FIRST, ended(2, micros=5), took(2, 7)))
        await one(store, added(FIRST, ended(1, micros=3, first_at=NOW - 1, last_at=NOW + 1), took(1, 9)))
        more = ended(4, FAILED, "E", dead=1), ended(1, Outcome.CANCELLED, cancelled=1), took(4, 0, FAILED), took(1, 7)
        await one(store, added(SECOND, ended(1, micros=1), *more))
        first = [ended(3, micros=8, first_at=NOW - 1, last_at=NOW + 1)]
        second = [ended(1, Outcome.CANCELLED, cancelled=1), ended(4, FAILED, dead=1), ended(1, micros=1)]
        assert await store.ask(ListHours(FIRST, SECOND + 1, "a")) == {
            FIRST: FigureSum(first, [took(2, 7), took(1, 9)]),
            SECOND: FigureSum(second, [took(4, 0, FAILED), took(1, 7)]),
        }
        ends = [*second[:2], ended(4, micros=9, first_at=NOW - 1, last_at=NOW + 1)]
        together = FigureSum(ends, [took(4, 0, FAILED), took(3, 7), took(1, 9)])
        assert await store.ask(SumFigures(FIRST, SECOND + 1)) == together
        assert await store.ask(SumFigures(None, 0)) == together

    async def test_those_that_are_alike_in_one_write_add_up(self, store: Store) -> None:
        await one(store, added(FIRST, *[took(2, 7)] * 3))  # an hour without ends
        sums = SumFigures(None, 0), SumFigures(FIRST, SECOND)
        for question in sums:
            assert await store.ask(question) == FigureSum([], [took(6, 7)])
        await one(store, added(FIRST, *[ended(1, micros=2)] * 3, *[ended(1, FAILED, "E", dead=1)] * 3, took(1, 7)))
        for question in sums:
            assert await store.ask(question) == FigureSum([ended(3, FAILED, dead=3), ended(3, micros=6)], [took(7, 7)])
        assert await store.ask(SumErrors(FIRST, SECOND, "a", 9)) == [ErrorSum("a", "E", 3, 3, NOW, NOW)]

    async def test_they_are_read_of_a_type_and_of_all_together(self, store: Store) -> None:
        for number, hour in enumerate((FIRST, SECOND, SECOND + HOUR)):
            of_b = ended(10 + number, job_type="b"), took(10 + number, 1, job_type="b")
            await one(store, added(hour, ended(1 + number), took(1 + number, 1), *of_b))
        found = await store.ask(ListHours(SECOND, SECOND + HOUR, "b"))
        assert found == {SECOND: FigureSum([ended(11, job_type="b")], [took(11, 1, job_type="b")])}
        found = await store.ask(ListHours(SECOND, SECOND + HOUR, ALL_TYPES))
        assert found == {SECOND: FigureSum([ended(13, job_type=ALL_TYPES)], [took(13, 1, job_type=ALL_TYPES)])}
        assert await store.ask(ListHours(SECOND, SECOND, ALL_TYPES)) == {}
        sums = await store.ask(SumFigures(SECOND, SECOND + 2 * HOUR))
        assert sums == FigureSum([ended(5), ended(23, job_type="b")], [took(5, 1), took(23, 1, job_type="b")])
        assert await store.ask(SumFigures(SECOND, SECOND)) == FigureSum([], [])
        ranges = {("a", "b"): "ab", ("", "a"): "a", ("a\x00", "bb"): "b", ("b", "a"): "", ("c", "d"): ""}
        for names, types in ranges.items():
            part = await store.ask(SumFigures(SECOND, SECOND + 2 * HOUR, names))
            ends = [one for one in sums.ends if one.type in types]
            assert part == FigureSum(ends, [one for one in sums.durations if one.type in types]), names

    @pytest.mark.parametrize(("since", "until"), [(0, 100), (5, 77), (0, 3), (20, 30), (24, 48), (23, 49), (60, 60)])
    async def test_a_period_of_many_hours_has_each_of_them_once(self, store: Store, since: int, until: int) -> None:
        begin = FIRST - FIRST % DAY
        writes = [added(begin + n * HOUR, ended(n + 1), ended(1, FAILED, "E"), took(n + 1, 3)) for n in range(100)]
        await answers(store, *writes)
        expected, failed = sum(range(since + 1, until + 1)), until - since
        period = begin + since * HOUR, begin + until * HOUR
        found = await store.ask(SumFigures(*period))
        assert [one.attempts for one in found.ends] == ([failed, expected] if failed else [])
        assert [one.attempts for one in found.durations] == ([expected] if failed else [])
        errors = await store.ask(SumErrors(*period, None, 9))
        assert [one.attempts for one in errors] == ([failed] if failed else [])

    async def test_errors_are_summed_the_most_first(self, store: Store) -> None:
        ends = ended(2, FAILED, "E", dead=1), ended(3, Outcome.TIMED_OUT, "E"), ended(7), ended(5, FAILED, "D")
        await one(store, added(FIRST, *ends, ended(9, FAILED, "B", "b", first_at=NOW - 5)))
        await one(store, added(SECOND, ended(1, FAILED, "E", last_at=NOW + HOUR)))
        e, d = ErrorSum("a", "E", 6, 1, NOW, NOW + HOUR), ErrorSum("a", "D", 5, 0, NOW, NOW)
        b = ErrorSum("b", "B", 9, 0, NOW - 5, NOW)
        assert await store.ask(SumErrors(FIRST, SECOND + 1, None, 9)) == [b, e, d]
        assert await store.ask(SumErrors(FIRST, SECOND, "a", 9)) == [d, e._replace(attempts=5, last_at=NOW)]
        assert await store.ask(SumErrors(FIRST, SECOND + 1, None, 2)) == [b, e]

    @pytest.mark.parametrize("at_once", [True, False])
    async def test_of_an_hour_only_some_error_types_are_kept_apart(self, store: Store, at_once: bool) -> None:
        ends = [ended(1, FAILED, f"E{number:02}") for number in range(MOST_ERROR_TYPES + 2)]
        ends += [ended(1, FAILED, "E00"), ended(1, FAILED, "X", "b")]
        writes = [added(FIRST, *ends)] if at_once else [added(FIRST, end) for end in ends]
        await answers(store, *writes)
        await one(store, added(FIRST, ended(5, FAILED, "Z"), ended(5, FAILED, "Z", "b"), ended(5)))
        await one(store, added(SECOND, ended(1, FAILED, "Z")))
        found = {(one.type, one.error_type): one for one in await store.ask(SumErrors(FIRST, SECOND, None, 999))}
        assert len(found) == MOST_ERROR_TYPES + 1 + 2
        assert found["a", OTHER_ERRORS].attempts == 2 + 5
        assert found["a", "E00"].attempts == 2
        assert found["b", "Z"].attempts == 5
        assert [one.error_type for one in await store.ask(SumErrors(SECOND, SECOND + 1, None, 9))] == ["Z"]

    async def test_old_hours_are_pruned_in_steps_and_all_time_stays(self, store: Store) -> None:
        hours = [FIRST + number * HOUR for number in range(30)]
        for hour in hours:
            await one(store, added(hour, ended(3), *(took(1, bucket) for bucket in range(3))))
        before, steps = hours[-2], 0
        while await one(store, PruneFigures(before, 40)) >= 40:
            steps += 1
        assert steps >= 2
        assert await one(store, PruneFigures(before, 40)) == 0
        assert [*await store.ask(ListHours(FIRST, hours[-1] + 1, "a"))] == hours[-2:]
        assert (await store.ask(SumFigures(before, hours[-1] + 1))).ends == [ended(6)]
        assert (await store.ask(SumFigures(None, 0))).ends == [ended(90)]
