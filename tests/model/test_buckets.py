"""Durations in buckets: into which one comes, and what comes out of them again."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from aiojobs_lite.model.buckets import BOUNDS, bucket_of, percentile


def test_each_bucket_ends_a_fifth_above_the_one_before_and_they_reach_from_a_millisecond_to_a_day() -> None:
    assert BOUNDS[0] == 0.001
    assert BOUNDS[-1] > 86400
    assert all(math.isclose(after / before, 2**0.25) for before, after in pairwise(BOUNDS))
    for number, bound in enumerate(BOUNDS):
        assert bucket_of(bound) == number
        assert bucket_of(math.nextafter(bound, math.inf)) == number + 1
    assert bucket_of(0.0) == bucket_of(-1.0) == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_percentile_is_at_most_a_tenth_off(seed: int) -> None:
    draw = random.Random(seed)
    low = math.log(0.001)
    high = low + draw.random() * (math.log(86400) - low)
    seconds = sorted(math.exp(draw.uniform(low, high)) for _ in range(draw.choice([1, 2, 7, 100, 5000])))
    counts: dict[int, int] = {}
    for one in seconds:
        counts[bucket_of(one)] = counts.get(bucket_of(one), 0) + 1
    for share in (0.0, 0.01, 0.5, 0.95, 0.99, 1.0):
        exact = seconds[max(0, math.ceil(share * len(seconds)) - 1)]
        found = percentile(sorted(counts.items()), share)
        assert found is not None
        assert abs(found / exact - 1) <= 2**0.25 - 1
        if len(seconds) == 5000 and 0.01 < share < 1.0:
            assert abs(found / exact - 1) <= 0.1


def test_what_lies_outside_of_the_buckets_has_their_ends() -> None:
    assert percentile([], 0.5) is None
    assert percentile([(0, 2)], 0.5) == 0.00025
    assert percentile([(len(BOUNDS), 1)], 0.5) == BOUNDS[-1]
