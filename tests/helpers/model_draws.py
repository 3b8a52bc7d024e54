"""What the model test draws, and the writes that are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st

from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.job import Claimed, NewJob
from aiojobs_lite.model.limits import StoredLimit, lane_text
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.progress import NewLine, Report
from aiojobs_lite.model.writes import Insert
from tests.helpers.instants import SECOND

TYPES = ("a", "b", "c")
LIMITS = (StoredLimit("one", 1), StoredLimit("two", 2), StoredLimit("rate", 2, 5 * SECOND))  # by key
ORDERED = StoredLimit("ordered", 1)  # which stays so
STARTS = StoredLimit("a: starts by n", 2, 5 * SECOND)  # it counts the first attempt of each job


class Step(NamedTuple):
    """What becomes of a write: whether it joins the unit before it, and how the transaction is made, if it is."""

    joins: bool
    then: Mapping[str, Any] | None


some = st.integers(0, 7)
expressions = st.sampled_from(["* * * * *", "0 * * * *"])
kinds = st.sampled_from(TYPES)
which_view = st.sampled_from([0, 1])
commits = st.fixed_dictionaries({"view": which_view, "inline": st.booleans(), "at_once": st.booleans()})
steps = st.builds(Step, st.booleans(), commits | commits | st.none())
keys = st.sampled_from([None, None, None, "k", "l"])
slots_by_kind = st.dictionaries(kinds, st.sampled_from([0, 1, 2, 5, 9]))
sets_of_kinds = st.frozensets(kinds) | st.just(frozenset(TYPES))
pools = st.just((frozenset[str](), 0)) | st.tuples(st.frozensets(kinds), st.sampled_from([0, 1, 3]))
Kinds = frozenset[str]
Pool = tuple[Kinds, int]
fractions, line_counts = st.sampled_from([None, 0.0, 0.5, 1.0]), st.sampled_from([0, 1, 3, 60])
reported = st.tuples(fractions, line_counts, st.sampled_from([0, 0, 940]))
one, two, rated, ordered, starts = (*[limit.name for limit in LIMITS], ORDERED.name, STARTS.name)
counted = st.sampled_from(  # name and key of each limit
    [
        (), (), (), ((one, 1),), ((two, 1),), ((two, 2),), ((two, 1), (one, 2)), ((two, 2), (rated, 1)), ((rated, 1),),
        ((ordered, 1),), ((ordered, 1),), ((ordered, 2), (two, 1)), ((starts, 1),), ((two, 2), (starts, 1)),
    ]
)  # fmt: skip
rows = st.tuples(kinds, st.integers(0, 2), st.integers(-3, 4), st.integers(1, 5), keys, counted)
unique_keys = st.none() | st.tuples(st.integers(1, 2), st.sampled_from(["pending", "unfinished"]))
conflicts = st.sampled_from(["return", "return", "raise", "replace", "append", "append", "append"])
capacities = st.sampled_from([Capacity(3, 999), Capacity(2, 999), Capacity(9, 15)])
candidates = st.tuples(
    kinds, st.integers(1, 2), st.integers(-3, 4), keys, unique_keys, conflicts, st.booleans(),
    st.sampled_from([None, None, 3, 9]), st.sampled_from([None, None, 2]), st.sampled_from([None, None, 1, 4]),
    st.sampled_from([1, 1, 1, 0]), counted, capacities, st.sampled_from([1, 1, 1, 2, 0]), st.sampled_from([0, 0, 6]),
)  # fmt: skip


def lane_by(kind: str, priority: int, by: tuple[tuple[str, int], ...]) -> str | None:
    """The lane of a job that these limits count by these keys; None without any."""
    return lane_text(kind, priority, by, is_ordered=by[0][0] == ordered) if by else None


METADATA = (None, None, '{"n": 1}', '{"n": [1, "a"], "m": true}', None, '{"m": 2}')  # by most attempts


def insert_of(drawn: list[Any], now: int) -> Insert:
    """Jobs as they were drawn."""
    made = [
        NewJob(
            kind, '{"x": 1}', priority, now + due * SECOND, most, now, key, metadata=METADATA[most],
            lane=lane_by(kind, priority, by),
        )
        for kind, priority, due, most, key, by in drawn
    ]  # fmt: skip
    return Insert(tuple(made))


def _payload(conflict: str, value: int, items: int) -> str:
    """Arguments: a number, or a list of so many, with which others may be put together."""
    if conflict != "append":
        return f'{{"x": {value}}}'
    return f'{{"x":[{",".join([str(value)] * items)}]}}'


def admit_of(drawn: list[Any], now: int) -> Admit:
    """Candidates as they were drawn."""
    made = [
        Candidate(
            NewJob(
                kind, _payload(conflict, value, items), priority, now + due * SECOND, 5, now, key,
                unique_key=unique and f"[{unique[0]}]", unique_scope=unique and unique[1],
                lane=lane_by(kind, priority, by),
            ),
            conflict, 2 * SECOND if waits else None, window and "[0]", (window or 0) * SECOND,
            most, expires and expires * SECOND, capacity if conflict == "append" else None, (), slack * SECOND,
        )
        for kind, value, due, key, unique, conflict, waits, window, most, expires, priority, by, capacity, items, slack
        in drawn
    ]  # fmt: skip
    return Admit(tuple(made))


def report_of(held: Claimed, drawn: Any, now: int, serial: int) -> Report:
    """What an attempt reports, with a serial that no other report has."""
    far, lines, dropped = drawn
    made = tuple(NewLine(now + index, "line " * 20) for index in range(lines))
    instant = None if far is None else now
    return Report(held.id, held.attempt, held.owner, serial, instant, far, "text", made, dropped if lines else 0)
