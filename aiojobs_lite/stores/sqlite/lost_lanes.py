"""Looks for lanes that other programs have left where nothing would wake them, and for meters that count wrong."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from aiojobs_lite.model.limits import END, lane_of
from aiojobs_lite.stores.sqlite.transaction import Transaction

LANES_A_STEP: Final = 200  # a transaction
STEPS_A_LOOK: Final = 10  # at one look; the next one goes on behind them
_MOST_STANDING: Final = 2000  # lanes of a type that are looked at: of more, it is not said that one is lost


class LanesFound(NamedTuple):
    """What one step did.

    Attributes:
        lane: The lane that it came to; None: it came to the end.
        lost: The lanes and meters that were put right.
    """

    lane: str | None
    lost: tuple[str, ...]


def find_lost_lanes(transaction: Transaction, after: str) -> LanesFound:
    """Looks at the lanes behind one, some at a time, and has those go on that wait for nothing.

    - The attempts that run are counted again, and compared with what is in memory.
    - Jobs that wait have the row of their lane, whose bound is not behind its first job.
    - A lane in the line of a meter waits for it: it is exhausted, or as many lanes as it allows may be claimed.
    """
    limits = transaction.limits
    lost = list(limits.count_again()) if not after else []
    limits.lines.wake()  # what time has set free is not lost
    is_behind = limits.meters.next_free <= transaction.now  # very much was set free
    rows = transaction.run("waiting_lanes", (after, LANES_A_STEP)).fetchall()
    standing: dict[str, Counter[str] | None] = {}
    for text, line, ready_at, first_id, *head in rows:
        at, job_id, priority = head
        lane = lane_of(text)
        if line is None or (ready_at, first_id) > (at, job_id):
            limits.find(text, priority, (at, job_id))
            lost.append(text)
            continue
        meter = line.rpartition(END)[0]
        if is_behind or not meter or limits.meters.capacity(meter) <= 0 or meter in lost:
            continue
        if lane.type not in standing:
            standing[lane.type] = _standing(transaction, lane.type)
        ready = standing[lane.type]
        if ready is not None and ready[meter] < limits.meters.capacity(meter):
            limits.lines.free(meter)
            lost.append(meter)
    return LanesFound(rows[-1][0] if len(rows) == LANES_A_STEP else None, tuple(lost))


def _standing(transaction: Transaction, job_type: str) -> Counter[str] | None:
    """How many lanes of a type may be claimed, by meter; None if they are very many."""
    found = transaction.run("lanes_of_type", (job_type, _MOST_STANDING)).fetchall()
    if len(found) == _MOST_STANDING:
        return None
    return Counter([meter for (text,) in found for meter in lane_of(text).meters])
