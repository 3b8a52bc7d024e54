"""The rings of tests: the first draws the same each time, and each run of the second something else."""

from __future__ import annotations

import random

import pytest

from tests.helpers import seeds


@pytest.mark.parametrize("is_deep", [False, True])
def test_what_a_test_draws_in_the_first_ring_is_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, is_deep: bool
) -> None:
    monkeypatch.setattr(seeds, "depth", lambda first, second: second if is_deep else first)
    drawn = []
    for seed in range(2):
        random.seed(seed)  # as the order of the tests has it
        seeds.begin(request.node)
        drawn.append(random.random())
    assert len(set(drawn)) == (2 if is_deep else 1)
