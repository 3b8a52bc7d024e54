"""Which writes and queries the conformance suite has a store carry out; `python -m tests.helpers.carried_out` says it.

The suite runs on the store of plain Python. What counts is what that has done or answered, not what a test names.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from aiojobs_lite.model.writes import Unit
from aiojobs_lite.stores.grouping import Phases, apply_units
from tests.helpers.rings import DRAWN
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured

_SUITE: Final = "tests/stores/test_memory_conformance.py"
_MODULES: Final = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # this one imports some before pytest starts
_OPTIONS: Final = ("-q", "-n", "0", "-m", "slow", "-k", "not [awaited", "-p", "no:cacheprovider", *_MODULES)
_SAID: Final = "carried out: "
Read = Callable[[Any, Any], Any]


class _Notes:
    """A plugin of pytest that notes the types of what a store carries out.

    Attributes:
        names: Of the types.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()

    def pytest_collection_finish(self) -> None:
        """Has every store of plain Python tell what it does; until now pytest may still rewrite its module."""
        from tests.helpers import memory_store
        from tests.helpers.memory_reads import READS

        def noted_writes(units: Sequence[Unit], phases: Phases) -> list[Any]:
            answers = apply_units(units, phases)
            self.names.update(type(write).__name__ for unit in units for write in unit)
            return answers

        vars(memory_store).update(
            apply_units=noted_writes, READS={kind: self._noted(kind, read) for kind, read in READS.items()}
        )

    def _noted(self, kind: type, read: Read) -> Read:
        def noted_query(rows: Any, query: Any) -> Any:
            answer = read(rows, query)
            self.names.add(kind.__name__)
            return answer

        return noted_query


def carried_out() -> set[str]:
    """The names of the types of all writes and queries that are carried out, by a run of pytest of its own."""
    environment = {name: value for name, value in unmeasured().items() if name != DRAWN}  # all of it is run
    done = subprocess.run(
        [sys.executable, "-m", __name__], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    found = [line.removeprefix(_SAID).split() for line in done.stdout.splitlines() if line.startswith(_SAID)]
    assert done.returncode == 0, done.stdout
    return set(*found)


if __name__ == "__main__":
    notes = _Notes()
    code = pytest.main([*_OPTIONS, _SUITE], [notes])
    sys.stdout.write(f"{_SAID}{' '.join(sorted(notes.names))}\n")
    sys.exit(code)
