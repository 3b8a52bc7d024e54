"""The bounds of when jobs are due: they may be too early, never too late, and find the earliest type quickly."""

from __future__ import annotations

import random

import pytest

from aiojobs_lite.stores.sqlite.due import ANY_ID, AT_ONCE, NEVER, NOT_DUE, Due

LAST = (10**12, 0)


def taken(due: Due, priority: int = 1, until: tuple[int, int] = LAST) -> list[tuple[tuple[int, int], str]]:
    """Everything that may be taken out, in its order."""
    found = []
    while (one := due.take(priority, until)) is not None:
        found.append(one)
    return found


def always(_job_type: str) -> bool:
    return True


def test_the_earliest_of_a_type_and_priority_is_its_bound() -> None:
    due = Due()
    for job_type, priority, instant, job_id in (("a", 1, 5, 1), ("a", 1, 3, 9), ("a", 0, 4, 3), ("b", 1, 3, 2)):
        due.add(job_type, priority, instant, job_id)
    assert due.stored("a") == (4, 3, NEVER)
    assert due.stored("b") == (NEVER, 3, NEVER)
    assert due.stored("c") == (NEVER,) * 3
    assert due.earliest_by_type() == {"a": 3, "b": 3}
    assert due.earliest(always) == 3
    assert due.earliest(lambda job_type: job_type == "a") == 3
    assert due.earliest(lambda job_type: False) == NEVER
    assert taken(due) == [((3, 2), "b"), ((3, 9), "a")]
    assert taken(due) == []
    assert due.earliest(always) == 4


def test_no_more_is_taken_than_is_due() -> None:
    due = Due()
    due.add("a", 1, 5, 1)
    due.add("b", 1, 5, 2)
    assert due.take(1, (4, 10**9)) is None
    assert due.take(1, (5, 1)) == ((5, 1), "a")
    assert due.take(1, (5, 1)) is None
    assert due.take(0, LAST) is None


def test_what_is_taken_out_is_set_again() -> None:
    due = Due()
    due.add("a", 1, 5, 1)
    assert taken(due) == [((5, 1), "a")]
    due.set("a", 1, (9, 4))
    assert taken(due) == [((9, 4), "a")]
    due.set("a", 1, NOT_DUE)
    assert (taken(due), due.earliest_by_type()) == ([], {})


def test_a_bound_that_was_lowered_counts_once() -> None:
    due = Due()
    for instant in (9, 7, 8, 5, 6):
        due.add("a", 1, instant, instant)
    assert taken(due) == [((5, 5), "a")]


def test_jobs_of_any_priority_are_looked_for_in_each() -> None:
    due = Due()
    due.add_any("a", 7)
    assert due.stored("a") == (7, 7, 7)
    due.add_any("a")
    assert due.stored("a") == (AT_ONCE,) * 3


def test_a_transaction_that_failed_makes_its_types_be_looked_up_again() -> None:
    due = Due()
    due.add("a", 1, 5, 1)
    due.add("b", 1, 5, 2)
    taken(due)
    due.forget(["a", "c"])
    assert due.stored("a") == (AT_ONCE,) * 3
    assert due.stored("c") == (AT_ONCE,) * 3  # what it had may have been set to nothing


def test_what_another_owner_stored_is_taken_over() -> None:
    due = Due()
    due.add("old", 1, 5, 1)
    due.reload({"a": (NEVER, 5, 3), "b": (4, NEVER, NEVER), "c": (NEVER,) * 3})
    assert due.earliest_by_type() == {"a": 3, "b": 4}
    assert taken(due, 1) == [((5, ANY_ID), "a")]
    assert (taken(due, 0), taken(due, 2)) == ([((4, ANY_ID), "b")], [((3, ANY_ID), "a")])


def test_what_became_claimable_is_noted_for_the_transaction() -> None:
    due = Due()
    due.add("a", 1, 5, 1)
    due.made = NEVER
    due.add("a", 1, 9, 2)  # no lower bound, and yet it was made
    assert due.made == 9
    due.made = NEVER
    due.add_known("a")
    assert due.made == 5
    due.add_known("b")
    assert due.made == 5


@pytest.mark.parametrize("seed", range(3))
def test_the_earliest_is_found_whatever_came_before(seed: int) -> None:
    chance = random.Random(seed)
    due = Due()
    known: dict[tuple[str, int], tuple[int, int]] = {}
    for number in range(3000):
        job_type, priority = f"type {chance.randrange(20)}", chance.randrange(3)
        bound = (chance.randrange(1000), number)
        kind = chance.random()
        if kind < 0.5:
            due.add(job_type, priority, *bound)
            known[job_type, priority] = min(bound, known.get((job_type, priority), NOT_DUE))
        elif kind < 0.7:
            due.set(job_type, priority, bound)
            known[job_type, priority] = bound
        else:
            of_priority = sorted((known[key], key[0]) for key in known if key[1] == priority)
            found = due.take(priority, (bound[0], 0))
            expected = of_priority[0] if of_priority and of_priority[0][0] <= (bound[0], 0) else None
            assert found == expected
            if found is not None:
                del known[found[1], priority]
        wanted = {f"type {n}" for n in range(20) if chance.random() < 0.3}
        earliest = min((at for (name, _), (at, _id) in known.items() if name in wanted), default=NEVER)
        assert due.earliest(wanted.__contains__) == earliest


def test_what_is_paused_is_left_out_until_it_is_paused_no_more() -> None:
    due = Due()
    due.add("a", 1, 5, 1)
    due.add("b", 1, 6, 2)
    due.set_paused({"a", "z"})
    assert (due.is_due("a", 4), due.is_due("a", 5), due.is_due("z", 9)) == (False, True, False)
    assert due.earliest(always) == 6
    assert taken(due) == [((6, 2), "b")]
    due.add("a", 1, 3, 4)
    assert due.earliest(always) == NEVER
    due.set_paused({"z"})
    assert due.earliest(always) == 3
    assert taken(due) == [((3, 4), "a")]


def test_of_many_paused_types_none_is_looked_at_twice() -> None:
    due = Due()
    names = [str(number) for number in range(100)]
    for name in names:
        due.add(name, 1, 5, 1)
    due.set_paused(set(names))
    assert (taken(due), due.earliest(always), due.size(1)) == ([], NEVER, 1)
