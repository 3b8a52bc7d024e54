"""What a runner notices of itself that other processes are to know: handlers that are stuck, a blocked event loop, a
database that it cannot write.

A runner leaves it as a text where it shows that it lives (`stores.base.Owners`), since a runner in trouble may not come
to a transaction. Other programs may write there too: what is read back is checked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.sizes import LONGEST_PATH_SHOWN_CHARS, MOST_PLACES_REPORTED, MOST_TROUBLES_REPORTED
from aiojobs_lite.text import make_storable

LONGEST_SILENCE_S: Final = 30.0
"""A runner that has shown nothing for longer is said to be silent: several beats are missing."""

BEAT_EVERY_S: Final = 10.0
"""So often a runner shows that its event loop turns."""

TroubleKind = Literal["stuck", "blocked", "degraded"]
_KINDS: Final = frozenset(get_args(TroubleKind))
_STANDARD_LIBRARY: Final = os.path.dirname(os.__file__) + os.sep


class TroubleGroup(NamedTuple):
    """What troubles have in common that a person sees as one; see `Trouble`."""

    kind: TroubleKind
    type: str | None
    why: str | None
    place: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong in the process of a runner, as the runner noticed it.

    Attributes:
        kind: `stuck`: an attempt goes on after it was stopped, and keeps its slot. `blocked`: the event loop stands
            still, and with it all else that the runner does. `degraded`: the runner cannot write the database.
        since: When it began, UTC.
        type: The job type of the attempt; None: the loop is blocked by code that is no handler's own task.
        job_id: The job of the attempt, or None.
        attempt: The number of the attempt, or None.
        why: Why a stuck attempt was stopped: `timeout`, `cancel`, `shutdown`; the code of the fault of a
            database that cannot be written; None of a blocked loop.
        place: Where the code was when that was noticed: `/app/mail.py:12 in send`; empty if it is not known.
    """

    kind: TroubleKind
    since: datetime
    type: str | None
    job_id: int | None
    attempt: int | None
    why: str | None
    place: str

    @property
    def group(self) -> TroubleGroup:
        """What it has in common with others that are alike."""
        return TroubleGroup(self.kind, self.type, self.why, self.place)


class TroubleReport(NamedTuple):
    """What a runner has left for other processes.

    Attributes:
        troubles: What is wrong, the oldest first; as it is read back, what is alike stands together.
        is_left: Whether the runner has ended, and only handlers that could not be stopped go on in its process.
        left_out: How many more there are.
    """

    troubles: tuple[Trouble, ...] = ()
    is_left: bool = False
    left_out: int = 0


def report_text(report: TroubleReport) -> str:
    """A report as it is left; empty if there is nothing to say."""
    if not report.troubles:
        return ""
    groups: dict[TroubleGroup, list[Trouble]] = {}
    for one in report.troubles[: MOST_TROUBLES_REPORTED + 1]:
        if one.group in groups or len(groups) <= MOST_PLACES_REPORTED:
            groups.setdefault(one.group, []).append(one)
    rows = [
        (
            (group.kind, _cut(group.type), _cut(group.why), _cut(group.place)),
            [(to_micros(one.since), one.job_id, one.attempt) for one in alike],
        )
        for group, alike in groups.items()
    ]
    left_out = len(report.troubles) - sum(map(len, groups.values()))
    return json.dumps({"is_left": report.is_left, "troubles": rows, "left_out": left_out}, ensure_ascii=False)


def report_of(text: str) -> TroubleReport:
    """A report as it was left. One that is no report says nothing."""
    if not text:
        return TroubleReport()
    try:
        found = json.loads(text)
        rows = [(of, one) for of, alike in found["troubles"] for one in alike][: MOST_TROUBLES_REPORTED + 1]
        troubles = tuple([_trouble_of(*of, *one) for of, one in rows])
        return TroubleReport(troubles, found["is_left"] is True, _number(found["left_out"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return TroubleReport()


def place_in_code(frames: Iterable[tuple[str, object, str]]) -> str:
    """The innermost place of a stack that is no library's, else the innermost one; empty if there is none.

    Args:
        frames: File, line and function of each, the innermost last.
    """
    found = list(frames)
    own = [frame for frame in found if not _is_of_a_library(frame[0])]
    for file, line, function in (own or found)[-1:]:
        return f"{file}:{line} in {function}"
    return ""


def _is_of_a_library(file: str) -> bool:
    return file.startswith((_STANDARD_LIBRARY, "<")) or "site-packages" in file


def _cut(text: str | None) -> str | None:
    return None if text is None else make_storable(text, LONGEST_PATH_SHOWN_CHARS, keep_end=True)


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    return value


def _trouble_of(
    kind: object, job_type: object, why: object, place: object, since: int, job_id: object, attempt: object
) -> Trouble:
    for text in (job_type, why):
        if not isinstance(text, str | None):
            raise TypeError(text)
    for number in (job_id, attempt):
        if not isinstance(number, int | None):
            raise TypeError(number)
    if kind not in _KINDS or not isinstance(place, str):
        raise ValueError(kind)
    return Trouble(kind, to_datetime(since), job_type, job_id, attempt, why, place)  # type: ignore[arg-type]  # checked
