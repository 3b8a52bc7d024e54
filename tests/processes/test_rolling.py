"""An old and a new version of an application, each a process of its own, on one file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from aiojobs_lite import Status
from tests.helpers.apps.versions import VERSIONS, Version, fitting, make, other
from tests.helpers.programs import Child, program
from tests.helpers.rings import slow

pytestmark = slow

ROUNDS = 15


@pytest.mark.parametrize("first", VERSIONS)
async def test_each_version_takes_what_the_other_refused_while_both_run(database: Path, first: Version) -> None:
    arguments = ("-m", "tests.helpers.apps.versions", database)
    async with program(*arguments, first) as one, program(*arguments, other(first)) as two:
        children = {first: one, other(first): two}
        for child in children.values():
            await child.line("started")
        wanted = await enqueue(database)
        for version, child in children.items():
            while did(version, child) != wanted[version]:
                await child.line(version)
        for child in children.values():
            child.order("leave")
            assert await child.ended() == 0
    async with make("new", database, print, max_running=0) as runner:
        jobs = [job for job in await runner.jobs.list(limit=1000) if job.tick is None]  # a minute may begin at the end
        assert {(job.status, job.attempts) for job in jobs} == {(Status.COMPLETED, 1)}
        assert {(await runner.jobs.get(job.id)).history for job in jobs} == {()}


async def enqueue(database: Path) -> dict[Version, Counter[str]]:
    """Many jobs that one version alone can run, of processes that run none; the lines that each is to write."""
    wanted: dict[Version, Counter[str]] = {}
    for version in VERSIONS:
        async with make(version, database, print, max_running=0) as runner:
            for _ in range(ROUNDS):
                for job_type, payload in fitting(version):
                    await runner.enqueue_named(job_type, **payload)
        lines = [f"{version} {name} {json.dumps(given, separators=(',', ':'))}" for name, given in fitting(version)]
        wanted[version] = Counter(lines * ROUNDS)
    return wanted


def did(version: Version, child: Child) -> Counter[str]:
    """The attempts that a process has ended, without those of schedules."""
    return Counter(line for line in child.lines if line.startswith(version) and '"tick"' not in line)
