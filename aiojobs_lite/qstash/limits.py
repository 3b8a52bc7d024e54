"""What the limits of a message are, as `using(limits=...)` takes them: those of its host, its queue, its flow control.

- All messages of a queue are counted by `QUEUES`. In a queue with a parallelism of 1 they are ordered as well: then the
  host does not count, for one queue is one order, whatever its hosts are.
- A message with a flow-control key says how many of the key run and start. The latest message wins, unless the key is
  pinned; what it does not say is not limited any more.
"""

from __future__ import annotations

from typing import Final

from aiojobs_lite.limit_values import UNLIMITED
from aiojobs_lite.limits import DECLARED, Declared, Fixed, Limit, Rate
from aiojobs_lite.qstash.flow_control import FlowControl
from aiojobs_lite.runner.limits import JobLimits

QUEUES: Final = "qstash queue"
PARALLELISM: Final = "qstash parallelism"
RATE: Final = "qstash rate"
"""The names of limits, for `runner.limits`; their keys are queues and flow-control keys."""

GivenLimits = list[Limit | Rate | Declared]

_ALL: Final = Fixed("key", "")  # what is declared counts for each key that has no value


class MessageLimits:
    """Makes the limits of messages. Has its names stored before the first message that needs one.

    Args:
        limits: Of the runner.
    """

    def __init__(self, limits: JobLimits) -> None:
        self._limits = limits
        self._is_declared = False

    async def declared(self) -> JobLimits:
        """The limits of the runner, among which those of messages are stored."""
        if not self._is_declared:
            counted = [Limit(UNLIMITED, key=_ALL, name=name) for name in (QUEUES, PARALLELISM)]
            await self._limits.declare(*counted, Rate(UNLIMITED, per=1, key=_ALL, name=RATE))
            self._is_declared = True
        return self._limits

    async def of(self, flow: FlowControl | None, queue: tuple[str, int] | None) -> GivenLimits | None:
        """What a message gives to `using(limits=...)`; None: it has the limits of its type.

        Args:
            flow: Its flow control.
            queue: Name and parallelism of its queue.
        """
        if flow is None and queue is None:
            return None
        await self.declared()
        return [*_of_queue(queue), *_of_flow(flow)]


def _of_queue(queue: tuple[str, int] | None) -> GivenLimits:
    if queue is None:
        return [DECLARED]
    name, parallelism = queue
    key = Fixed("queue", name)
    first = Limit(1, key=key, ordered=True) if parallelism == 1 else DECLARED
    return [first, Limit(parallelism, key=key, name=QUEUES)]


def _of_flow(flow: FlowControl | None) -> GivenLimits:
    if flow is None:
        return []
    key = Fixed("flow", flow.key)
    return [
        Limit(flow.parallelism or UNLIMITED, key=key, name=PARALLELISM),
        Rate(flow.rate or UNLIMITED, per=flow.period_s, key=key, name=RATE),
    ]
