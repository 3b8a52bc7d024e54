"""Durable functions of aiojobs_lite, measured as its peers are."""

from __future__ import annotations

from typing import Literal, cast

from aiojobs_lite import JobContext, JobRunner, injected
from benchmarks.peers.child import SLOTS, Order, StepsPeer, main


class OurFunctions(StepsPeer):
    """A runner of 100 slots; what callers await is the result of what they enqueue."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        durability = cast("Literal['normal', 'full']", order.durability)
        self._runner = JobRunner(order.path, durability=durability, max_running=SLOTS)
        self._function = self._runner.job(self.function)

    def open(self) -> JobRunner:
        """Open for functions."""
        return self._runner

    async def enqueue(self, n: int) -> object:
        """Makes function `n` durable."""
        return await self._runner.enqueue(self._function, n=n)

    async def call(self, n: int) -> object:
        """Runs function `n`."""
        return await (await self._runner.enqueue(self._function, n=n)).result()

    async def function(self, n: int, *, ctx: JobContext = injected) -> int:
        """Three steps."""
        for step in self.steps:
            n = await ctx.step(step, self.step, n)
        self.tally(n)
        return n

    async def step(self, n: int) -> int:
        """Returns its argument."""
        return n


if __name__ == "__main__":
    main(OurFunctions)
