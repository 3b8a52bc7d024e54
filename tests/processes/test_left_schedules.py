"""Two releases of an application on one file, of which the newer one declares a schedule no more."""

from __future__ import annotations

from pathlib import Path
from signal import SIGKILL

from tests.helpers.programs import looking, program
from tests.helpers.rings import slow


@slow
async def test_a_schedule_stops_with_the_last_release_that_declares_it_and_comes_back(database: Path) -> None:
    release = ("-m", "tests.helpers.apps.releases", database)
    async with looking(database) as runner, program(*release, "tidy", "kept") as older:
        await older.line("tick tidy")
        async with program(*release, "kept") as beside:
            await beside.line("ready")
            await older.line("tick tidy")  # it goes on while the older release lives
            assert (await runner.schedules.get("tidy")).is_declared
            beside.order("leave")  # else it may be the one that says so
            assert await beside.ended() == 0
        assert await older.kill() == -SIGKILL
        async with program(*release, "kept") as newer:
            assert "tidy." in await newer.line("log left:")
            left = await runner.schedules.get("tidy")
            assert (left.is_declared, left.left_at is not None) == (False, True)
            assert (await runner.schedules.get("kept")).is_declared
            async with program(*release, "kept") as restarted:  # it is named once
                await restarted.line("ready")
                await newer.line("tick kept")
                async with program(*release, "tidy", "kept") as back:
                    await back.line("tick tidy")
                    assert (await runner.schedules.get("tidy")).is_declared
                assert not [line for line in restarted.lines if line.startswith("log left:")]
