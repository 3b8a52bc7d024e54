"""A block of a batch that is cancelled at any moment: its batch is whole, or abandoned, and none stays open."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, Jobs
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from tests.helpers.cancelling import Call, at_every_moment, nothing_left
from tests.helpers.rings import first_of
from tests.helpers.stores import connected
from tests.helpers.waiting import quiet


@pytest.mark.parametrize("way", first_of(1, ["as_it_waits", "at_two_turns"]))
async def test_a_cancelled_block_leaves_no_open_batch_and_no_callback_of_a_part(
    database: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InlinePolicy, "admit", lambda *_: False)  # each write is waited for
    jobs, ran = Jobs(), Counter[str]()

    @jobs.job
    async def part(n: int) -> None:
        ran[f"part {n}"] += 1

    @jobs.job
    async def whole(n: int) -> None:
        ran[f"whole {n}"] += 1

    async with JobRunner(database, jobs=[jobs], durability="normal") as runner:
        check = nothing_left()

        async def prepare(n: int) -> Call:
            async def block() -> None:
                async with runner.batches.open(on_complete=whole.bind(n)) as batch:
                    await batch.enqueue_many([part.bind(n)] * 3)

            return block

        async for n, ending in at_every_moment(way, prepare):
            await quiet()  # what the block has left is done
            await runner.run_until_idle()
            check()
            with connected(database) as other:
                unfinished = other.execute("SELECT count(*) FROM aiojobs_batches WHERE unfinished > 0").fetchall()
            assert unfinished == [(0,)]
            assert ran[f"part {n}"] in {0, 3}
            if not ending.is_cancelled:
                assert ran[f"whole {n}"] == 1
            assert ran[f"whole {n}"] <= (ran[f"part {n}"] == 3)
