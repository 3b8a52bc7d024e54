"""The seeds of a run of pytest: of the order of the tests, of what they draw at random, and of hypothesis.

In the first ring each test draws the same each time, whatever the order: `random` begins with the name of the test.
Each run of the second has a seed of its own, and its end says how to repeat it: of a test alone, too, for each begins
with the seed.
"""

from __future__ import annotations

import random
from typing import Final

import pytest

from tests.helpers.rings import depth

OF_RUN: Final = "hypothesis_seed"


def draw(config: pytest.Config) -> None:
    """Gives hypothesis a seed where it would draw one in secret; pytest-randomly has its own, in the first ring for the
    order alone.
    """
    if not depth(first=False, second=True):
        config.option.randomly_reset_seed = False
    elif config.getoption("hypothesis_seed", None) is None:
        of_run = getattr(config, "workerinput", {}).get(OF_RUN)
        config.option.hypothesis_seed = of_run or str(random.SystemRandom().randrange(2**32))


def hand_on(config: pytest.Config, worker: dict[str, object]) -> None:
    """Gives a process of xdist the seed of the run, which is what `repeats` says."""
    worker[OF_RUN] = config.getoption("hypothesis_seed", None)


def begin(test: pytest.Item) -> None:
    """Has a test of the first ring draw what it always draws."""
    if not depth(first=False, second=True):
        random.seed(test.nodeid)


def repeats(config: pytest.Config) -> str:
    """The options of pytest that repeat the run."""
    found = [f"-m {config.getoption('markexpr')!r}"]
    for option in ("randomly_seed", "hypothesis_seed"):
        seed = config.getoption(option, None)
        if seed is not None:
            found.append(f"--{option.replace('_', '-')}={seed}")
    return " ".join(found)
