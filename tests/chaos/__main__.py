"""`python -m tests.chaos --minutes 10`: kills for so long, judges what is left, prints a summary.

The exit code is 1 if a promise was broken; then the database and the journal are kept.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.auditor import Verdict, judge
from tests.chaos.evidence import gathered
from tests.chaos.killer import FAULTS, Killer
from tests.chaos.work import KINDS
from tests.helpers.apps.common import say

_SHOWN = 10  # breaches of a kind


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--kills", type=int, default=0, help="goes on until so many processes were killed")
    parser.add_argument("--jobs", choices=KINDS, default="all", help="durable functions, jobs that are none, or all")
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--durability", choices=("full", "normal"), default="full")
    parser.add_argument("--longest-stop", type=float, default=10.0, metavar="SECONDS")
    for fault in FAULTS:
        parser.add_argument(
            f"--no-{fault}",
            dest="without",
            action="append_const",
            const=fault,
            default=[],
            help=f"leave the {fault} out",
        )
    parser.add_argument("--folder", type=Path, default=None, help="an empty one, or a new one; kept in any case")
    return parser.parse_args()


def main() -> int:
    """Runs and judges; returns the exit code."""
    options = _options()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    folder = options.folder or Path(tempfile.mkdtemp(prefix="aiojobs-lite-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"chaos: {options.minutes:g} min, {options.processes} processes, {options.durability}, seed {seed}")
    killer = Killer(
        folder, processes=options.processes, seed=seed, longest_stop=options.longest_stop,
        durability=options.durability, without=options.without, kinds=options.jobs,
    )  # fmt: skip
    began = time.monotonic()

    def progress() -> None:
        size = killer.journal_path.stat().st_size
        say(f"{time.monotonic() - began:6.0f} s  {killer.forked:6,} processes  {size >> 20:4} MiB of journal")

    killer.run(60 * options.minutes, progress, options.kills)
    verdict = judge(gathered(killer.database, killer.journal_path))
    _show(verdict)
    if not verdict.is_good:
        _say_how_to_repeat(options, seed)
    if verdict.is_good and options.folder is None:
        shutil.rmtree(folder)
    else:
        say(f"kept: {folder}")
    return 0 if verdict.is_good else 1


def _show(verdict: Verdict) -> None:
    for name, figure in verdict.summary:
        say(f"{name:>32}  {figure}")
    for name, found in verdict.breaches.items():
        for text in found[:_SHOWN]:
            say(f"BROKEN, {name}: {text}")
        if len(found) > _SHOWN:
            say(f"BROKEN, {name}: and {len(found) - _SHOWN:,} more")
    say("every promise was kept" if verdict.is_good else "a promise was broken")


def _say_how_to_repeat(options: argparse.Namespace, seed: int) -> None:
    """The attacks are the same then; what the processes and the machine add to them is not."""
    given = (
        f"--minutes {options.minutes:g} --kills {options.kills} --jobs {options.jobs} --processes {options.processes}"
        f" --durability {options.durability} --seed {seed}"
    )
    left_out = "".join(f" --no-{fault}" for fault in options.without)
    say(f"the same attacks again: python -m tests.chaos {given} --longest-stop {options.longest_stop:g}{left_out}")


if __name__ == "__main__":
    sys.exit(main())
