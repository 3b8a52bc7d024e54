"""Two rings of tests. `python -m pytest` runs the first, which takes about a minute; `-m slow` runs the second.

- `@slow`: the test belongs to the second ring alone.
- `@deep`: it runs in both: a part of its cases in the first, all of them in the second. `depth` says how many. Every
  test by hypothesis is one of these. The second ring looks a minute long for a smaller failure than the one that was
  found, so that the story of a model is one of a few writes. The first shows it as it was found, which takes no time:
  `--hypothesis-profile=smaller` has it look for the same failure, made smaller.
- `first_of(count, values)`: all values are tested; only `count` of them, evenly spread, in the first ring.
- `@drawn(3)`, with AIOJOBS_LITE_TESTS_DRAWN=1: each run of the second ring has about one of three cases of the test.
  `.ci/run` sets it on a slow machine, where the whole ring takes 20 minutes; a test that is named has all its cases.
- `share(whole, drawn)`: one value for the whole second ring, another for one that is drawn.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis.internal.conjecture import engine, providers

T = TypeVar("T")
DRAWN: Final = "AIOJOBS_LITE_TESTS_DRAWN"  # a variable of the environment
EXAMPLES = 20  # of each test by hypothesis that does not say how many, in the first ring
SMALLER_S = 60  # that hypothesis looks for a smaller failure, where it would for five minutes, as it then says
AS_FOUND = (Phase.explicit, Phase.generate)
SMALLER = (*AS_FOUND, Phase.shrink)

slow = pytest.mark.slow
deep = pytest.mark.deep
drawn = pytest.mark.drawn
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed; .ci/run installs it")


class _Run:
    """What this run of pytest is to do.

    Attributes:
        is_deep: Whether the second ring takes part.
    """

    is_deep = False


_RUN = _Run()


def begin(mark_expression: str) -> None:
    """Notes which rings are run, by pytest's `-m`; to be called before tests are imported."""
    _RUN.is_deep = "not slow" not in mark_expression
    # No deadline: a timed test fails on a busy machine.
    # The first ring draws the same examples each time (`seeds` has the rest), so that its result is that of the code.
    settings.register_profile("first", deadline=None, max_examples=EXAMPLES, phases=AS_FOUND, derandomize=True)
    settings.register_profile("smaller", settings.get_profile("first"), phases=SMALLER)
    settings.register_profile("second", deadline=None, phases=SMALLER, print_blob=True)
    vars(engine).update(MAX_SHRINKING_SECONDS=SMALLER_S)
    settings.load_profile(depth("first", "second"))
    if not _RUN.is_deep:
        # It would read all modules that are loaded, 5 s long, and draw what stands in them: in each order another.
        vars(providers).update(is_local_module_file=lambda path: False)


def sort(items: Iterable[pytest.Item]) -> None:
    """Puts what runs in both rings into the one that is run."""
    for item in items if _RUN.is_deep else ():
        by_hypothesis = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if by_hypothesis or item.get_closest_marker("deep"):
            item.add_marker(slow)


def draw(items: Iterable[pytest.Item], config: pytest.Config) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """What a run has, and what it leaves out. In one of the second ring the seed of hypothesis decides, which all its
    processes have; the names decide nothing else, so that other tests may come and go.
    """
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    is_whole = not _RUN.is_deep or DRAWN not in os.environ or any("::" in name for name in config.args)
    seed = config.getoption("hypothesis_seed", None)
    for item in items:
        mark = None if is_whole or item.get_closest_marker("slow") is None else item.get_closest_marker("drawn")
        is_drawn = mark is None or random.Random(f"{seed} {item.nodeid}").random() * mark.args[0] < 1
        (kept if is_drawn else left).append(item)
    return kept, left


def depth(first: T, second: T) -> T:
    """One value for the first ring, another for the second."""
    return second if _RUN.is_deep else first


def share(whole: T, drawn: T) -> T:  # of the second ring
    """One value for all of the second ring, another for one that is drawn."""
    return drawn if DRAWN in os.environ else whole


def first_of(count: int, values: Iterable[T]) -> list[Any]:
    """Values for `pytest.mark.parametrize`; all but `count` of them, evenly spread, belong to the second ring."""
    listed = list(values)
    chosen = {round(number * len(listed) / count) for number in range(count)}
    return [value if at in chosen else _slow(value) for at, value in enumerate(listed)]


def _slow(value: Any) -> Any:
    arguments = value if isinstance(value, tuple) else (value,)
    return pytest.param(*arguments, marks=slow)
