"""Looks at some of the payloads that wait, when a runner gets its types: a deploy that cannot read them is noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from aiojobs_lite.engine.ports import ClaimSlots
from aiojobs_lite.errors import InvalidPayload
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.payloads import WaitingPayload
from aiojobs_lite.model.queries import SamplePayloads
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import PayloadsUnfit
from aiojobs_lite.text import show

_log = get_log("engine")
_MOST_TYPES: Final = 100
_MOST_JOBS: Final = 20  # of a type
_MOST_CHARS: Final = 64 * 1024  # of a half of them: about a millisecond to decode
LONGEST_OF_TYPE_S: Final = 0.01  # of a type, on the event loop
_LONGEST_S: Final = 1.0  # of all types, with the reads
_NONE: Final = TypeCounts()


class _Problem(NamedTuple):
    """Why a payload does not fit.

    Attributes:
        text: For people.
        is_raised: Whether an attempt fails by it; else the job is held.
    """

    text: str
    is_raised: bool


class PayloadCheck:
    """Decodes a sample of the jobs that wait, and reports each type of which some do not fit the handler.

    It never fails a start, and nothing depends on it: what does not fit is held when it is claimed, or fails.

    Args:
        store: Where to look.
        bus: Gets a fact for each such type.
        slots: Says whether this runner runs anything.
    """

    def __init__(self, *, store: Store, bus: Bus, slots: ClaimSlots) -> None:
        self._store = store
        self._bus = bus
        self._slots = slots

    async def look(self, job_types: Iterable[JobType[..., Any]]) -> None:
        """Looks once, at a hundred types at most, of these that a runner is to have."""
        if not self._slots.has_slots or not self._bus.is_watched(PayloadsUnfit):
            return
        try:
            async with asyncio.timeout(_LONGEST_S):
                for job_type in self._waiting(job_types)[:_MOST_TYPES]:
                    sample = await self._store.ask(SamplePayloads(job_type.name, _MOST_JOBS, _MOST_CHARS))
                    self._report(job_type, sample)
        except Exception as error:  # noqa: BLE001  # rows of another program too: a start does not fail by them
            _log.warning("the payloads that wait could not all be looked at; the runner starts without: %r", error)

    def _waiting(self, job_types: Iterable[JobType[..., Any]]) -> list[JobType[..., Any]]:
        counts = self._store.counts().by_type
        return [one for one in job_types if _claimable(counts.get(one.name, _NONE))]

    def _report(self, job_type: JobType[..., Any], sample: Iterable[WaitingPayload]) -> None:
        sampled, found = 0, list[tuple[int, _Problem]]()
        until = time.perf_counter() + LONGEST_OF_TYPE_S
        for job_id, payload in sample:
            problem = _problem(job_type, payload)
            sampled += 1
            if problem is not None:
                found.append((job_id, problem))
            if time.perf_counter() > until:
                break
        if found:
            (job_id, first), raising = found[0], sum(problem.is_raised for _, problem in found)
            self._bus.publish(PayloadsUnfit(job_type.name, sampled, len(found), job_id, first.text, raising))


def _claimable(counts: TypeCounts) -> int:
    return counts.pending - counts.held


def _problem(job_type: JobType[..., Any], payload: str) -> _Problem | None:
    """Why the handler does not take a payload, or None. What ends a process, a validator's `SystemExit` say, is left to
    the attempt.
    """
    try:
        job_type.signature.load(payload)
    except InvalidPayload as error:
        return _Problem(error.summary, is_raised=False)
    except Exception as error:  # noqa: BLE001  # the user's code
        return _Problem(f"a validator raised {show(error)}", is_raised=True)
    except BaseException:  # noqa: BLE001  # as above: a start does not fail by it
        return None
    return None
