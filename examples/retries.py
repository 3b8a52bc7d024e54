"""What becomes of a job that fails: backoff, `Retry`, `Snooze`, `Abandon`, the dead ones, and redrive.

    python examples/retries.py

The lines in between are the library's own log.
"""

import asyncio
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiojobs_lite import Abandon, Backoff, JobContext, JobDead, JobRunner, Retry, Snooze, injected


@dataclass
class Printer:
    """Something that the handlers need, and that is made once: it is injected."""

    sheets: int


printer = Printer(sheets=0)
runner = JobRunner(":memory:", deps={Printer: printer})  # in memory: nothing is kept after the end


@runner.job(backoff=Backoff(base="0.2s"))
async def call_webhook(ctx: JobContext = injected) -> str:
    """Any exception is a failed attempt. The next one waits twice as long, times a random 0.5 to 1."""
    if ctx.attempt < 3:
        raise ConnectionError("connection refused")
    return f"answered in attempt {ctx.attempt}"


@runner.job
async def ask_busy_service(ctx: JobContext = injected) -> str:
    """The other side said when to come again: that counts, not the backoff."""
    if ctx.attempt == 1:
        raise Retry("429 too many requests", after="0.5s")
    return f"served in attempt {ctx.attempt}"


@runner.job
async def open_shop(ctx: JobContext = injected) -> str:
    """Not yet time, which is no failure: no attempt is used."""
    if datetime.now(UTC) < ctx.created_at + timedelta(seconds=0.3):
        raise Snooze("0.3s", "still closed")
    return f"open in attempt {ctx.attempt}"


@runner.job
async def ship(order: str) -> None:
    """Another attempt cannot help: the job is dead at once."""
    raise Abandon(f"there is no order {order}")


@runner.job(max_attempts=2, backoff=Backoff(base="0.1s"))
async def print_label(order: str, printer: Printer = injected) -> str:
    """Fails until a person fills in paper."""
    if not printer.sheets:
        raise OSError("out of paper")
    return f"the label of order {order}"


async def main() -> None:
    async with runner:
        print("\nIt fails twice; the waits grow:")
        print("  result:", await (await runner.enqueue(call_webhook)).result())

        print("\nThe service says when to come again:")
        print("  result:", await (await runner.enqueue(ask_busy_service)).result())

        print("\nIt is too early, which costs no attempt:")
        print("  result:", await (await runner.enqueue(open_shop)).result())

        print("\nOne gives up at once, one after its last attempt:")
        hopeless = await runner.enqueue(ship, order="A-17")
        label = await runner.enqueue(print_label, order="A-16")
        for handle in (hopeless, label):
            try:
                await handle.result()
            except JobDead as error:
                print("  result: dead,", error.reason)

        print("\nThe dead are kept, with the history of their attempts:")
        for job in await runner.jobs.list(status="dead"):
            print(f"  job {job.id} {job.type}({job.payload})")
            for attempt in (await runner.jobs.get(job.id)).history:
                print(f"    attempt {attempt.attempt} {attempt.outcome}: {attempt.error_type}: {attempt.message}")

        print("\nA person fills in paper, and sends the label back:")
        printer.sheets = 500
        await runner.jobs.redrive(label.id)
        print("  result:", await label.result())

        stats = runner.stats()
        print(f"\n{stats.completed} completed, {stats.dead} dead")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="  log: %(message)s")
    asyncio.run(main())
