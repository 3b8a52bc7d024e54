"""The circuit breaker of deliveries: a host in trouble is left alone for a while, then one delivery looks how it is."""

from __future__ import annotations

import time
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import AiojobsError
from aiojobs_lite.handlers.checks import check_whole
from aiojobs_lite.limits import EVERY_KEY
from aiojobs_lite.logs import get_log
from aiojobs_lite.runner.limits import JobLimits

PER_HOST_LIMIT: Final = "http.delivery: limit by host"
"""The name of the limit of deliveries to one host, for `runner.limits`."""

_BY: Final = "circuit breaker"
_MOST_FAILURES: Final = 1_000_000
MOST_HOSTS: Final = 10_000  # of which failures are counted; beyond, all counts begin anew
_LOOK_EVERY_S: Final = 10.0  # whether another runner has narrowed hosts
_LAST_EXPONENT: Final = 60
_log = get_log("http")


@dataclass(frozen=True, slots=True)
class Breaker:
    """When deliveries to a host are held back.

    Args:
        failures: So many attempts to the host have failed in a row: no answer came, or 429, or 5xx.
        wait: How long nothing is sent to it then. After that one delivery at a time is sent; the first success ends
            it, and each failure doubles the wait.
        longest: The longest wait.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    failures: int = 10
    _: KW_ONLY
    wait: Duration = 30.0
    longest: Duration = 600.0
    waits: tuple[float, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_whole("failures", self.failures, _MOST_FAILURES)
        wait = seconds(self.wait, "wait", least=0.001)
        object.__setattr__(self, "waits", (wait, seconds(self.longest, "longest", least=wait)))


@dataclass(slots=True)
class _Host:
    """How a host answers.

    Attributes:
        failures: In a row.
        openings: How often it was left alone since it last answered.
        opened_at: When it was left alone last, by the monotonic clock: what began before says nothing of it.
    """

    failures: int = 0
    openings: int = 0
    opened_at: float = 0.0


class CircuitBreaker:
    """Counts failures by host, in one runner. What it holds back waits in the database: the limit of the host is paused
    until an instant, and is 1 until the host answers again, for all runners.

    Args:
        breaker: When; None: never.
    """

    def __init__(self, breaker: Breaker | None) -> None:
        self._breaker = breaker
        self._hosts: dict[str, _Host] = {}
        self._narrowed: set[str] = set()
        self._looks_at = 0.0

    def is_calm(self, host: str) -> bool:
        """Whether a success of a host changes nothing, and no look at what other runners do is due."""
        if self._breaker is None:
            return True
        return host not in self._hosts and host not in self._narrowed and time.monotonic() < self._looks_at

    async def ended(self, host: str, limits: JobLimits, *, begun: float, has_failed: bool) -> None:
        """An attempt to a host ended.

        Args:
            host: The host.
            limits: Of the runner.
            begun: When it began, by the monotonic clock.
            has_failed: Whether the host is in trouble, by its answer or by none.
        """
        if self._breaker is None:
            return
        try:
            await self._look(limits)
            known = self._hosts.get(host)
            if known is not None and begun < known.opened_at:
                return
            if has_failed:
                await self._failed(host, limits, self._breaker)
            elif known is not None or host in self._narrowed:
                await self._succeeded(host, limits)
        except AiojobsError as error:  # the answer of the delivery matters more
            _log.warning("the circuit breaker of %s could not be set: %s", host, error)

    async def _failed(self, host: str, limits: JobLimits, breaker: Breaker) -> None:
        if host not in self._hosts and len(self._hosts) >= MOST_HOSTS:
            self._hosts.clear()
        known = self._hosts.setdefault(host, _Host())
        known.failures += 1
        if known.failures < breaker.failures and host not in self._narrowed:
            return
        shortest, longest = breaker.waits
        wait = min(longest, shortest * 2.0 ** min(known.openings, _LAST_EXPONENT))
        known.openings += 1
        known.opened_at = time.monotonic()
        self._narrowed.add(host)
        await limits.pause(PER_HOST_LIMIT, key=host, until=wait, by=_BY)
        await limits.change(PER_HOST_LIMIT, 1, key=host, pin=False)

    async def _succeeded(self, host: str, limits: JobLimits) -> None:
        self._hosts.pop(host, None)
        if host in self._narrowed:
            self._narrowed.discard(host)
            await limits.reset(PER_HOST_LIMIT, key=host)

    async def _look(self, limits: JobLimits) -> None:
        """Reads which hosts other runners have narrowed, and former lives of this one."""
        now = time.monotonic()
        if now < self._looks_at:
            return
        self._looks_at = now + _LOOK_EVERY_S
        self._narrowed = {
            state.key
            for state in await limits.list()
            if state.name == PER_HOST_LIMIT and state.key is not EVERY_KEY and isinstance(state.key, str)
            and state.most == 1 and not state.is_pinned
        }  # fmt: skip
