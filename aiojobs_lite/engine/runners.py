"""Which runners of a database live, and what they report."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aiojobs_lite.model.queries import ListOwners
from aiojobs_lite.model.runners import ListRunners, RunnerInfo
from aiojobs_lite.model.troubles import LONGEST_SILENCE_S, report_of
from aiojobs_lite.stores.base import OwnerReport, Store


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


async def with_reports(store: Store, runners: Sequence[RunnerInfo], now: datetime) -> list[RunnerInfo]:
    """The same runners with what they have left for other processes, but for those whose end is noted."""
    reports = await store.owners.reports([runner.id for runner in runners if runner.ended_at is None])
    return [_with_report(runner, reports[runner.id], now) if runner.id in reports else runner for runner in runners]


def _with_report(runner: RunnerInfo, found: OwnerReport, now: datetime) -> RunnerInfo:
    report, silence = report_of(found.text), found.silence
    if not runner.is_alive:
        return runner if silence is None else replace(runner, last_sign_at=now - timedelta(seconds=silence))
    is_silent = silence is not None and silence > LONGEST_SILENCE_S and not report.is_left
    return replace(
        runner, troubles=report.troubles, troubles_left_out=report.left_out, silent=silence if is_silent else None
    )
