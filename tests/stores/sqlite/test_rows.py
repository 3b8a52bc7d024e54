"""The rows of a statement: how many at a time, and as what text."""

from __future__ import annotations

import re

import pytest

from aiojobs_lite.model import columns
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.stores.sqlite.rows import NEW_ROW, NOTHING_MORE, chunks, filled, load_sql, more_of, required_of


@pytest.mark.parametrize(
    ("count", "largest", "expected"),
    [
        (0, 8, []),
        (1, 8, [(0, 1)]),
        (8, 8, [(0, 8)]),
        (9, 8, [(0, 8), (8, 1)]),
        (23, 8, [(0, 8), (8, 8), (16, 4), (20, 2), (22, 1)]),
        (3, 1, [(0, 1), (1, 1), (2, 1)]),
    ],
)
def test_rows_are_cut_into_falling_powers_of_two(count: int, largest: int, expected: list[tuple[int, int]]) -> None:
    assert list(chunks(count, largest)) == expected


@pytest.mark.parametrize("count", [*range(1, 70), 127, 128, 129, 1000])
def test_every_row_is_in_one_statement_of_few_sizes(count: int) -> None:
    cut = list(chunks(count, 128))
    assert [number for start, size in cut for number in range(start, start + size)] == list(range(count))
    assert {size for _, size in cut} <= {1, 2, 4, 8, 16, 32, 64, 128}
    assert len(cut) <= count // 128 + 7


def test_a_query_is_filled_with_so_many_rows() -> None:
    assert filled("IN ({rows})", "?", 3) == "IN (?, ?, ?)"
    assert filled("VALUES {rows}", "(?, ?)", 1) == "VALUES (?, ?)"


def test_a_new_row_has_its_id_and_what_every_job_brings() -> None:
    row = NewJob("a", "{}", 1, 0, 5, 0)
    assert NEW_ROW.count("?") == 1 + len(required_of(row))
    assert more_of(row) == NOTHING_MORE


def test_queries_are_read_once_have_no_other_holes_and_cannot_be_changed() -> None:
    sql = load_sql()
    assert load_sql() is sql
    holes = {hole for text in sql.values() for hole in re.findall(r"\{\w+\}", text)}
    assert holes == {"{rows}", "{ids}", "{selected}", "{ordered}"}
    assert f"INSERT INTO aiojobs_jobs (id, {', '.join(columns.REQUIRED)}, status)" in sql["insert_pending"]
    with pytest.raises(TypeError):
        sql["insert_pending"] = ""  # type: ignore[index]  # what cannot be done
