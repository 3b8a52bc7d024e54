"""Which runners of a database live."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from aiojobs_lite.model.queries import ListOwners
from aiojobs_lite.model.runners import ListRunners, RunnerInfo
from aiojobs_lite.stores.base import Store


async def look_at_runners(store: Store, others: Collection[str] = ()) -> tuple[list[RunnerInfo], Collection[str]]:
    """All runners that are stored, the latest start first; and the ids of those owners of jobs and those others, stored
    or not, that are dead.
    """
    owners = await store.ask(ListOwners())  # all of them are asked for: what is left of them is for their rescue
    stored = await store.ask(ListRunners())
    dead = await store.owners.dead({*owners, *others, *(runner.id for runner in stored if runner.is_alive)})
    return [
        replace(runner, is_alive=False, is_draining=False) if runner.ended_at or runner.id in dead else runner
        for runner in stored
    ], dead
