"""Durations in buckets: what many of them add up to, over processes and hours, and their percentiles."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Final

_BUCKETS_AN_OCTAVE: Final = 4
BOUNDS: Final = tuple([0.001 * 2 ** (number / _BUCKETS_AN_OCTAVE) for number in range(27 * _BUCKETS_AN_OCTAVE)])
"""The upper bounds of the buckets of durations, in seconds: from a millisecond to a day. Each is 19 % above the one
before, so that the middle of a bucket is never farther than 9 % from what is in it. One more bucket takes the rest.
"""

bucket_of: Final[Callable[[float], int]] = partial(bisect_left, BOUNDS)
"""The number of the bucket of a duration in seconds, from 0."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long many calls took: handlers that came to an end of their own (that returned, failed or timed out), or the
    transactions of a runner. They are counted in buckets, each 19 % wider than the one before, from a millisecond to a
    day. Two of them add up: `one + another`.

    Attributes:
        count: How many they are.
        total: How many seconds they took together.
        counted: The numbers of the buckets that have any, in order, and how many each has.
    """

    count: int = 0
    total: float = 0.0
    counted: tuple[tuple[int, int], ...] = field(default=(), repr=False)

    def __add__(self, other: Durations) -> Durations:
        buckets = Counter(dict(self.counted))
        buckets.update(dict(other.counted))
        return Durations(self.count + other.count, self.total + other.total, tuple(sorted(buckets.items())))

    @property
    def mean(self) -> float | None:
        """How many seconds one took on the average; None without any."""
        return self.total / self.count if self.count else None

    def percentile(self, share: float) -> float | None:
        """How many seconds `share` (0 to 1) of them did not exceed, at most 10 % off, from a millisecond to a day; None
        without any.
        """
        return percentile(self.counted, share)

    @property
    def p50(self) -> float | None:
        """The median, in seconds; None without any."""
        return self.percentile(0.5)

    @property
    def p95(self) -> float | None:
        """The 95th percentile, in seconds; None without any."""
        return self.percentile(0.95)

    @property
    def p99(self) -> float | None:
        """The 99th percentile, in seconds; None without any."""
        return self.percentile(0.99)

    @property
    def buckets(self) -> dict[float, int]:
        """How many took no longer than so many seconds: 1 ms, 2 ms, 4 ms and so on to a day, and infinity."""
        of_buckets = dict(self.counted)
        reached = list(accumulate(of_buckets.get(number, 0) for number in range(len(BOUNDS))))
        return {
            **{BOUNDS[number]: reached[number] for number in range(0, len(BOUNDS), _BUCKETS_AN_OCTAVE)},
            math.inf: self.count,
        }


def percentile(buckets: Sequence[tuple[int, int]], share: float) -> float | None:
    """The duration that `share` (0 to 1) of the attempts did not exceed, in seconds; None without attempts.

    Args:
        buckets: The numbers of buckets, and how many attempts each has, in order.
        share: The share.
    """
    total = sum(count for _, count in buckets)
    if not total:
        return None
    rank = min(max(math.ceil(share * total), 1), total)
    reached = list(accumulate(count for _, count in buckets))
    place = bisect_left(reached, rank)
    bucket, count = buckets[place]
    return _within(bucket, (rank - (reached[place] - count) - 0.5) / count)


def _within(bucket: int, part: float) -> float:
    """The duration at a part (0 to 1) of a bucket, as if they lay in it evenly."""
    if bucket == 0:
        return BOUNDS[0] * part
    if bucket >= len(BOUNDS):
        return BOUNDS[-1]
    return BOUNDS[bucket - 1] * math.pow(BOUNDS[bucket] / BOUNDS[bucket - 1], part)
