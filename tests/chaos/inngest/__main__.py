"""`python -m tests.chaos.inngest`: kills the server of an app with the official SDK, and judges what is left.

The exit code is 1 if a promise was broken; then the database and the notes are kept.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.inngest.judge import judge
from tests.chaos.inngest.killer import Killer
from tests.helpers.apps.common import say

_SHOWN = 10  # breaches of a kind


def main() -> int:
    """Runs and judges; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.inngest", description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=200, help="so many are under way at any time")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--durability", choices=("full", "normal"), default="full")
    parser.add_argument("--folder", type=Path, default=None, help="an empty one, or a new one; kept in any case")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    folder = options.folder or Path(tempfile.mkdtemp(prefix="aiojobs-lite-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"chaos of Inngest: {options.kills:,} kills, {options.runs} runs, {options.durability}, seed {seed}")
    killer, began = Killer(folder, runs=options.runs, seed=seed, durability=options.durability), time.monotonic()
    killer.run(
        options.kills,
        lambda: say(f"{time.monotonic() - began:6.0f} s  {killer.lives:6,} processes  {killer.wanted:6,} runs started"),
    )
    verdict = judge(folder)
    for name, figure in verdict.figures.items():
        say(f"{name:>36}  {figure:,}")
    for name, found in verdict.breaches.items():
        say(f"{name:>36}  {len(found):,}")
        for text in found[:_SHOWN]:
            say(f"BROKEN, {name}: {text}")
    say("every promise was kept" if verdict.is_good else "a promise was broken")
    if verdict.is_good and options.folder is None:
        shutil.rmtree(folder)
    else:
        say(f"kept: {folder}")
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
