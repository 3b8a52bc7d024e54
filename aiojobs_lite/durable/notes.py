"""The notes of a run: what its driver, or the calls of it, remember beside its operations, stored as steps that ran."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from aiojobs_lite.durable.operations import RunReturned, StepRan
from aiojobs_lite.durable.step import repeated
from aiojobs_lite.model.steps import StepKind, StepRow, StepState

_MARK: Final = "~"  # at the beginning of the name of a note
RUN_END: Final = f"{_MARK}end"
"""What the run returned, stored before its last call was answered."""

RUN_DEADLINE: Final = f"{_MARK}deadline"
"""When the run is cancelled."""

_SET: Final = f"{_MARK}set"
_NULL: Final = "null"
_OWN: Final = (RUN_END, RUN_DEADLINE, _SET)


def is_note(name: str) -> bool:
    """Whether the name of an operation is that of a note."""
    return name.startswith(_MARK)


def notes_of(rows: Iterable[StepRow]) -> dict[str, str]:
    """The notes that a driver has stored, by their names."""
    return {
        row.name: row.memo
        for row in rows
        if is_note(row.name) and row.memo is not None and row.name.partition("#")[0] not in _OWN
    }


def note_end(end: RunReturned) -> StepRan:
    """The note of what a run returned."""
    return StepRan(RUN_END, _NULL if end.result is None else end.result)


def end_of(row: StepRow | None) -> RunReturned | None:
    """What a run returned, of its note; None: there is none."""
    return None if row is None else RunReturned(row.memo)


class LastEnd(NamedTuple):
    """The last operation that had ended before a call: after a redrive, places are given again.

    Attributes:
        place: Its place.
        at: When it ended.
    """

    place: int
    at: int

    def is_before(self, row: StepRow) -> bool:
        """Whether an operation has ended since."""
        return (row.place or 0) > self.place or (row.ended_at or 0) > self.at


NO_END: Final = LastEnd(0, 0)


class Sets:
    """The sets of operations of a run that are side by side, of the notes about them.

    Attributes:
        calls_each: See `Round`.
    """

    def __init__(self) -> None:
        self.calls_each = False
        self._members: set[str] = set()
        self._raced: set[str] = set()
        self._notes: set[str] = set()

    def read(self, rows: Iterable[StepRow]) -> None:
        """Reads the notes among these."""
        for row in rows:
            if row.name.partition("#")[0] == _SET and row.name not in self._notes:
                note = json.loads(row.memo or "{}")
                self._take(row.name, note["of"], note["raced"], calls_each=note["each"])

    def note(self, names: Collection[str], raced: Collection[str], *, calls_each: bool) -> list[StepRan]:
        """Takes the operations of an answer; returns the note about them, if there is one to be stored."""
        raced = sorted(set(raced).intersection(names))
        if self._members.issuperset(names) or (len(names) == 1 and not raced):
            return []
        name = repeated(_SET, len(self._notes) + 1)
        self._take(name, names, raced, calls_each=calls_each)
        return [StepRan(name, json.dumps({"of": list(names), "raced": raced, "each": calls_each}))]

    def _take(self, name: str, names: Collection[str], raced: Collection[str], *, calls_each: bool) -> None:
        self._notes.add(name)
        self._members.update(names)
        self._raced.update(raced)
        self.calls_each |= calls_each

    def find_last_end(self, rows: Iterable[StepRow]) -> LastEnd:
        """The last operation of these that has ended, if any are in race."""
        ended = [row for row in rows if row.place is not None] if self.has_races else []
        return LastEnd(
            max((row.place or 0 for row in ended), default=0), max((row.ended_at or 0 for row in ended), default=0)
        )

    @property
    def has_races(self) -> bool:
        """Whether any operations are in race, or were."""
        return self.calls_each or bool(self._raced)

    def has(self, name: str) -> bool:
        """Whether an operation is in a set of several."""
        return self.calls_each or name in self._members

    def is_raced(self, row: StepRow) -> bool:
        """Whether an operation is in race with others; so is a step that was found beside a race, and failed."""
        is_found = row.kind is StepKind.RUN and row.state is StepState.WAITING
        return self.calls_each or row.name in self._raced or (is_found and self.has_races)
